//! The token in the model: an asset with trustlines, whose issuer may revoke and claw back, and its contract. The
//! footprint is here as well: which of these entries a call touched, and how.

use crate::call::Party;

/// A party's trustline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The base units that it holds.
    pub balance: i64,
    /// The most base units that it can hold.
    pub limit: i64,
    /// Whether its holder is authorized to move tokens.
    pub authorized: bool,
}

/// The token's entry for a contract's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purse {
    /// The base units that it holds.
    pub amount: i128,
    /// Whether its holder is authorized to move tokens.
    pub authorized: bool,
}

/// Who can hold tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A party's account.
    Party(Party),
    /// The channel's address.
    Channel,
}

/// What a footprint allows to do with an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// The entry is not in the footprint.
    #[default]
    None,
    /// The call may read the entry, or find that it does not exist.
    Read,
    /// The call may write the entry.
    Write,
}

/// The token's entries that a call touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    pub(crate) lines: [Access; 3],
    /// Whether each line existed at simulation, which counted bytes to read only for the lines that did.
    pub(crate) there: [bool; 3],
    pub(crate) purse: Access,
}

impl Touched {
    /// A footprint that allows everything.
    #[must_use]
    pub fn all() -> Self {
        Self { lines: [Access::Write; 3], there: [true; 3], purse: Access::Write }
    }

    /// Whether the transaction may read its footprint. The simulation counted no bytes for a trustline that did not
    /// exist then. (The channel's entries belong to a contract, so they are in memory, and reading them takes no bytes
    /// from disk.)
    #[must_use]
    pub fn can_be_read(&self, lines: &[Option<Line>; 3]) -> bool {
        Party::ALL.iter().all(|party| {
            let place = party.index();
            self.lines[place] == Access::None || self.there[place] || lines[place].is_none()
        })
    }
}

/// What happens to a party's trustline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineChange {
    /// The tokens on the trustline go back to the issuer, and the trustline is removed.
    Remove,
    /// The trustline is made again, or its limit becomes the highest.
    Restore,
    /// The trustline gets room for this many more units.
    Limit(u16),
    /// The issuer revokes the authorization.
    Revoke,
    /// The issuer authorizes the holder again.
    Authorize,
}

impl Line {
    /// The trustline after the change, and whether the network accepts the change.
    #[must_use]
    pub fn changed(line: Option<Self>, change: LineChange) -> (Option<Self>, bool) {
        match (line, change) {
            // Tokens whose holder is not authorized can't go back to the issuer.
            (Some(it), LineChange::Remove) if it.authorized || it.balance == 0 => (None, true),
            (Some(it), LineChange::Restore) => (Some(Line { limit: i64::MAX, ..it }), true),
            (None, LineChange::Restore) => (Some(Line::new(i64::MAX)), true),
            (Some(it), LineChange::Limit(room)) => {
                let limit = it.balance.saturating_add(i64::from(room));
                // A limit of 0 removes the line.
                ((limit > 0).then_some(Line { limit, ..it }), true)
            }
            (None, LineChange::Limit(room)) if room > 0 => (Some(Line::new(i64::from(room))), true),
            (Some(it), LineChange::Revoke | LineChange::Authorize) => {
                let authorized = change == LineChange::Authorize;
                (Some(Line { authorized, ..it }), true)
            }
            (unchanged, _) => (unchanged, false),
        }
    }

    /// A new trustline. It is authorized, because the issuer requires no authorization.
    fn new(limit: i64) -> Self {
        Self { balance: 0, limit, authorized: true }
    }
}
