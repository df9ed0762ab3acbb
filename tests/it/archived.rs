//! Tests with archived entries: settlements restore them, the watcher restores those of channels in use, and an
//! endpoint that is wrong about lives locks nobody out.

use paychan_channel::xdr::LedgerKey;
use paychan_channel::{ChannelKeys, ContractId, Ledger};
use paychan_tests::env::TestEnv;
use paychan_tests::network::NetworkOptions;
use paychan_tests::watcher::Watcher;
use serde_json::json;

use crate::cli::proxy::Proxy;

const WAITING_PERIOD: u32 = 400;
const OWED: i128 = 500_000;

/// The keys of the channel's own entries: instance, code and token balance.
async fn own_entries(env: &TestEnv, channel: &ContractId) -> Vec<LedgerKey> {
    let state = env.read(channel).await;
    let keys = ChannelKeys::of(channel, &state.wasm_hash, &state.token, state.token_kind.code().as_ref());
    vec![keys.instance, keys.code, keys.token_balance]
}

async fn archived(env: &TestEnv, channel: &ContractId) -> Vec<&'static str> {
    let state = env.read(channel).await;
    state.lives.archived(state.read_at).collect()
}

async fn pay(watcher: &Watcher, channel: &ContractId, amount: i128, signature: &str) {
    let taken = watcher.offer(channel, &amount.to_string(), signature, "one").await.unwrap();
    assert_eq!(taken.0, 200, "{}", taken.1);
}

#[tokio::test]
async fn a_settlement_restores_archived_entries_and_the_alarm_names_them() {
    let env = TestEnv::new(NetworkOptions::default()).await;
    let payer = env.open("5", &env.recipient, WAITING_PERIOD).await;
    let mut watcher = env.watcher();
    watcher.start().await;
    assert_eq!(watcher.admit(&payer.channel).await.0, 201);
    pay(&watcher, &payer.channel, OWED, &payer.sign(OWED)).await;
    watcher.sigkill().await;
    env.as_funder("close-start", &payer.channel).await;
    env.network.archive(&own_entries(&env, &payer.channel).await).await;
    assert_eq!(archived(&env, &payer.channel).await, ["instance", "code", "token balance"]);

    watcher.spawn();
    watcher.wait_until("settled", async |_| env.read(&payer.channel).await.withdrawn.get() >= OWED).await;
    let state = env.read(&payer.channel).await;
    assert!(state.deadline().is_some_and(|deadline| state.read_at < deadline), "{state:?}");
    assert!(archived(&env, &payer.channel).await.is_empty(), "the settlement restored them");
    let logged = watcher.logged();
    assert!(logged.contains("entry_archived") && logged.contains("instance, code, token balance"), "{logged}");
}

#[tokio::test]
async fn a_channel_in_use_is_restored_although_nothing_is_to_be_settled() {
    let env = TestEnv::new(NetworkOptions::default()).await;
    let payer = env.open("5", &env.recipient, WAITING_PERIOD).await;
    let mut watcher = env.watcher();
    watcher.start().await;
    assert_eq!(watcher.admit(&payer.channel).await.0, 201);
    // The amount is below the dust limit of 50,000.
    pay(&watcher, &payer.channel, 40_000, &payer.sign(40_000)).await;
    env.network.archive(&own_entries(&env, &payer.channel).await).await;
    watcher.wait_until("restored", async |_| archived(&env, &payer.channel).await.is_empty()).await;
    watcher.wait_until("confirmed", async |watcher| watcher.logged().contains("archived entries restored")).await;
    assert_eq!(env.read(&payer.channel).await.withdrawn.get(), 0, "the channel was restored and not settled");
}

#[tokio::test]
async fn an_endpoint_that_says_life_0_of_live_entries_locks_nobody_out() {
    let env = TestEnv::new(NetworkOptions::default()).await;
    let payer = env.open("5", &env.recipient, WAITING_PERIOD).await;
    let proxy = Proxy::start(
        &env.network.rpc_url,
        |_| None,
        |request, answer| {
            if request["method"] != "getLedgerEntries" {
                return;
            }
            let Some(entries) = answer["result"]["entries"].as_array_mut() else { return };
            for entry in entries.iter_mut().filter(|entry| !entry["liveUntilLedgerSeq"].is_null()) {
                entry["liveUntilLedgerSeq"] = json!(0);
            }
        },
    )
    .await;
    let mut options = env.watcher_options();
    options.rpc_url = Some(proxy.url.clone());
    let mut watcher = Watcher::configure(env.path(), &options);
    watcher.start().await;
    let (status, body) = watcher.admit(&payer.channel).await;
    assert_eq!(status, 201, "{body}");
    pay(&watcher, &payer.channel, OWED, &payer.sign(OWED)).await;
    env.as_funder("close-start", &payer.channel).await;
    watcher.wait_until("settled", async |_| env.read(&payer.channel).await.withdrawn.get() >= OWED).await;
}

#[tokio::test]
async fn a_channel_that_is_really_archived_is_not_admitted() {
    let env = TestEnv::new(NetworkOptions::default()).await;
    let payer = env.open("5", &env.recipient, WAITING_PERIOD).await;
    env.network.archive(&own_entries(&env, &payer.channel).await).await;
    let mut watcher = env.watcher();
    watcher.start().await;
    let (status, body) = watcher.admit(&payer.channel).await;
    assert_eq!((status, body["kind"].as_str()), (422, Some("archived")), "{body}");
    assert!(body["detail"].as_str().unwrap().contains("instance and code and token balance"), "{body}");
    assert!(env.read(&payer.channel).await.lives.instance == Some(Ledger(0)));
}
