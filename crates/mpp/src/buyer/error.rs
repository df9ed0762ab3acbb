//! The errors of buying a request.

use paychan_channel::{Amount, ContractId};

use super::caps::CapExceeded;
use super::offer::says;
use super::signer::SignerError;
use super::store::StoreError;
use crate::problem::ProblemBody;
use crate::wire::WireError;

/// A request that was not answered or not paid, and what was signed for it.
#[derive(Debug, thiserror::Error)]
#[error("{why}{}", what_was_sent(*signed_away))]
pub struct PayFailure {
    /// Why.
    pub why: Box<PayError>,
    /// By how much the vouchers that were sent for the request raised the total that was ever signed, base units. The server may
    /// take them, whatever it has answered. `None` when nothing was sent that it could take.
    pub signed_away: Option<Amount>,
}

impl PayFailure {
    /// Whether a voucher was sent that the server may take. If so, its amount counts as signed, whatever the outcome is.
    #[must_use]
    pub fn may_have_paid(&self) -> bool {
        self.signed_away.is_some()
    }
}

/// What was sent, as the end of a message.
fn what_was_sent(amount: Option<Amount>) -> String {
    match amount {
        None => String::new(),
        Some(Amount::ZERO) => ". A voucher was sent, and it is for a total that was signed before".to_owned(),
        Some(amount) => format!(". {amount} base units were signed for this request, and the server may take them"),
    }
}

/// Why a request was not answered or not paid.
#[derive(Debug, thiserror::Error)]
pub enum PayError {
    /// No answer came.
    #[error("no answer from {host}: {why}")]
    NoAnswer {
        /// The host that was asked.
        host: String,
        /// What happened.
        why: String,
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
    /// The server says that more was signed than this store knows, and does not prove it. To ask for the proof, the buyer signs
    /// one base unit if nothing was signed before, and nothing otherwise.
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
    #[error("{host} does not close the channel {channel} with {offered} base units: {}", says(.problem.as_deref()))]
    CloseRefused {
        /// The host that was asked.
        host: String,
        /// The channel.
        channel: ContractId,
        /// What the recipient would have had in total.
        offered: Amount,
        /// The price of the new challenge that came with the refusal, base units. The server may want it for the close.
        price: Option<Amount>,
        /// The server's problem.
        problem: Option<Box<ProblemBody>>,
    },
    /// There is nothing to close the channel with.
    #[error(
        "neither this store nor {host} knows of anything that was signed on {channel}, so there is nothing to close it with; take \
         the deposit back with close_start and refund, or resync explicitly if the store was lost"
    )]
    NothingSigned {
        /// The host that was asked.
        host: String,
        /// The channel.
        channel: ContractId,
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
