//! Tests of `paychan` on a channel whose entries are archived.

use paychan_channel::{ChannelKeys, ContractId};
use paychan_rpc::read_channel;
use serde_json::{Value, json};

use super::env::{TestEnv, refused};
use super::proxy::Proxy;

/// Archives the channel's own entries.
async fn archive(env: &TestEnv, channel: &str) {
    let id: ContractId = channel.parse().unwrap();
    let state = read_channel(&env.network.client, &id).await.unwrap();
    let keys = ChannelKeys::of(&id, &state.wasm_hash, &state.token, state.token_kind.code().as_ref());
    env.network.archive(&[keys.instance, keys.code, keys.token_balance]).await;
}

#[tokio::test]
async fn restore_names_what_it_restored_and_sends_nothing_when_nothing_is_archived() {
    let env = TestEnv::new().await;
    let channel = env.channel().await;
    let restore = ["restore", &channel];
    archive(&env, &channel).await;
    let restored = env.run_as(&env.stranger, &restore).await.ok();
    assert_eq!(restored["restored"], json!(["instance", "code", "token balance"]));
    assert!(restored["transaction"]["hash"].is_string(), "{restored}");
    let inspected = env.inspect(&channel).await;
    assert!(
        inspected["lives"]
            .as_array()
            .unwrap()
            .iter()
            .all(|life| life["live_until"].as_u64() > inspected["read_at"].as_u64())
    );

    let again = env.run_as(&env.stranger, &restore).await.ok();
    assert_eq!((&again["restored"], &again["transaction"]), (&json!([]), &Value::Null));
    let commitment = env.sign(&channel, "60000000").await;
    let settled = env.run_as(&env.stranger, &["settle", "--commitment", &commitment]).await.ok();
    assert_eq!(settled["paid"], "60000000");
}

/// Not every network restores entries within the transaction that needs them.
#[tokio::test]
async fn a_settlement_that_fails_on_archived_entries_names_them_and_the_command_that_restores_them() {
    let env = TestEnv::new().await;
    let channel = env.channel().await;
    let commitment = env.sign(&channel, "60000000").await;
    archive(&env, &channel).await;
    let fails = |request: &Value| {
        (request["method"] == "simulateTransaction").then(|| {
            let error = "HostError: Error(Storage, InvalidAction): contract data entry is archived";
            json!({ "result": { "error": error, "latestLedger": 5, "events": [] } })
        })
    };
    let proxy = Proxy::start(&env.network.rpc_url, fails, |_, _| {}).await;
    let settle = ["settle", "--commitment", &commitment, "--rpc-url", &proxy.url];
    let (code, kind, message) = refused(&env.run_as(&env.stranger, &settle).await);
    assert_eq!((code, kind.as_str()), (1, "failed_on_chain"), "{message}");
    let advice = format!("instance, code, token balance are archived; bring them back with paychan restore {channel}");
    assert!(message.contains(&advice), "{message}");
    assert!(proxy.requests("sendTransaction").is_empty());
}
