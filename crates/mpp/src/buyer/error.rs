//! Why a request was not bought.

use paychan_channel::{Amount, ContractId};

use super::caps::CapExceeded;
use super::signer::SignerError;
use super::store::StoreError;
use crate::problem::ProblemBody;
use crate::wire::WireError;

/// Why a request was not answered, or not paid. [`PayError::may_have_paid`] says whether a voucher left.
#[derive(Debug, thiserror::Error)]
pub enum PayError {
    /// Nobody answered.
    #[error("no answer from {host}: {why}")]
    NoAnswer {
        /// Who was asked.
        host: String,
        /// What happened.
        why: String,
        /// A voucher was sent.
        paid: bool,
    },
    /// The request's body can't be sent twice, as a paid request needs.
    #[error("the request's body is a stream, which can't be sent again with a payment; give it as bytes")]
    BodyIsAStream,
    /// The address is not one of HTTP.
    #[error("{0} is no http:// or https:// address with a host")]
    BadUrl(String),
    /// Plain HTTP to another machine: a voucher could be read on the way.
    #[error(
        "{0} is reached by plain HTTP, where whoever listens can read vouchers; use https, or allow it for this host"
    )]
    Exposed(String),
    /// The server wants money, and offers nothing that can be paid with the channels that are pinned for it.
    #[error("{host} asks for payment, and none of its offers can be paid: {why}")]
    NoOffer {
        /// Who asks.
        host: String,
        /// Why not.
        why: String,
        /// What the server says.
        problem: Option<Box<ProblemBody>>,
    },
    /// A cap.
    #[error(transparent)]
    Cap(#[from] CapExceeded),
    /// The server says that more was signed than this store knows.
    #[error(
        "{host} says that {says} base units were signed on {channel}, and this store knows of {known}; if the store was lost, \
         resync to that total explicitly, else the server lies"
    )]
    ServerAhead {
        /// Who says so.
        host: String,
        /// The channel.
        channel: ContractId,
        /// What it says.
        says: Amount,
        /// What was signed by this store.
        known: Amount,
    },
    /// The server answered the payment with another request for payment. No second one is made.
    #[error("{host} took a voucher and asks for payment again ({why}); nothing more was signed")]
    AskedTwice {
        /// Who.
        host: String,
        /// What it says.
        why: String,
        /// The whole problem.
        problem: Option<Box<ProblemBody>>,
    },
    /// The channel has ended, or is about to.
    #[error("the channel {channel} can't be used any more: {why}; open another one")]
    ChannelOver {
        /// The channel.
        channel: ContractId,
        /// What the server says, or said before.
        why: String,
    },
    /// The server can't take payments now. The same payment is good later.
    #[error("{host} can't take payments at the moment: {why}")]
    Unavailable {
        /// Who.
        host: String,
        /// What it says.
        why: String,
    },
    /// The answer came from somewhere else than where it was paid.
    #[error("the paid request to {host} was redirected to {to}; a payment follows no redirect")]
    Redirected {
        /// Who was paid.
        host: String,
        /// Where it went.
        to: String,
    },
    /// The signer.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The signer's signature is not the key's.
    #[error("the signer's signature is not one of its key; nothing was sent")]
    WrongSignature,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something that can't be written or read.
    #[error(transparent)]
    Wire(#[from] WireError),
}

impl PayError {
    /// Whether a voucher was sent for the request. Then the amount counts as signed away, whatever became of it.
    #[must_use]
    pub fn may_have_paid(&self) -> bool {
        match self {
            Self::NoAnswer { paid, .. } => *paid,
            Self::AskedTwice { .. } | Self::Unavailable { .. } | Self::Redirected { .. } => true,
            _ => false,
        }
    }

    /// What the server says, if it was the server.
    #[must_use]
    pub fn problem(&self) -> Option<&ProblemBody> {
        match self {
            Self::NoOffer { problem, .. } | Self::AskedTwice { problem, .. } => problem.as_deref(),
            _ => None,
        }
    }
}
