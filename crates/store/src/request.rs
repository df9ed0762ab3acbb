//! Requests about a channel, their answers, and what the store remembers of them.

use paychan_channel::{Amount, ContractId, Signature};

use crate::digest::Digest;
use crate::{Claim, Held, RequestId};

/// A commitment offered without a charge: prepayment. Its signature has been verified by the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The channel.
    pub channel: ContractId,
    /// The total over the channel's life, base units.
    pub amount: Amount,
    /// The funder's signature over it.
    pub signature: Signature,
    /// The request's id.
    pub request_id: RequestId,
}

/// A price to take once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// The channel.
    pub channel: ContractId,
    /// What is sold, above zero. Base units.
    pub price: Amount,
    /// The request's id.
    pub request_id: RequestId,
    /// The commitment that came with the request, if one came. Its signature has been verified by the caller. The store
    /// takes it if it is above the highest held; otherwise the charge uses the highest.
    pub commitment: Option<Claim>,
}

/// A part of a charge to give back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credit {
    /// The channel.
    pub channel: ContractId,
    /// The id of the charge.
    pub request_id: RequestId,
    /// How much to give back: above zero, at most the charge's price. Base units.
    pub amount: Amount,
}

/// The answer to an admission. In both cases the channel is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdmitAnswer {
    /// The channel was new.
    Admitted,
    /// The channel was admitted before; what the store holds of it is unchanged.
    AlreadyAdmitted(Box<Held>),
}

/// A commitment is accepted: it is on disk and will never be forgotten. Base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The highest commitment before this one. For a commitment that format 1 wrote this is not known, and the field
    /// has the commitment's own amount.
    pub previous: Amount,
    /// The amount accepted under this request id, which was the highest when it was accepted.
    pub highest: Amount,
    /// What was spent then.
    pub spent: Amount,
    /// This very request had been accepted before; nothing new was written. The other fields are those of the first
    /// answer.
    pub replayed: bool,
}

/// A price is taken: it is on disk, in one record with the commitment that was taken for it. Base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charged {
    /// The price.
    pub price: Amount,
    /// The highest commitment before this request.
    pub previous: Amount,
    /// The highest commitment after it.
    pub highest: Amount,
    /// What was spent after it.
    pub spent: Amount,
    /// The part of this charge that has been given back since. It is zero in the first answer.
    pub credited: Amount,
    /// This very request had been taken before; nothing new was written. The other fields, but for `credited`, are
    /// those of the first answer.
    pub replayed: bool,
}

/// A part of a charge is given back. Base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credited {
    /// How much was given back.
    pub amount: Amount,
    /// What is spent now.
    pub spent: Amount,
    /// This very credit had been given before; nothing new was written.
    pub replayed: bool,
}

/// The contents of a request without its id: a commitment, a charge, or both in one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// `None` for a commitment alone.
    pub(crate) price: Option<Amount>,
    pub(crate) commitment: Option<Claim>,
}

/// A request that was taken, as the journal records it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) channel: ContractId,
    /// The number of the request in its channel, counted from one, so that a damaged journal shows which ones are
    /// missing.
    pub(crate) number: u64,
    pub(crate) taken_at_ms: u64,
    pub(crate) request_id: RequestId,
    /// `None` for a commitment alone.
    pub(crate) price: Option<Amount>,
    /// The amount of the commitment in the request, whether it was taken or not.
    pub(crate) offered: Option<Amount>,
    /// Its signature, if it was taken: then it is the highest.
    pub(crate) signature: Option<Signature>,
    /// The highest commitment before the request and after it, and what was spent after it.
    pub(crate) previous: Amount,
    pub(crate) highest: Amount,
    pub(crate) spent: Amount,
}

impl Taken {
    pub(crate) fn remembered(&self) -> Remembered {
        Remembered {
            digest: Digest::of(&self.request_id),
            number: self.number,
            price: self.price,
            offered: self.offered,
            previous: self.previous,
            highest: self.highest,
            spent: self.spent,
            credited: None,
        }
    }
}

/// What the store remembers of a request, so that a repetition gets the same answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Remembered {
    pub(crate) digest: Digest,
    /// The number of the request in its channel, counted from one.
    pub(crate) number: u64,
    pub(crate) price: Option<Amount>,
    pub(crate) offered: Option<Amount>,
    pub(crate) previous: Amount,
    pub(crate) highest: Amount,
    pub(crate) spent: Amount,
    /// The part of the charge that was given back.
    pub(crate) credited: Option<Amount>,
}

impl Remembered {
    /// A commitment as format 1 wrote it. All that was acknowledged then counts as spent, and the highest before it is
    /// not known.
    pub(crate) fn of_format_1(digest: Digest, number: u64, amount: Amount) -> Self {
        Remembered {
            digest,
            number,
            price: None,
            offered: Some(amount),
            previous: amount,
            highest: amount,
            spent: amount,
            credited: None,
        }
    }

    /// The answer to the same offer again.
    pub(crate) fn accepted_again(&self) -> Accepted {
        Accepted { previous: self.previous, highest: self.highest, spent: self.spent, replayed: true }
    }

    /// The answer to the same charge again.
    pub(crate) fn charged_again(&self) -> Charged {
        Charged {
            price: self.price.unwrap_or(Amount::ZERO),
            previous: self.previous,
            highest: self.highest,
            spent: self.spent,
            credited: self.credited.unwrap_or(Amount::ZERO),
            replayed: true,
        }
    }
}
