//! Tests that an answer that is not understood stops only what depends on it.

use paychan_watcher::chain::NetworkTerms;
use paychan_watcher::view::NotFresh;

use crate::env::{SWEEP_INTERVAL, TestEnv, amount, id};

#[tokio::test]
async fn a_channel_that_is_unreadable_since_the_restart_is_settled_with_what_is_known() {
    let env = TestEnv::new(2, false);
    let watcher = env.watching(2).await;
    watcher.offer(1, 600_000_000).await.unwrap();
    drop(watcher);
    env.sim.network().faults.garbled.insert(id(1));
    let mut watcher = env.start().await;
    let _ = watcher.follow().await;
    let unread = watcher.view.unread(&id(1)).expect("what is known of it");
    assert!(unread.trouble.is_some_and(|why| why.contains("newer protocol")));
    assert_eq!(watcher.freshness(1), Err(NotFresh::Unreadable));
    watcher.offer(1, 600_000_001).await.unwrap_err();
    watcher.offer(2, 1_000_000).await.expect("another channel can be read");

    let deadline = env.sim.network().close_start(id(1));
    env.sim.close(1);
    let _ = watcher.follow().await;
    assert_eq!(watcher.view.unread(&id(1)).unwrap().deadline, Some(deadline), "its event was understood");
}

#[tokio::test]
async fn implausible_or_undecodable_settings_change_nothing() {
    let absurd = |target_close_ms, max_entry_ttl| Ok(NetworkTerms { target_close_ms, max_entry_ttl });
    for settings in [absurd(0, 3_110_400), absurd(u32::MAX, 3_110_400), absurd(5_000, 0), Err(())] {
        let env = TestEnv::new(2, false);
        let mut watcher = env.watching(1).await;
        watcher.offer(1, 600_000_000).await.unwrap();
        let before = watcher.view.network();
        env.sim.network().faults.settings = Some(settings);
        for _ in 0..=2 * SWEEP_INTERVAL {
            env.sim.close(1);
            watcher.follow().await.unwrap();
        }
        assert_eq!(watcher.view.network(), before, "the last known ones hold");
        watcher.offer(1, 600_000_001).await.expect("recipients were read all the same");
        watcher.channels.take(id(2)).await.unwrap();
        let deadline = env.sim.network().close_start(id(1));
        assert!(env.settled_by(&mut watcher, 1, amount(600_000_001), deadline).await.is_some());
    }
}

#[tokio::test]
async fn settings_that_were_never_read_since_the_restart_delay_no_settlement() {
    let env = TestEnv::new(1, false);
    let watcher = env.watching(1).await;
    watcher.offer(1, 600_000_000).await.unwrap();
    drop(watcher);
    env.sim.network().faults.settings = Some(Err(()));
    let mut watcher = env.start().await;
    let deadline = env.sim.network().close_start(id(1));
    assert!(env.settled_by(&mut watcher, 1, amount(600_000_000), deadline).await.is_some());
    assert_eq!(watcher.view.network(), None, "they are still not known");
}

#[tokio::test]
async fn a_signature_that_is_not_the_funders_costs_no_call() {
    let env = TestEnv::new(1, false);
    let mut watcher = env.watching(1).await;
    env.ledger(&mut watcher).await;
    let before = env.sim.network().reads;
    for above_coverage in 1..=20 {
        let garbage = paychan_channel::Signature([7; 64]);
        let refused = watcher.offer_signed(1, crate::env::DEPOSIT + above_coverage, garbage).await.unwrap_err();
        assert!(matches!(refused, paychan_watcher::commitments::OfferError::BadSignature(_)), "{refused:?}");
        env.ledger(&mut watcher).await;
        if env.sim.network().reads > before {
            // The sweep has run.
            assert!(above_coverage + 1 >= i128::from(SWEEP_INTERVAL) - 2, "read after {above_coverage} ledgers");
            return;
        }
    }
}
