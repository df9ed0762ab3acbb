//! Tests of repeated requests with the same credential.

use paychan_channel::Amount;
use paychan_mpp::seller::ChargesError;
use paychan_mpp::wire::{ChallengeSecrets, Timestamp};

use crate::env::{CHANNEL, TestEnv, challenge_secret, options, request};

#[tokio::test]
async fn the_same_credential_gets_the_same_answer_and_is_charged_once() {
    let env = TestEnv::new();
    let header = env.paid_get("/time", 10).await;
    let first = env.get("/time", &[("authorization", &header)]).await;
    let again = env.get("/time", &[("authorization", &header)]).await;
    assert_eq!((again.status, &again.body, again.receipt()), (first.status, &first.body, first.receipt()));
    assert_eq!((env.watcher.totals(&CHANNEL), env.sold()), ((10, 10), 1));
    // The credential is not valid for another request.
    env.get("/time?x", &[("authorization", &header)]).await.is(402, "session/delta-too-small");
    assert_eq!(env.watcher.totals(&CHANNEL), (10, 10));
}

#[tokio::test]
async fn after_a_restart_a_safe_request_is_answered_again_for_the_old_payment_once() {
    let mut env = TestEnv::new();
    let header = env.paid_get("/time", 10).await;
    env.get("/time", &[("authorization", &header)]).await.receipt();
    env.restart();
    for _ in 0..3 {
        let again = env.get("/time", &[("authorization", &header)]).await;
        assert!(again.receipt().replayed);
        assert_eq!(again.body, "answer 2", "anew after the restart, and then as before");
    }
    assert_eq!((env.watcher.totals(&CHANNEL), env.sold()), ((10, 10), 2));
}

#[tokio::test]
async fn after_a_restart_an_unsafe_request_is_not_done_twice_unless_it_has_a_key() {
    let mut env = TestEnv::new();
    let session = CHANNEL.to_string();
    for (number, key) in [None, Some("order-7")].into_iter().enumerate() {
        let challenge = env.send(request("POST", "/time", &[("payment-session", &session)])).await.challenge();
        let header = env.voucher(&challenge, 10 * (number as u64 + 1));
        let mut headers = vec![("authorization", header.as_str())];
        headers.extend(key.map(|key| ("idempotency-key", key)));
        env.send(request("POST", "/time", &headers)).await.receipt();
        env.restart();
        let again = env.send(request("POST", "/time", &headers)).await;
        match key {
            None => _ = again.is(409, "answer-not-kept"),
            Some(_) => _ = again.receipt(),
        }
    }
    assert_eq!((env.watcher.totals(&CHANNEL), env.sold()), ((20, 20), 3));
}

#[tokio::test]
async fn a_large_answer_is_not_kept_and_not_sold_twice() {
    let env = TestEnv::new();
    let header = env.paid_get("/large", 10).await;
    assert_eq!(env.get("/large", &[("authorization", &header)]).await.body.len(), 100_000);
    env.get("/large", &[("authorization", &header)]).await.is(409, "answer-not-kept");
    assert_eq!(env.watcher.totals(&CHANNEL), (10, 10));
}

#[tokio::test]
async fn a_key_gets_the_stored_answer_whatever_valid_credential_comes_with_it() {
    let env = TestEnv::new();
    let challenge = env.challenge("/time").await;
    let buy = async |amount, key| {
        let header = env.voucher(&challenge, amount);
        env.get("/time", &[("authorization", &header), ("idempotency-key", key)]).await
    };
    assert_eq!(buy(10, "a").await.body, "answer 1");
    assert_eq!(buy(20, "a").await.body, "answer 1", "a higher voucher under the same key buys nothing");
    assert_eq!(env.watcher.totals(&CHANNEL), (10, 10));
    assert_eq!(buy(20, "b").await.body, "answer 2");
    let mut forged = env.signed(paychan_mpp::wire::Action::Voucher, 30);
    forged.signature.0[0] ^= 1;
    let forged = paychan_mpp::wire::Credential::new(challenge.clone(), &forged).unwrap().to_header().unwrap();
    let answer = env
        .get(
            "/time",
            &[("authorization", &forged), ("idempotency-key", "a"), ("payment-session", &CHANNEL.to_string())],
        )
        .await;
    answer.is(402, "session/invalid-signature");
}

#[tokio::test]
async fn a_voucher_buys_once_whatever_challenge_it_comes_with_also_after_a_restart() {
    let mut env = TestEnv::new();
    env.buy("/time", 10).await.receipt();
    // There is credit that an old voucher could be used to spend.
    env.buy("/time", 100).await.receipt();
    for restarted in [false, true] {
        if restarted {
            env.restart();
        }
        for amount in [10, 100] {
            let challenge = env.challenge("/time").await;
            let headers =
                [("authorization", env.voucher(&challenge, amount)), ("payment-session", CHANNEL.to_string())];
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            for _ in 0..2 {
                env.get("/time", &headers).await.is(402, "session/delta-too-small");
            }
        }
    }
    assert_eq!((env.watcher.totals(&CHANNEL), env.sold()), ((100, 20), 2));
}

#[tokio::test]
async fn only_a_payment_made_before_its_challenge_expired_is_answered() {
    let mut short = options();
    short.challenge_life = std::time::Duration::from_millis(1_500);
    let env = TestEnv::with(short);
    let challenge = env.challenge("/time").await;
    let paid = env.voucher(&challenge, 10);
    env.get("/time", &[("authorization", &paid)]).await.receipt();
    let late = env.voucher(&challenge, 20);
    while challenge.expires().unwrap() >= Timestamp::now() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(env.get("/time", &[("authorization", &paid)]).await.body, "answer 1");
    let session = CHANNEL.to_string();
    for _ in 0..2 {
        let refused = env.get("/time", &[("authorization", &late), ("payment-session", &session)]).await;
        refused.is(402, "payment-expired");
    }
    assert_eq!(env.watcher.totals(&CHANNEL).1, 10, "what was charged to find out was given back");
    // With a new challenge, the same total pays.
    let new = env.challenge("/time").await;
    env.get("/time", &[("authorization", &env.voucher(&new, 21))]).await.receipt();
}

#[tokio::test]
async fn trouble_with_the_watcher_is_5xx_takes_nothing_and_the_same_credential_pays_later() {
    let env = TestEnv::new();
    env.buy("/time", 10).await.receipt();
    let header = env.paid_get("/time", 20).await;
    for (trouble, problem) in [
        (ChargesError::Unreachable("gone".to_owned()), "payment-unavailable"),
        (ChargesError::OutcomeUnknown("cut".to_owned()), "payment-outcome-unknown"),
    ] {
        env.watcher.state().trouble = Some(trouble);
        let refused = env.get("/time", &[("authorization", &header)]).await;
        refused.is(503, problem);
        assert!(refused.headers.contains_key("retry-after"));
    }
    env.watcher.state().trouble = None;
    assert_eq!(env.watcher.totals(&CHANNEL), (10, 10));
    env.get("/time", &[("authorization", &header)]).await.receipt();
    assert_eq!(env.watcher.totals(&CHANNEL), (20, 20));
}

#[tokio::test]
async fn a_purchase_whose_price_changed_since_is_answered_for_the_old_price() {
    let mut env = TestEnv::new();
    let header = env.paid_get("/query", 10).await;
    env.get("/query", &[("authorization", &header)]).await.receipt();
    let id = env.watcher.state().channels[&CHANNEL].charges.keys().next().unwrap().clone();
    env.watcher.state().channels.get_mut(&CHANNEL).unwrap().charges.get_mut(&id).unwrap().0.price = Amount::from(9);
    env.restart();
    let again = env.get("/query", &[("authorization", &header)]).await;
    assert_eq!(again.receipt().charged.unwrap().get(), 9);
}

#[tokio::test]
async fn challenges_of_the_previous_secret_are_accepted_while_it_is_kept() {
    let env = TestEnv::new();
    let challenge = env.challenge("/time").await;
    let new = || challenge_secret("another-secret-of-more-than-32-bytes!");
    let mut rotated = options();
    rotated.secrets = ChallengeSecrets::rotated(new(), challenge_secret(crate::env::SECRET));
    let rotated = TestEnv {
        key: paychan_channel::CommitmentSecret::from_seed_hex(&env.key.seed_hex()).unwrap(),
        ..TestEnv::with(rotated)
    };
    rotated.watcher.open(CHANNEL, rotated.key.public(), 1_000);
    rotated.get("/time", &[("authorization", &env.voucher(&challenge, 10))]).await.receipt();
    let mut dropped = options();
    dropped.secrets = ChallengeSecrets::new(new());
    let dropped = TestEnv::with(dropped);
    let session = CHANNEL.to_string();
    let headers = [("authorization", env.voucher(&challenge, 10)), ("payment-session", session)];
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    dropped.get("/time", &headers).await.is(402, "invalid-challenge");
}
