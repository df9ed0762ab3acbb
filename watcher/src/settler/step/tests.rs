#![allow(clippy::unwrap_used, reason = "tests")]

use paychan_channel::{AccountId, Ledger, Stroops};
use proptest::prelude::*;

use super::*;
use crate::chain::LaneFacts;

const SIGNED: u32 = 100;
const MAX: u32 = SIGNED + BOUNDS_LEDGERS;

fn flight(offered: Offered) -> Flight {
    Flight { sequence: 7, signed_at: Ledger(SIGNED), max_ledger: Ledger(MAX), offered, last_sent: None }
}

fn not_found(oldest: u32, latest: u32) -> Found {
    Found::No { oldest: Ledger(oldest), latest: Ledger(latest) }
}

fn account(sequence: i64, at: u32) -> LaneAccount {
    LaneAccount {
        facts: LaneFacts {
            account: AccountId([1; 32]),
            balance: Stroops(1),
            spendable: Stroops(1),
            read_at: Ledger(at),
        },
        sequence,
        agreed: true,
    }
}

fn refusals() -> Vec<Sent> {
    vec![
        Sent::InsufficientFee { needed: Stroops(777) },
        Sent::TooLate,
        Sent::InsufficientBalance,
        Sent::Refused { code: "txMalformed".to_owned() },
    ]
}

#[test]
fn a_transaction_that_nobody_has_is_sent_and_any_other_is_asked_for_first() {
    assert_eq!(at_new_head(&flight(Offered::Never)), Opening::Send);
    assert_eq!(at_new_head(&flight(Offered::Maybe)), Opening::AskOutcome);
}

#[test]
fn pending_duplicate_and_try_again_later_wait() {
    for offered in [Offered::Never, Offered::Maybe] {
        for sent in [Sent::Pending, Sent::Duplicate, Sent::TryAgainLater] {
            assert_eq!(after_sent(&flight(offered), &sent), Next::Wait, "{sent:?}");
        }
    }
}

#[test]
fn a_refusal_of_the_only_offer_gives_the_transaction_up() {
    for sent in refusals() {
        let next = after_sent(&flight(Offered::Never), &sent);
        assert!(matches!(next, Next::Over(Unsuccessful::Refused { .. })), "{sent:?}: {next:?}");
    }
}

#[test]
fn a_refusal_after_an_earlier_offer_waits_for_the_bounds() {
    for sent in refusals() {
        assert_eq!(after_sent(&flight(Offered::Maybe), &sent), Next::Wait, "{sent:?}");
    }
}

#[test]
fn a_fee_that_is_too_low_says_which_fee_is_enough() {
    let next = after_sent(&flight(Offered::Never), &Sent::InsufficientFee { needed: Stroops(777) });
    let Next::Over(Unsuccessful::Refused { needed_fee, lane_is_short, .. }) = next else {
        panic!("{next:?}");
    };
    assert_eq!(needed_fee, Some(Stroops(777)));
    assert!(!lane_is_short);
}

#[test]
fn a_lane_that_cannot_pay_its_fee_is_reported_as_short() {
    let next = after_sent(&flight(Offered::Never), &Sent::InsufficientBalance);
    assert!(matches!(next, Next::Over(Unsuccessful::Refused { lane_is_short: true, .. })), "{next:?}");
}

#[test]
fn a_bad_sequence_number_asks_the_account_whoever_may_hold_the_transaction() {
    for offered in [Offered::Never, Offered::Maybe] {
        assert_eq!(after_sent(&flight(offered), &Sent::BadSequence), Next::ReadAccount);
    }
}

#[test]
fn the_same_bytes_go_out_once_a_ledger_until_the_bounds() {
    let mut open = flight(Offered::Maybe);
    for head in SIGNED..MAX {
        let found = not_found(1, head);
        assert_eq!(after_found(&open, &found, Ledger(head)), Next::Send, "not sent at {head} yet");
        open.last_sent = Some(Ledger(head));
        assert_eq!(after_found(&open, &found, Ledger(head)), Next::Wait, "sent at {head} already");
    }
}

#[test]
fn not_found_is_final_only_past_the_bounds_at_the_endpoint_itself() {
    let open = flight(Offered::Maybe);
    // Our head is past the bounds, but the endpoint that answers is not.
    assert_eq!(after_found(&open, &not_found(1, MAX - 1), Ledger(MAX + 3)), Next::Wait);
    assert_eq!(
        after_found(&open, &not_found(1, MAX), Ledger(MAX)),
        Next::Over(Unsuccessful::Expired { at: Ledger(MAX) })
    );
}

#[test]
fn not_found_by_an_endpoint_that_forgot_the_ledgers_asks_the_account() {
    let open = flight(Offered::Maybe);
    assert_eq!(after_found(&open, &not_found(SIGNED + 1, 9_000), Ledger(9_000)), Next::ReadAccount);
    assert_eq!(
        after_found(&open, &not_found(SIGNED, 9_000), Ledger(9_000)),
        Next::Over(Unsuccessful::Expired { at: Ledger(9_000) })
    );
}

#[test]
fn included_and_succeeded_is_confirmed_on_chain_before_it_counts() {
    let found = Found::Included { ledger: Ledger(102), fee_charged: Stroops(55), failed: None };
    let expected = Next::Confirm { ledger: Ledger(102), fee_charged: Stroops(55) };
    assert_eq!(after_found(&flight(Offered::Maybe), &found, Ledger(103)), expected);
    assert_eq!(after_account(&flight(Offered::Maybe), &account(7, 103), &found), expected);
}

#[test]
fn included_and_failed_is_over_and_says_why() {
    let found = Found::Included {
        ledger: Ledger(102),
        fee_charged: Stroops(55),
        failed: Some("InvokeHostFunctionTrapped".to_owned()),
    };
    assert_eq!(
        after_found(&flight(Offered::Maybe), &found, Ledger(103)),
        Next::Over(Unsuccessful::Failed {
            ledger: Ledger(102),
            fee_charged: Stroops(55),
            why: "InvokeHostFunctionTrapped".to_owned()
        })
    );
}

#[test]
fn a_used_sequence_number_ends_a_transaction_that_the_endpoint_would_know_of() {
    let open = flight(Offered::Maybe);
    assert_eq!(
        after_account(&open, &account(7, 103), &not_found(1, 103)),
        Next::Over(Unsuccessful::Expired { at: Ledger(103) })
    );
    // The endpoint's transactions lag behind its entries, so the ledger that it lacks may include the transaction.
    assert_eq!(after_account(&open, &account(7, 103), &not_found(1, 102)), Next::Wait);
    // The endpoint has forgotten the ledgers that could include it.
    assert_eq!(
        after_account(&open, &account(8, 9_000), &not_found(8_000, 9_000)),
        Next::Over(Unsuccessful::Unknowable { at: Ledger(9_000) })
    );
}

#[test]
fn an_unused_sequence_number_past_the_bounds_means_never_included() {
    let open = flight(Offered::Maybe);
    assert_eq!(
        after_account(&open, &account(6, 9_000), &not_found(8_000, 9_000)),
        Next::Over(Unsuccessful::Expired { at: Ledger(9_000) })
    );
    // The account was read at a ledger before the end of the bounds, so it proves nothing yet.
    assert_eq!(after_account(&open, &account(6, MAX - 1), &not_found(1, MAX - 1)), Next::Wait);
}

#[test]
fn an_unused_sequence_number_within_the_bounds_is_rebuilt_only_if_nobody_has_the_transaction() {
    assert!(matches!(
        after_account(&flight(Offered::Never), &account(5, 101), &not_found(1, 101)),
        Next::Over(Unsuccessful::Refused { .. })
    ));
    assert_eq!(after_account(&flight(Offered::Maybe), &account(5, 101), &not_found(1, 101)), Next::Wait);
}

fn any_found() -> impl Strategy<Value = Found> {
    prop_oneof![
        (0u32..300, 0u32..300).prop_map(|(oldest, latest)| not_found(oldest, latest)),
        (0u32..300, any::<bool>()).prop_map(|(ledger, failed)| Found::Included {
            ledger: Ledger(ledger),
            fee_charged: Stroops(1),
            failed: failed.then(|| "failed".to_owned()),
        }),
    ]
}

fn any_flight() -> impl Strategy<Value = Flight> {
    (1i64..10, 1u32..200, any::<bool>(), proptest::option::of(0u32..300)).prop_map(|(sequence, at, never, sent)| {
        Flight {
            sequence,
            signed_at: Ledger(at),
            max_ledger: Ledger(at + BOUNDS_LEDGERS),
            offered: if never { Offered::Never } else { Offered::Maybe },
            last_sent: sent.map(Ledger),
        }
    })
}

proptest! {
    /// The safety rule holds for all answers: a transaction that may still be included is never given up.
    #[test]
    fn a_transaction_that_may_be_included_yet_is_never_given_up(
        flight in any_flight(), found in any_found(), head in 0u32..300, sequence in 0i64..12, at in 0u32..300,
    ) {
        let account = account(sequence, at);
        for (next, by_account) in [
            (after_found(&flight, &found, Ledger(head)), false),
            (after_account(&flight, &account, &found), true),
        ] {
            let Next::Over(unsuccessful) = next else { continue };
            match (&unsuccessful, &found) {
                (Unsuccessful::Failed { .. }, Found::Included { failed: Some(_), .. }) => {}
                (Unsuccessful::Expired { .. } | Unsuccessful::Unknowable { .. }, Found::No { latest, .. }) => {
                    let passed = *latest >= flight.max_ledger;
                    let used = by_account && sequence >= flight.sequence && *latest >= account.facts.read_at;
                    prop_assert!(passed || used, "{unsuccessful:?} while it may be included: {flight:?} {found:?}");
                }
                (Unsuccessful::Refused { .. }, Found::No { .. }) => {
                    prop_assert!(by_account && flight.offered == Offered::Never);
                }
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }

    /// No transaction waits for ever: an endpoint far past the bounds always decides.
    #[test]
    fn an_endpoint_far_past_the_bounds_always_decides(
        flight in any_flight(), oldest in 0u32..1_000, sequence in 0i64..12,
    ) {
        let found = not_found(oldest, 1_000);
        let first = after_found(&flight, &found, Ledger(1_000));
        let last = match first {
            Next::ReadAccount => after_account(&flight, &account(sequence, 1_000), &found),
            other => other,
        };
        prop_assert!(matches!(last, Next::Over(_)), "{last:?}");
    }
}
