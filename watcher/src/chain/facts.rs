//! The network's answers in the watcher's own types.

use paychan_channel::{AccountId, Ledger, Stroops};

/// The newest ledger that a node reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its sequence number.
    pub ledger: Ledger,
    /// When it closed according to its header, milliseconds since the Unix epoch. `None` when the node does not say it
    /// or gives an impossible time. Its age can't be judged then, but channels are still read at it.
    pub closed_at_unix_ms: Option<u64>,
}

/// How many endpoints agree on the chain. More than half of the configured ones must agree before the view counts as
/// the present chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreement {
    /// How many endpoints are at the newest ledger, or at most the tolerated lag behind it.
    pub agreeing: usize,
    /// How many must agree before money is taken.
    pub needed: usize,
    /// How many are configured.
    pub configured: usize,
}

impl Agreement {
    /// The agreement of a single endpoint, which is trusted.
    pub const ALONE: Self = Self { agreeing: 1, needed: 1, configured: 1 };

    /// Whether enough endpoints agree on the chain.
    pub fn is_quorum(&self) -> bool {
        self.agreeing >= self.needed
    }
}

/// The network's own settings, which are read from its ledger and never assumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkTerms {
    /// The network's target time between two ledgers, milliseconds (`CONFIG_SETTING_SCP_TIMING`, CAP-70).
    pub target_close_ms: u32,
    /// The longest life that an entry may be given, in ledgers (`max_entry_ttl`; `extendTo` may be one less).
    pub max_entry_ttl: u32,
}

/// The bounds of a plausible target close time, in milliseconds. CAP-70 lets validators vote for 4,000 to 5,000. A
/// value that is a hundred times less or more is an endpoint's mistake, and no floor may be computed from it.
const TARGET_CLOSE_MS: std::ops::RangeInclusive<u32> = 50..=500_000;

/// The lowest plausible value for the longest life of an entry, in ledgers. The network's own minimum life of a
/// persistent entry is above it.
const LEAST_MAX_ENTRY_TTL: u32 = 1_000;

impl NetworkTerms {
    /// Why these settings are implausible, as text for the operator; `None` when they are plausible.
    pub fn implausible(&self) -> Option<String> {
        if !TARGET_CLOSE_MS.contains(&self.target_close_ms) {
            return Some(format!(
                "the endpoint says that the network's target close time is {} ms; {} to {} ms is plausible",
                self.target_close_ms,
                TARGET_CLOSE_MS.start(),
                TARGET_CLOSE_MS.end()
            ));
        }
        (self.max_entry_ttl < LEAST_MAX_ENTRY_TTL).then(|| {
            format!(
                "the endpoint says that the longest life of a ledger entry is {} ledgers; at least {LEAST_MAX_ENTRY_TTL} is plausible",
                self.max_entry_ttl
            )
        })
    }
}

/// A fee account, which is the source of one lane's transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneFacts {
    /// The account.
    pub account: AccountId,
    /// Its whole balance. Zero when the account does not exist.
    pub balance: Stroops,
    /// What it may spend on fees: the balance less the network's reserve and its selling liabilities.
    pub spendable: Stroops,
    /// The ledger at which this was true.
    pub read_at: Ledger,
}

/// A lane's account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneAccount {
    /// Its money.
    pub facts: LaneFacts,
    /// The sequence number last used.
    pub sequence: i64,
    /// Whether enough endpoints report this: the only one, or more than half of several. Otherwise it is used to
    /// settle, but nothing lasting is concluded from it.
    pub agreed: bool,
}

/// Inclusion fees that were paid for contract calls in the last ledgers, per transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InclusionFees {
    /// 95% of them paid at most this.
    pub p95: Stroops,
    /// The highest fee that anybody paid.
    pub max: Stroops,
}
