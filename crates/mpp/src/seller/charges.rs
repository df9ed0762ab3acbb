//! What a seller needs of a watcher. The watcher's charge is the payment.

use std::future::Future;
use std::time::Duration;

use paychan_channel::{Amount, CommitmentKey, ContractId, RequestId};
use paychan_watcher_api::{ChannelStatus, ChargeBody, Charged, CloseState, Problem, SignedAmount};

/// Counts for the seller, durably. A watcher's client is one; another may stand in the same process.
///
/// Each method answers once its effect is on disk, and is safe to repeat.
pub trait Charges: Send + Sync + 'static {
    /// Takes the price once under the request id, and the commitment that came with it if it is higher than the highest.
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

    /// What is known of a channel.
    fn standing(&self, channel: &ContractId) -> impl Future<Output = Result<Standing, ChargesError>> + Send;

    /// Ends the channel with this total. Answers when that is over, or after `wait`.
    fn close(
        &self,
        channel: &ContractId,
        agreed: SignedAmount,
        wait: Duration,
    ) -> impl Future<Output = Result<Ending, ChargesError>> + Send;
}

/// Where a channel stands. Amounts are base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The highest commitment held.
    pub highest: Amount,
    /// The sum of all charges less all credits.
    pub spent: Amount,
    /// Where it stands on chain.
    pub status: ChannelStatus,
    /// It is to be closed, and takes nothing more.
    pub fenced: bool,
    /// The key that its commitments are signed with.
    pub commitment_key: Option<CommitmentKey>,
}

/// How far a close has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// How far.
    pub state: CloseState,
    /// The transaction's hash, 64 hexadecimal digits.
    pub transaction: Option<String>,
    /// What the close claims in total, base units.
    pub amount: Amount,
}

/// Why a call gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChargesError {
    /// The watcher says why not.
    #[error("{}: {}", .0.kind.name(), .0.detail)]
    Refused(Box<Problem>),
    /// The watcher can't be reached. Nothing was done.
    #[error("the watcher can't be reached: {0}")]
    Unreachable(String),
    /// Whether it was done is not known. The same call tells.
    #[error("whether the watcher did it is not known: {0}")]
    OutcomeUnknown(String),
}
