//! The seam to the network: all that the watcher asks of it, and nothing else.
//!
//! Answers are facts with the ledger they were true at; what to do about them is decided elsewhere. Errors keep apart
//! what the callers must treat differently: a node that is behind is asked again, a history that is gone means a gap,
//! and an answer that can't be understood is an alarm, never an empty answer.

mod channels;
mod error;
mod facts;
mod rpc;
mod several;
mod transactions;

use std::future::Future;
use std::pin::Pin;

use paychan_channel::xdr::TransactionEnvelope;
use paychan_channel::{AccountId, Address, Amount, ContractId, Payability, SacAsset, TokenRisk};
pub use paychan_rpc::{EventsFrom, KnownChannel};

pub use channels::{ChannelRead, CloseHint, CloseHints};
pub use error::{ChainError, ChainErrorKind};
pub use facts::{Agreement, Head, InclusionFees, LaneAccount, LaneFacts, NetworkTerms};
pub use rpc::RpcChain;
pub use several::SeveralEndpoints;
pub use transactions::{Call, CallRequest, Found, Prepared, Sent};

/// What a question to the network turns into. Boxed, so that the seam is one plain `dyn Chain` everywhere; beside a
/// network round trip the allocation is nothing.
pub type Asking<'a, T> = Pin<Box<dyn Future<Output = Result<T, ChainError>> + Send + 'a>>;

/// What the network answers. Implemented by [`RpcChain`] for one endpoint, by
/// [`SeveralEndpoints`] in the daemon, and by the simulator in tests.
pub trait Chain: Send + Sync + 'static {
    /// Makes sure that the network with this passphrase answers.
    ///
    /// Errors: [`WrongNetwork`](ChainErrorKind::WrongNetwork) names both.
    fn serves<'a>(&'a self, _passphrase: &'a str) -> Asking<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    /// How many endpoints saw the chain alike when the head was last asked for.
    fn agreement(&self) -> Agreement {
        Agreement::ALONE
    }

    /// The newest ledger that the endpoint knows, and when it closed.
    fn head(&self) -> Asking<'_, Head>;

    /// The contracts that said `close` since a place, oldest first, whoever they belong to.
    ///
    /// One page; ask again from [`next`](CloseHints::next) as long as there is one.
    /// Errors: [`Behind`](ChainErrorKind::Behind) when the start lies ahead of the node,
    /// [`Gone`](ChainErrorKind::Gone) when the node no longer holds it.
    fn closes<'a>(&'a self, since: &'a EventsFrom) -> Asking<'a, CloseHints>;

    /// The state of channels already known, in as many calls as it takes, in the order asked.
    fn read_channels<'a>(&'a self, channels: &'a [KnownChannel]) -> Asking<'a, Vec<ChannelRead>>;

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

    /// Whether a call of the channel meets archived entries, by simulation of one that touches all that a settlement reads:
    /// an endpoint may tell wrong lives of entries. `None` when the simulation fails.
    fn meets_archived<'a>(&'a self, channel: &'a ContractId) -> Asking<'a, Option<bool>>;

    /// The account that pays a lane's fees; `None` when it does not exist.
    fn lane_account<'a>(&'a self, account: &'a AccountId) -> Asking<'a, Option<LaneAccount>>;

    /// The network's own settings that the watcher's arithmetic rests on.
    fn settings(&self) -> Asking<'_, NetworkTerms>;

    /// What others bid lately to have their contract calls included.
    fn inclusion_fees(&self) -> Asking<'_, InclusionFees>;

    /// Simulates the call and returns the transaction to sign, its resources and fee set, or why the call fails.
    fn prepare<'a>(&'a self, request: &'a CallRequest) -> Asking<'a, Prepared>;

    /// Gives a signed transaction to the network. Sending the same bytes again is harmless.
    fn send<'a>(&'a self, envelope: &'a TransactionEnvelope) -> Asking<'a, Sent>;

    /// What became of a transaction.
    fn outcome<'a>(&'a self, hash: &'a [u8; 32]) -> Asking<'a, Found>;
}
