//! The token in the model: an asset with trustlines, whose issuer may revoke and claw back, and its contract. It has the
//! footprint as well: which of these entries a call touched, and how.

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
    /// It is not in the footprint.
    #[default]
    None,
    /// Read it, or find that it is not there.
    Read,
    /// Write it.
    Write,
}

/// The token's entries that a call touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    pub(crate) lines: [Access; 3],
    /// Lines that were there at simulation: bytes to read were counted for these alone.
    pub(crate) there: [bool; 3],
    pub(crate) purse: Access,
}

impl Touched {
    /// A footprint that allows everything.
    #[must_use]
    pub fn all() -> Self {
        Self { lines: [Access::Write; 3], there: [true; 3], purse: Access::Write }
    }

    /// Whether the transaction may read its footprint: a trustline that was absent at simulation had no bytes. (The
    /// channel's entries are a contract's, which are in memory: reading them takes no bytes from disk.)
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
    /// What it holds goes back to the issuer, and the line is gone.
    Remove,
    /// It is there again, or its limit is lifted.
    Restore,
    /// It has room for so many units, and no more.
    Limit(u16),
    /// The issuer takes the authorization away.
    Revoke,
    /// The issuer gives it back.
    Authorize,
}

impl Line {
    /// What becomes of a trustline, and whether the network takes the change.
    #[must_use]
    pub fn changed(line: Option<Self>, change: LineChange) -> (Option<Self>, bool) {
        match (line, change) {
            // What is not authorized can't go back to the issuer.
            (Some(it), LineChange::Remove) if it.authorized || it.balance == 0 => (None, true),
            (Some(it), LineChange::Restore) => (Some(Line { limit: i64::MAX, ..it }), true),
            (None, LineChange::Restore) => (Some(Line::new(i64::MAX)), true),
            (Some(it), LineChange::Limit(room)) => {
                let limit = it.balance.saturating_add(i64::from(room));
                // A limit of nothing removes the line.
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

    /// A new one. The issuer requires no authorization, so it has it.
    fn new(limit: i64) -> Self {
        Self { balance: 0, limit, authorized: true }
    }
}
