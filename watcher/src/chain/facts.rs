//! What the network said, in the watcher's own words.

use paychan_channel::{AccountId, Ledger, Stroops};

/// The newest ledger that a node told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its sequence number.
    pub ledger: Ledger,
    /// When it closed, as its header says: milliseconds since the Unix epoch.
    pub closed_at_unix_ms: u64,
}

/// What the network's own settings say, read from its ledger and never assumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkTerms {
    /// Milliseconds between two ledgers that the network aims at (`CONFIG_SETTING_SCP_TIMING`, CAP-70).
    pub target_close_ms: u32,
    /// The longest life that an entry may be given, in ledgers (`max_entry_ttl`; `extendTo` may be one less).
    pub max_entry_ttl: u32,
}

/// A fee account: the source of one lane's transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneFacts {
    /// The account.
    pub account: AccountId,
    /// All that it holds. Zero when the account does not exist.
    pub balance: Stroops,
    /// What it may spend on fees: the balance less the network's reserve and its selling liabilities.
    pub spendable: Stroops,
    /// The ledger at which this was true.
    pub read_at: Ledger,
}
