//! The transactions that the watcher sends, and the network's answers to them.

use paychan_channel::xdr::{LedgerKey, Transaction};
use paychan_channel::{AccountId, Amount, ContractId, Ledger, Signature, Stroops};
use paychan_rpc::Meaning;

/// A transaction to build. It has all that the hash depends on, except for what the simulation adds.
#[derive(Debug, Clone)]
pub struct CallRequest {
    /// The lane's account, which pays the fee and has the sequence number.
    pub source: AccountId,
    /// Its sequence number.
    pub sequence: i64,
    /// The first ledger that can't include it any more.
    pub max_ledger: Ledger,
    /// The bid for inclusion, on top of the resource fee.
    pub inclusion_fee: Stroops,
    /// What the transaction does.
    pub call: Call,
    /// What the simulation may add to it. A transaction that does anything else is not returned.
    pub meaning: Meaning,
    /// The channel's token, so that its errors are reported as text.
    pub token: Option<ContractId>,
}

/// What a transaction of the watcher does.
#[derive(Debug, Clone)]
pub enum Call {
    /// Pays out a commitment.
    Settle {
        /// The channel.
        channel: ContractId,
        /// The commitment's total.
        amount: Amount,
        /// Its signature.
        signature: Signature,
        /// The recipient, when the channel's code needs its authorization. It is then the operation's source.
        authorized_by: Option<AccountId>,
    },
    /// Pays out a commitment and ends the channel. The recipient is the operation's source, so its signature on the
    /// transaction is the authorization, and no nonce is written.
    Close {
        /// The channel.
        channel: ContractId,
        /// The commitment's total.
        amount: Amount,
        /// Its signature.
        signature: Signature,
        /// The recipient.
        to: AccountId,
    },
    /// Extends the lives of entries.
    Extend {
        /// The keys of the entries.
        keys: Vec<LedgerKey>,
        /// The least number of ledgers that they shall live from the inclusion on. It is at most the network's longest
        /// life less one.
        extend_to: u32,
    },
    /// Brings archived entries back.
    Restore {
        /// The keys of the entries.
        keys: Vec<LedgerKey>,
    },
}

/// The result of preparing a transaction.
#[derive(Debug, Clone)]
pub enum Prepared {
    /// Ready to be signed.
    Ready {
        /// The transaction. Its fee is the bid plus the resource fee.
        transaction: Box<Transaction>,
        /// The most that the resources cost.
        resource_fee: Stroops,
    },
    /// The simulated call fails, so sending it would only cost a fee.
    Fails {
        /// The host's error.
        why: String,
    },
    /// An entry that the call needs is archived and must be restored by a transaction of its own first. Only servers
    /// from before protocol 23 answer this. The call would fail.
    NeedsRestoration {
        /// The explanation.
        why: String,
    },
    /// The simulation asks for something that the call does not mean, so the endpoint or the token can't be trusted.
    NotMeant {
        /// What it asks for.
        why: String,
    },
}

/// The network's answer to a transaction that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// It was taken into the queue.
    Pending,
    /// It is in the queue already.
    Duplicate,
    /// Another transaction of the account is waiting, or this hash is banned for a few ledgers.
    TryAgainLater,
    /// The bid is too low, and this hash is banned now.
    InsufficientFee {
        /// The fee that would have been enough, for the whole transaction.
        needed: Stroops,
    },
    /// The sequence number is not the account's next.
    BadSequence,
    /// Its bounds have passed.
    TooLate,
    /// The lane can't pay the fee.
    InsufficientBalance,
    /// It was refused for another reason.
    Refused {
        /// The result code.
        code: String,
    },
}

/// What an endpoint knows of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It is in no ledger from `oldest` to `latest`.
    No {
        /// The oldest ledger that the endpoint has.
        oldest: Ledger,
        /// The newest ledger that the endpoint has.
        latest: Ledger,
    },
    /// It is in a ledger.
    Included {
        /// The ledger.
        ledger: Ledger,
        /// The fee that was charged in the end.
        fee_charged: Stroops,
        /// `None` when it succeeded. Otherwise the result code; only the fee was charged then.
        failed: Option<String>,
    },
}
