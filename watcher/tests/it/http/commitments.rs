//! Tests of `POST /v1/channels/{C}/commitments`: what is taken, what is refused with which kind, and that a refusal
//! changes nothing.

use paychan_channel::{Amount, CommitmentSecret, ContractId, NetworkId};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{CHANNEL, DEPOSIT, TestEnv, secret, signature, signed};
use paychan_sim::network::SimChain;

#[tokio::test]
async fn a_commitment_is_acknowledged_with_highest_unsettled_and_coverage() {
    let env = TestEnv::with_channel().await;
    let expected = json!({
        "previous": "0", "highest": "15000000", "spent": "0", "unsettled": "15000000", "coverage": DEPOSIT.to_string(),
        "replayed": false,
    });
    assert_eq!(env.pay(15_000_000, "one").await.ok(200), &expected);
    assert_eq!(env.held().highest_amount().get(), 15_000_000);
}

#[tokio::test]
async fn the_same_request_id_gets_the_same_answer_and_the_same_amount_under_another_id_buys_nothing() {
    let env = TestEnv::with_channel().await;
    let mut first = env.pay(100, "one").await.ok(200).clone();
    first["replayed"] = json!(true);
    assert_eq!(env.pay(100, "one").await.ok(200), &first);
    assert_eq!(env.pay(100, "two").await.is(409, "already_held").body["highest"], "100");
    env.pay(250, "three").await.ok(200);
    let again = env.pay(100, "one").await;
    assert_eq!(again.ok(200)["highest"], "100", "the answer is the earlier one, although more came since");
    env.pay(300, "one").await.is(409, "request_id_reused");
    assert_eq!(env.held().highest_amount().get(), 250);
}

#[tokio::test]
async fn the_highest_commitment_can_be_read_with_its_signature() {
    let env = TestEnv::with_channel().await;
    let path = format!("/v1/channels/{CHANNEL}/commitments/highest");
    env.get(&path).await.is(404, "no_commitment");
    env.pay(100, "one").await.ok(200);
    env.pay(250, "two").await.ok(200);
    let signature = signed(250, "two")["signature"].clone();
    assert_eq!(env.get(&path).await.ok(200), &json!({ "amount": "250", "signature": signature }));
    let other = ContractId([2; 32]);
    env.get(&format!("/v1/channels/{other}/commitments/highest")).await.is(404, "unknown_channel");
}

#[tokio::test]
async fn a_lower_commitment_is_refused_with_the_highest() {
    let env = TestEnv::with_channel().await;
    env.pay(250, "one").await.ok(200);
    let refused = env.pay(249, "two").await;
    assert_eq!(refused.is(409, "not_higher").says("cumulative total").body["highest"], "250");
    assert_eq!(env.held().highest_amount().get(), 250);
}

/// Each of these is refused before the channel is looked up.
#[tokio::test]
async fn bodies_that_are_not_a_commitment_are_malformed_and_change_nothing() {
    let env = TestEnv::with_channel().await;
    env.pay(100, "one").await.ok(200);
    let before = env.held();
    let with = |name: &str, value: Value| {
        let mut body = signed(200, "two");
        body[name] = value;
        body
    };
    let good = signed(200, "two")["signature"].as_str().unwrap().to_owned();
    let cases = [
        (with("amount", json!("-200")), "negative"),
        (with("amount", json!("0")), "above 0"),
        (with("amount", json!("170141183460469231731687303715884105728")), "too large"),
        (with("amount", json!("200.5")), "fraction"),
        (with("amount", json!("")), "empty"),
        (with("amount", json!("2e2")), "not a number"),
        (with("amount", json!("+200")), "not a number"),
        (with("amount", json!(" 200")), "not a number"),
        (with("amount", json!(200)), "amount: invalid type: integer `200`"),
        (with("signature", json!(good[..126])), "expected 128 hexadecimal digits (64 bytes), got 126"),
        (with("signature", json!(format!("{good}00"))), "got 130"),
        (with("signature", json!(format!("{}zz", &good[..126]))), "is not one"),
        (with("request_id", json!("")), "empty"),
        (with("request_id", json!("x".repeat(65))), "65 bytes"),
        (with("request_id", json!("a\nb")), "printable"),
        (with("request_id", json!("caf\u{e9}")), "printable"),
        (with("price", json!("1")), "unknown field `price`"),
        (json!({ "amount": "200", "signature": good }), "missing field `request_id`"),
        (json!([1, 2]), "expected"),
        (json!("text"), "expected"),
    ];
    for (body, part) in cases {
        env.offer(&body).await.is(400, "malformed").says(part);
    }
    assert_eq!(env.held(), before, "nothing was written");
}

#[tokio::test]
async fn a_body_of_another_form_is_malformed() {
    let env = TestEnv::with_channel().await;
    let path = format!("/v1/channels/{CHANNEL}/commitments");
    for body in ["", "{", "{\"amount\": \"1\",}", "amount=1", "\u{0}", "{\"amount\":\"1\",\"amount\":\"2\"}"] {
        env.call(axum::http::Method::POST, &path, body).await.is(400, "malformed");
    }
    let bytes: &'static [u8] = &[0xff, 0xfe, 0x7b];
    env.call(axum::http::Method::POST, &path, bytes).await.is(400, "malformed");
    assert_eq!(env.held().accepted, 0);
}

#[tokio::test]
async fn a_signature_of_another_key_channel_network_or_amount_is_a_bad_signature() {
    let env = TestEnv::with_channel().await;
    let other_key = CommitmentSecret::generate().unwrap();
    let network = SimChain::network_id();
    let public = NetworkId::of("Public Global Stellar Network ; September 2015");
    let wrong = [
        ("key", signature(network, CHANNEL, 500, &other_key)),
        ("channel", signature(network, ContractId([2; 32]), 500, &secret())),
        ("network", signature(public, CHANNEL, 500, &secret())),
        ("amount", signature(network, CHANNEL, 499, &secret())),
        ("zeros", "00".repeat(64)),
    ];
    for (what, signature) in wrong {
        let answer = env.offer(&json!({ "amount": "500", "signature": signature, "request_id": what })).await;
        answer.is(422, "bad_signature").says("commitment key over the network, this channel and exactly this amount");
    }
    assert_eq!(env.held().accepted, 0, "nothing was written");
    env.pay(500, "right").await.ok(200);
}

#[tokio::test]
async fn an_amount_above_the_coverage_is_refused_with_the_coverage() {
    let env = TestEnv::with_channel().await;
    let refused = env.pay(DEPOSIT + 1, "one").await;
    assert_eq!(refused.is(422, "exceeds_coverage").says("top it up").body["coverage"], DEPOSIT.to_string());
    assert_eq!(env.held().accepted, 0);
    env.pay(DEPOSIT, "two").await.ok(200);
}

#[tokio::test]
async fn a_top_up_is_seen_when_an_amount_above_the_known_coverage_comes_and_asked_for_once_a_ledger() {
    let mut env = TestEnv::with_channel().await;
    env.pay(DEPOSIT + 1, "one").await.is(422, "exceeds_coverage");
    env.chain.network().channels.get_mut(&CHANNEL).unwrap().balance = Amount::new(DEPOSIT + 100).unwrap();
    env.chain.close(1);
    env.pay(DEPOSIT + 1, "two").await.is(422, "exceeds_coverage").says("top it up");
    env.follower.tick().await.unwrap();
    let taken = env.pay(DEPOSIT + 1, "three").await;
    assert_eq!(taken.ok(200)["coverage"], (DEPOSIT + 100).to_string());
}

#[tokio::test]
async fn a_closing_channel_is_gone_with_its_deadline_as_soon_as_the_close_is_seen() {
    let mut env = TestEnv::with_channel().await;
    env.pay(100, "one").await.ok(200);
    let deadline = env.chain.network().close_start(CHANNEL);
    env.next_ledger().await;
    let refused = env.pay(200, "two").await;
    assert_eq!(refused.is(410, "closing").body["deadline"], deadline.get());
    assert_eq!(env.pay(100, "one").await.ok(200)["highest"], "100", "an earlier answer is repeated");
    assert_eq!(env.held().highest_amount().get(), 100);
}

#[tokio::test]
async fn a_fenced_channel_is_gone() {
    let env = TestEnv::with_channel().await;
    env.pay(100, "one").await.ok(200);
    env.store.fence(CHANNEL).await.unwrap();
    assert_eq!(env.pay(200, "two").await.is(410, "closing").body["highest"], "100");
    assert_eq!(env.held().highest_amount().get(), 100);
}

#[tokio::test]
async fn a_final_channel_is_gone() {
    let mut env = TestEnv::with_channel().await;
    {
        let mut network = env.chain.network();
        let state = network.channels.get_mut(&CHANNEL).unwrap();
        (state.refunded, state.balance) = (true, Amount::ZERO);
    }
    env.chain.close(200);
    env.follower.tick().await.unwrap();
    env.pay(200, "one").await.is(410, "final");
    assert_eq!(env.held().accepted, 0);
}

#[tokio::test]
async fn a_channel_that_is_not_admitted_is_unknown() {
    let env = TestEnv::new().await;
    env.pay(200, "one").await.is(404, "unknown_channel").says("admit it first");
}

#[tokio::test]
async fn a_chain_that_cannot_be_seen_takes_no_money() {
    let env = TestEnv::with_channel().await;
    env.chain.network().faults.down = true;
    env.chain.clock().advance(std::time::Duration::from_secs(61));
    env.pay(200, "one").await.is(503, "not_fresh").says("61 s");
    assert_eq!(env.held().accepted, 0);
}

#[tokio::test]
async fn a_node_that_answers_from_the_past_takes_no_money_however_often_it_answers() {
    let mut env = TestEnv::with_channel().await;
    let now = env.chain.network().ledger();
    env.chain.network().faults.frozen_at = Some(now);
    for _ in 0..13 {
        env.chain.close(1);
        env.follower.tick().await.unwrap();
    }
    env.pay(200, "one").await.is(503, "not_fresh");
    assert_eq!(env.held().accepted, 0);
}

#[tokio::test]
async fn a_fee_account_that_cannot_pay_for_the_settlement_takes_no_money() {
    let mut env = TestEnv::with_channel().await;
    env.chain.network().lane_balance = 10_199_999;
    env.next_ledger().await;
    env.pay(200, "dust").await.ok(200);
    env.pay(100_000_000, "one").await.is(503, "fees_low").says("send at least 1 stroops");
    assert_eq!(env.held().accepted, 1);
    env.chain.network().lane_balance = 10_200_000;
    env.next_ledger().await;
    env.pay(100_000_000, "one").await.ok(200);
    env.pay(100_000_100, "two").await.ok(200);
}

#[tokio::test]
async fn a_promise_counts_at_once_against_the_fees_of_the_next_channels_first() {
    let mut env = TestEnv::with_channel().await;
    let other = ContractId([2; 32]);
    let twin = paychan_channel::ChannelState { channel: other, ..super::good_channel() };
    env.chain.network().open(twin);
    // One settlement may cost up to 10,200,000 stroops.
    env.chain.network().lane_balance = 10_200_000;
    env.next_ledger().await;
    env.admit(other).await.ok(201);
    env.pay(100_000_000, "one").await.ok(200);
    let body = json!({
        "amount": "100000000",
        "signature": signature(SimChain::network_id(), other, 100_000_000, &secret()),
        "request_id": "one",
    });
    let path = format!("/v1/channels/{other}/commitments");
    env.post(&path, &body).await.is(503, "fees_low").says("2 promised settlements");
    env.chain.network().lane_balance = 20_400_000;
    env.next_ledger().await;
    env.post(&path, &body).await.ok(200);
}

#[tokio::test]
async fn a_stopping_watcher_takes_no_money() {
    let env = TestEnv::with_channel().await;
    env.view.stop();
    env.pay(200, "one").await.is(503, "stopping");
    assert_eq!(env.held().accepted, 0);
}

#[tokio::test]
async fn an_amount_that_somebody_else_settled_is_not_promised_again() {
    let mut env = TestEnv::with_channel().await;
    {
        let mut network = env.chain.network();
        let state = network.channels.get_mut(&CHANNEL).unwrap();
        (state.withdrawn, state.balance) = (Amount::new(500).unwrap(), Amount::new(DEPOSIT - 500).unwrap());
    }
    env.chain.close(200);
    env.follower.tick().await.unwrap();
    assert_eq!(env.pay(500, "one").await.is(409, "not_higher").body["highest"], "500");
    let taken = env.pay(501, "two").await;
    assert_eq!((&taken.ok(200)["highest"], &taken.body["unsettled"]), (&json!("501"), &json!("1")));
    assert_eq!(taken.body["coverage"], DEPOSIT.to_string());
}

#[tokio::test]
async fn many_commitments_at_once_each_get_their_own_answer() {
    let env = std::sync::Arc::new(TestEnv::with_channel().await);
    let mut offers = tokio::task::JoinSet::new();
    for amount in 1..=200i128 {
        let env = env.clone();
        offers.spawn(async move { (amount, env.pay(amount, &format!("n{amount}")).await) });
    }
    let mut taken = Vec::new();
    while let Some(offer) = offers.join_next().await {
        let (amount, answer) = offer.unwrap();
        match answer.status.as_u16() {
            200 => taken.push(amount),
            _ => {
                answer.is(409, "not_higher");
            }
        }
    }
    assert_eq!(taken.iter().max(), Some(&200));
    let held = env.held();
    assert_eq!(held.highest_amount().get(), 200);
    assert_eq!(held.accepted, u64::try_from(taken.len()).unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]
    #[test]
    fn the_api_refuses_arbitrary_bytes(
        bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..40)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let env = TestEnv::with_channel().await;
            for body in bodies {
                let path = format!("/v1/channels/{CHANNEL}/commitments");
                env.call(axum::http::Method::POST, &path, body).await.is(400, "malformed");
            }
            assert_eq!(env.held().accepted, 0);
        });
    }
}
