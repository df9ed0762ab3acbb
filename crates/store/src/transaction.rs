//! Transactions that the watcher signed, and their outcomes.

use paychan_channel::{AccountId, Amount, ContractId, Ledger, Stroops};

/// A transaction that the watcher is about to send or has sent. It is on disk before its first byte goes to the
/// network, so that no sent transaction is forgotten in a crash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedTransaction {
    /// Its hash on the network.
    pub hash: [u8; 32],
    /// The lane: the source account.
    pub lane: AccountId,
    /// The purpose of the transaction.
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

/// The purpose of a transaction.
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
    /// The channels that the transaction concerns.
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

/// The outcome of a signed transaction. Once this is on disk, the lane is free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The transaction succeeded on chain.
    Confirmed {
        /// The ledger that holds it.
        ledger: Ledger,
        /// What it cost.
        fee_charged: Stroops,
    },
    /// The transaction is in a ledger and failed: it cost a fee and did nothing.
    Failed {
        /// The ledger that holds it.
        ledger: Ledger,
        /// What it cost.
        fee_charged: Stroops,
        /// The network's explanation, at most [`Outcome::WHY_LIMIT`] bytes of it.
        why: String,
    },
    /// The transaction's ledger bounds have passed and no ledger holds it, according to a node that would know.
    Expired {
        /// The ledger at which this was certain.
        at: Ledger,
    },
    /// The transaction can never get into a ledger, though its bounds have not passed: the network refused it the only
    /// time it was sent, or its sequence number is used up.
    Dropped {
        /// The ledger at which this was certain.
        at: Ledger,
        /// Why, at most [`Outcome::WHY_LIMIT`] bytes of it.
        why: String,
    },
}

impl Outcome {
    /// How many bytes of an explanation are kept: enough for a person, and small in the journal. The rest is cut off.
    pub const WHY_LIMIT: usize = 512;

    /// Cuts the explanation to the length that is kept.
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

/// A transaction whose outcome is known, for the operator to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The transaction's hash.
    pub hash: [u8; 32],
    /// Its lane.
    pub lane: AccountId,
    /// The purpose of the transaction.
    pub purpose: Purpose,
    /// The outcome of the transaction.
    pub outcome: Outcome,
    /// Wall clock when the committer took the outcome: milliseconds since the Unix epoch.
    pub decided_at_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_explanation_is_cut_between_two_characters() {
        let limit = Outcome::WHY_LIMIT;
        for (why, kept) in [
            ("x".repeat(limit), "x".repeat(limit)),
            ("x".repeat(limit + 1), "x".repeat(limit)),
            // The character at the limit takes three bytes, of which only two fit.
            ("x".repeat(limit - 2) + "\u{20ac}y", "x".repeat(limit - 2)),
        ] {
            let at = Ledger(1);
            assert_eq!(Outcome::Dropped { at, why }.bounded(), Outcome::Dropped { at, why: kept });
        }
    }
}
