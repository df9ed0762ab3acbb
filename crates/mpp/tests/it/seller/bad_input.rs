//! Tests with bad input: each case has its status, its problem and its advice, and nothing is taken.

use paychan_channel::{Amount, CommitmentSecret, ContractId};
use paychan_mpp::seller::SellerOptions;
use paychan_mpp::wire::{
    Action, Challenge, ChallengeSecrets, ChannelRequest, Credential, NetworkName, base64url, from_base64url,
};
use paychan_watcher_api::ChannelStatus;

use crate::env::{CHANNEL, REALM, SECRET, TestEnv, challenge_secret, options, request};

/// The header of a credential whose challenge was changed and signed again with the server's own secret.
fn reissued(env: &TestEnv, challenge: &Challenge, change: impl Fn(&mut ChannelRequest), realm: &str) -> String {
    let mut terms = challenge.terms.clone();
    let mut request = ChannelRequest::decode(&terms.request).unwrap();
    change(&mut request);
    terms.request = request.encode().unwrap();
    terms.realm = realm.to_owned();
    env.voucher(&terms.issue(&challenge_secret(SECRET)).unwrap(), 20)
}

fn with_payload(challenge: &Challenge, payload: &str) -> String {
    let env = TestEnv::new();
    let header = env.voucher(challenge, 10);
    let json = from_base64url(header.strip_prefix("Payment ").unwrap()).unwrap();
    let mut json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    json["payload"] = serde_json::from_str(payload).unwrap();
    format!("Payment {}", base64url(json.to_string().as_bytes()))
}

#[tokio::test]
async fn bad_credentials_are_refused_and_take_nothing() {
    let env = TestEnv::new();
    env.buy("/time", 10).await.receipt();
    let challenge = env.challenge("/time").await;
    let good = env.voucher(&challenge, 20);
    let altered = |change: &dyn Fn(&mut Challenge)| {
        let mut altered = challenge.clone();
        change(&mut altered);
        env.voucher(&altered, 20)
    };
    let foreign = {
        let terms = challenge.terms.clone();
        env.voucher(&terms.issue(&challenge_secret("somebody else's secret, 32 bytes long")).unwrap(), 20)
    };
    let other_key = CommitmentSecret::generate().unwrap();
    let forged = {
        let mut payload = env.signed(Action::Voucher, 20);
        let commitment =
            paychan_channel::Commitment { network: env.network.id(), channel: CHANNEL, amount: payload.amount };
        payload.signature = commitment.sign(&other_key);
        Credential::new(challenge.clone(), &payload).unwrap().to_header().unwrap()
    };
    let sig = "00".repeat(64);
    let cases: Vec<(&str, String, u16, &str)> = vec![
        ("another scheme", "Bearer abc".to_owned(), 402, "payment-required"),
        ("another scheme that looks like ours", "Paymental abc".to_owned(), 402, "payment-required"),
        ("no token", "Payment ".to_owned(), 402, "malformed-credential"),
        ("no token and no space", "Payment".to_owned(), 402, "malformed-credential"),
        ("not base64", "Payment !!!".to_owned(), 402, "malformed-credential"),
        ("not JSON", "Payment e29vcHN9".to_owned(), 402, "malformed-credential"),
        ("no challenge", format!("Payment {}", base64url(b"{\"payload\":{}}")), 402, "malformed-credential"),
        (
            "nested too deeply",
            format!("Payment {}", base64url("[".repeat(5_000).as_bytes())),
            402,
            "malformed-credential",
        ),
        ("too long", format!("Payment {}", "A".repeat(70_000)), 402, "malformed-credential"),
        ("another server's challenge", foreign, 402, "invalid-challenge"),
        (
            "an altered price",
            altered(&|c| c.terms.request = base64url(b"{\"amount\":\"1\"}")),
            402,
            "invalid-challenge",
        ),
        (
            "an altered expiry",
            altered(&|c| c.terms.expires = Some("2099-01-01T00:00:00Z".to_owned())),
            402,
            "invalid-challenge",
        ),
        ("an altered id", altered(&|c| c.id.push('x')), 402, "invalid-challenge"),
        ("another realm", reissued(&env, &challenge, |_| {}, "other.example.com"), 402, "invalid-challenge"),
        (
            "a cheaper price",
            reissued(&env, &challenge, |r| r.amount = Amount::from(9), REALM),
            402,
            "invalid-challenge",
        ),
        (
            "another channel",
            reissued(&env, &challenge, |r| r.channel = ContractId([8; 32]), REALM),
            402,
            "invalid-challenge",
        ),
        (
            "another network",
            reissued(&env, &challenge, |r| r.method_details.network = Some("stellar:pubnet".to_owned()), REALM),
            402,
            "invalid-challenge",
        ),
        (
            "an unknown action",
            with_payload(&challenge, &format!(r#"{{"action":"open","amount":"20","signature":"{sig}"}}"#)),
            402,
            "invalid-payload",
        ),
        (
            "an amount that is a number",
            with_payload(&challenge, &format!(r#"{{"action":"voucher","amount":20,"signature":"{sig}"}}"#)),
            402,
            "invalid-payload",
        ),
        (
            "a negative amount",
            with_payload(&challenge, &format!(r#"{{"action":"voucher","amount":"-20","signature":"{sig}"}}"#)),
            402,
            "invalid-payload",
        ),
        (
            "an amount of zero",
            with_payload(&challenge, &format!(r#"{{"action":"voucher","amount":"0","signature":"{sig}"}}"#)),
            402,
            "invalid-payload",
        ),
        (
            "an amount above i128",
            with_payload(
                &challenge,
                &format!(r#"{{"action":"voucher","amount":"{}","signature":"{sig}"}}"#, "9".repeat(40)),
            ),
            402,
            "invalid-payload",
        ),
        (
            "a short signature",
            with_payload(&challenge, r#"{"action":"voucher","amount":"20","signature":"00"}"#),
            402,
            "invalid-payload",
        ),
        ("no payload to speak of", with_payload(&challenge, "[]"), 402, "invalid-payload"),
        (
            "a signature of nobody",
            with_payload(&challenge, &format!(r#"{{"action":"voucher","amount":"20","signature":"{sig}"}}"#)),
            402,
            "session/invalid-signature",
        ),
        ("another key's signature", forged, 402, "session/invalid-signature"),
        ("a voucher that is too low", env.voucher(&challenge, 19), 402, "payment-insufficient"),
        ("a voucher that was used", env.voucher(&challenge, 10), 402, "session/delta-too-small"),
        ("a voucher above the deposit", env.voucher(&challenge, 100_001), 402, "session/amount-exceeds-deposit"),
    ];
    let session = CHANNEL.to_string();
    for (name, header, status, problem) in cases {
        let answer = env.get("/time", &[("authorization", &header), ("payment-session", &session)]).await;
        assert_eq!(answer.status.as_u16(), status, "{name}: {}", answer.body);
        let told = answer.is(status, problem);
        // Each refusal says what to pay, and the total is the same as before.
        let wanted = ChannelRequest::decode(&answer.challenge().terms.request).unwrap();
        let total = wanted.method_details.cumulative_amount.unwrap().get() + wanted.amount.get();
        assert_eq!(total, 20, "{name}");
        assert_eq!(told.challenge_id, Some(answer.challenge().id), "{name}");
        assert_eq!((env.watcher.totals(&CHANNEL), env.sold()), ((10, 10), 1), "{name}");
    }
    let two = request("GET", "/time", &[("authorization", &good), ("authorization", &good)]);
    env.send(two).await.is(400, "bad-request");
    env.get("/time", &[("authorization", &format!("{good}, {good}"))]).await.is(400, "bad-request");
    let elsewhere = env.get("/other", &[("authorization", &good), ("payment-session", &session)]).await;
    elsewhere.is(402, "invalid-challenge");
    // After all of these, the good credential is still valid.
    env.get("/time", &[("authorization", &good)]).await.receipt();
    assert_eq!(env.watcher.totals(&CHANNEL), (20, 20));
}

#[tokio::test]
async fn a_request_without_a_channel_is_answered_with_all_that_is_needed_to_open_one() {
    use paychan_channel::{AccountId, Address, WasmHash};
    use paychan_mpp::problem::{AcceptedToken, OpeningTerms};
    let mut with_terms = options();
    with_terms.opening_terms = Some(OpeningTerms {
        recipient: Address::Account(AccountId([1; 32])),
        tokens: vec![AcceptedToken { contract: ContractId([2; 32]), minimum_deposit: Amount::from(5) }],
        trusted_code: vec![WasmHash([3; 32])],
        minimum_waiting_period: 17_280,
    });
    let env = TestEnv::with(with_terms);
    let problem = env.get("/time", &[]).await.is(402, "session/channel-required");
    assert_eq!(problem.details["network"], "stellar:testnet");
    assert!(problem.details["recipient"].as_str().unwrap().starts_with('G'));
    assert_eq!(problem.details["tokens"][0]["minimumDeposit"], "5");
    assert_eq!(problem.details["trustedCode"][0], "03".repeat(32));
    assert_eq!(problem.details["minimumWaitingPeriod"], 17_280);
    for session in ["C", "", "CAAA", &"x".repeat(500)] {
        env.get("/time", &[("payment-session", session)]).await.is(400, "bad-request");
    }
}

#[tokio::test]
async fn unknown_closing_and_ended_channels_get_different_problems() {
    let env = TestEnv::new();
    let challenge = env.challenge("/time").await;
    let nobody = ContractId([9; 32]).to_string();
    let unknown = env.get("/time", &[("payment-session", &nobody)]).await.challenge();
    let answer = env.get("/time", &[("authorization", &env.voucher(&unknown, 10))]).await;
    answer.is(410, "session/channel-not-found");
    let header = env.voucher(&challenge, 10);
    for (status, problem) in
        [(ChannelStatus::Closing, "session/channel-closing"), (ChannelStatus::Final, "session/channel-finalized")]
    {
        env.watcher.state().channels.get_mut(&CHANNEL).unwrap().status = status;
        env.get("/time", &[("authorization", &header)]).await.is(410, problem);
        env.get("/time", &[("payment-session", &CHANNEL.to_string())]).await.is(410, problem);
    }
    assert_eq!((env.watcher.totals(&CHANNEL), env.sold()), ((0, 0), 0));
}

#[test]
fn a_realm_that_binds_nothing_is_refused() {
    for realm in ["", "a|b", "a\nb"] {
        let secrets = ChallengeSecrets::new(challenge_secret(SECRET));
        let options = SellerOptions::new(realm, NetworkName::testnet(), secrets);
        let watcher = crate::fake_watcher::FakeWatcher::new(NetworkName::testnet().id());
        assert!(paychan_mpp::seller::Seller::new(watcher, options).is_err(), "{realm:?}");
    }
}

#[tokio::test]
async fn a_challenge_of_another_method_or_intent_or_without_an_expiry_is_refused() {
    let env = TestEnv::new();
    let challenge = env.challenge("/time").await;
    let session = CHANNEL.to_string();
    type Change = fn(&mut paychan_mpp::wire::ChallengeTerms);
    let changes: [(&str, Change); 3] = [
        ("another method", |terms| terms.method = "tempo".to_owned()),
        ("another intent", |terms| terms.intent = "charge".to_owned()),
        ("no expiry", |terms| terms.expires = None),
    ];
    for (name, change) in changes {
        let mut terms = challenge.terms.clone();
        change(&mut terms);
        let header = env.voucher(&terms.issue(&challenge_secret(SECRET)).unwrap(), 10);
        let refused = env.get("/time", &[("authorization", &header), ("payment-session", &session)]).await;
        assert_eq!(refused.status, 402, "{name}");
        refused.is(402, "invalid-challenge");
    }
    let mut terms = challenge.terms.clone();
    terms.expires = Some("soon".to_owned());
    let header = env.voucher(&terms.issue(&challenge_secret(SECRET)).unwrap(), 10);
    env.get("/time", &[("authorization", &header)]).await.is(402, "malformed-credential");
    assert_eq!((env.watcher.state().charge_calls, env.sold()), (0, 0));
}

#[tokio::test]
async fn a_malformed_header_of_any_kind_is_refused_and_takes_nothing() {
    let env = TestEnv::new();
    let good = env.voucher(&env.challenge("/time").await, 10);
    let long = "k".repeat(256);
    for key in ["", &long] {
        let refused = env.get("/time", &[("authorization", &good), ("idempotency-key", key)]).await;
        assert!(refused.is(400, "bad-request").detail.contains("Idempotency-Key"), "{}", refused.body);
    }
    // The credential may come in either header. A malformed one is refused in both.
    env.get("/time", &[("payment-authorization", "Payment %%")]).await.is(402, "malformed-credential");
    let mut latin = request("GET", "/time", &[]);
    let value = http::HeaderValue::from_bytes(b"Payment \xff\xfe").unwrap();
    latin.headers_mut().insert("authorization", value);
    env.send(latin).await.is(402, "malformed-credential");
    let mut session = request("GET", "/time", &[("authorization", &good)]);
    session.headers_mut().insert("payment-session", http::HeaderValue::from_bytes(b"\xff").unwrap());
    env.send(session).await.is(400, "bad-request");
    assert_eq!((env.watcher.state().charge_calls, env.sold()), (0, 0));
    let elsewhere = [("authorization", "Bearer of the application"), ("payment-authorization", good.as_str())];
    env.get("/time", &elsewhere).await.receipt();
}
