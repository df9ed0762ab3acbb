//! Tests of `paychan` when the network is busy, when an endpoint does not say what others pay, and when one node is
//! behind another.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use paychan_channel::xdr::{
    Limits, ReadXdr, TransactionEnvelope, TransactionResult, TransactionResultExt, TransactionResultResult, WriteXdr,
};
use serde_json::{Value, json};

use super::env::{TestEnv, assert_refused};
use super::proxy::Proxy;

/// The whole fee that a sent transaction allows, in stroops.
fn fee(request: &Value) -> u32 {
    let text = request["params"]["transaction"].as_str().unwrap();
    match TransactionEnvelope::from_xdr_base64(text, Limits::none()).unwrap() {
        TransactionEnvelope::Tx(envelope) => envelope.tx.fee,
        _ => panic!("a plain transaction was built"),
    }
}

/// An answer that says that the fee is too low and `needed` would be enough.
fn insufficient_fee(needed: u32) -> Value {
    let result = TransactionResult {
        fee_charged: needed.into(),
        result: TransactionResultResult::TxInsufficientFee,
        ext: TransactionResultExt::V0,
    };
    let result = result.to_xdr_base64(Limits::none()).unwrap();
    json!({ "result": {
        "status": "ERROR", "errorResultXdr": result, "hash": "00".repeat(32), "latestLedger": 7, "latestLedgerCloseTime": "0",
    } })
}

/// An endpoint that refuses the first transaction and asks for `more` stroops than it bid.
async fn surging(env: &TestEnv, more: u32) -> Proxy {
    let sent = AtomicU32::new(0);
    let instead = move |request: &Value| {
        let first = request["method"] == "sendTransaction" && sent.fetch_add(1, Ordering::Relaxed) == 0;
        first.then(|| insufficient_fee(fee(request) + more))
    };
    Proxy::start(&env.network.rpc_url, instead, |_, _| {}).await
}

#[tokio::test]
async fn in_a_surge_it_signs_again_with_what_the_network_asks_for() {
    let env = TestEnv::new().await;
    let channel = env.channel().await;
    // The bid is above a million, since only --max-fee limits it.
    let proxy = surging(&env, 3_000_000).await;
    let top_up = ["top-up", &channel, "--amount", "1", "--rpc-url", &proxy.url];
    let topped = env.run_as(&env.funder, &top_up).await.ok();
    assert_eq!(topped["deposited"], "135000000", "once");
    let sent = proxy.requests("sendTransaction");
    assert_eq!(fee(&sent[1]), fee(&sent[0]) + 3_000_000);
}

#[tokio::test]
async fn a_surge_above_the_allowed_fee_is_refused_with_the_fee_that_the_network_asks_for() {
    let env = TestEnv::new().await;
    let channel = env.channel().await;
    let proxy = surging(&env, 3_000_000).await;
    let top_up = ["top-up", &channel, "--amount", "1", "--max-fee", "2000000", "--rpc-url", &proxy.url];
    let ran = env.run_as(&env.funder, &top_up).await;
    assert_refused(&ran, 1, "fee_too_high", "the network asks for");
    let sent = proxy.requests("sendTransaction");
    assert_eq!(sent.len(), 1);
    assert_eq!(ran.json()["error"]["fee"], (fee(&sent[0]) + 3_000_000).to_string());
    assert_eq!(env.inspect(&channel).await["deposited"], "125000000");
}

#[tokio::test]
async fn an_endpoint_that_does_not_say_what_others_pay_is_good_enough() {
    let env = TestEnv::new().await;
    let channel = env.channel().await;
    let instead = |request: &Value| {
        let error = json!({ "code": -32601, "message": "method not found" });
        (request["method"] == "getFeeStats").then(|| json!({ "error": error }))
    };
    let proxy = Proxy::start(&env.network.rpc_url, instead, |_, _| {}).await;
    let top_up = ["top-up", &channel, "--amount", "1", "--rpc-url", &proxy.url];
    assert_eq!(env.run_as(&env.funder, &top_up).await.ok()["deposited"], "135000000");
    assert!(!proxy.requests("getFeeStats").is_empty());
}

#[tokio::test]
async fn a_lower_fee_than_others_paid_lately_is_tried_before_refusing() {
    let env = TestEnv::new().await;
    let channel = env.channel().await;
    let change = |request: &Value, answer: &mut Value| {
        if request["method"] == "getFeeStats" {
            answer["result"]["sorobanInclusionFee"]["p95"] = json!("900000000");
        }
    };
    let proxy = Proxy::start(&env.network.rpc_url, |_| None, change).await;
    let top_up = ["top-up", &channel, "--amount", "1", "--rpc-url", &proxy.url];
    assert_eq!(env.run_as(&env.funder, &top_up).await.ok()["deposited"], "135000000");
    assert_eq!(fee(&proxy.requests("sendTransaction")[0]), 20_000_000, "all that is allowed unless told otherwise");
}

/// After the first transaction is in a ledger, a node answers a few times as if it were not.
#[tokio::test]
async fn the_second_transaction_is_not_built_on_a_state_from_before_the_first() {
    let env = TestEnv::new().await;
    let funder = env.funder.id;
    let account = paychan_channel::ledger_keys::account(&funder).to_xdr_base64(Limits::none()).unwrap();
    let of_funder =
        move |request: &Value| request["method"] == "getLedgerEntries" && request["params"]["keys"] == json!([account]);
    let before: std::sync::Arc<Mutex<Option<Value>>> = std::sync::Arc::default();
    let stale = std::sync::Arc::new(AtomicU32::new(0));
    let (remembered, uploaded) = (before.clone(), stale.clone());
    let is_of_funder = of_funder.clone();
    let change = move |request: &Value, answer: &mut Value| {
        if is_of_funder(request) {
            remembered.lock().unwrap().get_or_insert_with(|| answer.clone());
        }
        if request["method"] == "getTransaction" && answer["result"]["status"] == "SUCCESS" {
            // This is the upload. From now on three answers are old.
            let _ = uploaded.compare_exchange(0, 3, Ordering::Relaxed, Ordering::Relaxed);
        }
    };
    let given = std::sync::Arc::new(AtomicU32::new(0));
    let counted = given.clone();
    let instead = move |request: &Value| {
        let owed = stale.load(Ordering::Relaxed);
        if !of_funder(request) || owed == 0 || counted.load(Ordering::Relaxed) >= owed {
            return None;
        }
        counted.fetch_add(1, Ordering::Relaxed);
        before.lock().unwrap().clone()
    };
    let proxy = Proxy::start(&env.network.rpc_url, instead, change).await;
    let opened = env.open("12.5", &["--rpc-url", &proxy.url]).await.ok();
    assert!(opened["upload"]["hash"].is_string(), "{opened}");
    assert_eq!(opened["deposited"], "125000000");
    assert_eq!(given.load(Ordering::Relaxed), 3, "the old answers were given");
}
