//! Decides how far the close of a fenced channel is. Pure.

use paychan_store::{Decided, Outcome, Purpose, SignedTransaction};
use paychan_watcher_api::CloseState;

use crate::policy::Known;

/// The state of the close, and the hash of its transaction.
///
/// `in_flight` are all transactions without an outcome, and `outcomes` are the channel's outcomes in the store, newest
/// first.
pub(super) fn state(
    known: &Known<'_>,
    in_flight: &[SignedTransaction],
    outcomes: &[Decided],
) -> (CloseState, Option<[u8; 32]>) {
    let channel = known.id();
    let pays = |purpose: &Purpose| purpose.pays().is_some_and(|(paid, _)| paid == channel);
    let closes = |purpose: &Purpose| pays(purpose) && matches!(purpose, Purpose::Close { .. });
    let flying = in_flight.iter().rfind(|signed| pays(&signed.purpose));
    let confirmed = |decided: &&Decided| matches!(decided.outcome, Outcome::Confirmed { .. });
    let paid = outcomes.iter().filter(confirmed).find(|decided| pays(&decided.purpose));
    let closed = outcomes.iter().filter(confirmed).find(|decided| closes(&decided.purpose));

    if closed.is_some() || known.has_ended() {
        // The entries may show the end before the outcome is recorded.
        let flying = flying.filter(|signed| closes(&signed.purpose)).map(|signed| signed.hash);
        return (CloseState::Closed, closed.map(|decided| decided.hash).or(flying));
    }
    if let Some(flying) = flying {
        return (CloseState::Sent, Some(flying.hash));
    }
    if known.unsettled().is_zero() && !known.may_close() {
        return (CloseState::Settled, paid.map(|decided| decided.hash));
    }
    (CloseState::Agreed, None)
}

#[cfg(test)]
mod tests {
    use paychan_channel::{Amount, ChannelState, Ledger, Stroops};
    use paychan_store::Fence;

    use super::*;
    use crate::fixtures::{CHANNEL, HEAD, LANE, channel_view, config, held, state as chain_state, units};
    use crate::policy::Tried;

    fn settle(amount: u64) -> Purpose {
        Purpose::Settle { channel: CHANNEL, amount: units(amount) }
    }

    fn close(amount: u64) -> Purpose {
        Purpose::Close { channel: CHANNEL, amount: units(amount) }
    }

    fn confirmed(hash: u8, purpose: Purpose) -> Decided {
        let outcome = Outcome::Confirmed { ledger: HEAD, fee_charged: Stroops(1) };
        Decided { hash: [hash; 32], lane: LANE, purpose, outcome, decided_at_ms: 0 }
    }

    fn flying(hash: u8, purpose: Purpose) -> SignedTransaction {
        SignedTransaction {
            hash: [hash; 32],
            lane: LANE,
            purpose,
            envelope: Vec::new(),
            sequence: 1,
            signed_at: HEAD,
            max_ledger: Ledger(HEAD.0 + 5),
            fee: Stroops(1),
        }
    }

    /// The state of a channel that is to be closed with 70, of which this much is paid.
    fn stands(
        paid: u64,
        can_close: bool,
        in_flight: &[SignedTransaction],
        outcomes: &[Decided],
        refunded: bool,
    ) -> (CloseState, Option<u8>) {
        let config = config();
        let mut held = held(70);
        held.fence = Some(Fence { fenced_at_ms: 0, agreed: None });
        let known = Known {
            token: config.token(&held.admission.token),
            held,
            chain: Some(channel_view(ChannelState { withdrawn: units(paid), refunded, ..chain_state() })),
            close_agreed: true,
            event_deadline: None,
            unreadable: false,
            trouble: None,
            paid: Amount::ZERO,
            can_close,
            payable: true,
            tried: Tried::default(),
        };
        let (state, hash) = state(&known, in_flight, outcomes);
        (state, hash.map(|hash| hash[0]))
    }

    #[test]
    fn a_close_is_agreed_then_sent_then_closed() {
        let earlier = confirmed(1, settle(30));
        assert_eq!(stands(30, true, &[], std::slice::from_ref(&earlier), false), (CloseState::Agreed, None));
        assert_eq!(
            stands(30, true, &[flying(2, close(70))], std::slice::from_ref(&earlier), false),
            (CloseState::Sent, Some(2))
        );
        assert_eq!(
            stands(70, true, &[flying(2, close(70))], std::slice::from_ref(&earlier), true),
            (CloseState::Closed, Some(2))
        );
        let outcomes = [confirmed(2, close(70)), earlier];
        assert_eq!(stands(30, true, &[], &outcomes, false), (CloseState::Closed, Some(2)), "the entries are older");
    }

    #[test]
    fn a_channel_that_is_paid_already_is_still_closed_if_possible() {
        let outcomes = [confirmed(1, settle(70))];
        assert_eq!(stands(70, true, &[], &outcomes, false), (CloseState::Agreed, None));
        assert_eq!(stands(70, false, &[], &outcomes, false), (CloseState::Settled, Some(1)));
    }

    #[test]
    fn a_channel_that_somebody_else_ended_is_closed_by_no_transaction_of_ours() {
        assert_eq!(stands(70, true, &[], &[confirmed(1, settle(70))], true), (CloseState::Closed, None));
    }
}
