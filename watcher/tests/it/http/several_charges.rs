//! Tests of `POST /v1/charges`: each charge is taken or refused for itself.

use paychan_channel::{Amount, ContractId};
use paychan_watcher_api::MOST_CHARGES;
use serde_json::{Value, json};

use super::{Answer, CHANNEL, DEPOSIT, TestEnv, charges};

/// A charge of the tests' channel, with a commitment for `total` if one is given.
fn charge(price: i128, request_id: &str, total: Option<i128>) -> Value {
    let mut charge = charges::charge(price, request_id, total);
    charge["channel"] = json!(CHANNEL.to_string());
    charge
}

/// What the answers are: `charged` with what is spent then, or the kind of the refusal.
fn outcomes(answer: &Answer) -> Vec<(String, Value)> {
    let outcome = |answer: &Value| match answer.get("charged") {
        Some(charged) => ("charged".to_owned(), charged["spent"].clone()),
        None => (answer["refused"]["kind"].as_str().unwrap().to_owned(), Value::Null),
    };
    answer.ok(200)["answers"].as_array().unwrap().iter().map(outcome).collect()
}

fn is(kind: &str) -> (String, Value) {
    (kind.to_owned(), Value::Null)
}

fn spent(total: &str) -> (String, Value) {
    ("charged".to_owned(), json!(total))
}

impl TestEnv {
    async fn charge_all(&self, charges: &[Value]) -> Answer {
        self.post("/v1/charges", &json!({ "charges": charges })).await
    }
}

#[tokio::test]
async fn each_charge_is_taken_or_refused_for_itself_and_the_answers_have_the_order_of_the_charges() {
    let env = TestEnv::with_channel().await;
    let mut forged = charge(5, "forged", Some(400));
    forged["commitment"]["amount"] = json!("401");
    let mut unknown = charge(5, "unknown", None);
    unknown["channel"] = json!(ContractId([2; 32]).to_string());
    let mut of_nothing = charge(5, "of nothing", Some(100));
    of_nothing["commitment"]["amount"] = json!("0");
    let asked = [
        charge(0, "free", Some(100)),
        charge(10, "one", Some(100)),
        forged,
        charge(20, "two", None),
        unknown,
        charge(71, "too dear", None),
        of_nothing,
        charge(5, "three", Some(200)),
    ];
    let answer = env.charge_all(&asked).await;
    let expected = [
        is("malformed"),
        spent("10"),
        is("bad_signature"),
        spent("30"),
        is("unknown_channel"),
        is("insufficient"),
        is("malformed"),
        spent("35"),
    ];
    assert_eq!(outcomes(&answer), expected);
    let answers = &answer.body["answers"];
    assert_eq!(
        (&answers[1]["charged"]["request_id"], &answers[3]["charged"]["request_id"]),
        (&json!("one"), &json!("two"))
    );
    assert_eq!(answers[5]["refused"]["needed"], "101");
    assert_eq!((env.held().spent.get(), env.held().highest_amount().get()), (35, 200));
}

#[tokio::test]
async fn a_charge_that_comes_twice_in_one_call_is_taken_once_and_answered_twice() {
    let env = TestEnv::with_channel().await;
    let answer = env.charge_all(&[charge(10, "one", Some(50)), charge(10, "one", Some(50))]).await;
    assert_eq!(outcomes(&answer), [spent("10"), spent("10")]);
    let replayed = |at: usize| &answer.body["answers"][at]["charged"]["replayed"];
    assert_eq!((replayed(0), replayed(1)), (&json!(false), &json!(true)));
    assert_eq!(env.held().spent.get(), 10);
}

#[tokio::test]
async fn a_charge_above_the_known_coverage_keeps_the_others_waiting_for_no_network() {
    let env = TestEnv::with_channel().await;
    env.chain.network().channels.get_mut(&CHANNEL).unwrap().balance = Amount::new(DEPOSIT + 100).unwrap();
    env.chain.close(1);
    let answer = env.charge_all(&[charge(10, "one", Some(DEPOSIT + 1)), charge(10, "two", Some(50))]).await;
    assert_eq!(outcomes(&answer), [is("exceeds_coverage"), spent("10")]);
    let alone = env.charge(10, "one", Some(DEPOSIT + 1)).await;
    assert_eq!(alone.ok(200)["coverage"], (DEPOSIT + 100).to_string(), "alone, it makes the watcher look");
}

#[tokio::test]
async fn the_longest_charges_fit_into_a_call_and_one_more_does_not() {
    let env = TestEnv::with_channel().await;
    let longest = |at: usize| {
        let id = format!("{at:02}").repeat(32).replace('0', "\"");
        let mut charge = charge(i128::MAX, &id, Some(1));
        charge["commitment"]["amount"] = json!(i128::MAX.to_string());
        charge
    };
    let most: Vec<Value> = (0..MOST_CHARGES).map(longest).collect();
    assert_eq!(outcomes(&env.charge_all(&most).await), vec![is("bad_signature"); MOST_CHARGES]);
    let more: Vec<Value> = (0..=MOST_CHARGES).map(|at| charge(1, &at.to_string(), None)).collect();
    env.charge_all(&more).await.is(400, "malformed").says("at most 64");
    let padding = "x".repeat(512 * MOST_CHARGES);
    env.post("/v1/charges", &json!({ "charges": [], "padding": padding })).await.is(413, "too_large");
    env.charge_all(&[json!({ "price": "1", "request_id": "one" })]).await.is(400, "malformed").says("charges[0]");
    assert!(outcomes(&env.charge_all(&[]).await).is_empty());
    assert_eq!(env.held().accepted, 0);
}
