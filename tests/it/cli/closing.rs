//! Tests of `paychan close` in cases where the simulation alone is not enough.

use paychan_rpc::operations;
use paychan_tests::watcher::{Watcher, WatcherOptions};
use serde_json::json;

use super::env::{TestEnv, assert_refused, units};

/// The refund within the close then fails and is caught, and the simulation leaves out an entry: see
/// `WRITE_BYTES_PER_CLOSE`.
#[tokio::test]
async fn a_channel_is_closed_though_its_funder_has_no_trustline_any_more() {
    let env = TestEnv::new().await;
    let channel = env.channel().await;
    let network = env.network.id();
    let left = env.usdc_of(&env.funder).await.get();
    let left = i64::try_from(left).unwrap();
    env.network
        .submitter(&env.funder.secret, &network)
        .classic(vec![
            operations::payment(None, &env.usdc.issuer.id, env.usdc.asset.clone(), left),
            operations::change_trust(None, env.usdc.asset.clone(), 0),
        ])
        .await
        .unwrap();

    let closed = env.run_as(&env.recipient, &["close", &channel, "--without-commitment"]).await.ok();
    assert_eq!((&closed["paid"], &closed["returned"]), (&json!("0"), &json!("0")));

    // When the funder has a trustline again, it takes the deposit back.
    env.network.trust(&env.usdc, &env.funder).await;
    env.run_as(&env.funder, &["refund", &channel]).await.ok();
    assert_eq!(env.usdc_of(&env.funder).await, units(125_000_000));
}

#[tokio::test]
async fn the_watcher_is_asked_for_a_higher_commitment_and_that_one_is_paid() {
    let env = TestEnv::new().await;
    let channel = env.channel().await;
    let options = WatcherOptions::new(&env.network, &env.recipient, &env.stranger, &env.usdc);
    let mut watcher = Watcher::configure(env.folder.path(), &options);
    watcher.start().await;
    assert_eq!(watcher.admit(&channel.parse().unwrap()).await.0, 201);
    let token = env.folder.path().join("token");
    let ask = ["--watcher", &watcher.url, "--token-file", token.to_str().unwrap()];

    let nothing = env.run_as(&env.recipient, &[&["close", &channel], &ask[..]].concat()).await;
    assert_refused(&nothing, 1, "refused", "--without-commitment");

    let higher = env.sign(&channel, "60000000").await;
    env.run(&[&["submit", "--commitment", &higher], &ask[..]].concat()).await.ok();
    let lower = env.sign(&channel, "50000000").await;
    let wrong = ["close", "--commitment", &lower, "--watcher", "http://127.0.0.1:9", "--token-file", ask[3]];
    let unreachable = env.run_as(&env.recipient, &wrong).await;
    assert_refused(&unreachable, 3, "network", "may hold a higher commitment");
    assert_eq!(env.inspect(&channel).await["status"], "open");

    let close = [&["close", "--commitment", &lower], &ask[..]].concat();
    let closed = env.run_as(&env.recipient, &close).await.ok();
    assert_eq!((&closed["paid"], &closed["returned"]), (&json!("60000000"), &json!("65000000")));
}
