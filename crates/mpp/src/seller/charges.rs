//! The calls that a seller needs of a watcher. The watcher's charge is the payment.

use std::future::Future;
use std::time::Duration;

use paychan_channel::{Amount, CommitmentKey, ContractId, RequestId};
use paychan_watcher_api::{ChannelStatus, ChargeBody, Charged, CloseState, Problem, SignedAmount};

/// Keeps the seller's accounts durably. A watcher's client implements it; another implementation may run in the same
/// process.
///
/// Each method returns when its effect is on disk, and is safe to repeat.
pub trait Charges: Send + Sync + 'static {
    /// Takes the price once under the request id, and its commitment if that is above the highest.
    ///
    /// An earlier charge under the request id is looked for before anything else is checked, but for the signature. One with another
    /// price is refused with [`ProblemKind::RequestIdReused`](paychan_watcher_api::ProblemKind), and the problem's `facts` say its
    /// price and its commitment. The seller relies on that: it asks with a price that no channel can pay when it only wants to know
    /// whether there was a charge.
    fn charge(
        &self,
        channel: &ContractId,
        body: &ChargeBody,
    ) -> impl Future<Output = Result<Charged, ChargesError>> + Send;

    /// Gives a part of a charge back. Base units.
    fn credit(
        &self,
        channel: &ContractId,
        request_id: &RequestId,
        amount: Amount,
    ) -> impl Future<Output = Result<(), ChargesError>> + Send;

    /// Takes a commitment without a charge.
    fn prepay(
        &self,
        channel: &ContractId,
        commitment: SignedAmount,
        request_id: &RequestId,
    ) -> impl Future<Output = Result<(), ChargesError>> + Send;

    /// Begins to watch a channel.
    fn admit(&self, channel: &ContractId) -> impl Future<Output = Result<Standing, ChargesError>> + Send;

    /// Reads what is known of a channel.
    fn standing(&self, channel: &ContractId) -> impl Future<Output = Result<Standing, ChargesError>> + Send;

    /// Reads the highest commitment with its signature; `None` before the first. A seller hands it back to a payer who has lost
    /// count. An implementation without it hands nothing back.
    fn highest(&self, channel: &ContractId) -> impl Future<Output = Result<Option<SignedAmount>, ChargesError>> + Send {
        let _ = channel;
        std::future::ready(Ok(None))
    }

    /// Ends the channel with this total. Returns when that is done, or after `wait`.
    fn close(
        &self,
        channel: &ContractId,
        agreed: SignedAmount,
        wait: Duration,
    ) -> impl Future<Output = Result<Ending, ChargesError>> + Send;
}

/// The state of a channel's account. Amounts are base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The highest commitment that the watcher has.
    pub highest: Amount,
    /// The sum of all charges less all credits.
    pub spent: Amount,
    /// Its status on chain.
    pub status: ChannelStatus,
    /// Whether it is to be closed and takes nothing more.
    pub fenced: bool,
    /// The key that signs its commitments.
    pub commitment_key: Option<CommitmentKey>,
}

/// The progress of a close.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// The state of the close.
    pub state: CloseState,
    /// The transaction's hash, 64 hexadecimal digits.
    pub transaction: Option<String>,
    /// What the close claims in total, base units.
    pub amount: Amount,
}

/// The errors of a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChargesError {
    /// The watcher refused.
    #[error("{}: {}", .0.kind.name(), .0.detail)]
    Refused(Box<Problem>),
    /// The watcher can't be reached, so nothing was done.
    #[error("the watcher can't be reached: {0}")]
    Unreachable(String),
    /// It is not known whether it was done. Repeating the call shows it.
    #[error("it is not known whether the watcher did it: {0}")]
    OutcomeUnknown(String),
}
