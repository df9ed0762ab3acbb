//! The seam to the network: every question that the watcher asks it.
//!
//! Answers are facts with the ledger at which they were true; other modules decide what to do about them. Errors have
//! different kinds where callers must act differently: a node that is behind is asked again, a history that is gone
//! means a gap, and an answer that can't be understood is an alarm and never counts as empty.

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

/// The future of a question to the network. It is boxed, so that the seam is a plain `dyn Chain` everywhere. Compared
/// with a network round trip, the allocation costs nothing.
pub type Asking<'a, T> = Pin<Box<dyn Future<Output = Result<T, ChainError>> + Send + 'a>>;

/// What the network answers. Implemented by [`RpcChain`] for one endpoint, by
/// [`SeveralEndpoints`] in the daemon, and by the simulator in tests.
pub trait Chain: Send + Sync + 'static {
    /// Checks that the network with this passphrase answers.
    ///
    /// Errors: [`WrongNetwork`](ChainErrorKind::WrongNetwork) names both.
    fn serves<'a>(&'a self, _passphrase: &'a str) -> Asking<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    /// How many endpoints agreed when the head was last asked for.
    fn agreement(&self) -> Agreement {
        Agreement::ALONE
    }

    /// The newest ledger that the endpoint knows, and when it closed.
    fn head(&self) -> Asking<'_, Head>;

    /// The contracts of all owners that emitted `close` since a place, oldest first.
    ///
    /// The answer is one page; ask again from [`next`](CloseHints::next) as long as there is one. Errors:
    /// [`Behind`](ChainErrorKind::Behind) when the start is ahead of the node, [`Gone`](ChainErrorKind::Gone) when the
    /// node no longer has it.
    fn closes<'a>(&'a self, since: &'a EventsFrom) -> Asking<'a, CloseHints>;

    /// The states of known channels, in the given order. It may take several calls.
    fn read_channels<'a>(&'a self, channels: &'a [KnownChannel]) -> Asking<'a, Vec<ChannelRead>>;

    /// The state of a channel of which only the address is known.
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

    /// The balance of `holder` as the token's contract itself reports it, base units; `None` when it does not answer as
    /// a SEP-41 token.
    fn token_balance<'a>(&'a self, token: &'a ContractId, holder: &'a Address) -> Asking<'a, Option<Amount>>;

    /// Whether a call of the channel meets archived entries. It simulates a call that touches all that a settlement
    /// reads, since an endpoint may report wrong lives. `None` when the simulation fails.
    fn meets_archived<'a>(&'a self, channel: &'a ContractId) -> Asking<'a, Option<bool>>;

    /// The account that pays a lane's fees; `None` when it does not exist.
    fn lane_account<'a>(&'a self, account: &'a AccountId) -> Asking<'a, Option<LaneAccount>>;

    /// The network's own settings on which the watcher's arithmetic depends.
    fn settings(&self) -> Asking<'_, NetworkTerms>;

    /// What others bid lately to get their contract calls included.
    fn inclusion_fees(&self) -> Asking<'_, InclusionFees>;

    /// Simulates the call and returns the transaction to sign, with its resources and fee, or why the call fails.
    fn prepare<'a>(&'a self, request: &'a CallRequest) -> Asking<'a, Prepared>;

    /// Sends a signed transaction to the network. Sending the same bytes again is harmless.
    fn send<'a>(&'a self, envelope: &'a TransactionEnvelope) -> Asking<'a, Sent>;

    /// The outcome of a transaction.
    fn outcome<'a>(&'a self, hash: &'a [u8; 32]) -> Asking<'a, Found>;
}
