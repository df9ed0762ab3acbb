//! Tests that, with any answers, one endpoint can warn of danger, and fewer than a quorum can't make anything look
//! safe.

#![allow(clippy::unwrap_used, reason = "a test that unwraps says what it needs")]

use paychan_channel::{Amount, ChannelState, ContractId, Layout, Stroops};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::chain::{ChannelRead, CloseHint, CloseHints, Head};
use crate::fixtures::{CHANNEL, state, units};

const LAG: u32 = 12;

/// An endpoint's state of the channel: its ledger, what was paid, what is left, the deadline, and whether it is final.
fn told() -> impl Strategy<Value = ChannelState> {
    (1_000_u32..1_040, 0_u64..50, 0_u64..50, option::of(1_000_u32..2_000), any::<bool>()).prop_map(
        |(read_at, withdrawn, balance, deadline, refunded)| ChannelState {
            read_at: Ledger(read_at),
            withdrawn: units(withdrawn),
            balance: units(balance),
            close_effective_at: deadline.map(Ledger),
            refunded,
            ..state()
        },
    )
}

fn reads(states: &[ChannelState]) -> Vec<ChannelRead> {
    states.iter().cloned().map(ChannelRead::Read).collect()
}

fn merged(states: &[ChannelState], quorum: usize) -> ChannelState {
    match channel(reads(states), None, quorum, LAG) {
        Some(ChannelRead::Agreed { state, .. } | ChannelRead::Unconfirmed(state)) => state,
        other => panic!("{other:?}"),
    }
}

/// The states of one to five endpoints, and their quorum.
fn endpoints() -> impl Strategy<Value = (Vec<ChannelState>, usize)> {
    vec(told(), 1..=5).prop_map(|states| {
        let quorum = quorum(states.len());
        (states, quorum)
    })
}

proptest! {
    #[test]
    fn a_close_that_any_endpoint_reports_is_believed((states, quorum) in endpoints()) {
        let earliest = states.iter().filter_map(|state| state.close_effective_at).min();
        prop_assert_eq!(merged(&states, quorum).close_effective_at, earliest);
    }

    #[test]
    fn the_paid_out_amount_and_the_end_of_a_channel_need_a_quorum((states, quorum) in endpoints()) {
        let merged = merged(&states, quorum);
        let confirm = states.iter().filter(|state| state.withdrawn >= merged.withdrawn).count();
        prop_assert!(confirm >= quorum);
        let finals = states.iter().filter(|state| state.refunded).count();
        prop_assert_eq!(merged.refunded, finals >= quorum);
        let reached = states.iter().filter(|state| state.read_at >= merged.read_at).count();
        prop_assert!(reached >= quorum);
    }

    #[test]
    fn coverage_is_the_lowest_of_those_who_are_up_to_date((states, quorum) in endpoints()) {
        let merged = merged(&states, quorum);
        for state in states.iter().filter(|state| state.read_at.saturating_add(LAG) >= merged.read_at) {
            let told = if state.refunded { state.withdrawn } else { state.balance.saturating_add(state.withdrawn) };
            // A quorum confirms what was paid, so it counts even if one endpoint reports less.
            prop_assert!(merged.coverage() <= told.max(merged.withdrawn));
        }
    }

    #[test]
    fn the_order_of_the_endpoints_does_not_matter((mut states, quorum) in endpoints()) {
        // What never changes is taken from the newest state, so it does not matter which of two that is.
        let first = merged(&states, quorum);
        states.reverse();
        prop_assert_eq!(merged(&states, quorum), first);
    }

    #[test]
    fn a_minority_that_lies_in_any_way_makes_nothing_look_safer(
        honest in (0_u64..50, 1_u64..50),
        lies in vec(told(), 1..=2),
        silent in any::<bool>(),
    ) {
        // There are three or five endpoints, of which more than half are honest and up to date. At least a quorum
        // answers.
        let configured = 2 * lies.len() + 1;
        let truth = ChannelState {
            read_at: Ledger(1_020),
            withdrawn: units(honest.0),
            balance: units(honest.1),
            close_effective_at: Some(Ledger(1_500)),
            ..state()
        };
        let mut answers = vec![truth.clone(); lies.len() + 1];
        if !silent {
            answers.extend(lies);
        }
        let merged = merged(&answers, quorum(configured));
        prop_assert!(merged.withdrawn <= truth.withdrawn);
        prop_assert!(!merged.refunded);
        prop_assert!(merged.coverage() <= truth.coverage());
        prop_assert!(merged.close_effective_at <= truth.close_effective_at);
        prop_assert!(merged.read_at <= truth.read_at);
    }

    #[test]
    fn a_head_with_which_a_quorum_agrees_is_found(
        ledgers in vec(1_000_u32..1_100, 1..=5),
        at_most in option::of(1_000_u32..1_100),
    ) {
        let heads: Vec<Head> = ledgers.iter().map(|ledger| dated(*ledger)).collect();
        let quorum = quorum(heads.len());
        let anchor = at_most.map(|ledger| Anchor { at_most: Ledger(ledger) });
        let merged = head(&heads, quorum, LAG, anchor, NOW_MS).unwrap();
        let near = |top: u32| ledgers.iter().filter(|ledger| **ledger <= top && top - **ledger <= LAG).count();
        prop_assert_eq!(merged.agreeing, near(merged.head.ledger.get()));
        let gathered = ledgers.iter().filter(|ledger| near(**ledger) >= quorum).max();
        if let Some(gathered) = gathered {
            prop_assert_eq!(merged.head.ledger, Ledger(*gathered));
        }
    }

    #[test]
    fn events_cover_only_what_a_quorum_has_searched(ends in vec(option::of(1_000_u32..1_010), 1..=5)) {
        let quorum = quorum(ends.len());
        let pages = ends.iter().enumerate().map(|(place, end)| page(place, *end)).collect();
        let merged = close_hints(pages, quorum);
        let looked = |to: Ledger| ends.iter().flatten().filter(|end| Ledger(**end) >= to).count();
        prop_assert!(merged.scanned_to.is_none_or(|to| looked(to) >= quorum));
        prop_assert_eq!(merged.hints.len(), ends.len(), "every channel that any endpoint names is read");
    }
}

const NOW_MS: u64 = 1_795_000_000_000;

fn dated(ledger: u32) -> Head {
    Head { ledger: Ledger(ledger), closed_at_unix_ms: Some(NOW_MS - 5_000) }
}

fn page(place: usize, end: Option<u32>) -> CloseHints {
    let contract = ContractId([u8::try_from(place).unwrap(); 32]);
    let hint = CloseHint { contract, ledger: Ledger(1_000), effective_at: None };
    CloseHints { hints: vec![hint], scanned_to: end.map(Ledger), next: None }
}

#[test]
fn more_than_half_is_a_quorum() {
    let quorums: Vec<usize> = (1..=7).map(quorum).collect();
    assert_eq!(quorums, [1, 2, 2, 3, 3, 4, 4]);
}

#[test]
fn a_channel_state_that_fewer_than_a_quorum_report_is_not_confirmed() {
    let paid = ChannelState { withdrawn: units(1_000_000_000), balance: Amount::ZERO, refunded: true, ..state() };
    let alone = channel(reads(std::slice::from_ref(&paid)), None, 2, LAG).unwrap();
    assert!(matches!(alone, ChannelRead::Unconfirmed(_)), "{alone:?}");
    assert_eq!(alone.believed(), None);
    let two = channel(reads(&[paid.clone(), paid]), None, 2, LAG).unwrap();
    assert!(two.believed().is_some_and(|state| state.refunded));
}

#[test]
fn a_close_is_believed_from_any_one_endpoint_and_agreed_by_a_quorum() {
    let closing = ChannelState { close_effective_at: Some(Ledger(2_000_000)), ..state() };
    let of = |states: &[ChannelState], told| match channel(reads(states), told, 2, LAG) {
        Some(ChannelRead::Agreed { state, close_agreed }) => (state.close_effective_at, close_agreed),
        other => panic!("{other:?}"),
    };
    let deadline = closing.close_effective_at;
    assert_eq!(of(&[closing.clone(), state(), state()], None), (deadline, false));
    assert_eq!(of(&[closing.clone(), closing, state()], None), (deadline, true));
    assert_eq!(of(&[state(), state(), state()], deadline), (deadline, false), "one of them told it before");
    assert_eq!(of(&[state(), state(), state()], None), (None, false));
}

#[test]
fn a_quorum_shows_that_a_channel_is_not_closing_only_at_the_ledger_of_the_close_or_later() {
    let closing = ChannelState { close_effective_at: Some(Ledger(2_000_000)), ..state() };
    let (at, before) = (state().read_at, ChannelState { read_at: Ledger(state().read_at.get() - 1), ..state() });
    assert!(shows_no_close(&[state(), state(), closing.clone()], at, 2));
    assert!(!shows_no_close(&[state(), before, closing.clone()], at, 2));
    assert!(!shows_no_close(&[state(), closing.clone(), closing], at, 2));
}

#[test]
fn one_endpoint_can_not_end_a_channel_whose_layout_ends_it_by_its_balance() {
    // Everything is paid out, and one of three reports a close with a past deadline that no other endpoint sees.
    let empty = ChannelState { layout: Layout::Reference, balance: Amount::ZERO, ..state() };
    let over = ChannelState { close_effective_at: Some(Ledger(empty.read_at.get() - 1)), ..empty.clone() };
    assert!(over.is_final());
    let one = merged(&[over.clone(), empty.clone(), empty.clone()], 2);
    assert!(!one.is_final() && one.close_effective_at.is_some(), "it is closing, and not over: {one:?}");
    assert!(merged(&[over.clone(), over, empty], 2).is_final());
}

#[test]
fn a_deadline_that_one_endpoint_names_in_an_event_is_only_a_reason_to_read() {
    let contract = ContractId([7; 32]);
    let named = |deadline| CloseHints {
        hints: vec![CloseHint { contract, ledger: Ledger(1_000), effective_at: Some(Ledger(deadline)) }],
        scanned_to: Some(Ledger(1_000)),
        next: None,
    };
    let of = |pages: Vec<CloseHints>| close_hints(pages, 2).hints;
    let seen = |effective_at| vec![CloseHint { contract, ledger: Ledger(1_000), effective_at }];
    assert_eq!(of(vec![named(2_000), page(0, None)])[1..], seen(None)[..]);
    assert_eq!(of(vec![named(2_000), named(1_500)]), seen(None));
    assert_eq!(of(vec![named(2_000), named(1_500), named(2_000)]), seen(Some(Ledger(2_000))));
}

#[test]
fn one_far_ledger_moves_no_head_and_is_no_agreement() {
    let far = Head { ledger: Ledger(5_000_000), closed_at_unix_ms: Some(NOW_MS - 1_000) };
    let of_three = head(&[dated(1_000), far, dated(1_001)], 2, LAG, None, NOW_MS).unwrap();
    assert_eq!((of_three.head.ledger, of_three.agreeing), (Ledger(1_001), 2));
    // If one of two reports an implausible ledger, the plausible one is followed, and no money is taken.
    let anchor = Some(Anchor { at_most: Ledger(1_060) });
    let of_two = head(&[dated(1_000), far], 2, LAG, anchor, NOW_MS).unwrap();
    assert_eq!((of_two.head.ledger, of_two.agreeing), (Ledger(1_000), 1));
    let lags = head(&[dated(1_000), dated(500)], 2, LAG, anchor, NOW_MS).unwrap();
    assert_eq!(
        (lags.head.ledger, lags.agreeing),
        (Ledger(1_000), 1),
        "the most advanced endpoint shows danger soonest"
    );
}

#[test]
fn a_channel_that_one_endpoint_cannot_read_is_read_by_another_and_is_gone_only_for_a_quorum() {
    let (read, missing) = (ChannelRead::Read(state()), ChannelRead::Missing { channel: CHANNEL, at: Ledger(1_000) });
    let odd = ChannelRead::Undecodable { channel: CHANNEL, why: "a newer protocol".to_owned() };
    let of =
        |answers: &[&ChannelRead]| channel(answers.iter().map(|read| (*read).clone()).collect(), None, 2, LAG).unwrap();
    assert!(matches!(of(&[&odd, &read, &missing]), ChannelRead::Unconfirmed(_)));
    assert!(matches!(of(&[&read, &read, &missing]), ChannelRead::Agreed { .. }));
    assert!(matches!(of(&[&missing, &read, &missing]), ChannelRead::Missing { .. }));
    assert!(matches!(of(&[&odd, &missing]), ChannelRead::Undecodable { .. }));
    assert!(matches!(of(&[&missing]), ChannelRead::Missing { .. }));
}

#[test]
fn endpoints_that_contradict_each_other_about_what_never_changes_are_not_believed_without_a_quorum() {
    let other = ChannelState { commitment_key: [9; 32], ..state() };
    let two = channel(reads(&[state(), other.clone()]), None, 2, LAG).unwrap();
    assert!(matches!(two, ChannelRead::Undecodable { .. }), "{two:?}");
    assert_eq!(merged(&[state(), other, state()], 2).commitment_key, state().commitment_key);
}

fn found(ledger: u32) -> Found {
    Found::Included { ledger: Ledger(ledger), fee_charged: Stroops(100), failed: None }
}

fn not_found(oldest: u32, latest: u32) -> Found {
    Found::No { oldest: Ledger(oldest), latest: Ledger(latest) }
}

#[test]
fn a_quorum_must_agree_that_a_transaction_is_in_a_ledger_or_in_none() {
    assert_eq!(outcome(&[found(7), not_found(1, 6), found(7)], 2), Some(found(7)));
    assert_eq!(outcome(&[found(7), not_found(1, 9)], 2), None, "one of them may be late, or lie");
    assert_eq!(outcome(&[found(7)], 2), None);
    assert_eq!(outcome(&[found(7), found(8)], 2), None, "the two answers differ");
    assert_eq!(outcome(&[not_found(1, 9)], 2), None);
    assert_eq!(outcome(&[not_found(1, 9), not_found(3, 7), not_found(1, 8)], 2), Some(not_found(3, 8)));
}

#[test]
fn a_transaction_that_one_endpoint_has_taken_is_there() {
    let fee = |needed| Sent::InsufficientFee { needed: Stroops(needed) };
    assert_eq!(sent(vec![Sent::BadSequence, Sent::Pending, Sent::TryAgainLater], 3), Some(Sent::Pending));
    assert_eq!(sent(vec![Sent::TooLate, Sent::Duplicate], 2), Some(Sent::Duplicate));
    assert_eq!(sent(vec![fee(100), fee(300), Sent::TooLate], 3), Some(fee(300)));
    assert_eq!(sent(vec![], 3), None);
    // Simulated world 442: the endpoint without an answer may hold the transaction that the others refuse.
    assert_eq!(sent(vec![fee(100), Sent::TooLate], 3), Some(Sent::TryAgainLater));
    assert_eq!(sent(vec![Sent::Pending], 3), Some(Sent::Pending));
}

#[test]
fn the_worst_read_of_an_issuer_counts_and_a_quorum_of_reads_of_a_recipient() {
    let room = |units| Payability::Room(Amount::from(units));
    assert_eq!(payability(vec![room(5), room(3)], 2), Some(room(3)));
    assert_eq!(payability(vec![room(0), Payability::NotAuthorized, room(3)], 2), Some(room(0)));
    let two = vec![Payability::NotAuthorized, room(3), Payability::NotAuthorized];
    assert_eq!(payability(two, 2), Some(Payability::NotAuthorized));
    assert_eq!(token_risk(vec![TokenRisk::Native, TokenRisk::Opaque]), Some(TokenRisk::Opaque));
    assert_eq!(token_balance(&[Some(units(5)), Some(units(3))]), Some(units(3)));
    assert_eq!(token_balance(&[Some(units(5)), None]), None);
    assert_eq!(meets_archived(&[Some(true), Some(false), Some(false)], 2), Some(false));
    assert_eq!(meets_archived(&[Some(true), Some(false), Some(true)], 2), Some(true));
}
