//! The decisions of the core about a request.

use std::sync::Arc;

use http::StatusCode;
use paychan_channel::{Amount, ContractId, RequestId};
use paychan_watcher_api::CloseState;

use super::memory::KeptAnswer;
use crate::problem::ProblemBody;
use crate::wire::{Challenge, Receipt};

/// What to do with a request.
#[derive(Debug)]
pub enum Decision {
    /// It is paid. Answer it, and report the answer with [`super::Seller::settle_sale`].
    Sell(Arc<Sold>),
    /// It was paid and answered before. Give the same answer.
    Again(Arc<KeptAnswer>),
    /// The payer asked to close the channel, and it is being closed.
    Ended(Box<Ended>),
    /// Do not answer it.
    Refuse(Box<Refusal>),
}

/// A request that is paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sold {
    /// The channel.
    pub channel: ContractId,
    /// The request id of the sale at the watcher.
    pub request_id: RequestId,
    /// What was charged, base units.
    pub charged: Amount,
    /// What was given back of the charge before, when it was answered the first time. Base units.
    pub credited: Amount,
    /// The receipt for the answer.
    pub receipt: Receipt,
}

/// The end of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The channel.
    pub channel: ContractId,
    /// 200 when the watcher has done what it can, 202 before.
    pub status: StatusCode,
    /// How far the close is.
    pub state: CloseState,
    /// The transaction's hash, if there is one yet.
    pub transaction: Option<String>,
    /// What the recipient claims in total, base units.
    pub amount: Amount,
    /// The receipt for the answer.
    pub receipt: Receipt,
}

/// A request that is not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// The body.
    pub body: ProblemBody,
    /// The challenge of a 402.
    pub challenge: Option<Challenge>,
    /// The seconds after which to ask again.
    pub retry_after: Option<u32>,
}
