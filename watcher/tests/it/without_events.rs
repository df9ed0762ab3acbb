//! Tests that the watcher works with sweeps alone, since events are only hints.

use crate::env::{TestEnv, amount, id};
use paychan_sim::network::EventsFault;

const FAULTS: [EventsFault; 2] = [EventsFault::Down, EventsFault::EmptyCursor];

#[tokio::test]
async fn without_events_at_start_commitments_are_taken_and_stay_taken() {
    for fault in FAULTS {
        let env = TestEnv::new(1, false);
        drop(env.watching(1).await);
        env.sim.network().faults.events = Some(fault);
        let mut watcher = env.start().await;
        watcher.follow().await.unwrap();
        for step in 0..40 {
            watcher.offer(1, 1_000_000 + step).await.unwrap_or_else(|why| panic!("{fault:?}, step {step}: {why}"));
            env.ledger(&mut watcher).await;
        }
    }
}

#[tokio::test]
async fn without_events_a_close_is_seen_and_settled() {
    for fault in FAULTS {
        let env = TestEnv::new(1, false);
        env.sim.network().faults.events = Some(fault);
        let mut watcher = env.watching(1).await;
        watcher.offer(1, 600_000_000).await.unwrap();
        env.sim.network().faults.hides_events = true;
        let deadline = env.sim.network().close_start(id(1));
        let settled = env.settled_by(&mut watcher, 1, amount(600_000_000), deadline).await;
        assert!(settled.is_some_and(|at| deadline.0 - at.0 > 90), "{fault:?}: settled at {settled:?}, {deadline}");
    }
}

#[tokio::test]
async fn without_events_channels_are_not_read_at_every_ledger() {
    let env = TestEnv::new(1, false);
    env.sim.network().faults.events = Some(EventsFault::EmptyCursor);
    let mut watcher = env.watching(1).await;
    let before = env.sim.network().reads;
    for _ in 0..30 {
        env.ledger(&mut watcher).await;
    }
    let reads = env.sim.network().reads - before;
    assert!((8..=14).contains(&reads), "{reads} reads in 30 ledgers; every third ledger, and the sweeps");
}

#[tokio::test]
async fn events_that_come_back_are_used_again() {
    let env = TestEnv::new(1, false);
    env.sim.network().faults.events = Some(EventsFault::Down);
    let mut watcher = env.watching(1).await;
    env.ledger(&mut watcher).await;
    env.sim.network().faults.events = None;
    for _ in 0..3 {
        env.ledger(&mut watcher).await;
    }
    assert_eq!(watcher.view.channel(&id(1)).unwrap().gap_free_to, env.now());
    let before = env.sim.network().reads;
    for _ in 0..5 {
        env.ledger(&mut watcher).await;
    }
    assert_eq!(env.sim.network().reads, before, "no quiet ledger read the channel");
}

#[tokio::test]
async fn a_cursor_that_is_refused_costs_time_and_nothing_else() {
    let env = TestEnv::new(1, false);
    let mut watcher = env.watching(1).await;
    env.sim.network().faults.events = Some(EventsFault::CursorRefused);
    env.sim.close(6);
    for _ in 0..8 {
        env.ledger(&mut watcher).await;
    }
    for _ in 0..8 {
        watcher.follow().await.unwrap();
    }
    let known = watcher.view.channel(&id(1)).unwrap();
    assert!(env.now().0 - known.gap_free_to.0 <= 2, "{} of {}", known.gap_free_to, env.now());
    watcher.offer(1, 1_000_000).await.unwrap();
}
