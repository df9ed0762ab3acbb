//! What the core decides about a request.

use std::sync::Arc;

use http::StatusCode;
use paychan_channel::{Amount, ContractId, RequestId};

use super::memory::KeptAnswer;
use crate::problem::ProblemBody;
use crate::wire::{Challenge, Receipt};

/// What to do with a request.
#[derive(Debug)]
pub enum Decision {
    /// It is paid: answer it, and tell the seller how with [`super::Seller::settle_sale`].
    Sell(Box<Sold>),
    /// It was paid and answered before: the same answer.
    Again(Arc<KeptAnswer>),
    /// The channel is being closed, as the payer asked.
    Ended(Box<Ended>),
    /// Don't answer it.
    Refuse(Box<Refusal>),
}

/// A request that is paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sold {
    /// The channel.
    pub channel: ContractId,
    /// The sale's name at the watcher.
    pub request_id: RequestId,
    /// What was charged, base units.
    pub charged: Amount,
    /// What the answer carries.
    pub receipt: Receipt,
}

/// A channel's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The channel.
    pub channel: ContractId,
    /// 200 when it is over, 202 while it is on its way.
    pub status: StatusCode,
    /// The transaction's hash, if there is one yet.
    pub transaction: Option<String>,
    /// What the recipient claims in total, base units.
    pub amount: Amount,
    /// What the answer carries.
    pub receipt: Receipt,
}

/// A request that is not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// The body.
    pub body: ProblemBody,
    /// What to pay, with a 402.
    pub challenge: Option<Challenge>,
    /// Seconds after which to ask again.
    pub retry_after: Option<u32>,
}
