//! Tests of `POST /v1/channels` and of the reports about channels.

use paychan_channel::{AccountId, Address, Amount, ChannelState, ContractId, Layout, Ledger, WasmHash};
use serde_json::json;

use super::{CHANNEL, DEPOSIT, TestEnv, WAITING, good_channel, to};
use paychan_sim::network::TOKEN;

const OTHER: ContractId = ContractId([2; 32]);

/// Puts this channel on the ledger at another address, asks for it, and checks that it was refused and nothing was
/// stored.
async fn refused(state: ChannelState, kind: &str) -> String {
    refused_as(422, state, kind).await
}

async fn refused_as(status: u16, state: ChannelState, kind: &str) -> String {
    let mut env = TestEnv::new().await;
    env.chain.network().open(ChannelState { channel: OTHER, ..state });
    env.next_ledger().await;
    let answer = env.admit(OTHER).await;
    answer.is(status, kind);
    assert!(env.store.all_held().is_empty(), "nothing was written");
    env.get(&format!("/v1/channels/{OTHER}")).await.is(404, "unknown_channel");
    answer.body["detail"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_good_channel_is_created_and_reported() {
    let env = TestEnv::new().await;
    let created = env.admit(CHANNEL).await.ok(201).clone();
    assert_eq!(created["channel"], CHANNEL.to_string());
    assert_eq!(created["status"], "open");
    assert_eq!(created["to"], to().to_string());
    assert_eq!(created["token"], TOKEN.to_string());
    assert_eq!(created["coverage"], DEPOSIT.to_string());
    assert_eq!((&created["highest"], &created["unsettled"]), (&json!("0"), &json!("0")));
    assert_eq!(created["refund_waiting_period"], WAITING);
    assert_eq!(created["deadline"], json!(null));
    assert!(created["lives"]["instance"].is_u64() && created["lives"]["token_balance"].is_u64(), "{created}");
    assert_eq!(env.get(&format!("/v1/channels/{CHANNEL}")).await.ok(200), &created);
    assert_eq!(env.get("/v1/channels").await.ok(200), &json!({ "channels": [created] }));
}

#[tokio::test]
async fn asking_again_for_a_watched_channel_changes_nothing() {
    let env = TestEnv::with_channel().await;
    env.pay(100, "one").await.ok(200);
    let before = env.held();
    assert_eq!(env.admit(CHANNEL).await.ok(201)["highest"], "100");
    assert_eq!(env.held(), before);
}

#[tokio::test]
async fn no_channels_are_an_empty_list() {
    assert_eq!(TestEnv::new().await.get("/v1/channels").await.ok(200), &json!({ "channels": [] }));
}

#[tokio::test]
async fn an_invalid_contract_address_is_malformed() {
    let env = TestEnv::new().await;
    let account = AccountId([4; 32]).to_string();
    let mistyped = format!("{}A", &CHANNEL.to_string()[..55]);
    for (address, part) in
        [(account.as_str(), "got an account address"), ("C", "56 characters"), ("", "56"), (&mistyped, "checksum")]
    {
        env.post("/v1/channels", &json!({ "channel": address })).await.is(400, "malformed").says(part);
        if !address.is_empty() {
            env.get(&format!("/v1/channels/{address}")).await.is(400, "malformed");
        }
    }
    for body in
        [json!({}), json!({ "channel": CHANNEL.to_string(), "force": true }), json!({ "channel": 5 }), json!(null)]
    {
        env.post("/v1/channels", &body).await.is(400, "malformed").says("expected");
    }
    assert!(env.store.all_held().is_empty());
}

#[tokio::test]
async fn an_address_without_a_contract_and_a_contract_that_is_no_channel_get_different_errors() {
    let env = TestEnv::new().await;
    env.admit(OTHER).await.is(422, "not_on_chain").says("deploy it first");
    env.chain.network().faults.garbled.insert(CHANNEL);
    env.admit(CHANNEL).await.is(422, "not_a_channel");
    assert!(env.store.all_held().is_empty());
}

#[tokio::test]
async fn each_rule_of_admission_is_a_kind_of_its_own() {
    let foreign = WasmHash([0xee; 32]);
    let detail = refused(ChannelState { wasm_hash: foreign, ..good_channel() }, "foreign_code").await;
    assert!(detail.contains(&foreign.to_string()), "{detail}");

    let other = Address::Account(AccountId([0xaa; 32]));
    let detail = refused(ChannelState { to: other, ..good_channel() }, "foreign_recipient").await;
    assert!(detail.contains(&other.to_string()) && detail.contains(&to().to_string()), "{detail}");

    let short = ChannelState { refund_waiting_period: WAITING - 1, ..good_channel() };
    let detail = refused(short, "waiting_period_too_short").await;
    assert!(detail.contains("17279") && detail.contains("17280"), "{detail}");

    let closing = ChannelState { close_effective_at: Some(Ledger(99_999)), ..good_channel() };
    let detail = refused_as(410, closing, "closing").await;
    assert!(detail.contains("99999"), "{detail}");

    let ended = ChannelState { refunded: true, balance: Amount::ZERO, ..good_channel() };
    refused_as(410, ended, "final").await;

    refused(ChannelState { layout: Layout::Reference, ..good_channel() }, "foreign_layout").await;
    refused(ChannelState { token: ContractId([0xcc; 32]), ..good_channel() }, "unlisted_token").await;
    refused(ChannelState { commitment_key: [0; 32], ..good_channel() }, "weak_key").await;
    refused(ChannelState { balance_clawback: true, ..good_channel() }, "issuer_may_claw_back").await;
    refused(ChannelState { balance_authorized: false, ..good_channel() }, "balance_frozen").await;
    let poor = ChannelState { balance: Amount::new(9_999_999).unwrap(), ..good_channel() };
    refused(poor, "coverage_too_low").await;
}

#[tokio::test]
async fn a_network_that_cannot_be_reached_admits_nothing() {
    let env = TestEnv::new().await;
    env.chain.network().faults.down = true;
    env.admit(CHANNEL).await.is(503, "chain_unreachable").says("connection refused");
    assert!(env.store.all_held().is_empty());
    env.chain.network().faults.down = false;
    env.admit(CHANNEL).await.ok(201);
}

#[tokio::test]
async fn a_close_that_the_follower_ignored_before_the_admission_is_still_found() {
    let mut env = TestEnv::new().await;
    env.chain.close(3);
    env.chain.network().close_start(CHANNEL);
    // The follower reads the event of a channel that it does not watch. The admission then reads a state from before
    // the close.
    env.next_ledger().await;
    env.chain.network().faults.lag = 2;
    env.admit(CHANNEL).await.ok(201);
    let known = env.view.channel(&CHANNEL).unwrap();
    assert!(!known.is_closing());
    assert_eq!(known.gap_free_to, known.state.read_at, "nothing is inferred from events that nobody matched");
    env.chain.network().faults.lag = 0;
    env.chain.close(6);
    env.follower.tick().await.unwrap();
    env.pay(100, "one").await.is(410, "closing");
}

#[tokio::test]
async fn a_stopping_watcher_admits_nothing() {
    let env = TestEnv::new().await;
    env.view.stop();
    env.admit(CHANNEL).await.is(503, "stopping");
    assert!(env.store.all_held().is_empty());
}

#[tokio::test]
async fn a_payout_before_admission_is_not_taken_for_a_rolled_back_store() {
    let mut env = TestEnv::new().await;
    let paid = Amount::new(777).unwrap();
    env.chain.network().channels.get_mut(&CHANNEL).unwrap().withdrawn = paid;
    env.next_ledger().await;
    env.admit(CHANNEL).await.ok(201);
    let held = env.held();
    assert!(!paychan_watcher::reader::rolled_back(&held, paid));
    env.pay(777, "one").await.is(409, "not_higher");
    assert_eq!(env.pay(778, "two").await.ok(200)["unsettled"], "1");
}
