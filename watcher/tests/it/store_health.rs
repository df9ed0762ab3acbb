//! Tests with a disk that does not answer, fails, or is nearly full: `/readyz` and the operator know it within seconds,
//! and settling goes on.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use paychan_channel::Ledger;
use paychan_watcher::alarm::Alarm;
use paychan_watcher::daemon::watch_store;
use paychan_watcher_api::ProblemKind;
use tokio::sync::watch;

use crate::env::{TestEnv, WAITING, Watcher, amount, id};

/// The limit for "within seconds" on a busy machine.
const SECONDS: Duration = Duration::from_secs(10);

async fn eventually(what: &str, happened: impl Fn() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < SECONDS, "not within seconds: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn in_the_way(watcher: &Watcher, kind: ProblemKind) -> bool {
    watcher.reporter.not_ready().iter().any(|problem| problem.kind == kind)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_hangs_is_noticed_within_seconds_and_taken_commitments_are_settled() {
    let env = TestEnv::new(2, false);
    let mut watcher = env.watching(2).await;
    env.ledger(&mut watcher).await;
    watcher.offer(1, 50_000_000).await.unwrap();
    assert!(watcher.reporter.not_ready().is_empty(), "{:?}", watcher.reporter.not_ready());
    let (_stop, stopped) = watch::channel(false);
    let clock: Arc<dyn paychan_watcher::clock::Clock> = env.sim.clock();
    tokio::spawn(watch_store(watcher.store.clone(), clock, stopped));

    env.disk_hangs.store(true, Ordering::Relaxed);
    // The disk never finishes this request.
    let hanging = tokio::time::timeout(SECONDS * 2, watcher.offer(2, 1_000_000));
    let looking = async {
        eventually("it says that it stalls", || in_the_way(&watcher, ProblemKind::StoreStalled)).await;
        eventually("an alarm", || Alarm::StoreStalled.raised() > 0).await;
        eventually("it only settles", || in_the_way(&watcher, ProblemKind::SettleOnly)).await;
        eventually("another alarm", || Alarm::SettleOnly.raised() > 0).await;
    };
    let (answer, ()) = tokio::join!(hanging, looking);
    assert!(answer.expect("the caller is told").is_err());

    // The disk still hangs, and the funder closes.
    env.sim.network().close_start(id(1));
    let deadline = Ledger(env.now().0 + WAITING);
    let settled = env.settled_by(&mut watcher, 1, amount(50_000_000), deadline).await;
    assert!(settled.is_some(), "what was acknowledged is paid out");
    env.disk_hangs.store(false, Ordering::Relaxed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_below_the_mark_is_named_as_what_it_is_and_nothing_new_is_taken() {
    // No disk has this much space.
    let env = TestEnv::configured(1, false, |text| format!("{text}\n[disk]\nfree_mark_mib = 1000000000\n"));
    let mut watcher = env.watching(0).await;
    env.ledger(&mut watcher).await;
    let (_stop, stopped) = watch::channel(false);
    let clock: Arc<dyn paychan_watcher::clock::Clock> = env.sim.clock();
    tokio::spawn(watch_store(watcher.store.clone(), clock, stopped));
    eventually("it is named", || in_the_way(&watcher, ProblemKind::DiskLow)).await;
    eventually("an alarm", || Alarm::DiskLow.raised() > 0).await;
    assert!(!in_the_way(&watcher, ProblemKind::Stopping));
    assert!(watcher.channels.take(id(1)).await.is_err(), "the mark of the configuration is the store's");
}
