//! Tests of `paychan submit` against a real watcher: what it takes, and how each refusal reaches a script.

use std::time::Duration;

use paychan_tests::command::Ran;
use paychan_tests::files::write_secret;
use paychan_tests::watcher::{PATIENCE, Watcher, WatcherOptions};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::env::{TestEnv, assert_refused};

/// A watcher for the env's recipient. The stranger's account pays its fees.
async fn watcher(env: &TestEnv) -> Watcher {
    let options = WatcherOptions::new(&env.network, &env.recipient, &env.stranger, &env.usdc);
    let mut watcher = Watcher::configure(env.folder.path(), &options);
    watcher.start().await;
    watcher
}

async fn submit(env: &TestEnv, watcher: &Watcher, args: &[&str]) -> Ran {
    let token = env.folder.path().join("token");
    let usual = ["submit", "--watcher", &watcher.url, "--token-file", token.to_str().unwrap()];
    env.run(&[&usual, args].concat()).await
}

fn assert_watcher_refused(ran: &Ran, watcher_kind: &str, said: &str) {
    assert_refused(ran, 1, "watcher_refused", said);
    assert_eq!(ran.json()["error"]["watcher_kind"], watcher_kind, "{}", ran.stdout);
}

#[tokio::test]
async fn a_commitment_is_taken_once_and_a_retry_gets_the_same_answer() {
    let env = TestEnv::new().await;
    let channel = env.channel().await;
    let watcher = watcher(&env).await;
    let commitment = env.sign(&channel, "7000000").await;
    let first_try = ["--commitment", &commitment, "--request-id", "order-1"];

    let unknown = submit(&env, &watcher, &first_try).await;
    assert_watcher_refused(&unknown, "unknown_channel", "register the channel first");
    assert_eq!(watcher.admit(&channel.parse().unwrap()).await.0, 201);

    let taken = submit(&env, &watcher, &first_try).await.ok();
    for (name, expected) in [("highest", "7000000"), ("unsettled", "7000000"), ("coverage", "125000000")] {
        assert_eq!(taken[name], expected, "{name}");
    }
    let again = submit(&env, &watcher, &first_try).await.ok();
    assert_eq!(
        (&again["highest"], &again["replayed"], &taken["replayed"]),
        (&taken["highest"], &json!(true), &json!(false))
    );

    let other_id = submit(&env, &watcher, &["--commitment", &commitment]).await;
    assert_watcher_refused(&other_id, "already_held", "one commitment buys once");
    let lower = env.sign(&channel, "6999999").await;
    let lower = submit(&env, &watcher, &["--commitment", &lower]).await;
    assert_watcher_refused(&lower, "not_higher", "highest known, 7000000");
    assert_eq!(lower.json()["error"]["highest"], "7000000");
    let higher = env.sign(&channel, "8000000").await;
    let reused = submit(&env, &watcher, &["--commitment", &higher, "--request-id", "order-1"]).await;
    assert_watcher_refused(&reused, "request_id_reused", "--request-id");
}

#[tokio::test]
async fn a_price_is_charged_once_and_missing_credit_is_reported() {
    let env = TestEnv::new().await;
    let channel = env.channel().await;
    let watcher = watcher(&env).await;
    assert_eq!(watcher.admit(&channel.parse().unwrap()).await.0, 201);
    let commitment = env.sign(&channel, "100").await;
    let buy = ["--commitment", &commitment, "--price", "60", "--request-id", "order-1"];
    let bought = submit(&env, &watcher, &buy).await.ok();
    assert_eq!((&bought["price"], &bought["highest"], &bought["spent"]), (&json!("60"), &json!("100"), &json!("60")));
    assert_eq!(submit(&env, &watcher, &buy).await.ok()["spent"], "60", "the same request takes nothing");
    let from_credit = submit(&env, &watcher, &[&channel, "--price", "40"]).await.ok();
    assert_eq!((&from_credit["spent"], &from_credit["amount"]), (&json!("100"), &Value::Null));
    let higher = env.sign(&channel, "101").await;
    let short = submit(&env, &watcher, &["--commitment", &higher, "--price", "10"]).await;
    assert_watcher_refused(&short, "insufficient", "at least 110");
    assert_eq!(short.json()["error"]["needed"], "110");
    let zero = submit(&env, &watcher, &[&channel, "--price", "0"]).await;
    assert_refused(&zero, 2, "usage", "above zero");
    let (_, report) = watcher.channel(&channel.parse().unwrap()).await;
    assert_eq!((&report["highest"], &report["spent"]), (&json!("100"), &json!("100")));
}

#[tokio::test]
async fn a_refusal_by_the_watcher_is_explained_with_what_to_do() {
    let env = TestEnv::new().await;
    let channel = env.channel().await;
    let watcher = watcher(&env).await;
    assert_eq!(watcher.admit(&channel.parse().unwrap()).await.0, 201);

    let beyond = env.sign(&channel, "125000001").await;
    let beyond = submit(&env, &watcher, &["--commitment", &beyond]).await;
    assert_watcher_refused(&beyond, "exceeds_coverage", "paychan top-up");
    let forged = [channel.as_str(), "--amount", "7", "--signature", &"00".repeat(64)];
    let forged = submit(&env, &watcher, &forged).await;
    assert_watcher_refused(&forged, "bad_signature", "the seed that signed");

    let wrong_token = env.folder.path().join("wrong-token");
    write_secret(&wrong_token, "not-the-token");
    let commitment = env.sign(&channel, "7").await;
    let wrong_token = ["--commitment", &commitment, "--token-file", wrong_token.to_str().unwrap()];
    let args = [&["submit", "--watcher", &watcher.url], &wrong_token[..]].concat();
    assert_watcher_refused(&env.run(&args).await, "unauthorized", "bearer token");
}

#[tokio::test]
async fn a_closing_channel_takes_no_more_and_the_payer_is_told_so() {
    let env = TestEnv::new().await;
    let channel = env.channel().await;
    let watcher = watcher(&env).await;
    assert_eq!(watcher.admit(&channel.parse().unwrap()).await.0, 201);
    env.run_as(&env.funder, &["close-start", &channel]).await.ok();

    // The watcher sees the close within a few ledgers. Until then it takes what is still covered.
    let deadline = Instant::now() + PATIENCE;
    let mut amount = 1_000_000;
    let refused = loop {
        amount += 1;
        let commitment = env.sign(&channel, &amount.to_string()).await;
        let ran = submit(&env, &watcher, &["--commitment", &commitment]).await;
        if ran.code != 0 {
            break ran;
        }
        assert!(Instant::now() < deadline, "the watcher never saw the close: {}", watcher.logged());
        sleep(Duration::from_millis(20)).await;
    };
    assert_watcher_refused(&refused, "closing", "open a new channel");
    assert_ne!(env.inspect(&channel).await["deadline"], json!(null));
}
