//! Transactions that the watcher signed, and what became of them.

use paychan_channel::{AccountId, Amount, ContractId, Ledger, Stroops};

/// A transaction that is about to be sent, or was. On disk before its first byte goes to the network, so that a crash
/// never forgets a sent transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedTransaction {
    /// Its hash on the network.
    pub hash: [u8; 32],
    /// The lane: the source account.
    pub lane: AccountId,
    /// What it is for.
    pub purpose: Purpose,
    /// The signed envelope, XDR: the bytes to send again.
    pub envelope: Vec<u8>,
    /// The lane's sequence number in it.
    pub sequence: i64,
    /// The head when it was signed: no earlier ledger can hold it.
    pub signed_at: Ledger,
    /// The first ledger that it can't be in (`ledgerBounds.max` is exclusive).
    pub max_ledger: Ledger,
    /// The most that it can cost.
    pub fee: Stroops,
}

/// What a transaction is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// Pay out a commitment.
    Settle {
        /// The channel.
        channel: ContractId,
        /// The commitment's total, base units.
        amount: Amount,
    },
    /// Pay out a commitment and end the channel.
    Close {
        /// The channel.
        channel: ContractId,
        /// The commitment's total, base units.
        amount: Amount,
    },
    /// Lengthen the life of these channels' entries.
    Extend {
        /// The channels.
        channels: Vec<ContractId>,
    },
    /// Bring back archived entries of these channels.
    Restore {
        /// The channels.
        channels: Vec<ContractId>,
    },
}

impl Purpose {
    /// The channels that it is for.
    pub fn channels(&self) -> &[ContractId] {
        match self {
            Purpose::Settle { channel, .. } | Purpose::Close { channel, .. } => std::slice::from_ref(channel),
            Purpose::Extend { channels } | Purpose::Restore { channels } => channels,
        }
    }

    /// The commitment that it pays out, if it pays one out.
    pub fn pays(&self) -> Option<(ContractId, Amount)> {
        match self {
            Purpose::Settle { channel, amount } | Purpose::Close { channel, amount } => Some((*channel, *amount)),
            Purpose::Extend { .. } | Purpose::Restore { .. } => None,
        }
    }
}

/// What became of a signed transaction. Once this is on disk the lane is free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It did on chain what it was for.
    Confirmed {
        /// The ledger that holds it.
        ledger: Ledger,
        /// What it cost.
        fee_charged: Stroops,
    },
    /// It is in a ledger and failed: it cost a fee and did nothing.
    Failed {
        /// The ledger that holds it.
        ledger: Ledger,
        /// What it cost.
        fee_charged: Stroops,
        /// What the network said, at most [`Outcome::WHY_LIMIT`] bytes of it.
        why: String,
    },
    /// Its bounds passed without it, on a node that would know.
    Expired {
        /// The ledger at which this was certain.
        at: Ledger,
    },
    /// No node holds it and none ever will, before its bounds: refused the only time it was offered, or its sequence
    /// number is used up.
    Dropped {
        /// The ledger at which this was certain.
        at: Ledger,
        /// Why, at most [`Outcome::WHY_LIMIT`] bytes of it.
        why: String,
    },
}

impl Outcome {
    /// Bytes of an explanation that are kept: enough for a person, small in the journal. The rest is cut off.
    pub const WHY_LIMIT: usize = 512;

    /// Cuts the explanation to what is kept.
    pub(crate) fn bounded(mut self) -> Self {
        if let Outcome::Failed { why, .. } | Outcome::Dropped { why, .. } = &mut self {
            let mut end = why.len().min(Self::WHY_LIMIT);
            while !why.is_char_boundary(end) {
                end -= 1;
            }
            why.truncate(end);
        }
        self
    }
}

/// A transaction whose fate is known: kept for the operator to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The transaction's hash.
    pub hash: [u8; 32],
    /// Its lane.
    pub lane: AccountId,
    /// What it was for.
    pub purpose: Purpose,
    /// What became of it.
    pub outcome: Outcome,
    /// Wall clock when the committer took the outcome: milliseconds since the Unix epoch.
    pub decided_at_ms: u64,
}
