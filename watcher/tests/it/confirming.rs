//! Tests what a transaction's end is taken for: when its effect counts as shown, and what a refusal means.

use paychan_channel::Ledger;
use paychan_store::Outcome;

use crate::env::{SWEEP_INTERVAL, TestEnv, amount, id};
use crate::heard::Heard;
use crate::settling::{OWED, closing};

#[tokio::test]
async fn a_close_that_the_fee_account_could_not_pay_for_is_not_a_failed_close() {
    let (env, mut watcher, deadline) = closing(true).await;
    let mut heard = Heard::listen();
    let balance = std::mem::replace(&mut env.sim.network().lane_balance, 1);
    env.ledger(&mut watcher).await;
    let alarms = heard.named("fees_low");
    assert!(alarms.iter().any(|alarm| alarm.message.contains("can't pay for a transaction")), "{alarms:?}");
    env.sim.network().lane_balance = balance;
    assert!(env.settled_by(&mut watcher, 1, amount(OWED), deadline).await.is_some());
    assert!(env.sim.network().channels[&id(1)].refunded, "closed, not only settled");
}

#[tokio::test]
async fn a_close_that_pays_nothing_is_over_when_entries_read_after_it_show_the_end_and_is_sent_once() {
    let env = TestEnv::new(1, true);
    let mut watcher = env.watching(1).await;
    watcher.offer(1, OWED).await.unwrap();
    env.sim.network().settle(id(1), OWED);
    for _ in 0..SWEEP_INTERVAL + 2 {
        env.ledger(&mut watcher).await;
    }
    watcher.store.fence(id(1)).await.unwrap();
    env.sim.network().faults.old_entries = 3;
    for _ in 0..10 {
        env.ledger(&mut watcher).await;
    }
    assert!(env.sim.network().channels[&id(1)].refunded, "closed");
    assert_eq!((env.sim.network().offered.len(), watcher.settler.in_flight()), (1, 0));
    let outcomes = watcher.store.outcomes(&id(1), 8);
    assert!(matches!(&outcomes[..], [decided] if matches!(decided.outcome, Outcome::Confirmed { .. })), "{outcomes:?}");
}

#[tokio::test]
async fn entries_from_before_a_settlement_do_not_make_it_look_failed() {
    let (env, mut watcher, _) = closing(false).await;
    let mut heard = Heard::listen();
    env.sim.network().faults.old_entries = 3;
    for _ in 0..10 {
        env.ledger(&mut watcher).await;
    }
    assert_eq!(env.sim.network().withdrawn(id(1)), amount(OWED));
    assert_eq!((env.sim.network().offered.len(), watcher.settler.in_flight()), (1, 0));
    let alarms = heard.named("settlement_failing");
    assert!(alarms.iter().all(|alarm| alarm.message != "a settlement is not visible on chain"), "{alarms:?}");
}

#[tokio::test]
async fn an_extension_is_sent_once_and_frees_the_lane_whether_its_entries_are_read_late_or_not_at_all() {
    for unreadable in [false, true] {
        let env = TestEnv::new(1, false);
        let near = Ledger(env.now().0 + 500);
        env.sim.network().channels.get_mut(&id(1)).unwrap().lives.instance = Some(near);
        env.sim.close(1);
        let mut watcher = env.watching(1).await;
        env.ledger(&mut watcher).await;
        env.sim.network().faults.old_entries = 3;
        if unreadable {
            env.sim.network().faults.garbled.insert(id(1));
        }
        for _ in 0..6 {
            env.ledger(&mut watcher).await;
        }
        assert!(env.sim.network().channels[&id(1)].lives.instance > Some(near), "extended");
        assert_eq!((env.sim.network().offered.len(), watcher.settler.in_flight()), (1, 0), "{unreadable}");
    }
}

#[tokio::test]
async fn a_refusal_is_shown_with_its_own_reason() {
    let env = TestEnv::new(1, false);
    let mut watcher = env.watching(1).await;
    watcher.offer(1, OWED).await.unwrap();
    env.sim.network().close_start(id(1));
    env.sim.close(12);
    env.sim.network().faults.lag = 10;
    env.ledger(&mut watcher).await;
    let trouble = watcher.view.channel(&id(1)).unwrap().trouble.unwrap();
    assert!(trouble.contains("its ledger bounds have passed"), "{trouble}");
}

#[tokio::test]
async fn a_node_that_lags_as_far_as_the_floor_allows_for_still_gets_a_settlement_included() {
    let env = TestEnv::configured(1, false, |text| {
        text.replace("node_lag_ledgers = 2", "node_lag_ledgers = 6").replace("attempts = 3", "attempts = 2")
    });
    let mut watcher = env.watching(1).await;
    watcher.offer(1, OWED).await.unwrap();
    let deadline = env.sim.network().close_start(id(1));
    env.sim.close(8);
    env.sim.network().faults.lag = 6;
    assert!(env.settled_by(&mut watcher, 1, amount(OWED), deadline).await.is_some());
    env.assert_one_in_flight();
}
