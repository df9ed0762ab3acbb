//! Tests of a payer who ends the channel.

use paychan_channel::{Amount, CommitmentSecret};
use paychan_mpp::problem::{HIGHEST, HIGHEST_SIGNATURE};
use paychan_mpp::wire::Action;
use serde_json::Value;

use crate::env::{CHANNEL, TestEnv};

#[tokio::test]
async fn a_close_with_less_than_was_paid_and_at_least_what_was_spent_is_agreed_to() {
    let env = TestEnv::new();
    env.buy("/time", 100).await.receipt();
    let challenge = env.challenge("/time").await;
    let session = CHANNEL.to_string();
    let close = |amount| env.credential(&challenge, Action::Close, amount);
    let too_low = env.get("/time", &[("authorization", &close(9)), ("payment-session", &session)]).await;
    assert_eq!(too_low.is(402, "session/close-too-low").details["needed"], "10");
    let closed = env.get("/time", &[("authorization", &close(10))]).await;
    assert_eq!(closed.status, 200, "{}", closed.body);
    assert_eq!(closed.receipt().reference, "ab".repeat(32), "the receipt carries the transaction");
    assert_eq!(env.watcher.state().channels[&CHANNEL].closed_with, Some(Amount::from(10)));
    let after = env.get("/time", &[("authorization", &env.voucher(&challenge, 110))]).await;
    after.is(410, "session/channel-closing");
    env.get("/time", &[("payment-session", &session)]).await.is(410, "session/channel-closing");
    assert_eq!(env.sold(), 1);
}

#[tokio::test]
async fn a_close_above_everything_paid_is_taken_as_a_prepayment_first() {
    let env = TestEnv::new();
    env.buy("/time", 10).await.receipt();
    let challenge = env.challenge("/time").await;
    let closed = env.get("/time", &[("authorization", &env.credential(&challenge, Action::Close, 20))]).await;
    assert_eq!(closed.status, 200, "{}", closed.body);
    assert_eq!(env.watcher.state().channels[&CHANNEL].closed_with, Some(Amount::from(20)));
}

#[tokio::test]
async fn a_close_that_is_too_low_gets_the_payers_highest_commitment_back() {
    let env = TestEnv::new();
    env.buy("/time", 10).await.receipt();
    env.buy("/time", 20).await.receipt();
    let challenge = env.challenge("/time").await;
    let close = |env: &TestEnv, amount| env.credential(&challenge, Action::Close, amount);
    let low = env.get("/time", &[("authorization", &close(&env, 1))]).await;
    let details = low.is(402, "session/close-too-low").details;
    let expected = env.signed(Action::Voucher, 20).signature.to_string();
    assert_eq!((&details[HIGHEST], &details[HIGHEST_SIGNATURE]), (&Value::from("20"), &Value::from(expected)));
    assert_eq!(details["needed"], "20", "it also says what a close needs");

    let thief = TestEnv { key: CommitmentSecret::generate().unwrap(), ..env };
    let forged = thief.get("/time", &[("authorization", &close(&thief, 1))]).await;
    assert_eq!(forged.is(402, "session/invalid-signature").details.get(HIGHEST_SIGNATURE), None);
}
