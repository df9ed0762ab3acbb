//! Why a request about a channel was not taken, by kind. With all but the store's own errors, nothing was written, and
//! the state that the answer names is on disk. All amounts are base units.

use paychan_channel::{Amount, ContractId};

use crate::{Refusal, RequestId, StoreError};

/// Why a commitment was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// The channel was never admitted, or was dropped.
    #[error("the channel {0} is not admitted; admit it first")]
    UnknownChannel(ContractId),
    /// The highest commitment is above this amount.
    #[error(
        "a commitment for {offered} is not above the highest known, {highest}; sign a cumulative total, not a price"
    )]
    NotHigher {
        /// What was offered.
        offered: Amount,
        /// The highest known.
        highest: Amount,
    },
    /// This very amount is the highest already, submitted under another id. One commitment can't buy twice.
    #[error("a commitment for {highest} is already held, submitted under another request id")]
    AlreadyHeld {
        /// The highest known.
        highest: Amount,
    },
    /// The id was used for another amount on this channel, or for a charge.
    #[error("{}; a commitment for {offered} is offered under it now; give each request its own id", used_for(.request_id, *.price, *.accepted))]
    RequestIdReused {
        /// The id.
        request_id: RequestId,
        /// What is offered now.
        offered: Amount,
        /// The price that was charged under the id, if it was a charge.
        price: Option<Amount>,
        /// The commitment that came under the id, if one came.
        accepted: Option<Amount>,
    },
    /// The channel is fenced for a close, and takes no more.
    #[error("the channel is being closed with {highest}; it takes no more commitments")]
    Fenced {
        /// The amount of the close.
        highest: Amount,
    },
    /// The gate refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a price was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChargeError {
    /// The channel was never admitted, or was dropped.
    #[error("the channel {0} is not admitted; admit it first")]
    UnknownChannel(ContractId),
    /// The price is zero.
    #[error("the price is zero; charge at least one base unit")]
    NoPrice,
    /// The id was used for another price or another commitment on this channel.
    #[error("{}; it is used for another request now; give each request its own id", used_for(.request_id, *.price, *.accepted))]
    RequestIdReused {
        /// The id.
        request_id: RequestId,
        /// The price that was charged under the id, if it was a charge.
        price: Option<Amount>,
        /// The commitment that came under the id, if one came.
        accepted: Option<Amount>,
    },
    /// What is committed does not cover the price. Nothing was taken, not even a commitment that came with it.
    #[error(
        "the price is {price}, and {spent} of the committed {highest} are spent already; \
         sign a commitment for a total of at least {needed}"
    )]
    Insufficient {
        /// The price.
        price: Amount,
        /// What is spent.
        spent: Amount,
        /// The highest commitment, the one that came with the request included.
        highest: Amount,
        /// The cumulative total to sign: what is spent and the price.
        needed: Amount,
    },
    /// The channel is fenced for a close, and sells no more.
    #[error("the channel is being closed with {highest}; nothing more is charged on it")]
    Fenced {
        /// The amount of the close.
        highest: Amount,
    },
    /// The gate refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a charge was not credited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CreditError {
    /// The channel was never admitted, or was dropped.
    #[error("the channel {0} is not admitted; admit it first")]
    UnknownChannel(ContractId),
    /// No charge is remembered under this id on this channel: none was made, or too many requests came since.
    #[error(
        "no charge is known under the request id {request_id}: none was made on this channel, or it is older than the \
         last requests that are remembered"
    )]
    UnknownCharge {
        /// The id.
        request_id: RequestId,
    },
    /// Another amount of this charge was given back before. A charge is credited only once.
    #[error("{credited} of the charge {request_id} were given back already; a charge is credited once")]
    AlreadyCredited {
        /// The id.
        request_id: RequestId,
        /// What was given back.
        credited: Amount,
    },
    /// The amount is zero, or more than the charge took.
    #[error("{offered} can't be given back of a charge of {price}; give back at least one base unit and at most that")]
    OutOfRange {
        /// The amount to give back.
        offered: Amount,
        /// What the charge took.
        price: Amount,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a channel was not fenced with an agreed amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloseError {
    /// The channel was never admitted, or was dropped.
    #[error("the channel {0} is not admitted; admit it first")]
    UnknownChannel(ContractId),
    /// More is spent or paid out already.
    #[error("the channel can't be closed with {offered}: at least {at_least} are spent or paid out already")]
    TooLow {
        /// What was agreed.
        offered: Amount,
        /// The least that the channel can be closed with.
        at_least: Amount,
    },
    /// The amount is above the highest commitment.
    #[error(
        "the channel can't be closed with {offered}, which is above the highest commitment, {highest}; submit it as a \
         commitment first"
    )]
    AboveHighest {
        /// What was agreed.
        offered: Amount,
        /// The highest known.
        highest: Amount,
    },
    /// The channel is being closed with another amount. That is never taken back.
    #[error("the channel is being closed with {agreed} already, and {offered} is agreed now")]
    AgreedOtherwise {
        /// What was agreed now.
        offered: Amount,
        /// The amount of the close.
        agreed: Amount,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a channel was not dropped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DropError {
    /// The channel was never admitted, or was dropped before.
    #[error("the channel {0} is not admitted")]
    UnknownChannel(ContractId),
    /// The chain has not paid all that is held.
    #[error("the channel owes {owed} and has paid out {withdrawn}; settle it first")]
    StillOwed {
        /// The amount of what is still to be claimed, over the channel's life.
        owed: Amount,
        /// What the chain has paid.
        withdrawn: Amount,
    },
    /// A signed transaction of this channel has no outcome yet.
    #[error("a signed transaction of the channel has no outcome yet; wait for it first")]
    InFlight,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn used_for(request_id: &RequestId, price: Option<Amount>, accepted: Option<Amount>) -> String {
    let id = format!("the request id {request_id} was used on this channel for");
    match (price, accepted) {
        (Some(price), Some(accepted)) => format!("{id} a charge of {price} with a commitment for {accepted}"),
        (Some(price), None) => format!("{id} a charge of {price}"),
        (None, Some(accepted)) => format!("{id} a commitment for {accepted}"),
        (None, None) => format!("{id} another request"),
    }
}

impl AcceptError {
    /// Which kind of failure it is, for code: stable, in lower case.
    pub fn kind(&self) -> &'static str {
        match self {
            AcceptError::UnknownChannel(_) => "unknown_channel",
            AcceptError::NotHigher { .. } => "not_higher",
            AcceptError::AlreadyHeld { .. } => "already_held",
            AcceptError::RequestIdReused { .. } => "request_id_reused",
            AcceptError::Fenced { .. } => "closing",
            AcceptError::Refused(refusal) => refusal.kind(),
            AcceptError::Store(error) => error.kind(),
        }
    }
}

impl ChargeError {
    /// Which kind of failure it is, for code: stable, in lower case.
    pub fn kind(&self) -> &'static str {
        match self {
            ChargeError::UnknownChannel(_) => "unknown_channel",
            ChargeError::NoPrice => "no_price",
            ChargeError::RequestIdReused { .. } => "request_id_reused",
            ChargeError::Insufficient { .. } => "insufficient",
            ChargeError::Fenced { .. } => "closing",
            ChargeError::Refused(refusal) => refusal.kind(),
            ChargeError::Store(error) => error.kind(),
        }
    }
}

impl CreditError {
    /// Which kind of failure it is, for code: stable, in lower case.
    pub fn kind(&self) -> &'static str {
        match self {
            CreditError::UnknownChannel(_) => "unknown_channel",
            CreditError::UnknownCharge { .. } => "unknown_charge",
            CreditError::AlreadyCredited { .. } => "already_credited",
            CreditError::OutOfRange { .. } => "credit_out_of_range",
            CreditError::Store(error) => error.kind(),
        }
    }
}

impl CloseError {
    /// Which kind of failure it is, for code: stable, in lower case.
    pub fn kind(&self) -> &'static str {
        match self {
            CloseError::UnknownChannel(_) => "unknown_channel",
            CloseError::TooLow { .. } => "close_too_low",
            CloseError::AboveHighest { .. } => "close_above_highest",
            CloseError::AgreedOtherwise { .. } => "closing",
            CloseError::Store(error) => error.kind(),
        }
    }
}

impl DropError {
    /// Which kind of failure it is, for code: stable, in lower case.
    pub fn kind(&self) -> &'static str {
        match self {
            DropError::UnknownChannel(_) => "unknown_channel",
            DropError::StillOwed { .. } => "still_owed",
            DropError::InFlight => "in_flight",
            DropError::Store(error) => error.kind(),
        }
    }
}
