#![allow(clippy::unwrap_used, reason = "a test that unwraps says what it needs")]

use std::time::Duration;

use paychan_channel::{Amount, ChannelState, ContractId, Ledger};
use proptest::prelude::*;

use super::*;
use crate::config::FreshnessLimits;
use crate::fixtures::{BOOT, CHANNEL, HEAD, RECIPIENT, TOKEN, WALL_MS, lane, state, units, view};
use paychan_channel::Payability;

fn limits() -> FreshnessLimits {
    FreshnessLimits {
        behind_ledgers: 12,
        unread_ledgers: 138,
        age: Duration::from_secs(60),
        ahead: Duration::from_secs(30),
    }
}

fn fresh(view: &View) -> Result<(), NotFresh> {
    view.freshness(&CHANNEL, &limits(), WALL_MS, BOOT)
}

fn closing(at: Ledger, deadline: u32) -> ChannelState {
    ChannelState { close_effective_at: Some(Ledger(deadline)), read_at: at, ..state() }
}

fn head_at(ledger: u32) -> Head {
    Head { ledger: Ledger(ledger), closed_at_unix_ms: Some(WALL_MS) }
}

#[test]
fn a_channel_that_was_just_read_under_a_recent_head_is_fresh() {
    assert_eq!(fresh(&view()), Ok(()));
}

#[test]
fn a_view_of_nothing_is_not_fresh() {
    assert_eq!(fresh(&View::new()), Err(NotFresh::NoHead));
    let headed = View::new();
    headed.set_head(head_at(5), BOOT);
    assert_eq!(fresh(&headed), Err(NotFresh::Unread));
}

#[test]
fn a_view_is_fresh_up_to_each_limit_itself() {
    let view = view();
    assert_eq!(view.freshness(&CHANNEL, &limits(), WALL_MS - 30_000, BOOT), Ok(()));
    assert_eq!(view.freshness(&CHANNEL, &limits(), WALL_MS, BOOT + Duration::from_secs(60)), Ok(()));
    view.set_head(head_at(HEAD.0 + 12), BOOT);
    assert_eq!(fresh(&view), Ok(()));
}

#[test]
fn an_old_head_is_not_fresh_by_wall_time() {
    let view = view();
    assert_eq!(view.freshness(&CHANNEL, &limits(), WALL_MS + 60_000, BOOT), Ok(()));
    let stale = view.freshness(&CHANNEL, &limits(), WALL_MS + 61_000, BOOT);
    assert_eq!(stale, Err(NotFresh::HeadOld { ledger: HEAD, age_s: 61, limit_s: 60 }));
}

#[test]
fn a_head_from_the_future_means_that_the_clock_is_wrong() {
    let stale = view().freshness(&CHANNEL, &limits(), WALL_MS - 31_000, BOOT);
    assert_eq!(stale, Err(NotFresh::HeadAhead { ledger: HEAD, ahead_s: 31, limit_s: 30 }));
}

#[test]
fn a_machine_that_was_suspended_wakes_up_with_a_stale_view_though_its_wall_clock_says_otherwise() {
    let stale = view().freshness(&CHANNEL, &limits(), WALL_MS, BOOT + Duration::from_secs(61));
    assert_eq!(stale, Err(NotFresh::HeadStill { ledger: HEAD, still_s: 61, limit_s: 60 }));
}

#[test]
fn a_frozen_node_that_repeats_its_head_does_not_keep_it_fresh() {
    let view = view();
    let later = BOOT + Duration::from_secs(61);
    assert!(!view.set_head(head_at(HEAD.0), later), "the same ledger again is no progress");
    assert!(!view.set_head(head_at(HEAD.0 - 1), later));
    assert!(matches!(view.freshness(&CHANNEL, &limits(), WALL_MS, later), Err(NotFresh::HeadStill { .. })));
    assert!(view.set_head(head_at(HEAD.0 + 1), later));
    assert_eq!(view.freshness(&CHANNEL, &limits(), WALL_MS, later), Ok(()));
}

#[test]
fn events_without_a_gap_since_the_read_keep_a_channel_fresh_and_a_gap_does_not() {
    let view = view();
    view.set_head(head_at(HEAD.0 + 50), BOOT);
    assert_eq!(fresh(&view), Err(NotFresh::Behind { gap_free_to: HEAD, behind: 50, limit: 12 }));
    view.add_events(Ledger(HEAD.0 + 2), Ledger(HEAD.0 + 50));
    assert!(fresh(&view).is_err(), "ledger {} was not looked at", HEAD.0 + 1);
    view.add_events(Ledger(HEAD.0 + 1), Ledger(HEAD.0 + 1));
    assert_eq!(fresh(&view), Ok(()), "now it was");
    assert_eq!(view.channel(&CHANNEL).unwrap().gap_free_to, Ledger(HEAD.0 + 50));
    view.lose_events();
    assert!(fresh(&view).is_err());
}

#[test]
fn events_alone_do_not_keep_a_channel_fresh_when_the_sweep_is_overdue() {
    let view = view();
    view.add_events(Ledger(HEAD.0 + 1), Ledger(HEAD.0 + 139));
    view.set_head(head_at(HEAD.0 + 138), BOOT);
    assert_eq!(fresh(&view), Ok(()));
    view.set_head(head_at(HEAD.0 + 139), BOOT);
    assert_eq!(fresh(&view), Err(NotFresh::Unswept { read_at: HEAD, ago: 139, limit: 138 }));
}

#[test]
fn events_that_were_read_before_a_channel_was_known_say_nothing_about_it() {
    let view = View::new();
    view.set_head(head_at(HEAD.0 + 20), BOOT);
    view.add_events(Ledger(HEAD.0), Ledger(HEAD.0 + 20));
    view.merge_channel(state());
    assert_eq!(view.channel(&CHANNEL).unwrap().gap_free_to, HEAD, "its close may be among them");
    view.add_events(Ledger(HEAD.0 + 21), Ledger(HEAD.0 + 25));
    assert_eq!(view.channel(&CHANNEL).unwrap().gap_free_to, HEAD);
    view.merge_channel(ChannelState { read_at: Ledger(HEAD.0 + 20), ..state() });
    assert_eq!(view.channel(&CHANNEL).unwrap().gap_free_to, Ledger(HEAD.0 + 25));
}

#[test]
fn ledgers_of_events_join_only_without_a_gap() {
    let view = View::new();
    view.add_events(Ledger(10), Ledger(20));
    view.add_events(Ledger(21), Ledger(25));
    assert_eq!(view.events_span(), Some((Ledger(10), Ledger(25))));
    view.add_events(Ledger(27), Ledger(30));
    assert_eq!(view.events_span(), Some((Ledger(27), Ledger(30))));
    view.add_events(Ledger(30), Ledger(29));
    assert_eq!(view.events_span(), Some((Ledger(27), Ledger(30))), "an empty range changes nothing");
}

#[test]
fn an_older_read_changes_no_number() {
    let view = view();
    view.merge_channel(ChannelState { balance: Amount::ZERO, read_at: Ledger(HEAD.0 - 1), ..state() });
    assert_eq!(view.channel(&CHANNEL).unwrap().state, state());
}

#[test]
fn of_two_reads_at_one_ledger_the_lower_coverage_stays() {
    let view = view();
    let lower = ChannelState { balance: units(5), ..state() };
    view.merge_channel(lower.clone());
    view.merge_channel(state());
    assert_eq!(view.channel(&CHANNEL).unwrap().state, lower);
}

#[test]
fn a_close_that_an_older_read_shows_is_believed_and_never_forgotten() {
    let view = view();
    view.merge_channel(closing(Ledger(HEAD.0 - 5), 2_000_000));
    let known = view.channel(&CHANNEL).unwrap();
    assert_eq!(known.deadline, Some(Ledger(2_000_000)));
    assert_eq!(known.state, state(), "the numbers are those of the newer read");
    view.merge_channel(ChannelState { read_at: Ledger(HEAD.0 + 9), ..state() });
    assert_eq!(view.channel(&CHANNEL).unwrap().deadline, Some(Ledger(2_000_000)));
}

#[test]
fn a_close_announced_again_moves_the_deadline_and_an_older_read_does_not_move_it_back() {
    let view = view();
    view.merge_channel(closing(Ledger(HEAD.0 - 9), 2_000_000));
    view.merge_channel(closing(Ledger(HEAD.0 + 1), 2_000_008));
    assert_eq!(view.channel(&CHANNEL).unwrap().deadline, Some(Ledger(2_000_008)));
    view.merge_channel(closing(Ledger(HEAD.0 - 4), 2_000_000));
    assert_eq!(view.channel(&CHANNEL).unwrap().deadline, Some(Ledger(2_000_008)));
}

#[test]
fn of_two_deadlines_seen_at_one_ledger_the_earlier_is_believed() {
    let view = view();
    view.note_close(&CHANNEL, Ledger(2_000_010), Ledger(HEAD.0 + 1));
    view.note_close(&CHANNEL, Ledger(2_000_000), Ledger(HEAD.0 + 1));
    view.note_close(&CHANNEL, Ledger(2_000_010), Ledger(HEAD.0 + 1));
    assert_eq!(view.channel(&CHANNEL).unwrap().deadline, Some(Ledger(2_000_000)));
}

#[test]
fn an_end_that_was_seen_once_stays_seen() {
    let view = view();
    view.merge_channel(ChannelState { refunded: true, read_at: Ledger(HEAD.0 - 1), ..state() });
    assert!(view.channel(&CHANNEL).unwrap().ended);
    view.merge_channel(ChannelState { read_at: Ledger(HEAD.0 + 1), ..state() });
    assert!(view.channel(&CHANNEL).unwrap().ended);
}

#[test]
fn the_lanes_spendable_amounts_are_added_and_an_older_read_is_ignored() {
    let view = View::new();
    assert_eq!(view.spendable(), None);
    view.set_lane(lane(500));
    view.set_lane(LaneFacts { read_at: Ledger(HEAD.0 - 1), ..lane(9_000) });
    view.set_lane(LaneFacts { account: AccountId([8; 32]), ..lane(70) });
    assert_eq!(view.spendable(), Some(Stroops(570)));
}

#[test]
fn a_close_of_a_channel_that_was_never_read_is_kept_until_it_is() {
    let view = View::new();
    view.note_close(&CHANNEL, Ledger(2_000_000), HEAD);
    view.mark_unreadable(&CHANNEL, "no".to_owned());
    let unread =
        UnreadChannel { deadline: Some(Ledger(2_000_000)), close_agreed: true, trouble: Some("no".to_owned()) };
    assert_eq!(view.unread(&CHANNEL), Some(unread));
    view.merge_channel(state());
    assert_eq!(view.channel(&CHANNEL).unwrap().deadline, Some(Ledger(2_000_000)));
    assert_eq!(view.unread(&CHANNEL), None);
}

#[test]
fn a_head_that_is_taken_back_takes_back_every_number_read_above_it_and_no_danger() {
    let view = view();
    let far = Ledger(HEAD.0 + 1_000_000);
    view.set_head(head_at(far.0), BOOT);
    view.merge_channel(ChannelState { balance: Amount::ZERO, read_at: far, ..state() });
    view.note_close(&CHANNEL, Ledger(7_000_000), far);
    view.set_lane(LaneFacts { read_at: far, ..lane(0) });

    let head = head_at(HEAD.0 + 1);
    view.take_back_head(head, BOOT);
    assert_eq!(view.head(), Some(head));
    view.merge_channel(ChannelState { read_at: head.ledger, ..state() });
    view.set_lane(LaneFacts { read_at: head.ledger, ..lane(70) });
    let known = view.channel(&CHANNEL).unwrap();
    assert_eq!((known.state.balance, known.state.read_at), (state().balance, head.ledger));
    assert_eq!(known.deadline, Some(Ledger(7_000_000)));
    assert_eq!(view.spendable(), Some(Stroops(70)));
}

#[test]
fn a_head_that_is_taken_back_takes_back_nothing_that_was_read_at_or_below_it() {
    let view = view();
    let (room, facts) = (Payability::Room(units(5)), TokenRisk::Opaque);
    let (false_recipient, false_token) = (Address::Contract(CHANNEL), ContractId([9; 32]));
    view.set_payability(&TOKEN, &RECIPIENT, room, HEAD, Amount::ZERO);
    view.set_token(&TOKEN, facts, HEAD);
    view.note_close(&CHANNEL, Ledger(2_000_010), HEAD);
    let far = Ledger(HEAD.0 + 1_000);
    view.set_head(head_at(far.0), BOOT);
    view.set_payability(&TOKEN, &false_recipient, room, far, Amount::ZERO);
    view.set_token(&false_token, facts, far);

    view.take_back_head(head_at(HEAD.0), BOOT);
    assert_eq!(view.token(&TOKEN), Some(KnownToken { facts, read_at: HEAD }));
    assert_eq!(view.payability(&TOKEN, &RECIPIENT).map(|known| known.read_at), Some(HEAD));
    assert_eq!(view.token(&false_token), None);
    assert_eq!(view.payability(&TOKEN, &false_recipient), None);
    // Answers of a node that lags still change nothing.
    let older = Ledger(HEAD.0 - 1);
    view.merge_channel(ChannelState { balance: Amount::ZERO, read_at: older, ..state() });
    view.set_lane(LaneFacts { read_at: older, ..lane(0) });
    view.note_close(&CHANNEL, Ledger(2_000_000), older);
    let known = view.channel(&CHANNEL).unwrap();
    assert_eq!((known.state, known.deadline), (state(), Some(Ledger(2_000_010))));
    assert_eq!(view.spendable(), Some(Stroops(1_000_000_000)));
}

#[test]
fn a_deadline_seen_above_a_head_that_is_taken_back_gives_way_to_a_true_one() {
    let view = view();
    view.set_head(head_at(HEAD.0 + 20), BOOT);
    view.note_close(&CHANNEL, Ledger(7_000_000), Ledger(HEAD.0 + 20));
    view.take_back_head(head_at(HEAD.0 + 1), BOOT);
    view.note_close(&CHANNEL, Ledger(2_000_000), Ledger(HEAD.0 + 1));
    assert_eq!(view.channel(&CHANNEL).unwrap().deadline, Some(Ledger(2_000_000)));
}

#[test]
fn events_of_ledgers_that_are_taken_back_keep_no_channel_from_being_fresh() {
    let view = View::new();
    view.set_head(head_at(HEAD.0 + 20), BOOT);
    view.add_events(Ledger(HEAD.0), Ledger(HEAD.0 + 20));
    view.merge_channel(state());
    view.take_back_head(head_at(HEAD.0), BOOT);
    view.add_events(Ledger(HEAD.0 + 1), Ledger(HEAD.0 + 5));
    assert_eq!(view.channel(&CHANNEL).unwrap().gap_free_to, Ledger(HEAD.0 + 5));
}

#[test]
fn a_channel_that_could_not_be_read_is_readable_after_a_read_that_is_not_older_than_the_known_one() {
    for (at, readable) in [(HEAD.0 - 1, false), (HEAD.0, true), (HEAD.0 + 1, true)] {
        let view = view();
        assert!(!view.is_unreadable(&CHANNEL));
        view.mark_unreadable(&CHANNEL, "no".to_owned());
        assert!(view.is_unreadable(&CHANNEL));
        assert_eq!(fresh(&view), Err(NotFresh::Unreadable));
        view.merge_channel(ChannelState { read_at: Ledger(at), ..state() });
        assert_eq!(view.is_unreadable(&CHANNEL), !readable, "read at {at}");
    }
}

#[test]
fn each_fee_account_that_is_ahead_of_the_store_is_confirmed_by_itself() {
    let view = View::new();
    let ahead = |lane: u8, used| LaneAhead { lane: AccountId([lane; 32]), used, known: 7 };
    for seen in [ahead(1, 8), ahead(2, 8), ahead(1, 9)] {
        view.set_lane_ahead(seen);
    }
    assert_eq!(view.lanes_ahead(), [ahead(2, 8), ahead(1, 9)], "the last that was seen of each");
    view.confirm_lane(&AccountId([1; 32]));
    assert_eq!(view.lanes_ahead(), [ahead(2, 8)]);
}

#[test]
fn payments_after_the_room_was_read_are_counted_as_used_room() {
    let view = view();
    let paid = |channel, units_paid, at| ChannelState {
        channel,
        withdrawn: units(units_paid),
        read_at: Ledger(HEAD.0 + at),
        ..state()
    };
    let other = ContractId([9; 32]);
    view.merge_channel(paid(CHANNEL, 30, 1));
    view.set_payability(&TOKEN, &RECIPIENT, Payability::Room(units(100)), HEAD, view.withdrawn_by(&TOKEN, &RECIPIENT));
    assert_eq!(view.payability(&TOKEN, &RECIPIENT).unwrap().paid_since, Amount::ZERO);
    view.merge_channel(paid(CHANNEL, 50, 2));
    view.merge_channel(paid(CHANNEL, 40, 1));
    view.merge_channel(paid(other, 5, 2));
    assert_eq!(view.payability(&TOKEN, &RECIPIENT).unwrap().paid_since, units(25));
}

#[test]
fn facts_from_a_ledger_far_above_the_head_are_soon_replaced() {
    let view = view();
    let far = Ledger(HEAD.0 + 1_000_000);
    let most = HEAD.saturating_add(AHEAD_OF_HEAD);
    assert_eq!(view.plausible(far), most);
    assert_eq!(view.plausible(HEAD.saturating_add(1)), HEAD.saturating_add(1));
    view.merge_channel(ChannelState { balance: Amount::ZERO, read_at: far, ..state() });
    view.note_close(&CHANNEL, Ledger(7_000_000), far);
    view.set_lane(LaneFacts { read_at: far, ..lane(0) });

    let later = most.saturating_add(1);
    view.set_head(head_at(later.0), BOOT);
    view.merge_channel(closing(later, HEAD.0 + 100));
    view.set_lane(LaneFacts { read_at: later, ..lane(70) });
    let known = view.channel(&CHANNEL).unwrap();
    assert_eq!((known.state.balance, known.state.read_at), (state().balance, later));
    assert_eq!(known.deadline, Some(Ledger(HEAD.0 + 100)));
    assert_eq!(view.spendable(), Some(Stroops(70)));
}

fn any_read() -> impl Strategy<Value = ChannelState> {
    (0u32..40, prop::option::of(100u32..120), 0u64..50, prop::bool::weighted(0.1)).prop_map(
        |(at, deadline, balance, refunded)| ChannelState {
            read_at: Ledger(at),
            close_effective_at: deadline.map(Ledger),
            balance: units(balance),
            refunded,
            ..state()
        },
    )
}

proptest! {
    #[test]
    fn in_any_order_of_reads_danger_is_never_forgotten_and_numbers_never_get_older(
        reads in proptest::collection::vec(any_read(), 1..20)
    ) {
        let view = View::new();
        let mut newest = Ledger(0);
        let (mut closing, mut ended) = (false, false);
        for read in reads {
            newest = newest.max(read.read_at);
            closing |= read.deadline().is_some();
            ended |= read.is_final();
            view.merge_channel(read);
            let known = view.channel(&CHANNEL).unwrap();
            prop_assert_eq!(known.state.read_at, newest);
            prop_assert_eq!(known.is_closing(), closing);
            prop_assert_eq!(known.ended, ended);
        }
    }
}

fn at(ledger: Ledger) -> ChannelState {
    ChannelState { read_at: ledger, ..state() }
}

#[test]
fn a_close_that_too_few_endpoints_report_counts_until_enough_of_them_deny_it() {
    let (view, later) = (view(), Ledger(HEAD.0 + 1));
    assert!(!view.merge_agreed(closing(HEAD, 2_000_000), false));
    let known = view.channel(&CHANNEL).unwrap();
    assert!(known.is_closing() && !known.close_agreed);
    assert!(!view.merge_agreed(at(Ledger(HEAD.0 - 1)), false), "an older ledger proves nothing");
    assert!(view.channel(&CHANNEL).unwrap().is_closing());
    assert!(view.merge_agreed(at(later), false));
    assert!(!view.channel(&CHANNEL).unwrap().is_closing());
    assert_eq!(fresh(&view), Ok(()));
}

#[test]
fn a_close_that_enough_endpoints_have_reported_is_never_taken_back() {
    let view = view();
    view.merge_agreed(closing(HEAD, 2_000_000), false);
    view.merge_agreed(closing(Ledger(HEAD.0 + 1), 2_000_000), true);
    view.merge_agreed(closing(Ledger(HEAD.0 + 2), 1_999_999), false);
    assert!(!view.merge_agreed(at(Ledger(HEAD.0 + 3)), false));
    let known = view.channel(&CHANNEL).unwrap();
    assert!(known.close_agreed && known.deadline == Some(Ledger(1_999_999)));
}

#[test]
fn a_close_is_agreed_when_enough_endpoints_report_it_for_an_older_ledger() {
    let view = view();
    view.merge_agreed(closing(Ledger(HEAD.0 + 1), 2_000_000), false);
    view.note_close(&CHANNEL, Ledger(1_999_999), HEAD);
    let known = view.channel(&CHANNEL).unwrap();
    assert!(known.close_agreed && known.deadline == Some(Ledger(2_000_000)));
}

#[test]
fn a_close_of_an_unread_channel_that_too_few_endpoints_report_is_taken_back_by_its_first_read() {
    let view = View::new();
    view.set_head(head_at(HEAD.0), BOOT);
    view.note_unconfirmed_close(&CHANNEL, Ledger(2_000_000), HEAD);
    let unread = view.unread(&CHANNEL).unwrap();
    assert_eq!((unread.deadline, unread.close_agreed), (Some(Ledger(2_000_000)), false));
    assert!(view.merge_agreed(state(), false));
    assert!(!view.channel(&CHANNEL).unwrap().is_closing());
}
