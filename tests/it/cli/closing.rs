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

/// A watcher of a channel on which a close with less than the highest commitment was agreed, and what names it.
async fn agreed_on_less(env: &TestEnv, may_close: bool) -> (Watcher, String, [String; 4]) {
    let channel = env.channel().await;
    let mut options = WatcherOptions::new(&env.network, &env.recipient, &env.stranger, &env.usdc);
    options.may_close = may_close;
    let mut watcher = Watcher::configure(env.folder.path(), &options);
    watcher.start().await;
    assert_eq!(watcher.admit(&channel.parse().unwrap()).await.0, 201);
    let token = env.folder.path().join("token").to_str().unwrap().to_owned();
    let ask = ["--watcher".to_owned(), watcher.url.clone(), "--token-file".to_owned(), token];
    let highest = env.sign(&channel, "60000000").await;
    let submit = ["submit", "--commitment", &highest];
    env.run(&with(&submit, &ask)).await.ok();
    (watcher, channel, ask)
}

fn with<'a>(command: &[&'a str], ask: &'a [String; 4]) -> Vec<&'a str> {
    command.iter().copied().chain(ask.iter().map(String::as_str)).collect()
}

#[tokio::test]
async fn what_was_agreed_with_the_watcher_is_paid_and_nothing_above_it() {
    let env = TestEnv::new().await;
    let (watcher, channel, ask) = agreed_on_less(&env, false).await;
    let less = std::fs::read_to_string(env.sign(&channel, "20000000").await).unwrap();
    let less: serde_json::Value = serde_json::from_str(&less).unwrap();
    let agreed = json!({ "amount": less["amount"], "signature": less["signature"] });
    let (status, body) = watcher.post(&format!("/v1/channels/{channel}/close"), &agreed.to_string()).await;
    assert_eq!((status, &body["amount"], &body["signature"]), (200, &less["amount"], &less["signature"]), "{body}");

    let closed = env.run_as(&env.recipient, &with(&["close", &channel], &ask)).await.ok();
    assert_eq!((&closed["withdrawn"], &closed["balance"]), (&json!("20000000"), &json!("0")), "{closed}");
    assert_eq!(env.inspect(&channel).await["status"], "final");
}

#[tokio::test]
async fn a_watcher_with_the_recipients_key_closes_by_itself_and_takes_nothing_more() {
    let env = TestEnv::new().await;
    let (watcher, channel, ask) = agreed_on_less(&env, true).await;
    let closed = env.run_as(&env.recipient, &with(&["close", &channel], &ask)).await.ok();
    assert_eq!((&closed["withdrawn"], &closed["balance"]), (&json!("60000000"), &json!("0")), "{closed}");
    assert!(closed["closed_by_watcher"].as_str().is_some_and(|hash| hash.len() == 64), "{closed}");
    let later = env.sign(&channel, "70000000").await;
    let refused = env.run(&with(&["submit", "--commitment", &later], &ask)).await;
    assert_ne!(refused.code, 0);
    drop(watcher);
}
