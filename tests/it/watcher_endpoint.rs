//! Tests of `paychan-watcher` against an endpoint that lies. The answer to a simulation becomes part of what is signed,
//! so the watcher must check it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use paychan_channel::xdr::{
    HostFunction, LedgerKey, Limits, ReadXdr, SorobanAuthorizationEntry, SorobanAuthorizedFunction,
    SorobanAuthorizedInvocation, SorobanCredentials, SorobanTransactionData, WriteXdr,
};
use paychan_channel::{Amount, calls, ledger_keys};
use paychan_tests::env::TestEnv;
use paychan_tests::network::NetworkOptions;
use paychan_tests::watcher::Watcher;
use serde_json::{Value, json};

use crate::cli::proxy::Proxy;

const WAITING_PERIOD: u32 = 400;
const OWED: i128 = 500_000;

/// Changes the resources that a simulation proposes.
fn change_resources(answer: &mut Value, change: impl Fn(&mut SorobanTransactionData)) {
    // A simulation of `balance` has no resources to change, since it is not signed.
    let Some(text) = answer["transactionData"].as_str() else { return };
    let mut data = SorobanTransactionData::from_xdr_base64(text, Limits::none()).unwrap();
    change(&mut data);
    answer["transactionData"] = json!(data.to_xdr_base64(Limits::none()).unwrap());
}

/// Checks a watcher that owes a settlement and has an endpoint with this lie: it signs nothing, logs why, and settles
/// when the endpoint is honest again.
async fn nothing_is_signed(
    env: &TestEnv,
    may_close: bool,
    lie: impl Fn(&mut Value) + Send + Sync + 'static,
    said: &str,
) {
    let lies = Arc::new(AtomicBool::new(false));
    let told = lies.clone();
    let change = move |request: &Value, answer: &mut Value| {
        if request["method"] == "simulateTransaction" && told.load(Ordering::Relaxed) {
            lie(&mut answer["result"]);
        }
    };
    let proxy = Proxy::start(&env.network.rpc_url, |_| None, change).await;
    let mut options = env.watcher_options();
    (options.rpc_url, options.may_close) = (Some(proxy.url.clone()), may_close);
    let mut watcher = Watcher::configure(env.path(), &options);
    let payer = env.open("5", &env.recipient, WAITING_PERIOD).await;
    watcher.start().await;
    assert_eq!(watcher.admit(&payer.channel).await.0, 201);
    let taken = watcher.offer(&payer.channel, &OWED.to_string(), &payer.sign(OWED), "one").await.unwrap();
    assert_eq!(taken.0, 200, "{}", taken.1);

    lies.store(true, Ordering::Relaxed);
    env.as_funder("close-start", &payer.channel).await;
    watcher.wait_until("refused", async |watcher| watcher.logged().contains("endpoint_not_trusted")).await;
    assert!(watcher.logged().contains(said), "no {said:?} in\n{}", watcher.logged());
    assert!(proxy.requests("sendTransaction").is_empty(), "something was signed and sent");

    lies.store(false, Ordering::Relaxed);
    watcher.wait_until("settled", async |_| env.read(&payer.channel).await.withdrawn.get() >= OWED).await;
    assert_eq!(env.read(&payer.channel).await.is_final(), may_close);
}

#[tokio::test]
async fn a_fee_above_the_limit_is_not_paid() {
    let env = TestEnv::new(NetworkOptions::default()).await;
    // The fee is 300 XLM.
    let lie = |answer: &mut Value| change_resources(answer, |data| data.resource_fee = 3_000_000_000);
    nothing_is_signed(&env, false, lie, "50000000 stroops that this call may cost").await;
}

#[tokio::test]
async fn an_entry_that_the_settlement_has_nothing_to_do_with_is_not_touched() {
    let env = TestEnv::new(NetworkOptions::default()).await;
    let foreign = ledger_keys::code(&paychan_channel::WasmHash([7; 32]));
    let lie = move |answer: &mut Value| {
        change_resources(answer, |data| {
            let mut keys = data.resources.footprint.read_write.to_vec();
            keys.push(foreign.clone());
            data.resources.footprint.read_write = keys.try_into().unwrap();
        });
    };
    nothing_is_signed(&env, false, lie, "write the code 0707").await;
}

#[tokio::test]
async fn another_call_is_not_authorized_with_the_recipients_key() {
    let env = TestEnv::new(NetworkOptions::default()).await;
    let transfer = calls::token_transfer(
        &env.usdc.contract,
        &env.recipient.address(),
        &env.funder.address(),
        Amount::from(9_000_000),
    );
    let HostFunction::InvokeContract(transfer) = transfer else { panic!("a transfer is a call") };
    let stolen = SorobanAuthorizationEntry {
        credentials: SorobanCredentials::SourceAccount,
        root_invocation: SorobanAuthorizedInvocation {
            function: SorobanAuthorizedFunction::ContractFn(transfer),
            sub_invocations: Vec::new().try_into().unwrap(),
        },
    };
    let stolen = stolen.to_xdr_base64(Limits::none()).unwrap();
    let lie = move |answer: &mut Value| {
        if answer["results"][0].is_object() {
            answer["results"][0]["auth"] = json!([stolen]);
        }
    };
    nothing_is_signed(&env, true, lie, "transfer(3 arguments)").await;
}

/// Whether a request asks for the network's settings.
fn asks_for_settings(request: &Value) -> bool {
    let keys = request["params"]["keys"].as_array();
    keys.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .any(|key| matches!(LedgerKey::from_xdr_base64(key, Limits::none()), Ok(LedgerKey::ConfigSetting(_))))
}

/// A watcher that is started anew with something unsettled on a channel that is closing, while the endpoint does this to every
/// answer about the network's settings.
async fn settles_without_settings(
    instead: impl Fn() -> Option<Value> + Send + Sync + 'static,
    change: impl Fn(&mut Value) + Send + Sync + 'static,
) {
    let env = TestEnv::new(NetworkOptions::default()).await;
    let mut watcher = env.watcher();
    let payer = env.open("5", &env.recipient, WAITING_PERIOD).await;
    watcher.start().await;
    assert_eq!(watcher.admit(&payer.channel).await.0, 201);
    let taken = watcher.offer(&payer.channel, &OWED.to_string(), &payer.sign(OWED), "one").await.unwrap();
    assert_eq!(taken.0, 200, "{}", taken.1);
    watcher.sigkill().await;
    env.as_funder("close-start", &payer.channel).await;

    let proxy = Proxy::start(
        &env.network.rpc_url,
        move |request| asks_for_settings(request).then(&instead).flatten(),
        move |request, answer| {
            if asks_for_settings(request) {
                change(answer);
            }
        },
    )
    .await;
    let mut options = env.watcher_options();
    options.rpc_url = Some(proxy.url.clone());
    let mut watcher = Watcher::configure(env.path(), &options);
    watcher.spawn();
    watcher.wait_until("settled", async |_| env.read(&payer.channel).await.withdrawn.get() >= OWED).await;
    let logged = watcher.logged();
    assert!(logged.contains("a high price is assumed"), "{logged}");
    assert_eq!(watcher.readyz().await, Some(503), "nothing is taken while the settings are not known");
}

#[tokio::test]
async fn a_start_without_the_networks_settings_settles() {
    settles_without_settings(|| Some(json!({ "error": { "code": -32603, "message": "not now" } })), |_| {}).await;
}

#[tokio::test]
async fn a_start_with_settings_that_can_not_be_decoded_settles() {
    settles_without_settings(
        || None,
        |answer| {
            for entry in answer["result"]["entries"].as_array_mut().unwrap() {
                entry["xdr"] = json!("AAAA");
            }
        },
    )
    .await;
}
