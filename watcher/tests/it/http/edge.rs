//! Tests of what applies to every call: the token, the limits, and the probes.

use axum::body::Body;
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{Method, Request};
use serde_json::json;
use tower::ServiceExt;

use super::{API_TOKEN, CHANNEL, TestEnv, config_text, signed};

fn request(method: Method, path: &str, authorization: Option<&str>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(authorization) = authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    request.body(Body::from(json!({ "channel": CHANNEL.to_string() }).to_string())).unwrap()
}

#[tokio::test]
async fn every_call_under_v1_checks_the_token_first() {
    let env = TestEnv::new().await;
    let commitments = format!("/v1/channels/{CHANNEL}/commitments");
    let channel = format!("/v1/channels/{CHANNEL}");
    let calls = [
        (Method::POST, "/v1/channels"),
        (Method::GET, "/v1/channels"),
        (Method::GET, channel.as_str()),
        (Method::POST, commitments.as_str()),
        (Method::POST, "/v1/charges"),
        (Method::GET, "/v1/status"),
        (Method::GET, "/v1/nothing-here"),
    ];
    let wrong = format!("Bearer {}x", &API_TOKEN[..31]);
    let basic = format!("Basic {API_TOKEN}");
    for (method, path) in calls {
        for authorization in [None, Some("Bearer"), Some("Bearer "), Some(&*wrong), Some(&*basic), Some(API_TOKEN)] {
            let answer = env.send(request(method.clone(), path, authorization)).await;
            answer.is(401, "unauthorized").says("token");
        }
    }
    assert!(env.store.all_held().is_empty());
    let response = env.api.clone().oneshot(request(Method::GET, "/v1/channels", None)).await.unwrap();
    assert_eq!(response.headers()[WWW_AUTHENTICATE], "Bearer");
}

#[tokio::test]
async fn the_schemes_name_is_taken_in_any_case() {
    let env = TestEnv::new().await;
    let answer = env.send(request(Method::GET, "/v1/channels", Some(&format!("bearer {API_TOKEN}")))).await;
    answer.ok(200);
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let env = TestEnv::with_channel().await;
    let mut body = signed(200, "one");
    body["padding"] = json!("x".repeat(5_000));
    env.offer(&body).await.is(413, "too_large").says("larger than this call needs");
    assert_eq!(env.held().accepted, 0);
}

#[tokio::test]
async fn paths_and_methods_that_do_not_exist_are_problems_too() {
    let env = TestEnv::new().await;
    env.get("/v1/nothing-here").await.is(404, "no_such_path");
    env.get("/nothing-here").await.is(404, "no_such_path");
    env.call(Method::DELETE, "/v1/channels", "").await.is(405, "method_not_allowed");
    env.call(Method::POST, "/healthz", "").await.is(405, "method_not_allowed");
    env.get("/v1/channels/%ff").await.is(400, "malformed");
}

#[tokio::test]
async fn the_probes_need_no_token_and_distinguish_alive_from_ready() {
    let env = TestEnv::new().await;
    let probe = |path: &'static str| env.send(request(Method::GET, path, None));
    assert_eq!(probe("/healthz").await.ok(200), &json!({ "alive": true }));
    assert_eq!(probe("/readyz").await.ok(200), &json!({ "ready": true, "kinds": [] }));
    env.chain.clock().advance(std::time::Duration::from_secs(61));
    assert_eq!(probe("/readyz").await.ok(503), &json!({ "ready": false, "kinds": ["not_fresh"] }));
    probe("/healthz").await.ok(200);
}

#[tokio::test]
async fn only_callers_with_the_token_see_in_figures_why_the_watcher_is_not_ready() {
    let mut env = TestEnv::new().await;
    env.chain.network().lane_balance = 10_199_999;
    env.next_ledger().await;
    let stranger = env.send(request(Method::GET, "/readyz", None)).await;
    assert_eq!(stranger.ok(503), &json!({ "ready": false, "kinds": ["fees_low"] }), "no balance for strangers");
    let known = env.get("/readyz").await;
    let reasons = known.ok(503)["reasons"][0].as_str().unwrap().to_owned();
    assert!(reasons.contains("10199999"), "{reasons}");
}

#[tokio::test]
async fn the_terms_say_which_channels_are_watched() {
    let env = TestEnv::with_channel().await;
    let terms = env.get("/v1/terms").await;
    let terms: paychan_watcher_api::Terms = serde_json::from_value(terms.ok(200).clone()).unwrap();
    let config = paychan_watcher::config::Config::parse(&config_text()).unwrap();
    assert_eq!(terms.network, config.passphrase());
    assert_eq!(terms.recipients, [config.recipients[0].address]);
    assert_eq!(terms.trusted_code[0], config.trusted_code[0].wasm_hash);
    assert_eq!(
        (terms.tokens[0].contract, terms.tokens[0].minimum_deposit),
        (config.tokens[0].contract, config.tokens[0].minimum_deposit)
    );
    assert!(terms.minimum_refund_waiting_period >= config.minimum_refund_waiting_period);
}

#[tokio::test]
async fn the_status_shows_channels_and_fee_accounts() {
    let env = TestEnv::with_channel().await;
    env.pay(100, "one").await.ok(200);
    let status = env.get("/v1/status").await;
    let status = status.ok(200);
    assert_eq!(status["running"], true);
    assert_eq!(status["channels"][0]["unsettled"], "100");
    assert_eq!(status["lanes"][0]["balance"], "1000000000");
    assert_eq!(status["head"]["ledger"], env.chain.network().ledger());
}
