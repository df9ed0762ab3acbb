//! Tests of payers who try to take from the seller, or to be in the way of another payer.

use std::sync::Arc;

use paychan_channel::{Amount, ContractId};
use paychan_mpp::wire::{Action, Challenge, Credential};
use tokio::sync::Notify;

use crate::env::{Answer, CHANNEL, COVERAGE, TestEnv, request};

/// A voucher that somebody without the channel's key makes.
fn forged(env: &TestEnv, challenge: &Challenge, amount: u64) -> (String, paychan_channel::Signature) {
    let mut payload = env.signed(Action::Voucher, amount);
    payload.signature.0[0] ^= 1;
    let header = Credential::new(challenge.clone(), &payload).unwrap().to_header().unwrap();
    (header, payload.signature)
}

#[tokio::test]
async fn a_forged_voucher_that_is_being_checked_is_not_in_the_way_of_the_real_one() {
    let env = TestEnv::new();
    env.buy("/time", 10).await.receipt();
    let challenge = env.challenge("/time").await;
    let (header, signature) = forged(&env, &challenge, 20);
    let gate = Arc::new(Notify::new());
    env.watcher.state().charge_gate = Some((signature, Arc::clone(&gate)));
    let calls = env.watcher.state().charge_calls;
    let foe = tokio::spawn(Answer::to(env.app.clone(), request("GET", "/time", &[("authorization", &header)])));
    while env.watcher.state().charge_calls == calls {
        tokio::task::yield_now().await;
    }
    env.get("/time", &[("authorization", &env.voucher(&challenge, 20))]).await.receipt();
    gate.notify_one();
    foe.await.unwrap().is(402, "session/invalid-signature");
    assert_eq!((env.watcher.totals(&CHANNEL), env.sold()), ((20, 20), 2));
}

#[tokio::test]
async fn after_a_restart_a_credential_is_not_good_for_another_request_of_its_route() {
    let mut env = TestEnv::new();
    let header = env.paid_get("/items/1", 10).await;
    env.get("/items/1", &[("authorization", &header)]).await.receipt();
    env.restart();
    for path in ["/items/2", "/items/1?page=2"] {
        let refused = env.get(path, &[("authorization", &header)]).await;
        assert_eq!((refused.status.as_u16(), env.sold()), (402, 1), "{path} was not paid for");
    }
    assert_eq!(env.get("/items/1", &[("authorization", &header)]).await.body, "answer 2");
    assert_eq!(env.watcher.totals(&CHANNEL), (10, 10));
}

#[tokio::test]
async fn whoever_asks_about_many_channels_does_not_make_the_seller_forget_a_payers_answers() {
    let env = TestEnv::new();
    let header = env.paid_get("/time", 10).await;
    env.get("/time", &[("authorization", &header)]).await.receipt();
    let channel = |number: u32| {
        let mut id = [9; 32];
        id[..4].copy_from_slice(&number.to_be_bytes());
        ContractId(id)
    };
    for number in 0..4_200 {
        env.watcher.open(channel(number), env.key.public(), COVERAGE);
        env.watcher.state().channels.get_mut(&channel(number)).unwrap().admitted = true;
        let challenge = env.get("/time", &[("payment-session", &channel(number).to_string())]).await.challenge();
        let (header, _) = forged(&env, &challenge, 10);
        env.get("/time", &[("authorization", &header)]).await.is(402, "session/invalid-signature");
    }
    assert_eq!(env.get("/time", &[("authorization", &header)]).await.body, "answer 1", "the kept answer");
    assert_eq!(env.sold(), 1);
}

#[tokio::test]
async fn a_payer_with_many_large_answers_leaves_room_for_the_answers_of_others() {
    let env = TestEnv::new();
    let early = env.voucher(&env.challenge("/time").await, 10);
    env.get("/time", &[("authorization", &early)]).await.receipt();
    let other = ContractId([20; 32]);
    env.watcher.open(other, env.key.public(), COVERAGE);
    let large = env.get("/sixty-thousand-bytes", &[("payment-session", &other.to_string())]).await.challenge();
    for number in 1..=700 {
        let amount = Amount::from(10 * number);
        let commitment = paychan_channel::Commitment { network: env.network.id(), channel: other, amount };
        let payload =
            paychan_mpp::wire::Payload { action: Action::Voucher, amount, signature: commitment.sign(&env.key) };
        let header = Credential::new(large.clone(), &payload).unwrap().to_header().unwrap();
        env.get("/sixty-thousand-bytes", &[("authorization", &header)]).await.receipt();
    }
    let late = env.voucher(&env.challenge("/sixty-thousand-bytes").await, 20);
    for (path, header, length) in
        [("/sixty-thousand-bytes", &late, 60_000), ("/sixty-thousand-bytes", &late, 60_000), ("/time", &early, 8)]
    {
        let answer = env.get(path, &[("authorization", header)]).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, length), "{}", answer.body);
    }
}

#[tokio::test]
async fn a_key_names_one_request_and_is_refused_for_another_without_a_charge() {
    let env = TestEnv::new();
    let challenge = env.challenge("/items/1").await;
    let buy = async |path, amount| {
        let header = env.voucher(&challenge, amount);
        env.get(path, &[("authorization", &header), ("idempotency-key", "a")]).await
    };
    buy("/items/1", 10).await.receipt();
    buy("/items/2", 20).await.is(409, "idempotency-key-reused");
    assert_eq!((env.watcher.totals(&CHANNEL), env.sold()), ((10, 10), 1));
}

#[tokio::test]
async fn a_slow_unsafe_request_is_not_done_again_after_the_seller_has_forgotten_it() {
    let env = TestEnv::new();
    let header = env.paid_post("/slow", 10).await;
    let slow = tokio::spawn(Answer::to(env.app.clone(), request("POST", "/slow", &[("authorization", &header)])));
    while env.sold() == 0 {
        tokio::task::yield_now().await;
    }
    let challenge = env.challenge("/time").await;
    for number in 2..=1_100 {
        env.get("/time", &[("authorization", &env.voucher(&challenge, 10 * number))]).await.receipt();
    }
    let sold = env.sold();
    env.watcher
        .state()
        .channels
        .get_mut(&CHANNEL)
        .unwrap()
        .charges
        .retain(|_, (_, amount)| *amount == Some(Amount::from(10)));
    env.post("/slow", &[("authorization", &header)]).await.is(409, "answer-not-kept");
    assert_eq!(env.sold(), sold);
    env.slow.notify_waiters();
    slow.await.unwrap().receipt();
}
