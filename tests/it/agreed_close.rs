//! Tests that the recipient's front end can end a channel through the watcher with less than the highest commitment.

use paychan_channel::Amount;
use paychan_rpc::{TransactionAnswer, TxHash};
use paychan_tests::env::TestEnv;
use paychan_tests::network::NetworkOptions;
use paychan_tests::watcher::Watcher;
use serde_json::json;

const WAITING_PERIOD: u32 = 400;
const DEPOSIT: i128 = 50_000_000;
const HIGHEST: i128 = 10_000_000;
const SPENT: i128 = 6_000_000;

/// Lets a watcher that sold [`SPENT`] of [`HIGHEST`] close with what was spent. Returns the answer to the close.
async fn closed(env: &TestEnv, may_close: bool) -> serde_json::Value {
    let mut options = env.watcher_options();
    options.may_close = may_close;
    let mut watcher = Watcher::configure(env.path(), &options);
    watcher.start().await;
    let payer = env.open("5", &env.recipient, WAITING_PERIOD).await;
    assert_eq!(watcher.admit(&payer.channel).await.0, 201);
    let path = format!("/v1/channels/{}", payer.channel);
    let commitment = json!({ "amount": HIGHEST.to_string(), "signature": payer.sign(HIGHEST) });
    let charge = json!({ "price": SPENT.to_string(), "request_id": "one", "commitment": commitment });
    let (status, charged) = watcher.post(&format!("{path}/charges"), &charge.to_string()).await;
    assert_eq!(status, 200, "{charged}");
    let agreed = json!({ "amount": SPENT.to_string(), "signature": payer.sign(SPENT) });
    let (status, body) = watcher.post(&format!("{path}/close?wait=20"), &agreed.to_string()).await;
    assert_eq!(status, 200, "{body}\n{}", watcher.logged());
    let state = env.read(&payer.channel).await;
    assert_eq!((state.withdrawn.get(), state.is_final()), (SPENT, may_close));
    assert_eq!(env.usdc(&env.recipient).await, Amount::new(SPENT).unwrap());
    let (status, report) = watcher.channel(&payer.channel).await;
    assert_eq!((status, &report["closing_with"]), (200, &json!(SPENT.to_string())));
    assert_eq!(report["last_transaction"], body["transaction"]);
    body
}

async fn is_included(env: &TestEnv, answer: &serde_json::Value) -> bool {
    let hash = hex::decode(answer["transaction"].as_str().expect("a hash")).unwrap();
    let found = env.network.client.get_transaction(&TxHash(hash.try_into().unwrap())).await.unwrap();
    matches!(found, TransactionAnswer::Success(_))
}

#[tokio::test]
async fn with_the_recipients_key_the_channel_is_closed_and_the_rest_goes_back() {
    let env = TestEnv::new(NetworkOptions::default()).await;
    let before = env.usdc(&env.funder).await;
    let answer = closed(&env, true).await;
    assert_eq!(answer["state"], "closed");
    assert!(is_included(&env, &answer).await);
    assert_eq!(env.usdc(&env.funder).await.get(), before.get() - SPENT, "the rest of {DEPOSIT} came back");
}

#[tokio::test]
async fn without_the_recipients_key_it_is_settled_and_the_funder_takes_the_rest_back() {
    let env = TestEnv::new(NetworkOptions::default()).await;
    let answer = closed(&env, false).await;
    assert_eq!(answer["state"], "settled");
    assert!(is_included(&env, &answer).await);
}
