//! What the watcher asks the network to do, and what the network answers to it.

use paychan_channel::xdr::{LedgerKey, Transaction};
use paychan_channel::{AccountId, Amount, ContractId, Ledger, Signature, Stroops};
use paychan_rpc::Meaning;

/// A transaction to build: all that its hash depends on, except for what simulation adds.
#[derive(Debug, Clone)]
pub struct CallRequest {
    /// The lane: pays the fee, gives the sequence number.
    pub source: AccountId,
    /// Its sequence number.
    pub sequence: i64,
    /// First ledger that it can't be in any more.
    pub max_ledger: Ledger,
    /// The bid for inclusion, on top of the resource fee.
    pub inclusion_fee: Stroops,
    /// What it does.
    pub call: Call,
    /// What simulation may add to it. A transaction that does anything else is not returned.
    pub meaning: Meaning,
    /// The channel's token, so that its errors are told in words.
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
        /// Set when the channel's code wants the recipient's authorization: then it is the operation's source.
        authorized_by: Option<AccountId>,
    },
    /// Pays out a commitment and ends the channel. The recipient is the operation's source: its signature on the
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
    /// Lengthens the life of entries.
    Extend {
        /// Which entries.
        keys: Vec<LedgerKey>,
        /// Ledgers from inclusion that they are to live, at least. At most the network's longest life less one.
        extend_to: u32,
    },
    /// Brings archived entries back.
    Restore {
        /// Which entries.
        keys: Vec<LedgerKey>,
    },
}

/// What came of preparing.
#[derive(Debug, Clone)]
pub enum Prepared {
    /// Ready to be signed.
    Ready {
        /// The transaction. Its fee is the bid plus the resource fee.
        transaction: Box<Transaction>,
        /// What the resources cost at most.
        resource_fee: Stroops,
    },
    /// The simulated call fails: sending it would only cost.
    Fails {
        /// What the host said.
        why: String,
    },
    /// An entry that the call needs is archived, and has to be restored by itself before it: only servers from before
    /// protocol 23 say so. The call would fail.
    NeedsRestoration {
        /// In words.
        why: String,
    },
    /// The simulation asks for something that the call does not mean: the endpoint, or the token, is not to be trusted.
    NotMeant {
        /// What it asks for.
        why: String,
    },
}

/// What the network said to a transaction given to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// Taken into the queue.
    Pending,
    /// It is there already: success so far.
    Duplicate,
    /// Another transaction of the account is waiting, or this hash is banned for a few ledgers: wait.
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
    /// Refused for another reason.
    Refused {
        /// The result code.
        code: String,
    },
}

/// What an endpoint knows of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Not in any ledger from `oldest` to `latest`.
    No {
        /// The oldest ledger that the endpoint holds.
        oldest: Ledger,
        /// The newest.
        latest: Ledger,
    },
    /// In a ledger.
    Included {
        /// Which.
        ledger: Ledger,
        /// What it cost in the end.
        fee_charged: Stroops,
        /// `None` when it did what it should, else the result code: the fee is spent and nothing else happened.
        failed: Option<String>,
    },
}
