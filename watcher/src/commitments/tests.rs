//! Commitments: each rule alone, and that what is taken is what the chain would pay.

use paychan_channel::{Amount, ChannelState, ContractId, Ledger, Stroops};
use proptest::prelude::*;

use crate::channels::Payability;

use crate::commitments::{Moment, check, fees_needed, rolled_back};
use crate::config::Fees;
use crate::fixtures::{CHANNEL, channel_view, held, state, units};
use crate::view::{ChannelView, FeeFunds, NotFresh};
use paychan_store::Refusal;

fn fees() -> Fees {
    Fees { max_inclusion_fee: Stroops(1_000), assumed_resource_fee: Stroops(500) }
}

fn funds(spendable: i64, promised: usize) -> Option<FeeFunds> {
    Some(FeeFunds { spendable: Stroops(spendable), settle_resource_fee: None, promised })
}

fn moment<'a>(channel: &'a ChannelView, fees: &'a Fees) -> Moment<'a> {
    Moment {
        stopping: false,
        rolled_back: &[],
        freshness: Ok(()),
        channel: Some(channel),
        payability: Some(Payability::Room(Amount::MAX)),
        funds: funds(1_000_000, 0),
        fees,
    }
}

fn offer(state: ChannelState, amount: u64) -> Result<(), Refusal> {
    check(&held(100), units(amount), &moment(&channel_view(state), &fees()))
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
fn what_the_chain_has_paid_already_is_no_new_promise() {
    let paid = ChannelState { withdrawn: units(500), ..state() };
    assert_eq!(
        offer(paid.clone(), 500),
        Err(Refusal::NotAboveWithdrawn { offered: units(500), withdrawn: units(500) })
    );
    assert_eq!(offer(paid, 501), Ok(()));
}

#[test]
fn a_closing_channel_takes_nothing_even_when_only_an_event_told_of_it() {
    let mut view = channel_view(state());
    view.deadline = Some(Ledger(7));
    let refused = check(&held(0), units(1), &moment(&view, &fees()));
    assert_eq!(refused, Err(Refusal::Closing { deadline: Some(Ledger(7)) }));
}

#[test]
fn a_final_channel_takes_nothing_even_when_a_later_read_denies_it() {
    let mut view = channel_view(state());
    view.ended = true;
    assert_eq!(check(&held(0), units(1), &moment(&view, &fees())), Err(Refusal::Final));
}

#[test]
fn a_view_that_is_not_fresh_takes_nothing() {
    let (view, fees) = (channel_view(state()), fees());
    let stale = Moment { freshness: Err(NotFresh::NoHead), ..moment(&view, &fees) };
    assert!(matches!(check(&held(0), units(1), &stale), Err(Refusal::NotFresh { .. })));
    let unread = Moment { channel: None, ..moment(&view, &fees) };
    assert!(matches!(check(&held(0), units(1), &unread), Err(Refusal::NotFresh { .. })));
}

#[test]
fn a_stopping_watcher_takes_nothing() {
    let (view, fees) = (channel_view(state()), fees());
    let stopping = Moment { stopping: true, ..moment(&view, &fees) };
    assert!(matches!(check(&held(0), units(1), &stopping), Err(Refusal::Stopping { .. })));
}

#[test]
fn a_store_that_was_rolled_back_on_one_channel_takes_nothing_on_any() {
    let (view, fees) = (channel_view(ChannelState { withdrawn: units(500), ..state() }), fees());
    let this = Moment { rolled_back: &[CHANNEL], ..moment(&view, &fees) };
    assert_eq!(
        check(&held(100), units(600), &this),
        Err(Refusal::RolledBack { highest: units(100), withdrawn: units(500) })
    );
    let another = Moment { rolled_back: &[ContractId([9; 32])], ..moment(&view, &fees) };
    assert_eq!(
        check(&held(100), units(600), &another),
        Err(Refusal::RolledBackElsewhere { channel: ContractId([9; 32]) })
    );
}

#[test]
fn a_store_was_rolled_back_when_the_chain_paid_more_than_it_holds_and_nobody_confirmed_it() {
    assert!(!rolled_back(&held(100), units(100)));
    assert!(rolled_back(&held(100), units(101)));
    assert!(!rolled_back(&held(0), Amount::ZERO));
    let mut confirmed = held(100);
    confirmed.rollback_confirmed = Some(units(101));
    assert!(!rolled_back(&confirmed, units(101)));
    assert!(rolled_back(&confirmed, units(102)));
}

#[test]
fn the_fee_accounts_must_cover_every_promise_and_this_one() {
    let (view, fees) = (channel_view(state()), fees());
    let with = |funds| Moment { funds, ..moment(&view, &fees) };
    let new_promise = |funds| check(&held(0), units(1), &with(funds));
    let kept_promise = |funds| check(&held(100), units(101), &with(funds));
    assert_eq!(new_promise(funds(3_000, 1)), Ok(()));
    assert!(matches!(new_promise(funds(2_999, 1)), Err(Refusal::FeesLow { .. })));
    assert_eq!(kept_promise(funds(1_500, 1)), Ok(()), "this channel is the one promise");
    assert!(matches!(kept_promise(funds(1_499, 1)), Err(Refusal::FeesLow { .. })));
    assert!(matches!(new_promise(None), Err(Refusal::FeesLow { .. })));
}

#[test]
fn fees_that_would_overflow_are_beyond_any_account() {
    let dear = Fees { max_inclusion_fee: Stroops(i64::MAX), ..fees() };
    assert_eq!(fees_needed(usize::MAX, Some(Stroops(i64::MAX)), &dear), Stroops(i64::MAX));
}

#[test]
fn what_the_recipient_cannot_be_paid_is_not_promised() {
    let (view, fees) = (channel_view(state()), fees());
    let with = |payability| Moment { payability: Some(payability), ..moment(&view, &fees) };
    assert!(matches!(check(&held(0), units(1), &with(Payability::TrustlineMissing)), Err(Refusal::Unpayable { .. })));
    assert_eq!(check(&held(0), units(50), &with(Payability::Room(units(50)))), Ok(()));
    assert!(check(&held(0), units(51), &with(Payability::Room(units(50)))).is_err());
    let frozen = channel_view(ChannelState { balance_authorized: false, ..state() });
    assert!(check(&held(0), units(1), &moment(&frozen, &fees)).is_err());
}

proptest! {
    #[test]
    fn whatever_is_taken_the_chain_would_pay(
        balance in 0u64..200, withdrawn in 0u64..200, amount in 1u64..500, room in 0u64..300,
        closing in any::<bool>(), authorized in any::<bool>(),
    ) {
        let state = ChannelState {
            balance: units(balance),
            withdrawn: units(withdrawn),
            balance_authorized: authorized,
            close_effective_at: closing.then_some(Ledger(5)),
            ..state()
        };
        let (view, fees) = (channel_view(state), fees());
        let moment = Moment { payability: Some(Payability::Room(units(room))), ..moment(&view, &fees) };
        let taken = check(&held(0), units(amount), &moment).is_ok();
        let pays = amount > withdrawn && amount - withdrawn <= balance && amount - withdrawn <= room && authorized;
        prop_assert_eq!(taken, pays && !closing);
    }
}
