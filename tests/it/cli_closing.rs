//! `paychan close` where simulation alone would not do.

use paychan_rpc::operations;
use paychan_tests::watcher::{Watcher, WatcherOptions};
use serde_json::json;

use crate::cli::{Scene, assert_refused, units};

/// The refund within the close then fails and is caught, and simulation forgets an entry: see `WRITE_BYTES_PER_CLOSE`.
#[tokio::test]
async fn a_channel_is_closed_though_its_funder_has_no_trustline_any_more() {
    let scene = Scene::new().await;
    let channel = scene.channel().await;
    let network = scene.network.id();
    let left = scene.usdc_of(&scene.funder).await.get();
    let left = i64::try_from(left).unwrap();
    scene
        .network
        .submitter(&scene.funder.secret, &network)
        .classic(vec![
            operations::payment(None, &scene.usdc.issuer.id, scene.usdc.asset.clone(), left),
            operations::change_trust(None, scene.usdc.asset.clone(), 0),
        ])
        .await
        .unwrap();

    let closed = scene.run_as(&scene.recipient, &["close", &channel, "--without-commitment"]).await.ok();
    assert_eq!((&closed["paid"], &closed["returned"]), (&json!("0"), &json!("0")));

    // With a trustline again the funder takes the deposit back.
    scene.network.trust(&scene.usdc, &scene.funder).await;
    scene.run_as(&scene.funder, &["refund", &channel]).await.ok();
    assert_eq!(scene.usdc_of(&scene.funder).await, units(125_000_000));
}

#[tokio::test]
async fn the_watcher_is_asked_for_a_higher_commitment_and_that_one_is_paid() {
    let scene = Scene::new().await;
    let channel = scene.channel().await;
    let options = WatcherOptions::new(&scene.network, &scene.recipient, &scene.stranger, &scene.usdc);
    let mut watcher = Watcher::configure(scene.folder.path(), &options);
    watcher.start().await;
    assert_eq!(watcher.admit(&channel.parse().unwrap()).await.0, 201);
    let token = scene.folder.path().join("token");
    let ask = ["--watcher", &watcher.url, "--token-file", token.to_str().unwrap()];

    let nothing = scene.run_as(&scene.recipient, &[&["close", &channel], &ask[..]].concat()).await;
    assert_refused(&nothing, 1, "refused", "--without-commitment");

    let higher = scene.sign(&channel, "60000000").await;
    scene.run(&[&["submit", "--commitment", &higher], &ask[..]].concat()).await.ok();
    let lower = scene.sign(&channel, "50000000").await;
    let wrong = ["close", "--commitment", &lower, "--watcher", "http://127.0.0.1:9", "--token-file", ask[3]];
    let unreachable = scene.run_as(&scene.recipient, &wrong).await;
    assert_refused(&unreachable, 3, "network", "may hold a higher commitment");
    assert_eq!(scene.inspect(&channel).await["status"], "open");

    let close = [&["close", "--commitment", &lower], &ask[..]].concat();
    let closed = scene.run_as(&scene.recipient, &close).await.ok();
    assert_eq!((&closed["paid"], &closed["returned"]), (&json!("60000000"), &json!("65000000")));
}
