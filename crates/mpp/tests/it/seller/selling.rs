//! Tests of what is sold, and of what is charged.

use paychan_mpp::wire::{ChannelRequest, Timestamp};

use crate::env::{CHANNEL, TestEnv, request};

#[tokio::test]
async fn a_request_is_challenged_paid_and_answered_with_a_receipt() {
    let env = TestEnv::new();
    let asked = env.get("/time", &[("payment-session", &CHANNEL.to_string())]).await;
    asked.is(402, "payment-required");
    assert_eq!(asked.headers["cache-control"], "no-store");
    let challenge = asked.challenge();
    let wanted = ChannelRequest::decode(&challenge.terms.request).unwrap();
    assert_eq!((wanted.amount.get(), wanted.channel, wanted.network()), (10, CHANNEL, "stellar:testnet"));
    assert_eq!(wanted.method_details.cumulative_amount.unwrap().get(), 0);
    assert!(challenge.expires().unwrap() > Timestamp::now());

    let answer = env.get("/time", &[("authorization", &env.voucher(&challenge, 10))]).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "answer 1"));
    assert_eq!(answer.headers["cache-control"], "private");
    let receipt = answer.receipt();
    assert_eq!(receipt.reference, wanted.method_details.reference.unwrap());
    assert_eq!(receipt.accepted_cumulative.unwrap().get(), 10);
    assert_eq!((receipt.charged.unwrap().get(), receipt.spent.unwrap().get()), (10, 10));
    assert_eq!((receipt.channel, receipt.challenge_id), (Some(CHANNEL), Some(challenge.id)));
    assert_eq!(env.watcher.totals(&CHANNEL), (10, 10));
}

#[tokio::test]
async fn an_unexpired_challenge_is_used_again_with_higher_vouchers_in_any_order() {
    let env = TestEnv::new();
    env.buy("/time", 10).await;
    let challenge = env.challenge("/time").await;
    // Vouchers that are under way at the same time arrive in any order. Each buys once.
    for (amount, status) in [(30, 200), (20, 200), (40, 200), (50, 200)] {
        let answer = env.get("/time", &[("authorization", &env.voucher(&challenge, amount))]).await;
        assert_eq!(answer.status.as_u16(), status, "{amount}: {}", answer.body);
    }
    assert_eq!((env.watcher.totals(&CHANNEL), env.sold()), ((50, 50), 5));
}

#[tokio::test]
async fn an_overpayment_is_credit_for_later_requests() {
    let env = TestEnv::new();
    env.buy("/time", 100).await;
    assert_eq!(env.watcher.totals(&CHANNEL), (100, 10));
    let challenge = env.challenge("/time").await;
    let wanted = ChannelRequest::decode(&challenge.terms.request).unwrap();
    let total = wanted.method_details.cumulative_amount.unwrap().get() + wanted.amount.get();
    assert_eq!(total, 101, "each purchase is signed for; with credit left, the total rises by one base unit");
    let answer = env.get("/time", &[("authorization", &env.voucher(&challenge, 101))]).await;
    assert_eq!(answer.receipt().spent.unwrap().get(), 20);
}

#[tokio::test]
async fn a_charge_that_was_too_high_is_given_back() {
    let env = TestEnv::new();
    let answer = env.buy("/most", 100).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!((answer.receipt().charged.unwrap().get(), answer.receipt().spent.unwrap().get()), (30, 30));
    assert_eq!(env.watcher.totals(&CHANNEL), (100, 30));
}

#[tokio::test]
async fn a_handler_that_fails_costs_nothing_and_gets_no_receipt() {
    let env = TestEnv::new();
    let answer = env.buy("/fails", 10).await;
    assert_eq!(answer.status, 502);
    assert!(!answer.headers.contains_key("payment-receipt"));
    assert_eq!(env.watcher.totals(&CHANNEL), (10, 0));
    env.buy("/time", 11).await.receipt();
    assert_eq!(env.watcher.totals(&CHANNEL), (11, 10));
}

#[tokio::test]
async fn a_price_may_depend_on_the_request() {
    let env = TestEnv::new();
    assert_eq!(env.get("/query?free", &[]).await.body, "answer 1");
    let cheap = env.challenge("/query").await;
    let dear = env.get("/query?dear", &[("authorization", &env.voucher(&cheap, 1_000))]).await;
    assert!(dear.is(402, "invalid-challenge").detail.contains("costs 1000"));
    assert_eq!((env.watcher.totals(&CHANNEL), env.sold()), ((0, 0), 1), "nothing was taken");
    let challenge = dear.challenge();
    env.get("/query?dear", &[("authorization", &env.voucher(&challenge, 1_000))]).await.receipt();
}

#[tokio::test]
async fn a_challenge_is_good_for_its_route_with_any_parameter() {
    let env = TestEnv::new();
    let challenge = env.challenge("/items/1").await;
    let answer = env.get("/items/2", &[("authorization", &env.voucher(&challenge, 10))]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test]
async fn a_path_may_have_a_channel_of_its_own() {
    let mut options = crate::env::options();
    options.fixed_channels.add("/ti", CHANNEL);
    let env = TestEnv::with(options);
    let challenge = env.get("/time", &[]).await.challenge();
    env.get("/time", &[("authorization", &env.voucher(&challenge, 10))]).await.receipt();
    env.get("/other", &[]).await.is(402, "session/channel-required");
}

#[tokio::test]
async fn a_head_request_gets_the_same_answer_without_a_body() {
    let env = TestEnv::new();
    let answer = env.send(request("HEAD", "/time", &[("payment-session", &CHANNEL.to_string())])).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (402, ""));
    answer.challenge();
}

#[tokio::test]
async fn a_handler_that_panics_costs_nothing_too_and_may_be_paid_for_again() {
    let env = TestEnv::new();
    let challenge = env.challenge("/panics").await;
    for total in [10, 11] {
        let header = env.voucher(&challenge, total);
        env.get("/panics", &[("authorization", &header)]).await.is(500, "internal-payment-error");
        let refused = env.until_decided("GET", "/panics", &[("authorization", &header)]).await;
        refused.is(402, "session/delta-too-small");
        assert_eq!(env.watcher.totals(&CHANNEL), (i128::from(total), 0));
    }
}
