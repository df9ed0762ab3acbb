#![allow(clippy::unwrap_used, reason = "a test that unwraps says what it needs")]

mod claims;
mod ending;
mod lives;
mod order;

use paychan_channel::{
    ChannelState, ContractId, Layout, Ledger, Life, Lives, SacAsset, TokenKind, WasmHash, ledger_keys,
};
use proptest::prelude::*;

use paychan_channel::Signature;
use paychan_store::{Claim, Fence};

use super::lives::entries;
use super::*;
use crate::chain::NetworkTerms;
use crate::config::Config;
use crate::fixtures::{
    CHANNEL, CODE, HEAD, NETWORK_TERMS, TOKEN, WALL_MS, channel_view, config, config_text, held, state, units, view,
};

fn limits() -> Limits {
    Limits {
        head: HEAD,
        first_head: HEAD,
        unread_after: 138,
        now_ms: WALL_MS,
        market: Stroops(200),
        max_inclusion_fee: Stroops(1_000_000),
        resource_fee: Stroops(50_000),
        spare: Stroops(1_000_000_000),
        life_floor: 1_000,
        extend_to: 50_000,
        settle_after: Duration::from_secs(86_400),
        idle_after: Duration::from_secs(10 * 86_400),
        unused_after: Duration::from_secs(3 * 86_400),
        close_idle: true,
        target_close_ms: Some(5_000),
    }
}

/// A closing channel with `left` ledgers to its deadline.
fn closing(left: u32) -> ChannelState {
    ChannelState { close_effective_at: Some(Ledger(HEAD.0 + left)), ..state() }
}

struct Case {
    config: Config,
    view: ChannelView,
    held: Held,
    can_close: bool,
    unreadable: bool,
    tried: Tried,
    limits: Limits,
}

impl Case {
    fn of(state: ChannelState, highest: u64) -> Self {
        Self {
            config: config(),
            view: channel_view(state),
            held: held(highest),
            can_close: false,
            unreadable: false,
            tried: Tried::default(),
            limits: limits(),
        }
    }

    fn known(&self) -> Known<'_> {
        Known {
            held: self.held.clone(),
            chain: Some(self.view.clone()),
            close_agreed: true,
            event_deadline: None,
            unreadable: self.unreadable,
            trouble: None,
            paid: Amount::ZERO,
            token: self.config.token(&TOKEN),
            can_close: self.can_close,
            payable: true,
            tried: self.tried.clone(),
        }
    }

    fn decide(&self) -> Action {
        decide(&self.known(), &self.limits)
    }

    /// Sets how long ago the newest commitment came, and how long something has been unsettled.
    fn since(mut self, age: Duration) -> Self {
        let then = WALL_MS - u64::try_from(age.as_millis()).unwrap();
        self.held.unsettled_since_ms = Some(then);
        if let Some(highest) = &mut self.held.highest {
            highest.accepted_at_ms = then;
        }
        self
    }
}

fn settle(units_: u64, bid: i64, reason: Reason) -> Action {
    Action::Settle { amount: units(units_), bid: Stroops(bid), reason }
}

#[test]
fn an_open_channel_with_long_lived_entries_waits() {
    assert_eq!(Case::of(state(), 500_000_000).decide(), Action::Wait);
}

#[test]
fn a_closing_channel_is_settled_without_the_recipients_key_and_closed_with_it() {
    let mut case = Case::of(closing(17_280), 500_000_000);
    assert_eq!(case.decide(), settle(500_000_000, 200, Reason::Closing));
    case.can_close = true;
    let close = Action::Close { amount: units(500_000_000), bid: Stroops(200), reason: Reason::Closing };
    assert_eq!(case.decide(), close);
    case.tried.close_failed = true;
    assert_eq!(case.decide(), settle(500_000_000, 200, Reason::Closing));
}

#[test]
fn a_close_known_only_from_an_event_is_acted_on() {
    let mut case = Case::of(state(), 500_000_000);
    case.view.deadline = Some(Ledger(HEAD.0 + 10));
    assert!(matches!(case.decide(), Action::Settle { .. }));
}

#[test]
fn settling_goes_on_after_the_deadline_until_the_refund() {
    let mut passed = closing(0);
    passed.close_effective_at = Some(Ledger(HEAD.0 - 500));
    assert!(matches!(Case::of(passed.clone(), 500_000_000).decide(), Action::Settle { .. }));
    passed.refunded = true;
    passed.balance = Amount::ZERO;
    assert_eq!(Case::of(passed, 500_000_000).decide(), Action::Report(Report::Lost { unsettled: units(500_000_000) }));
}

#[test]
fn a_closing_channel_with_nothing_unsettled_waits() {
    let paid = ChannelState { withdrawn: units(500_000_000), ..closing(100) };
    assert_eq!(Case::of(paid.clone(), 500_000_000).decide(), Action::Wait);
    assert_eq!(Case::of(paid, 400_000_000).decide(), Action::Wait, "somebody settled a higher one");
}

#[test]
fn dust_is_reported_and_not_settled_and_the_limit_itself_is_settled() {
    assert_eq!(
        Case::of(closing(100), 99_999).decide(),
        Action::Report(Report::Dust { unsettled: units(99_999), dust: units(100_000) })
    );
    assert!(matches!(Case::of(closing(100), 100_000).decide(), Action::Settle { .. }));
}

#[test]
fn a_promise_in_a_token_that_is_no_longer_listed_is_kept_to_the_last_unit() {
    let case = Case::of(closing(0), 1);
    let unlisted = Known { token: None, ..case.known() };
    assert_eq!(decide(&unlisted, &limits()), settle(1, 1_000_000, Reason::Closing));
}

#[test]
fn the_cap_is_what_the_saved_value_leaves_after_the_resources() {
    let cap_of = |value| cap(value, &limits());
    assert_eq!(cap_of(Some(Stroops(60_000))), Stroops(10_000));
    assert_eq!(cap_of(Some(Stroops(10))), BASE_FEE, "never below the network's minimum");
    assert_eq!(cap_of(Some(Stroops(i64::MAX))), Stroops(1_000_000));
    assert_eq!(cap_of(None), Stroops(1_000_000));
}

#[test]
fn the_bid_starts_at_the_market_and_is_at_the_cap_for_the_last_third() {
    let cap = Stroops(1_000_000);
    let bid_at = |left| bid(left, 900, Stroops(200), None, cap);
    assert_eq!(bid_at(900), Stroops(200));
    assert_eq!(bid_at(1_000), Stroops(200), "the bid of a repeated announcement is the starting bid");
    assert_eq!(bid_at(600), Stroops(200 + 999_800 / 4), "after half of the time, the bid has risen by a quarter");
    assert!(bid_at(301) < cap);
    for left in [300, 100, 1, 0] {
        assert_eq!(bid_at(left), cap);
    }
    assert_eq!(bid(0, 0, Stroops(200), None, cap), cap, "a window of zero ledgers has ended");
}

#[test]
fn a_fee_that_the_network_asked_for_is_met_at_once_within_the_cap() {
    let asked = |asked| bid(900, 900, Stroops(200), Some(Stroops(asked)), Stroops(5_000));
    assert_eq!(asked(3_000), Stroops(3_000));
    assert_eq!(asked(9_000), Stroops(5_000));
    assert_eq!(asked(1), Stroops(200));
}

#[test]
fn a_close_failed_when_an_outcome_says_so() {
    let decided =
        |purpose, outcome| Decided { hash: [0; 32], lane: crate::fixtures::LANE, purpose, outcome, decided_at_ms: 0 };
    let close = || Purpose::Close { channel: CHANNEL, amount: units(5) };
    let failed = || Outcome::Failed { ledger: HEAD, fee_charged: Stroops(1), why: "x".to_owned() };
    assert!(close_failed(&[decided(close(), failed())]));
    assert!(!close_failed(&[decided(close(), Outcome::Expired { at: HEAD })]));
    assert!(!close_failed(&[decided(Purpose::Settle { channel: CHANNEL, amount: units(5) }, failed())]));
    assert!(!close_failed(&[]));
}

const DAY: Duration = Duration::from_secs(86_400);

#[test]
fn an_amount_at_the_tokens_limit_is_settled_without_a_close() {
    let text = config_text("").replace("dust = ", "settle_above = \"300000000\"\ndust = ");
    let mut case = Case::of(state(), 299_999_999);
    case.config = Config::parse(&text).unwrap();
    assert_eq!(case.decide(), Action::Wait);
    case.held = held(300_000_000);
    assert_eq!(case.decide(), settle(300_000_000, 200, Reason::Amount));
}

#[test]
fn an_amount_that_is_unsettled_for_too_long_is_settled_unless_it_is_dust() {
    assert_eq!(Case::of(state(), 5_000_000).since(DAY - Duration::from_secs(1)).decide(), Action::Wait);
    assert_eq!(Case::of(state(), 5_000_000).since(DAY).decide(), settle(5_000_000, 200, Reason::Age));
    assert_eq!(Case::of(state(), 99_999).since(DAY).decide(), Action::Wait, "the amount waits for more");
    let paid = ChannelState { withdrawn: units(5_000_000), ..state() };
    assert_eq!(Case::of(paid, 5_000_000).since(DAY).decide(), Action::Wait, "somebody else settled it");
}

#[test]
fn without_urgency_the_bid_is_at_most_the_market_and_never_above_the_value() {
    let mut case = Case::of(state(), 100_000).since(DAY);
    case.limits.market = Stroops(900_000);
    // 100,000 base units are worth 400,000 stroops, of which the resources cost 50,000.
    assert_eq!(case.decide(), settle(100_000, 350_000, Reason::Age));
}

#[test]
fn a_channel_that_cannot_be_read_is_settled_and_never_closed() {
    let mut case = Case::of(state(), 500_000_000);
    case.view.gap_free_to = HEAD;
    (case.can_close, case.unreadable) = (true, true);
    assert_eq!(case.decide(), settle(500_000_000, 200, Reason::Unreadable));
    // The funder may have announced a close in the first ledger that the watcher did not see.
    case.view.gap_free_to = Ledger(HEAD.0 - 17_280);
    assert_eq!(case.decide(), settle(500_000_000, 1_000_000, Reason::Unreadable));
    // The channel is readable, but it was not read for a third of the waiting period.
    case.unreadable = false;
    for (blind, acts) in [(17_280 / 3, false), (17_280 / 3 + 1, true)] {
        case.view.gap_free_to = Ledger(HEAD.0 - blind);
        assert_eq!(matches!(case.decide(), Action::Settle { reason: Reason::Unreadable, .. }), acts, "{blind}");
    }
}

#[test]
fn a_channel_that_was_never_read_since_the_start_is_settled_with_what_the_journal_holds() {
    let mut case = Case::of(state(), 500_000_000);
    case.held.unsettled_since_ms = Some(WALL_MS);
    fn unread(case: &Case, unreadable: bool) -> Known<'_> {
        Known { chain: None, unreadable, ..case.known() }
    }
    assert_eq!(decide(&unread(&case, false), &limits()), Action::Wait, "the first sweep may still be under way");
    assert!(matches!(decide(&unread(&case, true), &limits()), Action::Settle { .. }));
    let soon = Limits { first_head: Ledger(HEAD.0 - 138), ..limits() };
    assert_eq!(decide(&unread(&case, false), &soon), Action::Wait);
    let later = Limits { first_head: Ledger(HEAD.0 - 139), ..limits() };
    assert!(matches!(decide(&unread(&case, false), &later), Action::Settle { reason: Reason::Unreadable, .. }));
    case.held.unsettled_since_ms = None;
    assert_eq!(decide(&unread(&case, true), &limits()), Action::Wait, "the journal says that all was settled");
}

fn any_state() -> impl Strategy<Value = ChannelState> {
    let until = || prop::option::of(prop_oneof![Just(0), 999_000u32..1_002_000, Just(2_000_000)]);
    let chain =
        (prop::option::of(990_000u32..1_020_000), 0u64..2_000_000, 0u64..2_000_000, any::<bool>(), 1u32..30_000);
    (chain, until(), until(), until(), any::<bool>()).prop_map(|(chain, instance, code, balance_until, asset)| {
        let (deadline, withdrawn, balance, refunded, window) = chain;
        ChannelState {
            layout: Layout::Paychan,
            token_kind: if asset { TokenKind::Asset(SacAsset::Native) } else { TokenKind::Unknown },
            close_effective_at: deadline.map(Ledger),
            withdrawn: units(withdrawn),
            balance: units(balance),
            refunded,
            refund_waiting_period: window,
            lives: Lives {
                instance: instance.map(Ledger),
                code: code.map(Ledger),
                token_balance: balance_until.map(Ledger),
                ..state().lives
            },
            ..state()
        }
    })
}

proptest! {
    #[test]
    fn a_closing_channel_with_more_than_dust_unsettled_never_waits(
        state in any_state(), highest in 0u64..2_000_000, can_close in any::<bool>(), close_failed in any::<bool>(),
    ) {
        let mut case = Case::of(state, highest);
        (case.can_close, case.tried.close_failed) = (can_close, close_failed);
        let unsettled = case.view.state.unsettled(units(highest));
        let must_pay = !case.view.state.is_final() && case.view.is_closing() && unsettled >= units(100_000);
        match case.decide() {
            Action::Settle { amount, bid, reason } | Action::Close { amount, bid, reason } => {
                prop_assert!(must_pay && reason == Reason::Closing);
                prop_assert_eq!(amount, units(highest), "the whole highest commitment");
                let value = config().token(&TOKEN).unwrap().value(unsettled);
                prop_assert!(bid <= cap(Some(value), &limits()));
                prop_assert!(bid >= BASE_FEE);
            }
            _ => prop_assert!(!must_pay),
        }
    }

    #[test]
    fn an_extension_names_only_live_entries_below_the_floor(state in any_state()) {
        let case = Case::of(ChannelState { close_effective_at: None, refunded: false, ..state }, 0);
        if let Action::Extend { keys } = case.decide() {
            prop_assert!(!keys.is_empty());
            for (_, life, key) in entries(&case.view) {
                let due = matches!(life, Life::LiveUntil(until)
                    if until >= HEAD && until.since(HEAD) < limits().life_floor);
                prop_assert_eq!(keys.contains(&key), due);
            }
        }
    }

    #[test]
    fn a_bid_never_falls_as_the_deadline_nears_and_is_never_above_the_cap(
        window in 0u32..7_000_000, market in 0i64..i64::MAX, asked in prop::option::of(0i64..i64::MAX),
        cap in BASE_FEE.get()..i64::MAX, a in any::<u32>(), b in any::<u32>(),
    ) {
        let at = |left| bid(left, window, Stroops(market), asked.map(Stroops), Stroops(cap));
        let (near, far) = (at(a.min(b)), at(a.max(b)));
        prop_assert!(near >= far);
        for bid in [near, far] {
            prop_assert!(bid.get() <= cap && bid >= BASE_FEE);
        }
        prop_assert_eq!(at(window / 3), Stroops(cap));
        prop_assert_eq!(at(0), Stroops(cap));
    }
}
