//! Which offers are taken. Pure.

use paychan_channel::Amount;

use crate::{AcceptError, Accepted, Held, Offer};

/// What to do with an offer, before the gate is asked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The same question was answered before: the same answer.
    Replay(Accepted),
    /// Above the highest, and the channel is not fenced: ask the gate, then write it.
    New,
}

/// Judges an offer against what is held. `remembered` is the amount that was accepted under the offer's request id on
/// this channel.
///
/// The first that applies: an id that was used answers for what it was used for, even when the channel has been fenced
/// since; then the fence; then the amount.
pub(crate) fn judge(held: &Held, remembered: Option<Amount>, offer: &Offer) -> Result<Verdict, AcceptError> {
    let highest = held.highest_amount();
    if let Some(accepted) = remembered {
        if accepted == offer.amount {
            return Ok(Verdict::Replay(Accepted { highest: accepted, replay: true }));
        }
        return Err(AcceptError::RequestIdReused {
            request_id: offer.request_id.clone(),
            offered: offer.amount,
            accepted,
        });
    }
    if held.highest.is_some() && offer.amount == highest {
        return Err(AcceptError::AlreadyHeld { highest });
    }
    if held.fence.is_some() {
        return Err(AcceptError::Fenced { highest });
    }
    if offer.amount <= highest {
        return Err(AcceptError::NotHigher { offered: offer.amount, highest });
    }
    Ok(Verdict::New)
}
