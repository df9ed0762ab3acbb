//! Tests of `POST /v1/channels/{C}/charges` and of credits: nothing is sold twice.

use paychan_channel::ContractId;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Answer, CHANNEL, DEPOSIT, TestEnv, signed};

fn charges() -> String {
    format!("/v1/channels/{CHANNEL}/charges")
}

/// A charge, with a commitment for `total` if one is given.
pub(super) fn charge(price: i128, request_id: &str, total: Option<i128>) -> Value {
    let mut body = json!({ "price": price.to_string(), "request_id": request_id });
    if let Some(total) = total {
        let signature = signed(total, request_id)["signature"].clone();
        body["commitment"] = json!({ "amount": total.to_string(), "signature": signature });
    }
    body
}

impl TestEnv {
    /// Charges `price`, with a commitment for `total` if one is given.
    pub(super) async fn charge(&self, price: i128, request_id: &str, total: Option<i128>) -> Answer {
        self.post(&charges(), &charge(price, request_id, total)).await
    }

    async fn credit(&self, amount: i128, request_id: &str) -> Answer {
        let path = format!("{}/{request_id}/credit", charges());
        self.post(&path, &json!({ "amount": amount.to_string() })).await
    }

    fn spent(&self) -> i128 {
        self.held().spent.get()
    }
}

#[tokio::test]
async fn two_front_ends_that_saw_the_same_total_do_not_sell_one_price_twice() {
    let env = TestEnv::with_channel().await;
    env.charge(100, "before", Some(100)).await.ok(200);
    // Each front end last saw 100, and gets a commitment with a higher total.
    let first = env.charge(10, "one", Some(110)).await.ok(200).clone();
    assert_eq!((&first["highest"], &first["spent"], &first["previous"]), (&json!("110"), &json!("110"), &json!("100")));
    let second = env.charge(10, "two", Some(111)).await;
    let problem = second.is(402, "insufficient").says("at least 120");
    assert_eq!((&problem.body["needed"], &problem.body["spent"]), (&json!("120"), &json!("110")));
    assert_eq!(env.held().highest_amount().get(), 110, "the commitment was not taken either");
    env.charge(10, "two", Some(120)).await.ok(200);
    assert_eq!(env.spent(), 120);
}

#[tokio::test]
async fn front_ends_that_sell_at_the_same_moment_sell_no_price_twice() {
    let env = TestEnv::with_channel().await;
    env.charge(100, "before", Some(100)).await.ok(200);
    let (one, two) = tokio::join!(env.charge(10, "one", Some(110)), env.charge(10, "two", Some(111)));
    let sold = [&one, &two].into_iter().filter(|answer| answer.status == 200).count();
    assert_eq!(sold, 1, "{one:?}, {two:?}");
    assert_eq!(env.spent(), 110);
}

#[tokio::test]
async fn the_same_request_id_gets_the_same_answer_and_takes_nothing() {
    let env = TestEnv::with_channel().await;
    let mut first = env.charge(10, "one", Some(50)).await.ok(200).clone();
    assert_eq!((&first["replayed"], &first["credited"]), (&json!(false), &json!("0")));
    env.charge(5, "two", None).await.ok(200);
    let again = env.charge(10, "one", Some(50)).await.ok(200).clone();
    first["replayed"] = json!(true);
    assert_eq!(again, first, "the answer is the earlier one, although more was charged since");
    assert_eq!(env.spent(), 15);
    let other_price = env.charge(11, "one", Some(50)).await;
    assert_eq!(other_price.is(409, "request_id_reused").body["price"], "10");
    env.pay(60, "one").await.is(409, "request_id_reused");
    assert_eq!(env.spent(), 15);
}

#[tokio::test]
async fn a_commitment_alone_is_credit_that_charges_use_up() {
    let env = TestEnv::with_channel().await;
    let prepaid = env.pay(100, "prepaid").await;
    assert_eq!((&prepaid.ok(200)["spent"], &prepaid.body["previous"]), (&json!("0"), &json!("0")));
    env.charge(60, "one", None).await.ok(200);
    let last = env.charge(40, "two", None).await;
    assert_eq!((&last.ok(200)["spent"], &last.body["unsettled"]), (&json!("100"), &json!("100")));
    assert_eq!(env.charge(1, "three", None).await.is(402, "insufficient").body["needed"], "101");
    let report = env.get(&format!("/v1/channels/{CHANNEL}")).await;
    assert_eq!((&report.ok(200)["highest"], &report.body["spent"]), (&json!("100"), &json!("100")));
}

#[tokio::test]
async fn a_part_of_a_charge_is_given_back_once() {
    let env = TestEnv::with_channel().await;
    env.charge(50, "one", Some(100)).await.ok(200);
    env.credit(51, "one").await.is(422, "credit_out_of_range");
    env.credit(0, "one").await.is(400, "malformed");
    let given = env.credit(20, "one").await.ok(200).clone();
    let expected = json!({ "request_id": "one", "credited": "20", "highest": "100", "spent": "30", "replayed": false });
    assert_eq!(given, expected);
    assert_eq!(env.credit(20, "one").await.ok(200)["replayed"], true);
    assert_eq!(env.credit(30, "one").await.is(409, "already_credited").body["credited"], "20");
    assert_eq!(env.spent(), 30);
    assert_eq!(env.charge(50, "one", Some(100)).await.ok(200)["credited"], "20", "a replay tells what was given back");
    env.charge(70, "two", None).await.ok(200);
    env.credit(1, "never").await.is(404, "unknown_charge");
}

#[tokio::test]
async fn an_id_with_a_slash_in_it_is_credited_by_its_escaped_name() {
    let env = TestEnv::with_channel().await;
    env.charge(50, "order 7/a", Some(100)).await.ok(200);
    assert_eq!(env.credit(50, "order%207%2Fa").await.ok(200)["spent"], "0");
}

#[tokio::test]
async fn a_request_that_is_no_charge_changes_nothing() {
    let env = TestEnv::with_channel().await;
    env.pay(100, "prepaid").await.ok(200);
    let before = env.held();
    let good = signed(200, "x")["signature"].clone();
    let with =
        |price: Value, commitment: Value| json!({ "price": price, "request_id": "one", "commitment": commitment });
    for (body, said) in [
        (with(json!("0"), json!(null)), "price: it is 0"),
        (with(json!(5), json!(null)), "price: invalid type"),
        (with(json!("5"), json!({ "amount": "200" })), "missing field `signature`"),
        (with(json!("5"), json!({ "amount": "0", "signature": good })), "commitment.amount: it is 0"),
        (json!({ "price": "5" }), "missing field `request_id`"),
    ] {
        env.post(&charges(), &body).await.is(400, "malformed").says(said);
    }
    let forged = json!({ "amount": "200", "signature": "00".repeat(64) });
    env.post(&charges(), &with(json!("5"), forged)).await.is(422, "bad_signature");
    let other_amount = json!({ "amount": "201", "signature": good });
    env.post(&charges(), &with(json!("5"), other_amount)).await.is(422, "bad_signature");
    assert_eq!(env.charge(5, "two", Some(DEPOSIT + 1)).await.is(422, "exceeds_coverage").status.as_u16(), 422);
    assert_eq!(env.held(), before, "nothing was written");
    let other = ContractId([2; 32]);
    let body = json!({ "price": "5", "request_id": "one" });
    env.post(&format!("/v1/channels/{other}/charges"), &body).await.is(404, "unknown_channel");
}

#[tokio::test]
async fn a_chain_that_cannot_be_seen_takes_no_commitment_and_sells_nothing_for_credit_either() {
    let env = TestEnv::with_channel().await;
    env.pay(100, "prepaid").await.ok(200);
    env.chain.network().faults.down = true;
    env.chain.clock().advance(std::time::Duration::from_secs(61));
    env.charge(150, "one", Some(150)).await.is(503, "not_fresh");
    env.charge(60, "two", None).await.is(503, "not_fresh");
    assert_eq!((env.spent(), env.held().highest_amount().get()), (0, 100));
}

#[tokio::test]
async fn a_fenced_channel_sells_nothing_more() {
    let env = TestEnv::with_channel().await;
    env.charge(10, "one", Some(100)).await.ok(200);
    env.store.fence(CHANNEL).await.unwrap();
    env.charge(10, "two", None).await.is(410, "closing");
    assert_eq!(env.charge(10, "one", Some(100)).await.ok(200)["replayed"], true, "what was sold is sold");
    assert_eq!(env.spent(), 10);
}

/// Whether something was taken or given back now.
fn is_new(answer: &Value) -> bool {
    answer["replayed"] == false
}

/// A call of a front end, which knows some total and charges one more price.
#[derive(Debug, Clone)]
enum Call {
    Charge(Price),
    /// Several in one call.
    Charges(Vec<Price>),
    Credit {
        amount: i128,
        id: u8,
    },
}

#[derive(Debug, Clone)]
struct Price {
    price: i128,
    id: u8,
    total: Option<i128>,
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let price = (1..40i128, 0..20u8, proptest::option::of(1..400i128));
    let price = price.prop_map(|(price, id, total)| Price { price, id, total });
    let call = prop_oneof![
        4 => price.clone().prop_map(Call::Charge),
        2 => proptest::collection::vec(price, 0..6).prop_map(Call::Charges),
        1 => (1..40i128, 0..20u8).prop_map(|(amount, id)| Call::Credit { amount, id }),
    ];
    proptest::collection::vec(call, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]
    #[test]
    fn spent_is_the_sum_of_what_was_sold_less_what_was_given_back_and_never_above_the_highest(calls in calls()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let env = TestEnv::with_channel().await;
            let (mut sold, mut given) = (0, 0);
            for call in calls {
                match call {
                    Call::Charge(Price { price, id, total }) => {
                        let answer = env.charge(price, &id.to_string(), total).await;
                        sold += if is_new(&answer.body) { price } else { 0 };
                    }
                    Call::Charges(prices) => {
                        let asked = prices.iter().map(|Price { price, id, total }| {
                            let mut charge = charge(*price, &id.to_string(), *total);
                            charge["channel"] = json!(CHANNEL.to_string());
                            charge
                        });
                        let body = json!({ "charges": asked.collect::<Vec<_>>() });
                        let answer = env.post("/v1/charges", &body).await;
                        for (Price { price, .. }, answer) in prices.iter().zip(answer.ok(200)["answers"].as_array().unwrap()) {
                            sold += if is_new(&answer["charged"]) { *price } else { 0 };
                        }
                    }
                    Call::Credit { amount, id } => {
                        let answer = env.credit(amount, &id.to_string()).await;
                        given += if is_new(&answer.body) { amount } else { 0 };
                    }
                }
                assert_eq!(env.spent(), sold - given);
                assert!(env.spent() <= env.held().highest_amount().get());
            }
        });
    }
}
