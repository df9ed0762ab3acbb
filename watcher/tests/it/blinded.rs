//! Tests that one wrong answer never makes the watcher refuse later true answers, neither in one process nor after a
//! restart.

use std::time::Duration;

use paychan_sim::network::FAR;
use paychan_store::{Admission, WallClock};
use paychan_watcher::chain::Head;
use paychan_watcher::follower::NotFollowed;
use paychan_watcher::view::{AHEAD_OF_HEAD, NotFresh};

use crate::env::{SWEEP_INTERVAL, TestEnv, Watcher, amount, id};

/// The dates that a wrong head may have: no date, long ago, now, and far ahead of the clock.
fn dates(env: &TestEnv) -> [Option<u64>; 4] {
    let now = env.sim.clock().wall_unix_ms();
    [None, Some(1), Some(now), Some(now + 1_000_000_000)]
}

async fn is_settled(env: &TestEnv, watcher: &mut Watcher) {
    let deadline = env.sim.network().close_start(id(1));
    let settled = env.settled_by(watcher, 1, amount(600_000_000), deadline).await;
    assert!(settled.is_some(), "the funder got the money back");
    env.assert_one_in_flight();
}

#[tokio::test]
async fn a_single_far_ledger_number_is_not_believed() {
    for date in 0..4 {
        let env = TestEnv::new(1, false);
        let mut watcher = env.watching(1).await;
        watcher.offer(1, 600_000_000).await.unwrap();
        env.ledger(&mut watcher).await;

        let closed_at_unix_ms = dates(&env)[date];
        env.sim.network().faults.heads.push_back(Head { ledger: FAR, closed_at_unix_ms });
        env.sim.close(1);
        let refused = watcher.follow().await.unwrap_err();
        assert!(matches!(refused, NotFollowed::Contradicted { at: FAR, .. }), "{refused:?}");
        assert!(refused.is_alarm());
        assert!(!refused.to_string().contains("empty"), "nobody is told to throw a store away: {refused}");

        env.sim.close(1);
        watcher.follow().await.unwrap();
        watcher.offer(1, 600_000_001).await.unwrap();
        is_settled(&env, &mut watcher).await;
    }
}

#[tokio::test]
async fn a_far_ledger_number_as_the_first_answer_is_not_believed_after_a_restart() {
    for date in 0..4 {
        let env = TestEnv::new(1, false);
        let watcher = env.watching(1).await;
        watcher.offer(1, 600_000_000).await.unwrap();
        drop(watcher);

        let closed_at_unix_ms = dates(&env)[date];
        env.sim.network().faults.heads.push_back(Head { ledger: FAR, closed_at_unix_ms });
        let mut watcher = env.start().await;
        watcher.follow().await.unwrap_err();
        for _ in 0..3 {
            env.ledger(&mut watcher).await;
        }
        assert_eq!(watcher.view.head().unwrap().ledger, env.now());
        watcher.offer(1, 600_000_001).await.unwrap();
        is_settled(&env, &mut watcher).await;
    }
}

#[tokio::test]
async fn a_far_ledger_number_that_was_believed_is_taken_back_with_all_that_was_read_there() {
    for date in 0..4 {
        let env = TestEnv::new(1, false);
        let watcher = env.watching(1).await;
        watcher.offer(1, 600_000_000).await.unwrap();
        drop(watcher);

        let mut watcher = env.start().await;
        let far = Head { ledger: FAR, closed_at_unix_ms: dates(&env)[date] };
        env.sim.network().faults.heads.extend([far, far]);
        watcher.follow().await.unwrap();
        assert_eq!(watcher.view.head().unwrap().ledger, FAR, "two answers agreed");

        let mut ledgers = 0;
        while watcher.view.head().unwrap().ledger != env.now() {
            env.sim.close(1);
            let _ = watcher.follow().await;
            ledgers += 1;
            assert!(ledgers <= 20, "still blind after {ledgers} ledgers; dated {:?}", far.closed_at_unix_ms);
        }
        watcher.offer(1, 600_000_001).await.unwrap();
        is_settled(&env, &mut watcher).await;
    }
}

#[tokio::test]
async fn a_wrong_ledger_in_the_journal_is_taken_back() {
    let env = TestEnv::new(1, false);
    let watcher = env.watching(1).await;
    watcher.offer(1, 600_000_000).await.unwrap();
    let held = watcher.store.held(&id(1)).unwrap();
    let wrong = Admission { channel: id(9), admitted_at: FAR, ..held.admission };
    watcher.store.admit(wrong).await.unwrap();
    drop(watcher);
    let mut watcher = env.start().await;
    let mut ledgers = 0;
    while watcher.follow().await.is_err() {
        env.sim.close(1);
        ledgers += 1;
        assert!(ledgers <= 20, "blind over a restart");
    }
    is_settled(&env, &mut watcher).await;
}

#[tokio::test]
async fn a_head_that_is_not_dated_takes_no_money_and_stops_no_settling() {
    let env = TestEnv::new(1, false);
    let mut watcher = env.watching(1).await;
    watcher.offer(1, 600_000_000).await.unwrap();
    env.sim.network().faults.undated = true;
    env.ledger(&mut watcher).await;
    assert!(matches!(watcher.freshness(1), Err(NotFresh::HeadUndated { .. })), "{:?}", watcher.freshness(1));
    watcher.offer(1, 600_000_001).await.unwrap_err();
    is_settled(&env, &mut watcher).await;
}

#[tokio::test]
async fn a_clock_that_is_wrong_takes_no_money_and_stops_no_settling() {
    for wrong in [-3_600_000_i64, 3_600_000] {
        let env = TestEnv::new(1, false);
        let mut watcher = env.watching(1).await;
        watcher.offer(1, 600_000_000).await.unwrap();
        let clock = env.sim.clock();
        clock.set_wall_unix_ms(clock.wall_unix_ms().checked_add_signed(wrong).unwrap());
        env.ledger(&mut watcher).await;
        watcher.offer(1, 600_000_001).await.unwrap_err();
        is_settled(&env, &mut watcher).await;
    }
}

#[tokio::test]
async fn a_machine_that_slept_believes_the_first_ledgers_it_sees() {
    let env = TestEnv::new(1, false);
    let mut watcher = env.watching(1).await;
    env.sim.close(5_000);
    env.sim.clock().advance(Duration::from_secs(1));
    watcher.follow().await.unwrap();
    assert_eq!(watcher.view.head().unwrap().ledger, env.now());
}

#[tokio::test]
async fn a_far_ledger_number_with_the_entries_blocks_no_later_answer() {
    let env = TestEnv::new(1, false);
    let mut watcher = env.watching(1).await;
    watcher.offer(1, 600_000_000).await.unwrap();
    env.sim.network().faults.far_entries = 1;
    // A commitment above the coverage makes the watcher read the channel again.
    watcher.offer(1, 2_000_000_000).await.unwrap_err();
    assert_eq!(env.sim.network().faults.far_entries, 0, "it was read");
    is_settled(&env, &mut watcher).await;
    for _ in 0..=AHEAD_OF_HEAD + SWEEP_INTERVAL {
        env.ledger(&mut watcher).await;
    }
    let state = watcher.view.channel(&id(1)).unwrap().state;
    assert_eq!(state.withdrawn, amount(600_000_000));
    assert!(state.read_at <= env.now(), "{}", state.read_at);
}

#[tokio::test]
async fn a_far_ledger_number_with_the_fee_account_makes_no_transaction_that_is_valid_for_ever() {
    let env = TestEnv::new(1, false);
    let mut watcher = env.watching(1).await;
    watcher.offer(1, 600_000_000).await.unwrap();
    env.ledger(&mut watcher).await;
    env.sim.network().close_start(id(1));
    env.sim.close(1);
    watcher.follow().await.unwrap();
    {
        let faults = &mut env.sim.network().faults;
        // The settler asks next.
        faults.far_entries = 1;
        faults.market = 1_000_000;
    }
    watcher.settler.tick().await;
    let in_flight = watcher.store.in_flight();
    assert_eq!(in_flight.len(), 1);
    let latest = env.now().saturating_add(AHEAD_OF_HEAD).saturating_add(100);
    assert!(in_flight[0].max_ledger <= latest, "valid up to ledger {}", in_flight[0].max_ledger);
}

#[tokio::test]
async fn a_far_ledger_number_with_a_page_of_events_does_not_end_the_reading_of_events() {
    let env = TestEnv::new(1, false);
    let mut watcher = env.watching(1).await;
    env.ledger(&mut watcher).await;
    env.sim.network().faults.far_events = 1;
    env.ledger(&mut watcher).await;
    assert_eq!(env.sim.network().faults.far_events, 0, "it was told");
    let swept = env.sim.network().reads;
    let deadline = env.sim.network().close_start(id(1));
    env.ledger(&mut watcher).await;
    assert_eq!(watcher.view.channel(&id(1)).unwrap().deadline, Some(deadline));
    assert!(env.sim.network().reads <= swept + 1, "no sweep was needed");
}
