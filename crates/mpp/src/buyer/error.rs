//! The errors of buying a request.

use paychan_channel::{Amount, ContractId};

use super::caps::CapExceeded;
use super::signer::SignerError;
use super::store::StoreError;
use crate::problem::ProblemBody;
use crate::wire::WireError;

/// Why a request was not answered or not paid. [`PayError::may_have_paid`] says whether a voucher was sent.
#[derive(Debug, thiserror::Error)]
pub enum PayError {
    /// No answer came.
    #[error("no answer from {host}: {why}")]
    NoAnswer {
        /// The host that was asked.
        host: String,
        /// What happened.
        why: String,
        /// Whether a voucher was sent.
        paid: bool,
    },
    /// The request's body can't be sent twice, as a paid request needs.
    #[error("the request's body is a stream, which can't be sent again with a payment; give it as bytes")]
    BodyIsAStream,
    /// The address is not an HTTP address.
    #[error("{0} is no http:// or https:// address with a host")]
    BadUrl(String),
    /// The address uses plain HTTP to another machine, so others could read a voucher.
    #[error(
        "{0} is reached by plain HTTP, so others on the network can read vouchers; use https, or allow it for this host"
    )]
    Exposed(String),
    /// The server wants money, but the channels that are pinned for it can pay none of its offers.
    #[error("{host} asks for payment, but none of its offers can be paid: {why}")]
    NoOffer {
        /// The host that asks.
        host: String,
        /// Why none can be paid.
        why: String,
        /// The server's message.
        problem: Option<Box<ProblemBody>>,
    },
    /// A cap would be exceeded.
    #[error(transparent)]
    Cap(#[from] CapExceeded),
    /// The server says that more was signed than this store knows, and does not prove it. To ask for the proof, the buyer has
    /// signed one base unit if nothing was signed before, and nothing otherwise.
    #[error(
        "{host} says that {says} base units were signed on {channel}, but this store knows of {known}, and {host} does not \
         prove it with a signature of the channel's key; if the store was lost, resync to that total explicitly, else the server \
         lies"
    )]
    ServerAhead {
        /// The host that says so.
        host: String,
        /// The channel.
        channel: ContractId,
        /// The total that it claims.
        says: Amount,
        /// The total that this store has signed.
        known: Amount,
    },
    /// The server answered the payment with another request for payment. The buyer does not pay twice.
    #[error("{host} took a voucher and asks for payment again ({why}); nothing more was signed")]
    AskedTwice {
        /// Who.
        host: String,
        /// The server's message.
        why: String,
        /// The server's problem.
        problem: Option<Box<ProblemBody>>,
    },
    /// The server does not close the channel on the terms that were offered.
    #[error("{host} does not close the channel {channel} with {offered} base units: {why}")]
    CloseRefused {
        /// The host that was asked.
        host: String,
        /// The channel.
        channel: ContractId,
        /// What the recipient would have had in total.
        offered: Amount,
        /// The server's message.
        why: String,
        /// The server's problem.
        problem: Option<Box<ProblemBody>>,
    },
    /// The channel has ended or is ending.
    #[error("the channel {channel} can't be used any more: {why}; open another one")]
    ChannelOver {
        /// The channel.
        channel: ContractId,
        /// What the server says or has said before.
        why: String,
    },
    /// The server can't take payments now. The same payment stays valid.
    #[error("{host} can't take payments at the moment: {why}")]
    Unavailable {
        /// Who.
        host: String,
        /// The server's message.
        why: String,
    },
    /// The server redirected a paid request.
    #[error("the paid request to {host} was redirected to {to}; a payment follows no redirect")]
    Redirected {
        /// The host that was paid.
        host: String,
        /// The target of the redirect.
        to: String,
    },
    /// The signer failed.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The signer's signature is not valid for its key.
    #[error("the signer's signature is not one of its key; nothing was sent")]
    WrongSignature,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A message can't be written or read.
    #[error(transparent)]
    Wire(#[from] WireError),
}

impl PayError {
    /// Whether a voucher was sent for the request. If so, its amount counts as signed, whatever the outcome is.
    #[must_use]
    pub fn may_have_paid(&self) -> bool {
        match self {
            Self::NoAnswer { paid, .. } => *paid,
            Self::AskedTwice { .. } | Self::Unavailable { .. } | Self::Redirected { .. } => true,
            _ => false,
        }
    }

    /// The server's problem, if the error came from the server.
    #[must_use]
    pub fn problem(&self) -> Option<&ProblemBody> {
        match self {
            Self::NoOffer { problem, .. } | Self::AskedTwice { problem, .. } | Self::CloseRefused { problem, .. } => {
                problem.as_deref()
            }
            _ => None,
        }
    }
}
