//! Tests of the operator's calls: pause and resume, confirming a rollback, metrics, and lists in pages.

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request};
use paychan_channel::{Amount, ContractId};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{CHANNEL, DEPOSIT, TestEnv, good_channel, signed};
use paychan_sim::network::TOKEN;

/// Calls the API on the operator's socket.
async fn ask(env: &TestEnv, method: Method, path: &str) -> (u16, String) {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    let response = env.operator_api.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    (status, String::from_utf8(to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap())
}

async fn ask_json(env: &TestEnv, method: Method, path: &str) -> Value {
    let (status, body) = ask(env, method, path).await;
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

#[tokio::test]
async fn a_pause_stops_the_taking_of_money_until_it_is_ended() {
    let env = TestEnv::with_channel().await;
    env.pay(100, "one").await.ok(200);
    assert_eq!(ask_json(&env, Method::POST, "/v1/pause").await["paused"], true);
    env.pay(200, "two").await.is(503, "paused").says("operator");
    let charge = json!({ "price": "50", "request_id": "three" });
    env.post(&format!("/v1/channels/{CHANNEL}/charges"), &charge).await.is(503, "paused");
    env.admit(ContractId([2; 32])).await.is(503, "paused");
    assert_eq!(env.get("/readyz").await.ok(503)["kinds"], json!(["paused"]));
    // An earlier acknowledgement is repeated, since that makes no new promise.
    assert_eq!(env.pay(100, "one").await.ok(200)["replayed"], true);
    env.admit(CHANNEL).await.ok(201);

    assert_eq!(ask_json(&env, Method::POST, "/v1/resume").await, json!({ "paused": false }));
    env.pay(200, "two").await.ok(200);
}

#[tokio::test]
async fn a_pause_that_cannot_be_written_is_in_force_and_the_answer_says_so() {
    let env = TestEnv::with_channel().await;
    let paused = ask_json(&env, Method::POST, "/v1/pause").await;
    assert!(paused["not_kept"].is_string(), "the data directory of these tests does not exist: {paused}");
    env.pay(100, "one").await.is(503, "paused");
}

#[tokio::test]
async fn the_token_is_not_enough_for_the_operators_calls() {
    let env = TestEnv::with_channel().await;
    for path in ["/v1/pause", "/v1/resume", "/v1/rollback/confirm"] {
        env.post(path, &json!({})).await.is(404, "no_such_path");
    }
    env.pay(100, "one").await.ok(200);
}

#[tokio::test]
async fn a_rollback_is_confirmed_while_the_watcher_runs() {
    let env = TestEnv::with_channel().await;
    env.pay(100, "one").await.ok(200);
    assert_eq!(ask_json(&env, Method::POST, "/v1/rollback/confirm").await, json!({ "channels": [], "lanes": [] }));
    env.view.set_rolled_back(vec![CHANNEL]);
    env.pay(200, "two").await.is(503, "rolled_back");
    let confirmed = ask_json(&env, Method::POST, "/v1/rollback/confirm").await;
    assert_eq!(confirmed, json!({ "channels": [CHANNEL.to_string()], "lanes": [] }));
    assert_eq!(env.held().rollback_confirmed, Some(Amount::ZERO), "it is on disk: what the chain had paid");
    env.pay(200, "two").await.ok(200);
}

#[tokio::test]
async fn metrics_show_what_is_owed_to_callers_with_the_token_only() {
    let env = TestEnv::with_channel().await;
    env.pay(1_500, "one").await.ok(200);
    env.post(&format!("/v1/channels/{CHANNEL}/charges"), &json!({ "price": "400", "request_id": "two" })).await.ok(200);
    let (status, text) = ask(&env, Method::GET, "/metrics").await;
    assert_eq!(status, 200);
    for line in [
        "paychan_ready 1".to_owned(),
        format!("paychan_unsettled_base_units{{token=\"{TOKEN}\"}} 1500"),
        format!("paychan_spent_base_units{{token=\"{TOKEN}\"}} 400"),
        "paychan_channels{status=\"open\"} 1".to_owned(),
        "paychan_channels{status=\"closing\"} 0".to_owned(),
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
    }
    assert!(text.contains("paychan_alarms_total{alarm=\"loss\"}"), "{text}");
    assert!(text.contains("paychan_journal_records_total"), "{text}");
    assert!(text.ends_with("# EOF\n"), "OpenMetrics ends so: {text}");

    let stranger = Request::builder().uri("/metrics").body(Body::empty()).unwrap();
    env.send(stranger).await.is(401, "unauthorized");
    assert_eq!(env.get("/metrics").await.status, 200, "with the token");
}

#[tokio::test]
async fn channels_are_listed_in_pages_and_filtered() {
    let mut env = TestEnv::with_channel().await;
    for number in 2..=5 {
        let state = paychan_channel::ChannelState { channel: ContractId([number; 32]), ..good_channel() };
        env.chain.network().open(state);
    }
    env.next_ledger().await;
    for number in 2..=5 {
        env.admit(ContractId([number; 32])).await.ok(201);
    }
    env.offer(&signed(DEPOSIT / 2, "one")).await.ok(200);

    let addresses = |page: &Value| -> Vec<String> {
        page["channels"].as_array().unwrap().iter().map(|c| c["channel"].as_str().unwrap().to_owned()).collect()
    };
    let (mut found, mut path) = (Vec::new(), "/v1/channels?limit=2".to_owned());
    let mut pages = 0;
    loop {
        let page = env.get(&path).await.ok(200).clone();
        found.extend(addresses(&page));
        pages += 1;
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/channels?limit=2&after={next}");
    }
    assert_eq!(pages, 3);
    let all: Vec<String> = (1..=5).map(|number| ContractId([number; 32]).to_string()).collect();
    assert_eq!(found, all, "each once, in order");

    assert_eq!(addresses(env.get("/v1/channels?unsettled=true").await.ok(200)), [CHANNEL.to_string()]);
    assert_eq!(addresses(env.get("/v1/channels?unsettled=false").await.ok(200)).len(), 4);
    assert!(addresses(env.get("/v1/channels?status=closing").await.ok(200)).is_empty());
    for wrong in ["limit=0", "limit=1001", "limit=x", "status=shut", "after=CAAA", "colour=red"] {
        env.get(&format!("/v1/channels?{wrong}")).await.is(400, "malformed");
    }
}

#[tokio::test]
async fn a_call_that_panics_is_answered_and_stops_the_taking() {
    let mut endpoint = None;
    let mut env = TestEnv::asking(&super::config_text(), false, |chain| {
        let one = crate::endpoints::Endpoint::of(chain);
        endpoint = Some(one.clone());
        std::sync::Arc::new(one)
    })
    .await;
    env.admit(CHANNEL).await.ok(201);
    let endpoint = endpoint.unwrap();
    endpoint.wrong().panics_at = Some("first_read");
    env.admit(ContractId([2; 32])).await.is(500, "internal");
    endpoint.wrong().panics_at = None;
    env.turn().await;
    env.admit(ContractId([2; 32])).await.is(503, "stopping").says("failed");
    assert!(env.view.has_stopped_taking());
}
