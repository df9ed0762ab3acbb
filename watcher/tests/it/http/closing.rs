//! Tests of `POST /v1/channels/{C}/close`, with which the recipient ends a channel, with the highest commitment or with
//! an agreed lower one.

use axum::http::Method;
use serde_json::{Value, json};

use super::{Answer, CHANNEL, TestEnv, config_text, signed};

/// The number of ledgers within which a close is done on a network that works.
const SOON: u32 = 5;

impl TestEnv {
    async fn close(&self, agreed: Option<i128>, wait: u32) -> Answer {
        let path = format!("/v1/channels/{CHANNEL}/close?wait={wait}");
        match agreed {
            None => self.call(Method::POST, &path, "").await,
            Some(amount) => {
                let signature = signed(amount, "close")["signature"].clone();
                self.post(&path, &json!({ "amount": amount.to_string(), "signature": signature })).await
            }
        }
    }

    async fn report(&self) -> Value {
        self.get(&format!("/v1/channels/{CHANNEL}")).await.ok(200).clone()
    }

    /// A channel with a commitment for 100 million base units, 10 tokens, of which 60 million are spent.
    async fn sold_60_of_100(holds_recipient_key: bool) -> Self {
        let env = Self::configured(&config_text(), holds_recipient_key).await;
        env.admit(CHANNEL).await.ok(201);
        let commitment = json!({ "amount": "100000000", "signature": signed(100_000_000, "one")["signature"] });
        let body = json!({ "price": "60000000", "request_id": "one", "commitment": commitment });
        env.post(&format!("/v1/channels/{CHANNEL}/charges"), &body).await.ok(200);
        env
    }

    async fn turns(&mut self, ledgers: u32) {
        for _ in 0..ledgers {
            self.turn().await;
        }
    }

    fn withdrawn(&self) -> i128 {
        self.chain.network().withdrawn(CHANNEL).get()
    }

    fn has_ended(&self) -> bool {
        self.chain.network().channels[&CHANNEL].refunded
    }
}

#[tokio::test]
async fn unspent_credit_is_not_claimed_when_that_is_agreed() {
    let mut env = TestEnv::sold_60_of_100(true).await;
    assert_eq!(env.close(Some(59_999_999), 0).await.is(422, "close_too_low").body["needed"], "60000000");
    assert_eq!(env.close(Some(100_000_001), 0).await.is(422, "close_above_highest").body["highest"], "100000000");
    assert!(env.held().fence.is_none(), "nothing was written");
    let mut agreed = json!({
        "channel": CHANNEL.to_string(), "state": "agreed", "transaction": null, "amount": "60000000",
        "signature": signed(60_000_000, "close")["signature"], "highest": "100000000", "spent": "60000000", "replayed": false,
    });
    assert_eq!(env.close(Some(60_000_000), 0).await.ok(200), &agreed);
    agreed["replayed"] = json!(true);
    assert_eq!(env.close(Some(60_000_000), 0).await.ok(200), &agreed);
    assert_eq!(env.close(None, 0).await.ok(200), &agreed, "the amount stands");
    assert_eq!(env.close(Some(70_000_000), 0).await.is(410, "closing").body["accepted"], "60000000");

    env.turns(SOON).await;
    assert_eq!((env.withdrawn(), env.has_ended()), (60_000_000, true));
    let closed = env.close(Some(60_000_000), 0).await.ok(200).clone();
    assert_eq!((&closed["state"], &closed["amount"]), (&json!("closed"), &json!("60000000")));
    let report = env.report().await;
    assert_eq!((&report["status"], &report["unsettled"]), (&json!("final"), &json!("0")), "what was agreed is no loss");
    assert_eq!((&report["closing_with"], &report["last_transaction"]), (&json!("60000000"), &closed["transaction"]));
    let hash: String = closed["transaction"].as_str().unwrap().to_owned();
    assert!(env.chain.network().results.keys().any(|included| hex::encode(included) == hash));
}

#[tokio::test]
async fn without_an_agreed_amount_the_highest_is_claimed() {
    let mut env = TestEnv::sold_60_of_100(true).await;
    assert_eq!(env.close(None, 0).await.ok(200)["amount"], "100000000");
    assert_eq!(env.close(None, 0).await.ok(200)["replayed"], true);
    env.turns(SOON).await;
    assert_eq!((env.withdrawn(), env.has_ended()), (100_000_000, true));
}

#[tokio::test]
async fn the_answer_waits_for_the_close_and_carries_the_hash() {
    let mut env = TestEnv::sold_60_of_100(true).await;
    let api = env.api.clone();
    let asked = async {
        let path = format!("/v1/channels/{CHANNEL}/close?wait=20");
        super::call(&api, Method::POST, &path, "").await
    };
    let (answer, ()) = tokio::join!(asked, async {
        tokio::task::yield_now().await;
        while env.held().fence.is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        env.turns(SOON).await;
    });
    assert_eq!(answer.ok(200)["state"], "closed");
    assert_eq!(answer.body["transaction"].as_str().map(str::len), Some(64));
    // A wait ends after its time, even if the close is not done.
    let env = TestEnv::sold_60_of_100(true).await;
    let began = std::time::Instant::now();
    assert_eq!(env.close(None, 1).await.ok(200)["state"], "agreed");
    assert!(began.elapsed().as_secs() < 5);
    for wrong in ["wait=soon", "wait=-1", "for=1"] {
        env.call(Method::POST, &format!("/v1/channels/{CHANNEL}/close?{wrong}"), "").await.is(400, "malformed");
    }
}

#[tokio::test]
async fn a_channel_that_is_to_be_closed_sells_nothing_and_takes_nothing() {
    let env = TestEnv::sold_60_of_100(true).await;
    env.close(Some(60_000_000), 0).await.ok(200);
    env.pay(200_000_000, "two").await.is(410, "closing");
    let charge = json!({ "price": "1", "request_id": "two" });
    env.post(&format!("/v1/channels/{CHANNEL}/charges"), &charge).await.is(410, "closing");
}

#[tokio::test]
async fn without_the_recipients_key_what_was_agreed_is_settled_and_no_more() {
    let mut env = TestEnv::sold_60_of_100(false).await;
    assert_eq!(env.close(Some(60_000_000), 0).await.ok(200)["state"], "agreed");
    env.turns(SOON).await;
    assert_eq!((env.withdrawn(), env.has_ended()), (60_000_000, false));
    let settled = env.close(Some(60_000_000), 20).await.ok(200).clone();
    assert_eq!((&settled["state"], settled["transaction"].as_str().map(str::len)), (&json!("settled"), Some(64)));
    let next = env.report().await["next_action"].as_str().unwrap().to_owned();
    assert!(next.contains("its funder takes the rest back"), "{next}");
    // The funder's own close does not change the amount.
    env.chain.network().close_start(CHANNEL);
    env.turns(30).await;
    assert_eq!(env.withdrawn(), 60_000_000);
}

#[tokio::test]
async fn a_close_that_fails_is_followed_by_a_settle_of_what_was_agreed() {
    let mut env = TestEnv::sold_60_of_100(true).await;
    env.chain.network().faults.close_fails = true;
    env.close(Some(60_000_000), 0).await.ok(200);
    env.turns(SOON + 3).await;
    assert_eq!((env.withdrawn(), env.has_ended()), (60_000_000, false));
    assert_eq!(env.close(Some(60_000_000), 0).await.ok(200)["state"], "settled");
}

#[tokio::test]
async fn a_channel_with_nothing_unsettled_or_nothing_at_all_is_closed_too() {
    for paid in [false, true] {
        let mut env = TestEnv::configured(&config_text(), true).await;
        env.admit(CHANNEL).await.ok(201);
        if paid {
            env.pay(50_000_000, "one").await.ok(200);
            env.chain.network().settle(CHANNEL, 50_000_000);
            env.turn().await;
        }
        let amount = if paid { "50000000" } else { "0" };
        assert_eq!(env.close(None, 0).await.ok(200)["amount"], amount);
        env.turns(SOON).await;
        assert!(env.has_ended(), "paid: {paid}");
        assert_eq!(env.close(None, 0).await.ok(200)["state"], "closed");
    }
}

#[tokio::test]
async fn an_invalid_close_fences_nothing() {
    let env = TestEnv::sold_60_of_100(true).await;
    let path = format!("/v1/channels/{CHANNEL}/close");
    let forged = json!({ "amount": "60000000", "signature": signed(60_000_001, "close")["signature"] });
    env.post(&path, &forged).await.is(422, "bad_signature");
    env.post(&path, &json!({ "amount": "60000000" })).await.is(400, "malformed").says("signature");
    let zero = json!({ "amount": "0", "signature": signed(60_000_000, "close")["signature"] });
    env.post(&path, &zero).await.is(400, "malformed").says("amount");
    env.view.set_rolled_back(vec![CHANNEL]);
    env.close(None, 0).await.is(503, "rolled_back");
    env.view.set_rolled_back(Vec::new());
    assert!(env.held().fence.is_none());
    let other = paychan_channel::ContractId([2; 32]);
    env.call(Method::POST, &format!("/v1/channels/{other}/close"), "").await.is(404, "unknown_channel");
}

#[tokio::test]
async fn a_channel_that_has_ended_is_not_closed_again() {
    let mut env = TestEnv::sold_60_of_100(true).await;
    env.chain.network().settle(CHANNEL, 100_000_000);
    env.chain.network().channels.get_mut(&CHANNEL).unwrap().refunded = true;
    // The next sweep shows it.
    env.turns(125).await;
    assert_eq!(env.report().await["status"], "final");
    env.close(None, 0).await.is(410, "final");
}
