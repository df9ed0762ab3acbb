//! Tests when the watcher trusts what it knows of the chain.

use std::time::Duration;

use paychan_channel::{Ledger, Stroops};
use paychan_store::WallClock;
use paychan_store::{AcceptError, Refusal, RequestId};
use paychan_watcher::chain::ChainErrorKind;
use paychan_watcher::commitments::OfferError;
use paychan_watcher::follower::NotFollowed;
use paychan_watcher::view::NotFresh;

use crate::env::{DEPOSIT, SWEEP_INTERVAL, TestEnv, amount, id};
use paychan_sim::network::{FIRST, LEDGER, Snapshot};

fn is_not_fresh(refused: &OfferError) -> bool {
    matches!(refused, OfferError::NotAccepted(AcceptError::Refused(Refusal::NotFresh { .. })))
}

#[tokio::test]
async fn nothing_is_taken_before_the_first_sweep() {
    let env = TestEnv::new(1, false);
    drop(env.watching(1).await);
    let mut watcher = env.start().await;
    assert!(is_not_fresh(&watcher.offer(1, 1_000_000).await.unwrap_err()));
    watcher.follow().await.unwrap();
    watcher.offer(1, 1_000_000).await.unwrap();
}

#[tokio::test]
async fn a_frozen_node_makes_every_channel_stale_by_the_boot_clock() {
    let env = TestEnv::new(1, false);
    let mut watcher = env.watching(1).await;
    watcher.offer(1, 1_000_000).await.unwrap();
    let frozen = env.now();
    env.sim.network().faults.frozen_at = Some(frozen.0);
    // A machine whose wall clock is always set back to the frozen ledger's time would not notice it by wall time.
    for _ in 0..20 {
        env.sim.close(1);
        watcher.follow().await.unwrap();
        env.sim.clock().set_wall_unix_ms(env.sim.network().visible().closed_at_ms);
    }
    let Err(NotFresh::HeadStill { ledger, .. }) = watcher.freshness(1) else {
        panic!("{:?}", watcher.freshness(1));
    };
    assert_eq!(ledger, frozen);
    assert!(is_not_fresh(&watcher.offer(1, 2_000_000).await.unwrap_err()));
}

#[tokio::test]
async fn a_machine_that_was_suspended_is_stale_until_it_has_read_the_chain() {
    let env = TestEnv::new(1, false);
    let mut watcher = env.watching(1).await;
    // The machine was suspended for an hour. Only the boot clock shows it while the wall clock is not set yet.
    let wall = env.sim.clock().wall_unix_ms();
    env.sim.clock().advance(Duration::from_secs(3_600));
    env.sim.clock().set_wall_unix_ms(wall);
    assert!(is_not_fresh(&watcher.offer(1, 1_000_000).await.unwrap_err()));
    env.sim.close(1);
    watcher.follow().await.unwrap();
    watcher.offer(1, 1_000_000).await.unwrap();
}

#[tokio::test]
async fn a_close_whose_event_never_came_is_seen_by_the_next_sweep() {
    let env = TestEnv::new(1, false);
    let mut watcher = env.watching(1).await;
    watcher.offer(1, 600_000_000).await.unwrap();
    env.sim.network().faults.hides_events = true;
    let deadline = env.sim.network().close_start(id(1));
    let mut passed = 0;
    while watcher.view.channel(&id(1)).unwrap().deadline.is_none() {
        env.ledger(&mut watcher).await;
        passed += 1;
        assert!(passed <= SWEEP_INTERVAL + 1, "the sweep of {SWEEP_INTERVAL} ledgers has not seen the close");
    }
    assert_eq!(watcher.view.channel(&id(1)).unwrap().deadline, Some(deadline));
    assert!(env.settled_by(&mut watcher, 1, amount(600_000_000), deadline).await.is_some());
}

#[tokio::test]
async fn a_close_event_is_acted_on_in_the_ledger_in_which_it_is_read() {
    let env = TestEnv::new(1, false);
    let mut watcher = env.watching(1).await;
    for _ in 0..3 {
        env.ledger(&mut watcher).await;
    }
    let deadline = env.sim.network().close_start(id(1));
    env.sim.close(1);
    let followed = watcher.follow().await.unwrap();
    assert!(!followed.swept, "the event alone caused the read");
    let known = watcher.view.channel(&id(1)).unwrap();
    assert_eq!(known.deadline, Some(deadline));
    assert_eq!(known.state.read_at, env.now(), "its entries were read, not only its event");
}

#[tokio::test]
async fn events_keep_channels_fresh_between_sweeps_without_reading_them() {
    let env = TestEnv::new(1, false);
    let mut watcher = env.watching(1).await;
    let read_at = watcher.view.channel(&id(1)).unwrap().state.read_at;
    for _ in 0..SWEEP_INTERVAL - 3 {
        env.ledger(&mut watcher).await;
    }
    let known = watcher.view.channel(&id(1)).unwrap();
    assert_eq!(known.state.read_at, read_at, "no quiet ledger read the channel");
    assert_eq!(known.gap_free_to, env.now());
    watcher.offer(1, 1_000_000).await.unwrap();
}

#[tokio::test]
async fn a_node_that_lags_is_waited_for_and_is_no_gap() {
    let env = TestEnv::new(1, false);
    let mut watcher = env.watching(1).await;
    env.ledger(&mut watcher).await;
    let span = watcher.view.events_span().unwrap();
    env.sim.network().faults.lag = 2;
    env.sim.close(1);
    let behind = watcher.follow().await.unwrap_err();
    assert!(matches!(behind, NotFollowed::Behind { .. }), "{behind:?}");
    assert_eq!(watcher.view.events_span(), Some(span), "what is known without a gap stays known");
    env.sim.network().faults.lag = 0;
    let followed = watcher.follow().await.unwrap();
    assert!(!followed.swept, "nothing was missed, so nothing has to be swept");
    assert_eq!(watcher.view.events_span(), Some((span.0, env.now())));
}

#[tokio::test]
async fn history_that_is_gone_is_a_gap_that_a_sweep_closes() {
    let env = TestEnv::new(1, false);
    let mut watcher = env.watching(1).await;
    env.ledger(&mut watcher).await;
    // Another node that starts later replaces the first one, so no node has the ledgers between.
    env.sim.close(10);
    let deadline = env.sim.network().close_start(id(1));
    env.sim.close(1);
    let now = env.now();
    env.sim.close(1);
    env.sim.network().faults.oldest = Some(now.0 + 1);
    let followed = watcher.follow().await.unwrap();
    assert!(followed.swept);
    assert_eq!(watcher.view.channel(&id(1)).unwrap().deadline, Some(deadline), "its event was in the gap");
    env.sim.network().faults.oldest = None;
    env.sim.close(1);
    watcher.follow().await.unwrap();
    assert_eq!(watcher.view.channel(&id(1)).unwrap().gap_free_to, env.now(), "from the sweep on there is no gap");
}

#[tokio::test]
async fn an_endpoint_that_is_down_does_not_end_the_watcher() {
    let env = TestEnv::new(1, false);
    let mut watcher = env.watching(1).await;
    env.sim.network().faults.down = true;
    for _ in 0..20 {
        env.sim.close(1);
        let failed = watcher.follow().await.unwrap_err();
        let NotFollowed::Chain(error) = &failed else { panic!("{failed:?}") };
        assert_eq!(error.kind, ChainErrorKind::Transport);
        watcher.settler.tick().await;
    }
    assert!(is_not_fresh(&watcher.offer(1, 1_000_000).await.unwrap_err()));
    env.sim.network().faults.down = false;
    watcher.follow().await.unwrap();
    watcher.offer(1, 1_000_000).await.unwrap();
}

#[tokio::test]
async fn a_channel_that_cannot_be_decoded_takes_no_money_and_hides_no_other() {
    let env = TestEnv::new(2, false);
    let mut watcher = env.watching(2).await;
    watcher.offer(1, 1_000_000).await.unwrap();
    env.sim.network().faults.garbled.insert(id(1));
    for _ in 0..=SWEEP_INTERVAL {
        env.ledger(&mut watcher).await;
    }
    assert_eq!(watcher.freshness(1), Err(NotFresh::Unreadable));
    assert!(watcher.view.channel(&id(1)).unwrap().trouble.unwrap().contains("newer protocol"));
    watcher.offer(2, 1_000_000).await.unwrap();
    env.sim.network().faults.garbled.clear();
    for _ in 0..=SWEEP_INTERVAL {
        env.ledger(&mut watcher).await;
    }
    watcher.offer(1, 2_000_000).await.unwrap();
}

#[tokio::test]
async fn a_top_up_is_seen_when_a_commitment_needs_it() {
    let env = TestEnv::new(1, false);
    let mut watcher = env.watching(1).await;
    env.ledger(&mut watcher).await;
    let more = DEPOSIT + 500;
    let refused = watcher.offer(1, more).await.unwrap_err();
    assert!(
        matches!(refused, OfferError::NotAccepted(AcceptError::Refused(Refusal::ExceedsCoverage { .. }))),
        "{refused:?}"
    );
    {
        let mut network = env.sim.network();
        let state = network.channels.get_mut(&id(1)).unwrap();
        state.balance = amount(more);
        state.deposited = Some(amount(more));
    }
    env.ledger(&mut watcher).await;
    assert_eq!(watcher.view.channel(&id(1)).unwrap().coverage(), amount(DEPOSIT), "no sweep has shown it");
    watcher.offer(1, more).await.unwrap();
}

#[tokio::test]
async fn a_network_that_started_anew_is_an_alarm_and_takes_no_money() {
    let env = TestEnv::new(1, false);
    let mut watcher = env.watching(1).await;
    for _ in 0..5 {
        env.ledger(&mut watcher).await;
    }
    // The network is reset: its ledger is FIRST again, closed now, and has no channel.
    {
        let mut network = env.sim.network();
        let closed_at_ms = network.clock.wall_unix_ms() + 1;
        network.history = vec![Snapshot {
            ledger: FIRST,
            closed_at_ms,
            channels: Default::default(),
            lane_sequence: 0,
            lane_balance: Stroops(0),
            closes: vec![],
        }];
    }
    let mut contradicted = 0;
    for _ in 0..20 {
        env.sim.clock().advance(LEDGER);
        if let Err(error @ NotFollowed::Contradicted { .. }) = watcher.follow().await {
            assert!(error.is_alarm(), "{error:?}");
            contradicted += 1;
        }
        watcher.settler.tick().await;
    }
    assert!(contradicted > 0);
    watcher.offer(1, 1_000_000).await.unwrap_err();
    assert_eq!(
        watcher.view.head().unwrap().ledger,
        Ledger(FIRST),
        "the ledgers on which the answers agree are followed"
    );
}

#[tokio::test]
async fn a_store_restored_from_an_old_copy_takes_nothing_on_the_channels_that_show_it_until_the_operator_confirms() {
    let env = TestEnv::new(2, false);
    let watcher = env.watching(2).await;
    watcher.offer(1, 1_000_000).await.unwrap();
    drop(watcher);
    // The chain has paid more than this store ever held.
    env.sim.network().settle(id(1), 5_000_000);
    env.sim.close(1);
    let mut watcher = env.start().await;
    watcher.follow().await.unwrap();
    assert_eq!(watcher.view.rolled_back_channels(), vec![id(1)]);
    watcher.offer(1, 9_000_000).await.unwrap_err();
    watcher.offer(2, 8_000_000).await.expect("what a funder can cause on one channel stops no other");
    watcher.store.confirm_rollback(id(1), amount(5_000_000)).await.unwrap();
    drop(watcher);
    let mut watcher = env.start().await;
    watcher.follow().await.unwrap();
    watcher.offer(1, 9_000_000).await.unwrap();
    watcher.offer(2, 9_000_000).await.unwrap();
}

#[tokio::test]
async fn a_fee_account_ahead_of_the_store_shows_an_old_copy_for_all_channels_until_the_operator_confirms() {
    let env = TestEnv::new(2, false);
    let mut watcher = env.watching(2).await;
    watcher.offer(1, 600_000_000).await.unwrap();
    watcher.offer(2, 5_000_000).await.unwrap();
    let deadline = env.sim.network().close_start(id(1));
    env.settled_by(&mut watcher, 1, amount(600_000_000), deadline).await.unwrap();
    env.ledger(&mut watcher).await;
    drop(watcher);
    // A watcher with a newer copy of the store has sent it, or somebody else who has the key.
    env.sim.network().lane_sequence += 1;
    env.sim.close(1);
    let mut watcher = env.start().await;
    watcher.follow().await.unwrap();
    let refused = watcher.offer(2, 6_000_000).await.unwrap_err();
    let OfferError::NotAccepted(AcceptError::Refused(Refusal::RolledBackForAll { used, known, .. })) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(used, known + 1);
    let charge = paychan_watcher_api::ChargeBody {
        price: amount(1),
        request_id: RequestId::new("one").unwrap(),
        commitment: None,
    };
    watcher.commitments.charge(id(2), charge.clone()).await.expect_err("what is spent may be forgotten");
    watcher.commitments.close(id(2), None).await.unwrap_err();
    let not_ready = watcher.reporter.not_ready();
    assert!(not_ready.iter().any(|reason| reason.detail.contains("fee account")), "{not_ready:?}");
    // Settling goes on.
    let deadline = env.sim.network().close_start(id(2));
    env.settled_by(&mut watcher, 2, amount(5_000_000), deadline).await.unwrap();

    let confirmed = watcher.commitments.confirm_rollbacks().await.unwrap();
    assert_eq!(confirmed.lanes, [crate::env::lane().account()]);
    assert!(watcher.reporter.not_ready().is_empty(), "{:?}", watcher.reporter.not_ready());
    for _ in 0..3 {
        env.ledger(&mut watcher).await;
    }
    drop(watcher);
    let mut watcher = env.start().await;
    watcher.follow().await.unwrap();
    assert!(watcher.view.lanes_ahead().is_empty(), "it is written down");
}

#[tokio::test]
async fn a_fee_account_that_somebody_else_uses_while_the_watcher_runs_is_no_rollback() {
    let env = TestEnv::new(1, false);
    let mut watcher = env.watching(1).await;
    watcher.offer(1, 600_000_000).await.unwrap();
    let deadline = env.sim.network().close_start(id(1));
    env.settled_by(&mut watcher, 1, amount(600_000_000), deadline).await.unwrap();
    env.ledger(&mut watcher).await;
    env.sim.network().lane_sequence += 1;
    for _ in 0..2 {
        env.ledger(&mut watcher).await;
    }
    drop(watcher);
    let mut watcher = env.start().await;
    watcher.follow().await.unwrap();
    assert!(watcher.view.lanes_ahead().is_empty());
}

#[tokio::test]
async fn a_payment_by_somebody_else_while_the_watcher_runs_is_no_rollback() {
    let env = TestEnv::new(1, false);
    let mut watcher = env.watching(1).await;
    env.sim.network().settle(id(1), 5_000_000);
    for _ in 0..=SWEEP_INTERVAL {
        env.ledger(&mut watcher).await;
    }
    assert!(watcher.view.rolled_back_channels().is_empty());
    watcher.offer(1, 4_000_000).await.unwrap_err();
    watcher.offer(1, 6_000_000).await.unwrap();
}

#[tokio::test]
async fn a_first_read_from_an_old_copy_is_repeated_before_the_next_sweep() {
    let env = TestEnv::new(1, false);
    drop(env.watching(1).await);
    env.sim.close(5);
    env.sim.network().faults.old_entries = 2;
    let mut watcher = env.start().await;
    watcher.follow().await.unwrap();
    env.sim.network().faults.old_entries = 0;
    let mut ledgers = 0;
    while watcher.view.channel(&id(1)).unwrap().gap_free_to < env.now() {
        env.ledger(&mut watcher).await;
        ledgers += 1;
        assert!(ledgers <= 6, "the ledgers since the old copy are still not known");
    }
    watcher.offer(1, 1_000_000).await.unwrap();
}

#[tokio::test]
async fn an_event_newer_than_the_endpoints_entries_is_waited_for() {
    let env = TestEnv::new(1, false);
    let mut watcher = env.watching(1).await;
    env.ledger(&mut watcher).await;
    env.sim.network().faults.old_entries = 2;
    let deadline = env.sim.network().close_start(id(1));
    env.sim.close(1);
    let waits = watcher.follow().await.unwrap_err();
    let NotFollowed::Chain(error) = &waits else { panic!("{waits:?}") };
    assert_eq!(error.kind, ChainErrorKind::Behind);
    assert_eq!(watcher.view.channel(&id(1)).unwrap().deadline, Some(deadline), "the event is believed at once");
    env.sim.network().faults.old_entries = 0;
    watcher.follow().await.unwrap();
    assert_eq!(watcher.view.channel(&id(1)).unwrap().state.deadline(), Some(deadline));
}
