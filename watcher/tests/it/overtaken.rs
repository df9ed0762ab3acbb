//! Tests that a payment which is overtaken by an agreed close is planned anew, without an alarm.

use std::sync::atomic::Ordering;
use std::time::Duration;

use paychan_channel::Commitment;
use paychan_sim::alarms::Alarms;
use paychan_sim::network::SimChain;
use paychan_watcher_api::SignedAmount;

use crate::env::{TestEnv, amount, funder, id};
use crate::settling::OWED;

/// The settler plans to pay what is held, while the record of the agreed close is not on the disk yet. When it wants to record
/// its own transaction, the recipient has agreed to less.
#[tokio::test]
async fn a_payment_that_an_agreed_close_overtakes_is_no_failure() {
    let env = TestEnv::new(1, false);
    let mut watcher = env.watching(1).await;
    watcher.offer(1, OWED).await.unwrap();
    env.sim.network().close_start(id(1));
    env.sim.close(1);
    watcher.follow().await.unwrap();

    let (alarms, _listening) = Alarms::listen();
    let commitment = Commitment { network: SimChain::network_id(), channel: id(1), amount: amount(OWED / 2) };
    let agreed = SignedAmount { amount: amount(OWED / 2), signature: commitment.sign(&funder(1)) };
    env.disk_hangs.store(true, Ordering::Relaxed);
    let disk_works_again = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        env.disk_hangs.store(false, Ordering::Relaxed);
    };
    // They are polled in this order, so the agreed close reaches the disk first.
    let closed = tokio::join!(
        biased;
        watcher.commitments.close(id(1), Some(agreed)),
        watcher.settler.tick(),
        disk_works_again,
    );
    closed.0.unwrap();
    assert!(env.sim.network().offered.is_empty(), "the payment of {OWED} was planned, and not sent");
    let raised: Vec<String> = alarms.since(0).into_iter().map(|raised| raised.name).collect();
    assert!(!raised.iter().any(|name| name == "settlement_failing"), "{raised:?}");

    for _ in 0..3 {
        env.ledger(&mut watcher).await;
    }
    let state = env.sim.network().channels[&id(1)].clone();
    assert_eq!((state.withdrawn, state.refunded), (amount(OWED / 2), false));
    assert_eq!(env.sim.network().offered.len(), 1, "only the agreed total was sent");
}
