//! Tests of `paychan` against an endpoint that lies. The answer to a simulation becomes part of what is signed, so
//! `paychan` must check it.

use std::sync::Mutex;

use paychan_channel::xdr::{
    HostFunction, Limits, Operation, OperationBody, ReadXdr, ScVal, SorobanAddressCredentials,
    SorobanAuthorizationEntry, SorobanAuthorizedFunction, SorobanAuthorizedInvocation, SorobanCredentials,
    SorobanTransactionData, TransactionEnvelope, WriteXdr,
};
use paychan_channel::{Amount, calls};
use serde_json::{Value, json};

use super::env::{TestEnv, assert_refused};
use super::proxy::Proxy;

/// An endpoint that changes the real one's answers to simulations.
async fn proxy(env: &TestEnv, lie: impl Fn(&mut Value) + Send + Sync + 'static) -> Proxy {
    let told: Mutex<Option<Value>> = Mutex::default();
    let change = move |request: &Value, answer: &mut Value| {
        if request["method"] == "simulateTransaction" {
            let mut told = told.lock().unwrap();
            let lied = told.get_or_insert_with(|| {
                lie(&mut answer["result"]);
                answer["result"].clone()
            });
            *answer = json!({ "jsonrpc": "2.0", "id": request["id"], "result": lied });
        }
    };
    Proxy::start(&env.network.rpc_url, |_| None, change).await
}

/// The number of authorizations in a request. Anyone who sees a signed authorization can use it.
fn authorizations(request: &Value) -> usize {
    let text = request["params"]["transaction"].as_str().unwrap();
    let TransactionEnvelope::Tx(envelope) = TransactionEnvelope::from_xdr_base64(text, Limits::none()).unwrap() else {
        panic!("a plain transaction was built")
    };
    let count = |operation: &Operation| match &operation.body {
        OperationBody::InvokeHostFunction(call) => call.auth.len(),
        _ => 0,
    };
    envelope.tx.operations.iter().map(count).sum()
}

/// A call that transfers all that the funder has to the stranger.
fn theft(env: &TestEnv) -> SorobanAuthorizedInvocation {
    let transfer = calls::token_transfer(
        &env.usdc.contract,
        &env.funder.address(),
        &env.stranger.address(),
        Amount::from(9_000_000_000),
    );
    let HostFunction::InvokeContract(transfer) = transfer else { panic!("a transfer is a call") };
    SorobanAuthorizedInvocation {
        function: SorobanAuthorizedFunction::ContractFn(transfer),
        sub_invocations: Vec::new().try_into().unwrap(),
    }
}

fn entry(answer: &Value) -> SorobanAuthorizationEntry {
    let text = answer["results"][0]["auth"][0].as_str().unwrap();
    SorobanAuthorizationEntry::from_xdr_base64(text, Limits::none()).unwrap()
}

fn replace_entry(answer: &mut Value, entry: &SorobanAuthorizationEntry) {
    answer["results"][0]["auth"] = json!([entry.to_xdr_base64(Limits::none()).unwrap()]);
}

/// Tops up through an endpoint with this lie. It must be refused, and nothing may be sent or paid.
async fn top_up_is_refused(env: &TestEnv, lie: impl Fn(&mut Value) + Send + Sync + 'static, kind: &str, said: &str) {
    let channel = env.channel().await;
    let before = env.usdc_of(&env.funder).await;
    let proxy = proxy(env, lie).await;
    let top_up = ["top-up", &channel, "--amount", "1", "--rpc-url", &proxy.url];
    let ran = env.run_as(&env.funder, &top_up).await;
    assert_refused(&ran, 1, kind, said);
    assert!(!proxy.requests("simulateTransaction").is_empty(), "the proxy never changed an answer");
    assert!(proxy.requests("sendTransaction").is_empty());
    for request in &proxy.requests("simulateTransaction") {
        assert_eq!(authorizations(request), 0, "an authorization was given away: {request}");
    }
    assert_eq!(env.usdc_of(&env.funder).await, before);
}

#[tokio::test]
async fn an_honest_endpoint_behind_the_same_proxy_is_believed() {
    let env = TestEnv::new().await;
    let channel = env.channel().await;
    let proxy = proxy(&env, |_| {}).await;
    let top_up = ["top-up", &channel, "--amount", "1", "--rpc-url", &proxy.url];
    let topped = env.run_as(&env.funder, &top_up).await.ok();
    assert_eq!(topped["deposited"], "135000000");
    assert!(!proxy.requests("sendTransaction").is_empty());
}

#[tokio::test]
async fn another_call_than_the_one_meant_is_not_authorised() {
    let env = TestEnv::new().await;
    let stolen =
        SorobanAuthorizationEntry { credentials: SorobanCredentials::SourceAccount, root_invocation: theft(&env) };
    let lie = move |answer: &mut Value| replace_entry(answer, &stolen);
    top_up_is_refused(&env, lie, "authorization", "transfer(3 arguments)").await;
}

#[tokio::test]
async fn a_call_that_is_hidden_below_the_one_meant_is_not_authorised() {
    let env = TestEnv::new().await;
    let theft = theft(&env);
    let lie = move |answer: &mut Value| {
        let mut honest = entry(answer);
        let mut below = honest.root_invocation.sub_invocations.to_vec();
        below.push(theft.clone());
        honest.root_invocation.sub_invocations = below.try_into().unwrap();
        replace_entry(answer, &honest);
    };
    top_up_is_refused(&env, lie, "authorization", "transfer(3 arguments)").await;
}

#[tokio::test]
async fn an_authorization_that_could_be_used_apart_from_the_transaction_is_not_given() {
    let env = TestEnv::new().await;
    let stolen = SorobanAuthorizationEntry {
        credentials: SorobanCredentials::Address(SorobanAddressCredentials {
            address: env.funder.id.to_sc(),
            nonce: 1,
            signature_expiration_ledger: 0,
            signature: ScVal::Void,
        }),
        root_invocation: theft(&env),
    };
    let lie = move |answer: &mut Value| replace_entry(answer, &stolen);
    top_up_is_refused(&env, lie, "authorization", "").await;
}

#[tokio::test]
async fn a_fee_beyond_what_is_usual_is_not_paid_without_asking() {
    let env = TestEnv::new().await;
    let lie = |answer: &mut Value| {
        let text = answer["transactionData"].as_str().unwrap();
        let mut data = SorobanTransactionData::from_xdr_base64(text, Limits::none()).unwrap();
        data.resource_fee = 30_000_000;
        answer["transactionData"] = json!(data.to_xdr_base64(Limits::none()).unwrap());
    };
    top_up_is_refused(&env, lie, "fee_too_high", "--max-fee 20000000").await;
}
