//! The rules by which the store takes requests. They are pure.

use paychan_channel::Amount;

use crate::request::{Remembered, Wanted};
use crate::{AcceptError, ChargeError, CloseError, Held, RequestId};

/// What a request changes, if the gate agrees. Base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    /// The highest commitment after it.
    pub(crate) highest: Amount,
    /// What is spent after it.
    pub(crate) spent: Amount,
}

/// What to do with a request, before the gate is asked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// The same request was taken before, and gets the same answer.
    Again(Remembered),
    /// The request is new: ask the gate, then write it.
    New(Change),
}

/// Judges a commitment without a charge.
///
/// The first rule that applies decides: an id that was used before gets the answer to its first use, even when the
/// channel has been fenced since; then the fence counts; then the amount.
pub(crate) fn judge_offer(
    held: &Held,
    remembered: Option<Remembered>,
    request_id: &RequestId,
    amount: Amount,
) -> Result<Judgement, AcceptError> {
    let highest = held.highest_amount();
    if let Some(remembered) = remembered {
        if remembered.price.is_none() && remembered.offered == Some(amount) {
            return Ok(Judgement::Again(remembered));
        }
        return Err(AcceptError::RequestIdReused {
            request_id: request_id.clone(),
            offered: amount,
            price: remembered.price,
            accepted: remembered.offered,
        });
    }
    if held.highest.is_some() && amount == highest {
        return Err(AcceptError::AlreadyHeld { highest });
    }
    if held.fence.is_some() {
        return Err(AcceptError::Fenced { highest: held.claim_amount() });
    }
    // More may be spent than is held, since what the chain had paid before the admission counts as spent. A commitment
    // for less would buy nothing.
    let highest = highest.max(held.spent);
    if amount <= highest {
        return Err(AcceptError::NotHigher { offered: amount, highest });
    }
    Ok(Judgement::New(Change { highest: amount, spent: held.spent }))
}

/// Judges a charge, with the commitment that came with it. The order is that of [`judge_offer`].
pub(crate) fn judge_charge(
    held: &Held,
    remembered: Option<Remembered>,
    request_id: &RequestId,
    price: Amount,
    offered: Option<Amount>,
) -> Result<Judgement, ChargeError> {
    if price.is_zero() {
        return Err(ChargeError::NoPrice);
    }
    if let Some(remembered) = remembered {
        if remembered.price == Some(price) && remembered.offered == offered {
            return Ok(Judgement::Again(remembered));
        }
        return Err(ChargeError::RequestIdReused {
            request_id: request_id.clone(),
            price: remembered.price,
            accepted: remembered.offered,
        });
    }
    if held.fence.is_some() {
        return Err(ChargeError::Fenced { highest: held.claim_amount() });
    }
    let highest = held.highest_amount().max(offered.unwrap_or(Amount::ZERO));
    match held.spent.checked_add(price) {
        Some(needed) if needed <= highest => Ok(Judgement::New(Change { highest, spent: needed })),
        needed => {
            Err(ChargeError::Insufficient { price, spent: held.spent, highest, needed: needed.unwrap_or(Amount::MAX) })
        }
    }
}

/// Judges the amount with which a channel is closed by agreement. `paying` is what a transaction in flight pays out.
///
/// `Ok(true)` means that the close is new, `Ok(false)` that the channel is fenced with this very amount already.
pub(crate) fn judge_close(
    held: &Held,
    paying: Option<Amount>,
    amount: Amount,
    withdrawn: Amount,
) -> Result<bool, CloseError> {
    if held.fence.is_some() {
        let agreed = held.claim_amount();
        return if agreed == amount { Ok(false) } else { Err(CloseError::AgreedOtherwise { offered: amount, agreed }) };
    }
    let highest = held.highest_amount();
    if amount > highest {
        return Err(CloseError::AboveHighest { offered: amount, highest });
    }
    let at_least = held.spent.max(withdrawn).max(paying.unwrap_or(Amount::ZERO));
    if amount < at_least {
        return Err(CloseError::TooLow { offered: amount, at_least });
    }
    Ok(true)
}

impl Wanted {
    pub(crate) fn offered(&self) -> Option<Amount> {
        self.commitment.map(|commitment| commitment.amount)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that unwraps says what it needs")]

    use paychan_channel::ContractId;

    use super::*;
    use crate::fixtures::{admission, commitment};

    fn units(units: i128) -> Amount {
        Amount::new(units).unwrap()
    }

    #[test]
    fn a_close_takes_at_least_what_was_sold_paid_or_is_being_paid_and_at_most_what_was_signed() {
        let channel = ContractId([1; 32]);
        let mut held = Held::new(admission(channel));
        (held.highest, held.spent) = (Some(commitment(channel, 100)), units(40));
        let judge = |amount, paying, withdrawn| judge_close(&held, paying, units(amount), units(withdrawn));
        assert_eq!(judge(100, None, 0), Ok(true));
        assert_eq!(judge(101, None, 0), Err(CloseError::AboveHighest { offered: units(101), highest: units(100) }));
        for (paying, withdrawn, least) in [(None, 0, 40), (None, 41, 41), (Some(units(42)), 41, 42)] {
            let low = CloseError::TooLow { offered: units(least - 1), at_least: units(least) };
            assert_eq!(judge(least, paying, withdrawn), Ok(true));
            assert_eq!(judge(least - 1, paying, withdrawn), Err(low));
        }
    }
}
