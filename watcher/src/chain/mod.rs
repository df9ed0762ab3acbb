//! The seam to the network: all that the watcher asks of it, and nothing else.
//!
//! Answers are facts with the ledger they were true at; what to do about them is decided elsewhere. Errors keep apart
//! what the callers must treat differently: a node that is behind is asked again, a history that is gone means a gap,
//! and an answer that can't be understood is an alarm, never an empty answer.

mod error;
mod facts;
mod rpc;

use std::future::Future;
use std::pin::Pin;

use paychan_channel::xdr::{LedgerKey, Transaction, TransactionEnvelope};
use paychan_channel::{
    AccountId, Address, Amount, ChannelState, ContractId, Ledger, SacAsset, Signature, Stroops, WasmHash,
};

use paychan_channel::{Payability, TokenRisk};

pub use error::{ChainError, ChainErrorKind};
pub use facts::{Head, LaneFacts, NetworkTerms};
pub use rpc::RpcChain;

/// What a question to the network turns into. Boxed, so that the seam is one plain `dyn Chain` everywhere; beside a
/// network round trip the allocation is nothing.
pub type Asking<'a, T> = Pin<Box<dyn Future<Output = Result<T, ChainError>> + Send + 'a>>;

/// What the network answers. Implemented by [`RpcChain`] in the daemon and by the simulator in tests.
pub trait Chain: Send + Sync + 'static {
    /// The newest ledger that the endpoint knows, and when it closed.
    fn head(&self) -> Asking<'_, Head>;

    /// The contracts that said `close` since a place, oldest first, whoever they belong to.
    ///
    /// One page; ask again from [`next`](CloseHints::next) as long as there is one.
    /// Errors: [`Behind`](ChainErrorKind::Behind) when the start lies ahead of the node,
    /// [`Gone`](ChainErrorKind::Gone) when the node no longer holds it.
    fn closes<'a>(&'a self, since: &'a EventsFrom) -> Asking<'a, CloseHints>;

    /// The state of channels already known, in as many calls as it takes, in the order asked.
    fn read_channels<'a>(&'a self, channels: &'a [WatchedChannel]) -> Asking<'a, Vec<ChannelRead>>;

    /// The state of a channel of which nothing is known but its address.
    fn first_read<'a>(&'a self, channel: &'a ContractId) -> Asking<'a, ChannelRead>;

    /// What the issuer of a token may do; `asset` is the Stellar asset behind the token's contract, if any.
    fn token_facts<'a>(&'a self, asset: Option<&'a SacAsset>) -> Asking<'a, TokenRisk>;

    /// Whether the recipient can be paid in the token now, and up to how much.
    fn payability<'a>(
        &'a self,
        token: &'a ContractId,
        asset: Option<&'a SacAsset>,
        facts: &'a TokenRisk,
        to: &'a Address,
    ) -> Asking<'a, Payability>;

    /// What a token's contract itself says that `holder` has, base units; `None` when it does not answer as a SEP-41 token.
    fn token_balance<'a>(&'a self, token: &'a ContractId, holder: &'a Address) -> Asking<'a, Option<Amount>>;

    /// The account that pays a lane's fees; `None` when it does not exist.
    fn lane_account<'a>(&'a self, account: &'a AccountId) -> Asking<'a, Option<LaneAccount>>;

    /// The network's own settings that the watcher's arithmetic rests on.
    fn settings(&self) -> Asking<'_, NetworkTerms>;

    /// What others bid lately to have their contract calls included.
    fn inclusion_fees(&self) -> Asking<'_, InclusionFees>;

    /// Simulates the call and returns the transaction to sign, its resources and fee set, or why the call fails.
    fn prepare<'a>(&'a self, request: &'a Request) -> Asking<'a, Prepared>;

    /// Gives a signed transaction to the network. Sending the same bytes again is harmless.
    fn send<'a>(&'a self, envelope: &'a TransactionEnvelope) -> Asking<'a, Sent>;

    /// What became of a transaction.
    fn outcome<'a>(&'a self, hash: &'a [u8; 32]) -> Asking<'a, Found>;
}

/// Where to go on reading events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventsFrom {
    /// From the start of this ledger.
    Ledger(Ledger),
    /// After the place that an earlier page ended at.
    Cursor(String),
}

/// A page of `close` events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseHints {
    /// The contracts that emitted one. Any contract may call an event `close`: a hint where to look, not a fact about a
    /// channel.
    pub hints: Vec<CloseHint>,
    /// Every event up to the end of this ledger was in this page or an earlier one. `None` when the endpoint does not say
    /// how far it has looked: then the hints are used, and nothing is inferred from events that are not there.
    pub scanned_to: Option<Ledger>,
    /// Where the next page starts, when there is one.
    pub next: Option<EventsFrom>,
}

/// A contract that emitted `close`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloseHint {
    /// Which contract.
    pub contract: ContractId,
    /// In which ledger.
    pub ledger: Ledger,
    /// The deadline that it names, if the event is one of a channel.
    pub effective_at: Option<Ledger>,
}

/// What is needed to read a known channel's entries in one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedChannel {
    /// The channel.
    pub channel: ContractId,
    /// The code it ran when it was admitted.
    pub wasm_hash: WasmHash,
    /// Its token's contract.
    pub token: ContractId,
    /// The token's code, where it is known to have some of its own.
    pub token_code: Option<WasmHash>,
}

/// What reading one channel gave. One unreadable channel must not hide the others.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "nearly all are states, which a box would only move")]
pub enum ChannelRead {
    /// Its state.
    Read(ChannelState),
    /// No contract instance lies at this address.
    Missing {
        /// The channel asked for.
        channel: ContractId,
        /// The ledger of the answer.
        at: Ledger,
    },
    /// Something lies there that is no channel this program can read. For a watched channel, an alarm.
    Undecodable {
        /// The channel asked for.
        channel: ContractId,
        /// What was found and what was expected.
        why: String,
    },
}

impl ChannelRead {
    /// Which channel was asked for.
    pub fn channel(&self) -> ContractId {
        match self {
            Self::Read(state) => state.channel,
            Self::Missing { channel, .. } | Self::Undecodable { channel, .. } => *channel,
        }
    }
}

/// A lane's account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneAccount {
    /// Its money.
    pub facts: LaneFacts,
    /// The sequence number last used.
    pub sequence: i64,
}

/// Inclusion fees that were paid for contract calls in the last ledgers, per transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InclusionFees {
    /// Nineteen of twenty paid at most this.
    pub p95: Stroops,
    /// The most that anybody paid.
    pub max: Stroops,
}

/// A transaction to build. All that its hash depends on, but for what simulation adds.
#[derive(Debug, Clone)]
pub struct Request {
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
