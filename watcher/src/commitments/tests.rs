//! Tests each rule for commitments alone, and that the chain would pay whatever is taken.

use paychan_channel::{Amount, ChannelState, Ledger, Stroops};
use proptest::prelude::*;

use super::{Conditions, check, check_charge};
use crate::config::{Config, Token};
use crate::fixtures::{HEAD, ISSUER, LANE, TOKEN, channel_view, config, held, state, units};
use crate::promises::Totals;
use crate::view::{ChannelView, KnownPayability, KnownToken, LaneAhead, NotFresh};
use paychan_channel::{IssuerFlags, Payability, TokenRisk};
use paychan_store::Refusal;

fn recipient(payability: Payability) -> Option<KnownPayability> {
    Some(KnownPayability { payability, read_at: HEAD, paid_since: Amount::ZERO })
}

fn totals(fees: i64, owed: u64) -> Option<Totals> {
    Some(Totals { settlements: 1, fees: Stroops(fees), owed: units(owed) })
}

fn conditions<'a>(channel: &'a ChannelView, listed: &'a Token) -> Conditions<'a> {
    let flags = IssuerFlags { requires_authorization: false, may_revoke: false, may_claw_back: false };
    Conditions {
        stopping: false,
        panicked: false,
        paused: false,
        rolled_back: false,
        lane_ahead: None,
        freshness: Ok(()),
        head: Some(HEAD),
        channel: Some(channel),
        payability: recipient(Payability::Room(Amount::MAX)),
        token: Some(KnownToken { facts: TokenRisk::Asset { issuer: ISSUER, flags: Some(flags) }, read_at: HEAD }),
        listed: Some(listed),
        spendable: Some(Stroops(1_000)),
        totals: totals(1_000, 0),
        unread_ledgers: 100,
    }
}

fn listed(config: &Config) -> &Token {
    config.token(&TOKEN).expect("the fixture's token is listed")
}

/// The answer to `amount` on a channel in this state, with the conditions changed by `change`.
fn offer_when(state: ChannelState, amount: u64, change: impl FnOnce(&mut Conditions<'_>)) -> Result<(), Refusal> {
    let (view, config) = (channel_view(state), config());
    let mut conditions = conditions(&view, listed(&config));
    change(&mut conditions);
    check(&held(100), units(amount), &conditions)
}

fn offer(state: ChannelState, amount: u64) -> Result<(), Refusal> {
    offer_when(state, amount, |_| {})
}

fn is_not_fresh(answer: &Result<(), Refusal>) -> bool {
    matches!(answer, Err(Refusal::NotFresh { .. }))
}

fn is_unpayable(answer: &Result<(), Refusal>) -> bool {
    matches!(answer, Err(Refusal::Unpayable { .. }))
}

#[test]
fn an_amount_up_to_the_coverage_is_taken_and_one_more_is_not() {
    let coverage = state().coverage();
    assert_eq!(offer(state(), 1_000_000_000), Ok(()));
    assert_eq!(
        offer(state(), 1_000_000_001),
        Err(Refusal::ExceedsCoverage { offered: units(1_000_000_001), coverage })
    );
}

#[test]
fn an_amount_that_the_chain_has_already_paid_is_no_new_promise() {
    let paid = ChannelState { withdrawn: units(500), ..state() };
    assert_eq!(
        offer(paid.clone(), 500),
        Err(Refusal::NotAboveWithdrawn { offered: units(500), withdrawn: units(500) })
    );
    assert_eq!(offer(paid, 501), Ok(()));
}

#[test]
fn a_closing_channel_takes_nothing_even_when_only_an_event_reported_it() {
    let config = config();
    let mut view = channel_view(state());
    view.deadline = Some(Ledger(7));
    let refused = check(&held(0), units(1), &conditions(&view, listed(&config)));
    assert_eq!(refused, Err(Refusal::Closing { deadline: Some(Ledger(7)) }));
}

#[test]
fn a_final_channel_takes_nothing_even_when_a_later_read_denies_it() {
    let config = config();
    let mut view = channel_view(state());
    view.ended = true;
    assert_eq!(check(&held(0), units(1), &conditions(&view, listed(&config))), Err(Refusal::Final));
}

#[test]
fn a_view_that_is_not_fresh_takes_nothing() {
    assert!(is_not_fresh(&offer_when(state(), 200, |now| now.freshness = Err(NotFresh::NoHead))));
    assert!(is_not_fresh(&offer_when(state(), 200, |now| now.channel = None)));
}

#[test]
fn a_paused_watcher_takes_nothing() {
    assert_eq!(offer_when(state(), 200, |now| now.paused = true), Err(Refusal::Paused));
}

#[test]
fn a_stopping_watcher_takes_nothing() {
    let stopping = offer_when(state(), 200, |now| now.stopping = true);
    assert!(matches!(stopping, Err(Refusal::Stopping { .. })));
}

#[test]
fn a_channel_that_shows_a_rollback_takes_nothing() {
    let paid = ChannelState { withdrawn: units(500), ..state() };
    let refused = offer_when(paid, 600, |now| now.rolled_back = true);
    assert_eq!(refused, Err(Refusal::RolledBack { highest: units(100), withdrawn: units(500) }));
}

#[test]
fn the_fee_accounts_must_cover_every_promise_and_this_one() {
    assert_eq!(offer_when(state(), 200, |now| now.totals = totals(1_000, 0)), Ok(()));
    let short = offer_when(state(), 200, |now| now.totals = totals(1_001, 0));
    assert!(matches!(short, Err(Refusal::FeesLow { .. })));
}

#[test]
fn uncounted_promises_and_unread_fee_accounts_are_never_reported_as_low_fees() {
    assert!(is_not_fresh(&offer_when(state(), 200, |now| now.totals = None)));
    assert!(is_not_fresh(&offer_when(state(), 200, |now| now.spendable = None)));
}

#[test]
fn no_more_is_promised_than_the_recipient_can_be_paid_over_all_its_channels() {
    let room = |room, owed| {
        offer_when(state(), 200, |now| {
            now.payability = recipient(Payability::Room(units(room)));
            now.totals = totals(0, owed);
        })
    };
    assert_eq!(room(50, 50), Ok(()));
    assert!(is_unpayable(&room(50, 51)));
    let missing = offer_when(state(), 200, |now| now.payability = recipient(Payability::TrustlineMissing));
    assert!(is_unpayable(&missing));
}

#[test]
fn payments_since_the_room_was_read_reduce_it() {
    let after = |paid| {
        offer_when(state(), 200, |now| {
            let paid_since = units(paid);
            now.payability =
                Some(KnownPayability { payability: Payability::Room(units(50)), read_at: HEAD, paid_since });
            now.totals = totals(0, 30);
        })
    };
    assert_eq!(after(20), Ok(()));
    assert!(is_unpayable(&after(21)));
}

#[test]
fn nothing_is_taken_on_unknown_or_old_facts_about_recipient_or_issuer() {
    let old = Ledger(HEAD.0 - 101);
    assert!(is_not_fresh(&offer_when(state(), 200, |now| now.payability = None)));
    assert!(is_not_fresh(&offer_when(state(), 200, |now| now.token = None)));
    assert!(is_not_fresh(&offer_when(state(), 200, |now| {
        now.payability = now.payability.map(|known| KnownPayability { read_at: old, ..known });
    })));
    assert!(is_not_fresh(&offer_when(state(), 200, |now| {
        now.token = now.token.map(|known| KnownToken { read_at: old, ..known });
    })));
}

#[test]
fn a_frozen_balance_and_an_issuer_that_took_new_rights_take_nothing_more() {
    assert!(is_unpayable(&offer(ChannelState { balance_authorized: false, ..state() }, 200)));
    for (may_revoke, may_claw_back) in [(true, false), (false, true)] {
        let flags = IssuerFlags { requires_authorization: false, may_revoke, may_claw_back };
        let refused = offer_when(state(), 200, |now| {
            let facts = TokenRisk::Asset { issuer: ISSUER, flags: Some(flags) };
            now.token = Some(KnownToken { facts, read_at: HEAD });
        });
        assert!(is_unpayable(&refused), "{refused:?}");
    }
}

/// The answer to a charge of `price` on a held commitment for 100, of which 60 are spent.
fn charge_when(state: ChannelState, price: u64, change: impl FnOnce(&mut Conditions<'_>)) -> Result<(), Refusal> {
    let (view, config) = (channel_view(state), config());
    let mut conditions = conditions(&view, listed(&config));
    conditions.totals = None;
    change(&mut conditions);
    let mut held = held(100);
    held.spent = units(60);
    check_charge(&held, units(price), &conditions)
}

#[test]
fn a_charge_on_what_was_acknowledged_needs_no_funds_and_no_room() {
    let poor = |now: &mut Conditions<'_>| {
        now.spendable = Some(Stroops(0));
        now.payability = None;
    };
    assert_eq!(charge_when(state(), 40, poor), Ok(()));
}

#[test]
fn a_store_that_was_rolled_back_or_may_have_been_sells_nothing_on_credit() {
    let lane_ahead = Some(LaneAhead { lane: LANE, used: 8, known: 7 });
    let refused = charge_when(state(), 1, |now| now.lane_ahead = lane_ahead);
    assert_eq!(refused, Err(Refusal::RolledBackForAll { lane: LANE, used: 8, known: 7 }));
    // The chain has paid for it, but the same credit may have been sold before.
    let paid = ChannelState { withdrawn: units(200), ..state() };
    let refused = charge_when(paid.clone(), 1, |now| now.rolled_back = true);
    assert!(matches!(refused, Err(Refusal::RolledBack { .. })), "{refused:?}");
    assert!(is_not_fresh(&charge_when(paid, 1, |now| now.spendable = None)), "the fee accounts were not read");
    let refused = offer_when(state(), 100, |now| now.lane_ahead = lane_ahead);
    assert!(matches!(refused, Err(Refusal::RolledBackForAll { .. })), "{refused:?}");
}

#[test]
fn a_charge_needs_a_fresh_channel_that_covers_it_and_is_not_frozen() {
    let clawed_back = ChannelState { balance: units(90), ..state() };
    assert_eq!(charge_when(clawed_back.clone(), 30, |_| {}), Ok(()));
    assert_eq!(
        charge_when(clawed_back, 31, |_| {}),
        Err(Refusal::ExceedsCoverage { offered: units(91), coverage: units(90) })
    );
    assert!(is_unpayable(&charge_when(ChannelState { balance_authorized: false, ..state() }, 1, |_| {})));
    assert!(is_not_fresh(&charge_when(state(), 1, |now| now.freshness = Err(NotFresh::NoHead))));
    assert!(is_not_fresh(&charge_when(state(), 1, |now| now.channel = None)));
    let ended = ChannelState { refunded: true, withdrawn: units(60), ..state() };
    let over = charge_when(ended, 1, |_| {});
    assert!(matches!(over, Err(Refusal::Final)), "{over:?}");
}

#[test]
fn an_amount_that_the_chain_has_paid_can_always_be_sold() {
    let ended = ChannelState { refunded: true, withdrawn: units(100), ..state() };
    assert_eq!(charge_when(ended, 40, |now| now.freshness = Err(NotFresh::NoHead)), Ok(()));
}

proptest! {
    #[test]
    fn every_commitment_that_is_taken_would_be_paid_by_the_chain(
        balance in 0u64..200, withdrawn in 0u64..200, amount in 1u64..500, room in 0u64..300, elsewhere in 0u64..100,
        closing in any::<bool>(), authorized in any::<bool>(),
    ) {
        let state = ChannelState {
            balance: units(balance),
            withdrawn: units(withdrawn),
            balance_authorized: authorized,
            close_effective_at: closing.then_some(Ledger(5)),
            ..state()
        };
        let owed = amount.saturating_sub(withdrawn) + elsewhere;
        let taken = offer_when(state, amount, |now| {
            now.payability = recipient(Payability::Room(units(room)));
            now.totals = totals(0, owed);
        });
        let pays = amount > withdrawn && amount - withdrawn <= balance && owed <= room && authorized;
        prop_assert_eq!(taken.is_ok(), pays && !closing);
    }
}
