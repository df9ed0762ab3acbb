//! Tests that the watcher settles channels that nobody closes by amount and by age, closes idle ones, and drops those
//! that owe nothing.

use paychan_channel::Ledger;
use paychan_sim::alarms::Alarms;
use paychan_store::AcceptError;
use paychan_watcher::commitments::OfferError;

use crate::env::{SWEEP_INTERVAL, TestEnv, Watcher, amount, id};
use crate::settling::OWED;

#[tokio::test]
async fn an_unsettled_amount_above_the_tokens_limit_is_settled_although_nobody_closes_and_status_says_why() {
    let env = TestEnv::configured(1, false, |text| text.replace("dust = ", "settle_above = \"300000000\"\ndust = "));
    let mut watcher = env.watching(1).await;
    watcher.offer(1, 299_999_999).await.unwrap();
    assert_eq!(env.settled_by(&mut watcher, 1, amount(1), Ledger(env.now().0 + 5)).await, None);
    watcher.offer(1, 300_000_000).await.unwrap();
    let next = watcher.reporter.channel(&id(1)).unwrap().next_action;
    assert_eq!(next, "settle 300000000 base units: the unsettled amount is above settle_above");
    let late = Ledger(env.now().0 + 6);
    assert!(env.settled_by(&mut watcher, 1, amount(300_000_000), late).await.is_some());
    env.ledger(&mut watcher).await;
    let report = watcher.reporter.channel(&id(1)).unwrap();
    assert!(report.last_outcome.unwrap().contains("confirmed"));
    assert!(report.last_transaction.is_some_and(|hash| hash.len() == 64));
    assert_eq!(report.next_action, "wait");
}

#[tokio::test]
async fn an_idle_channel_that_owes_nothing_costs_nothing_and_status_says_so() {
    let env = TestEnv::configured(1, false, |text| format!("{text}\n[settle]\nidle_seconds = 100\n"));
    let mut watcher = env.watching(1).await;
    watcher.offer(1, OWED).await.unwrap();
    let late = Ledger(env.now().0 + 30);
    assert!(env.settled_by(&mut watcher, 1, amount(OWED), late).await.is_some());
    for _ in 0..3 {
        env.ledger(&mut watcher).await;
    }
    let offered = env.sim.network().offered.len();
    let near = Some(Ledger(env.now().0 + 50));
    env.sim.network().channels.get_mut(&id(1)).unwrap().lives.instance = near;
    for _ in 0..SWEEP_INTERVAL + 3 {
        env.ledger(&mut watcher).await;
    }
    assert_eq!(env.sim.network().offered.len(), offered, "no rent is paid for an idle channel");
    let next = watcher.reporter.channel(&id(1)).unwrap().next_action;
    assert!(next.contains("owes nothing and is idle"), "{next}");
}

#[tokio::test]
async fn an_amount_that_is_unsettled_for_a_day_is_settled_although_nobody_closes() {
    let env = TestEnv::configured(1, false, |text| format!("{text}\n[settle]\nafter_seconds = 100\n"));
    let mut watcher = env.watching(1).await;
    watcher.offer(1, OWED).await.unwrap();
    let early = Ledger(env.now().0 + 18);
    assert_eq!(env.settled_by(&mut watcher, 1, amount(OWED), early).await, None);
    let late = Ledger(env.now().0 + 6);
    assert!(env.settled_by(&mut watcher, 1, amount(OWED), late).await.is_some());
    env.ledger(&mut watcher).await;
    watcher.offer(1, OWED + 1_000_000).await.unwrap();
    assert_eq!(watcher.reporter.channel(&id(1)).unwrap().next_action, "wait");
}

#[tokio::test]
async fn an_idle_channel_is_fenced_and_closed_and_a_close_that_fails_is_followed_by_a_settle() {
    for close_fails in [false, true] {
        let env = TestEnv::configured(1, true, |text| format!("{text}\n[settle]\nidle_seconds = 100\n"));
        let mut watcher = env.watching(1).await;
        watcher.offer(1, OWED).await.unwrap();
        env.sim.network().faults.close_fails = close_fails;
        let late = Ledger(env.now().0 + 30);
        assert!(env.settled_by(&mut watcher, 1, amount(OWED), late).await.is_some());
        assert!(watcher.store.held(&id(1)).unwrap().fence.is_some(), "the fence is written before a close is signed");
        assert_eq!(env.sim.network().channels[&id(1)].refunded, !close_fails);
        env.assert_one_in_flight();
    }
}

#[tokio::test]
async fn a_channel_that_was_never_paid_through_is_dropped_when_it_is_idle_and_can_be_admitted_again() {
    let env = TestEnv::configured(2, false, |text| format!("{text}\n[settle]\ndrop_unused_seconds = 100\n"));
    let mut watcher = env.watching(2).await;
    watcher.offer(2, OWED).await.unwrap();
    for _ in 0..15 {
        env.ledger(&mut watcher).await;
    }
    assert!(watcher.store.held(&id(1)).is_some(), "75 seconds are not enough");
    for _ in 0..10 {
        env.ledger(&mut watcher).await;
    }
    assert!(watcher.store.held(&id(1)).is_none() && watcher.view.channel(&id(1)).is_none(), "channel 1 owes nothing");
    assert!(watcher.store.held(&id(2)).is_some(), "channel 2 was used for payments");
    assert!(env.sim.network().offered.is_empty(), "the drop needs no transaction");
    let refused = watcher.offer(1, OWED).await.unwrap_err();
    assert!(matches!(refused, OfferError::NotAccepted(AcceptError::UnknownChannel(_))), "{refused:?}");
    watcher.channels.take(id(1)).await.unwrap();
    env.ledger(&mut watcher).await;
    watcher.offer(1, OWED).await.unwrap();
}

#[tokio::test]
async fn nothing_is_dropped_while_the_store_may_have_forgotten_commitments() {
    let env = TestEnv::configured(2, false, |text| format!("{text}\n[settle]\ndrop_unused_seconds = 100\n"));
    let mut watcher = env.watching(2).await;
    watcher.view.set_rolled_back(vec![id(2)]);
    for _ in 0..25 {
        env.ledger(&mut watcher).await;
    }
    assert!(watcher.store.held(&id(1)).is_some());
}

/// A watcher that has just sent a close of its idle channel.
async fn with_own_close_in_flight() -> (TestEnv, Watcher) {
    let env = TestEnv::configured(1, true, |text| format!("{text}\n[settle]\nidle_seconds = 100\n"));
    let mut watcher = env.watching(1).await;
    watcher.offer(1, OWED).await.unwrap();
    while env.sim.network().offered.is_empty() {
        env.ledger(&mut watcher).await;
    }
    (env, watcher)
}

/// The event of the watcher's own close has a deadline, too. Until the entries show the end, it looks like a deadline that has
/// passed with everything unpaid.
#[tokio::test]
async fn the_own_close_of_a_channel_is_no_deadline_that_has_passed_while_the_entries_are_old_or_unreadable() {
    for is_garbled in [false, true] {
        let (alarms, _listening) = Alarms::listen();
        let (env, mut watcher) = with_own_close_in_flight().await;
        if is_garbled {
            env.sim.network().faults.garbled.insert(id(1));
        } else {
            env.sim.network().faults.old_entries = 5;
        }
        for _ in 0..4 {
            env.ledger(&mut watcher).await;
        }
        assert!(env.sim.network().channels[&id(1)].refunded, "the channel has ended");
        assert!(!watcher.view.channel(&id(1)).unwrap().ended, "the watcher has not seen that");
        assert!(watcher.view.channel(&id(1)).unwrap().deadline.is_some(), "it has seen the event");
        let raised: Vec<String> = alarms.since(0).iter().map(ToString::to_string).collect();
        assert!(!raised.iter().any(|alarm| alarm.starts_with("deadline_near")), "{is_garbled}: {raised:?}");
    }
}

#[tokio::test]
async fn a_deadline_that_passes_while_an_own_close_is_in_flight_is_reported_once_that_close_is_over() {
    let (alarms, _listening) = Alarms::listen();
    let (env, mut watcher) = with_own_close_in_flight().await;
    // No ledger includes the close, and a deadline is told that is not the close's.
    env.sim.network().faults.market = i64::MAX;
    let passed = Ledger(env.now().0 + 1);
    watcher.view.note_close(&id(1), passed, passed);
    let is_reported = || alarms.since(0).iter().any(|raised| raised.name == "deadline_near");
    env.ledger(&mut watcher).await;
    assert!(!is_reported(), "the close may be in this ledger");
    for _ in 0..SWEEP_INTERVAL {
        env.ledger(&mut watcher).await;
    }
    assert!(is_reported(), "{:?}", alarms.since(0));
}
