//! Tests which channels the watcher ends or drops by itself.

use super::*;

#[test]
fn an_idle_channel_is_closed_with_the_recipients_key_and_settled_without() {
    let mut case = Case::of(state(), 5_000_000).since(10 * DAY);
    case.limits.settle_after = 100 * DAY;
    assert_eq!(case.decide(), settle(5_000_000, 200, Reason::Idle));
    case.can_close = true;
    let close = Action::Close { amount: units(5_000_000), bid: Stroops(200), reason: Reason::Idle };
    assert_eq!(case.decide(), close);
    case.tried.close_failed = true;
    assert_eq!(case.decide(), settle(5_000_000, 200, Reason::Idle), "a close that fails is followed by a settle");
    case.tried.close_failed = false;
    case.limits.close_idle = false;
    assert_eq!(case.decide(), settle(5_000_000, 200, Reason::Idle));
}

/// A channel with a highest commitment of 5,000,000 that is to be closed with 3,000,000, and has paid `paid`.
fn agreed(paid: u64, can_close: bool) -> Case {
    let mut case = Case::of(ChannelState { withdrawn: units(paid), ..state() }, 5_000_000);
    let agreed = Claim { amount: units(3_000_000), signature: Signature([0; 64]) };
    case.held.fence = Some(Fence { fenced_at_ms: WALL_MS, agreed: Some(agreed) });
    case.can_close = can_close;
    case
}

#[test]
fn a_fenced_channel_is_closed_with_the_agreed_amount_whether_something_is_unsettled_or_not() {
    let close = |bid| Action::Close { amount: units(3_000_000), bid: Stroops(bid), reason: Reason::Fenced };
    for paid in [0, 3_000_000] {
        assert_eq!(agreed(paid, true).decide(), close(200));
    }
    // The close is worth a fee, but not any fee.
    let mut dear = agreed(3_000_000, true);
    dear.limits.market = Stroops(900_000);
    assert_eq!(dear.decide(), close(50_000));
    // Before the channel is read it waits, and an unreadable one is settled and not closed.
    let unread = agreed(0, true);
    assert_eq!(decide(&Known { chain: None, ..unread.known() }, &limits()), Action::Wait);
    let unreadable = Case { unreadable: true, ..agreed(0, true) };
    assert!(matches!(unreadable.decide(), Action::Settle { .. }));
}

#[test]
fn a_fenced_channel_that_can_not_be_closed_is_settled_with_the_agreed_amount_and_then_left() {
    let mut failed = agreed(0, true);
    failed.tried.close_failed = true;
    for case in [agreed(0, false), failed] {
        assert_eq!(case.decide(), settle(3_000_000, 200, Reason::Fenced));
    }
    assert_eq!(agreed(3_000_000, false).decide(), Action::Report(Report::NotClosed));
    assert_eq!(
        agreed(2_999_999, false).decide(),
        Action::Report(Report::Dust { unsettled: units(1), dust: units(100_000) })
    );
}

#[test]
fn a_fenced_channel_whose_funder_closes_is_closed_with_urgency() {
    let mut case = agreed(0, true);
    case.view = channel_view(closing(10));
    let Action::Close { amount, bid, reason: Reason::Closing } = case.decide() else { panic!("{:?}", case.decide()) };
    assert_eq!(amount, units(3_000_000));
    assert!(bid > Stroops(200), "{bid}");
    // For dust the watcher hurries no more than for nothing.
    for paid in [2_900_001, 3_000_000] {
        case.view = channel_view(ChannelState { withdrawn: units(paid), ..closing(10) });
        let close = Action::Close { amount: units(3_000_000), bid: Stroops(200), reason: Reason::Fenced };
        assert_eq!(case.decide(), close, "{paid} are paid");
    }
    let mut short = closing(17_000);
    short.lives.instance = Some(Ledger(HEAD.0 + 10));
    case.view = channel_view(ChannelState { withdrawn: units(3_000_000), ..short });
    assert_eq!(plan(&[case.known()], &limits(), Turn::default()).extensions().count(), 0, "no rent for it");
}

#[test]
fn a_fenced_channel_without_any_commitment_is_closed_only_where_no_signature_is_checked() {
    let mut case = Case::of(state(), 0);
    case.held.fence = Some(Fence { fenced_at_ms: WALL_MS, agreed: None });
    case.can_close = true;
    let close = |amount| Action::Close { amount: units(amount), bid: Stroops(200), reason: Reason::Fenced };
    assert_eq!(case.decide(), close(0));
    case.held.admission.layout = Layout::Reference;
    assert_eq!(case.decide(), Action::Report(Report::NotClosed));
    case.held.highest = held(5_000_000).highest;
    assert_eq!(case.decide(), close(5_000_000), "now there is a signature");
}

/// A channel that was admitted three days ago and through which nothing was paid.
fn unused(state: ChannelState) -> Case {
    let mut case = Case::of(state, 0);
    case.held.admission.admitted_at = Ledger(HEAD.0 - 3 * 86_400 / 5);
    case
}

#[test]
fn a_channel_that_was_never_paid_through_is_dropped_when_it_is_idle_and_costs_nothing() {
    let mut short = state();
    short.lives.instance = Some(Ledger(HEAD.0 + 10));
    let case = unused(short);
    assert_eq!(case.decide(), Action::Drop);
    let planned = plan(&[case.known()], &limits(), Turn::default());
    assert_eq!((planned.items.len(), planned.drops), (0, vec![CHANNEL]));
    let mut younger = unused(state());
    younger.held.admission.admitted_at = Ledger(HEAD.0 - 3 * 86_400 / 5 + 1);
    assert_eq!(younger.decide(), Action::Wait);
}

#[test]
fn a_channel_that_was_used_or_is_unread_or_is_ending_is_not_dropped() {
    let paid = unused(ChannelState { withdrawn: units(1), ..state() });
    let committed = Case { held: held(5), ..unused(state()) }.since(4 * DAY);
    let closing = unused(closing(100));
    let mut fenced = unused(state());
    fenced.held.fence = Some(Fence { fenced_at_ms: WALL_MS, agreed: None });
    let unreadable = Case { unreadable: true, ..unused(state()) };
    for case in [paid, committed, closing, fenced, unreadable] {
        assert_ne!(case.decide(), Action::Drop);
    }
    let mut sold = unused(state());
    sold.held.spent = units(1);
    assert_ne!(sold.decide(), Action::Drop, "something was sold by it before the chain was read");
    let unread = unused(state());
    assert_ne!(decide(&Known { chain: None, ..unread.known() }, &limits()), Action::Drop);
    assert_eq!(unused(ChannelState { refunded: true, ..state() }).decide(), Action::Drop, "it has ended");
}
