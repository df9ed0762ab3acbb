//! Tests that nobody loses money by archived entries: the watcher restores them in time, or refuses the channel.

use paychan_channel::Ledger;

use crate::env::{SWEEP_INTERVAL, TestEnv, WAITING, amount, id};
use crate::settling::{OWED, closing};

/// Archives all entries of channel 1 except those of the token.
fn archive(env: &TestEnv) {
    let mut network = env.sim.network();
    let lives = &mut network.channels.get_mut(&id(1)).unwrap().lives;
    (lives.instance, lives.code, lives.token_balance) = (Some(Ledger(0)), Some(Ledger(0)), Some(Ledger(0)));
}

fn is_live(env: &TestEnv) -> bool {
    let network = env.sim.network();
    network.channels[&id(1)].lives.archived(Ledger(network.ledger())).next().is_none()
}

#[tokio::test]
async fn an_archived_channel_in_use_is_restored_before_it_matters() {
    let env = TestEnv::new(1, false);
    let mut watcher = env.watching(1).await;
    // The amount is dust, so no settlement will restore anything.
    watcher.offer(1, 50_000).await.unwrap();
    archive(&env);
    for _ in 0..SWEEP_INTERVAL + 5 {
        env.ledger(&mut watcher).await;
    }
    assert!(is_live(&env));
    assert_eq!(env.sim.network().offered.len(), 1, "one restoration is enough");
    assert_eq!(watcher.settler.attempts().past().channels[&id(1)].extension.failures, 0, "it is no failure");
    env.assert_one_in_flight();
}

#[tokio::test]
async fn without_automatic_restoration_a_closing_channel_is_restored_first_and_then_settled() {
    let (env, mut watcher, deadline) = closing(false).await;
    archive(&env);
    env.sim.network().faults.no_restoration_on_the_way = true;
    let settled = env.settled_by(&mut watcher, 1, amount(OWED), deadline).await;
    assert!(settled.is_some_and(|settled| deadline.since(settled) > WAITING / 2), "{settled:?}, {deadline}");
    assert!(is_live(&env));
    env.assert_one_in_flight();
}

#[tokio::test]
async fn an_endpoint_that_calls_live_entries_archived_locks_nobody_out_and_costs_little() {
    let env = TestEnv::new(1, false);
    env.sim.network().faults.calls_live_archived = true;
    let mut watcher = env.watching(1).await;
    watcher.offer(1, 50_000).await.unwrap();
    for _ in 0..SWEEP_INTERVAL * 20 {
        env.ledger(&mut watcher).await;
    }
    assert!(env.sim.network().offered.len() <= 4, "{} restorations", env.sim.network().offered.len());
    watcher.offer(1, OWED).await.unwrap();
    let deadline = env.sim.network().close_start(id(1));
    assert!(env.settled_by(&mut watcher, 1, amount(OWED), deadline).await.is_some());
    env.assert_one_in_flight();
}
