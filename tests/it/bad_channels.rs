//! Tests with channels and commitments that a watcher must refuse. Each is refused with the kind of its fault, and
//! nothing is stored.

use paychan_channel::{AccountId, ContractId, WasmHash};
use paychan_tests::env::{TestEnv, text};
use paychan_tests::network::NetworkOptions;
use paychan_tests::watcher::Watcher;
use serde_json::Value;

const WAITING_PERIOD: u32 = 200;

async fn refused(watcher: &Watcher, channel: &ContractId) -> Value {
    let (status, body) = watcher.admit(channel).await;
    // A closing channel gets 410 (gone); every other rule gets 422.
    let expected = if body["kind"] == "closing" { 410 } else { 422 };
    assert_eq!(status, expected, "{body}");
    let (status, _) = watcher.channel(channel).await;
    assert_eq!(status, 404, "a refused channel is remembered");
    body
}

#[tokio::test]
async fn a_bad_channel_is_refused_with_the_rule_that_it_breaks() {
    let env = TestEnv::new(NetworkOptions::default()).await;
    let stranger = env.network.account(env.path(), "stranger").await;
    let mut watcher = env.watcher();
    watcher.start().await;

    let nothing = refused(&watcher, &ContractId([7; 32])).await;
    assert!(text(&nothing, "detail").contains("no contract"), "{nothing}");

    let token = refused(&watcher, &env.usdc.contract).await;
    assert!(!text(&token, "kind").is_empty(), "{token}");

    env.network.trust(&env.usdc, &stranger).await;
    let elsewhere = env.open("5", &stranger, WAITING_PERIOD).await;
    let foreign = refused(&watcher, &elsewhere.channel).await;
    assert_eq!(text(&foreign, "kind"), "foreign_recipient");
    assert!(text(&foreign, "detail").contains(&stranger.id.to_string()), "{foreign}");

    let hasty = env.open("5", &env.recipient, WAITING_PERIOD - 1).await;
    let short = refused(&watcher, &hasty.channel).await;
    assert_eq!(text(&short, "kind"), "waiting_period_too_short");
    assert!(text(&short, "detail").contains("199") && text(&short, "detail").contains("200"), "{short}");

    let poor = env.open("0.05", &env.recipient, WAITING_PERIOD).await;
    assert_eq!(text(&refused(&watcher, &poor.channel).await, "kind"), "coverage_too_low");

    let leaving = env.open("5", &env.recipient, WAITING_PERIOD).await;
    env.as_funder("close-start", &leaving.channel).await;
    assert_eq!(text(&refused(&watcher, &leaving.channel).await, "kind"), "closing");

    let (status, body) = watcher
        .post("/v1/channels", &serde_json::json!({ "channel": AccountId(stranger.id.0).to_string() }).to_string())
        .await;
    assert_eq!((status, text(&body, "kind")), (400, "malformed"));
    assert!(text(&body, "detail").contains("C..."), "{body}");
}

#[tokio::test]
async fn code_that_the_operator_does_not_trust_is_refused_by_its_hash() {
    let env = TestEnv::new(NetworkOptions::default()).await;
    let payer = env.open("5", &env.recipient, WAITING_PERIOD).await;
    let mut options = env.watcher_options();
    options.trusted_code = Some(WasmHash([1; 32]));
    let mut watcher = Watcher::configure(env.path(), &options);
    watcher.start().await;
    let body = refused(&watcher, &payer.channel).await;
    assert_eq!(text(&body, "kind"), "foreign_code");
    let hash = env.read(&payer.channel).await.wasm_hash.to_string();
    assert!(text(&body, "detail").contains(&hash), "{body}");
}

#[tokio::test]
async fn bad_commitments_are_refused_by_name_and_the_highest_stays() {
    let env = TestEnv::new(NetworkOptions::default()).await;
    let payer = env.open("5", &env.recipient, WAITING_PERIOD).await;
    let other = env.open("5", &env.recipient, WAITING_PERIOD).await;
    let mut watcher = env.watcher();
    watcher.start().await;
    assert_eq!(watcher.admit(&payer.channel).await.0, 201);
    let good = payer.sign(500_000);
    assert_eq!(watcher.offer(&payer.channel, "500000", &good, "good").await.unwrap().0, 200);

    let mut elsewhere = env.open("5", &env.recipient, WAITING_PERIOD).await;
    elsewhere.channel = payer.channel;
    let signer = payer.secret.seed_hex();
    let on_another_network = paychan_tests::watcher::Payer {
        secret: paychan_channel::CommitmentSecret::from_seed_hex(&signer).unwrap(),
        network: paychan_channel::NetworkId::of("Test SDF Network ; September 2015"),
        channel: payer.channel,
    };
    let of_another_channel = paychan_tests::watcher::Payer {
        secret: paychan_channel::CommitmentSecret::from_seed_hex(&signer).unwrap(),
        network: payer.network,
        channel: other.channel,
    };
    let short = &good[..126];
    let above_i128 = "170141183460469231731687303715884105728";
    let cases = [
        ("-1", good.as_str(), 400, "malformed"),
        ("0", &good, 400, "malformed"),
        ("600000.5", &good, 400, "malformed"),
        (above_i128, &good, 400, "malformed"),
        ("600000", short, 400, "malformed"),
        ("600000", &elsewhere.sign(600_000), 422, "bad_signature"),
        ("600000", &on_another_network.sign(600_000), 422, "bad_signature"),
        ("600000", &of_another_channel.sign(600_000), 422, "bad_signature"),
        ("600000", &good, 422, "bad_signature"),
        ("50000001", &payer.sign(50_000_001), 422, "exceeds_coverage"),
        ("499999", &payer.sign(499_999), 409, "not_higher"),
        ("500000", &good, 409, "already_held"),
    ];
    for (number, (amount, signature, status, kind)) in cases.into_iter().enumerate() {
        let (got, body) = watcher.offer(&payer.channel, amount, signature, &format!("bad-{number}")).await.unwrap();
        assert_eq!((got, text(&body, "kind")), (status, kind), "{amount} {signature}: {body}");
        assert!(!text(&body, "detail").is_empty());
    }
    for body in [
        "{",
        r#"{"amount":"1","signature":"00","request_id":"a","tip":"1"}"#,
        r#"{"amount":1,"signature":"00","request_id":"a"}"#,
        "[]",
    ] {
        let (status, answer) = watcher.post(&format!("/v1/channels/{}/commitments", payer.channel), body).await;
        assert_eq!((status, text(&answer, "kind")), (400, "malformed"), "{body}: {answer}");
    }
    let (status, _) = watcher.offer(&other.channel, "1", &other.sign(1), "unknown").await.unwrap();
    assert_eq!(status, 404, "a channel that was not admitted");

    let (_, report) = watcher.channel(&payer.channel).await;
    assert_eq!((text(&report, "highest"), &report["accepted"]), ("500000", &serde_json::json!(1)));
    let (status, body) = watcher.offer(&payer.channel, "500000", &good, "good").await.unwrap();
    assert_eq!((status, text(&body, "highest")), (200, "500000"), "the same request gets the same answer");
}

#[tokio::test]
async fn a_top_up_is_seen_when_more_is_offered_than_was_covered() {
    let env = TestEnv::new(NetworkOptions::default()).await;
    let payer = env.open("1", &env.recipient, WAITING_PERIOD).await;
    let mut watcher = env.watcher();
    watcher.start().await;
    assert_eq!(watcher.admit(&payer.channel).await.0, 201);
    let (status, body) = watcher.offer(&payer.channel, "10000001", &payer.sign(10_000_001), "too-much").await.unwrap();
    assert_eq!((status, text(&body, "kind")), (422, "exceeds_coverage"));

    env.top_up(&payer.channel, "2").await;
    watcher
        .wait_until("the top-up seen", async |watcher| {
            let offered = watcher.offer(&payer.channel, "10000001", &payer.sign(10_000_001), "now-covered").await;
            offered.is_ok_and(|(status, _)| status == 200)
        })
        .await;
}
