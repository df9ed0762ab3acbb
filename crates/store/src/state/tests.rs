//! Tests that a journal whose figures do not add up is refused, and what is known of payments in flight.

#![allow(clippy::unwrap_used, reason = "a test that unwraps says what it needs")]

use paychan_channel::{AccountId, Amount, ContractId, Ledger, Stroops};

use super::*;
use crate::fixtures::{admission, commitment};
use crate::{Claim, Fence, Outcome, Purpose, SignedTransaction};

const CHANNEL: ContractId = ContractId([1; 32]);

fn units(units: i128) -> Amount {
    Amount::new(units).unwrap()
}

/// A state with one channel, on which commitments for these amounts were taken at the times 1, 2 and so on.
fn holding(amounts: &[i128]) -> State {
    let mut state = State::default();
    state.apply(&Record::Admitted(admission(CHANNEL))).unwrap();
    for at in amounts {
        state.apply(&Record::Taken(next(&state, *at))).unwrap();
    }
    state
}

/// The record of a commitment for this amount, which follows the state.
fn next(state: &State, amount: i128) -> Taken {
    let (held, commitment) = (&state.channels[&CHANNEL].held, commitment(CHANNEL, amount));
    Taken {
        channel: CHANNEL,
        number: held.accepted + 1,
        taken_at_ms: held.accepted + 1,
        request_id: commitment.request_id,
        price: None,
        offered: Some(commitment.amount),
        signature: Some(commitment.signature),
        previous: held.highest_amount(),
        highest: commitment.amount,
        spent: held.spent,
    }
}

fn sign(state: &mut State, number: u8, amount: i128) {
    state
        .apply(&Record::Signed(SignedTransaction {
            hash: [number; 32],
            lane: AccountId([3; 32]),
            purpose: Purpose::Settle { channel: CHANNEL, amount: units(amount) },
            envelope: vec![number],
            sequence: number.into(),
            signed_at: Ledger(1),
            max_ledger: Ledger(6),
            fee: Stroops(100),
        }))
        .unwrap();
}

fn decide(state: &mut State, number: u8, outcome: Outcome) {
    state.apply(&Record::Decided { hash: [number; 32], outcome, decided_at_ms: 9 }).unwrap();
}

fn confirmed() -> Outcome {
    Outcome::Confirmed { ledger: Ledger(2), fee_charged: Stroops(100) }
}

fn unsettled_since(state: &State) -> Option<u64> {
    state.channels[&CHANNEL].held.unsettled_since_ms
}

#[test]
fn a_request_whose_figures_do_not_follow_from_those_before_it_is_refused() {
    let state = holding(&[100]);
    let unsigned = |taken: Taken| Taken { signature: None, ..taken };
    let charge = |price, highest, spent| Taken {
        price: Some(units(price)),
        spent: units(spent),
        ..unsigned(next(&state, highest))
    };
    for good in [next(&state, 101), charge(10, 100, 10), charge(100, 100, 100)] {
        state.clone().apply(&Record::Taken(good)).unwrap();
    }
    for wrong in [
        // The highest rises without a signature, or nothing is asked for at all.
        charge(10, 200, 10),
        unsigned(next(&state, 100)),
        // The signature is for another amount, or for no higher one.
        Taken { offered: Some(units(150)), ..next(&state, 200) },
        next(&state, 100),
        // Another highest came before it.
        Taken { previous: units(99), ..next(&state, 200) },
        // The price is not what was spent, or more is spent than was signed for.
        charge(10, 100, 9),
        charge(10, 100, 11),
        charge(101, 100, 101),
        Taken { spent: units(1), ..next(&state, 200) },
    ] {
        let refused = state.clone().apply(&Record::Taken(wrong.clone()));
        assert!(matches!(refused, Err(Contradiction::Sum { .. })), "{wrong:?}: {refused:?}");
    }
}

#[test]
fn a_channel_is_dropped_only_when_nothing_is_owed_and_nothing_is_in_flight() {
    let drop_when = |state: &State, withdrawn| {
        state.clone().apply(&Record::Dropped { channel: CHANNEL, withdrawn: units(withdrawn), dropped_at_ms: 9 })
    };
    let mut state = holding(&[100]);
    assert_eq!(drop_when(&state, 99), Err(Contradiction::DroppedTooEarly(CHANNEL)));
    assert_eq!(drop_when(&state, 100), Ok(()));
    assert_eq!(drop_when(&state, 101), Ok(()), "somebody else has settled more");
    sign(&mut state, 1, 100);
    assert_eq!(drop_when(&state, 100), Err(Contradiction::DroppedTooEarly(CHANNEL)));
}

#[test]
fn an_agreed_amount_is_between_what_is_spent_and_the_highest() {
    let mut state = holding(&[100]);
    let sold = Taken { price: Some(units(40)), spent: units(40), signature: None, ..next(&state, 100) };
    state.apply(&Record::Taken(sold)).unwrap();
    for (amount, fits) in [(39, false), (40, true), (100, true), (101, false)] {
        let agreed = Some(Claim { amount: units(amount), signature: commitment(CHANNEL, amount).signature });
        let fenced = Record::Fenced { channel: CHANNEL, fence: Fence { fenced_at_ms: 9, agreed } };
        assert_eq!(state.clone().apply(&fenced).is_ok(), fits, "{amount}");
    }
}

#[test]
fn a_confirmed_payment_leaves_unsettled_only_what_it_did_not_pay() {
    let mut all = holding(&[100, 200]);
    sign(&mut all, 1, 200);
    assert_eq!(unsettled_since(&all), Some(1), "nothing is paid yet");
    decide(&mut all, 1, confirmed());
    assert_eq!(unsettled_since(&all), None);

    // It is not known when the first commitment above the payment came, so the earliest time counts.
    let mut part = holding(&[100, 200]);
    sign(&mut part, 1, 100);
    decide(&mut part, 1, confirmed());
    assert_eq!(unsettled_since(&part), Some(1));

    let mut failed = holding(&[100]);
    sign(&mut failed, 1, 100);
    decide(&mut failed, 1, Outcome::Expired { at: Ledger(6) });
    assert_eq!(unsettled_since(&failed), Some(1));
}

#[test]
fn of_two_payments_in_flight_the_higher_one_counts() {
    // The second payment was signed for a commitment that came after the first.
    let mut raised = holding(&[100]);
    sign(&mut raised, 1, 100);
    raised.apply(&Record::Taken(next(&raised, 200))).unwrap();
    sign(&mut raised, 2, 200);
    decide(&mut raised, 2, confirmed());
    assert_eq!(unsettled_since(&raised), None);

    // The same payment again tells nothing new of the commitment that came in between.
    let mut repeated = holding(&[100]);
    sign(&mut repeated, 1, 100);
    repeated.apply(&Record::Taken(next(&repeated, 200))).unwrap();
    sign(&mut repeated, 2, 100);
    decide(&mut repeated, 2, confirmed());
    assert_eq!(unsettled_since(&repeated), Some(2));
}
