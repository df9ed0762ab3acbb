//! Tests that a payer is served for what it paid, also when an answer on the way is lost.

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use paychan_channel::Amount;
use paychan_mpp::seller::{Asked, ChargesError, Decision, Price, Seller};
use paychan_mpp::wire::Action;
use tokio::sync::Notify;

use crate::env::{Answer, CHANNEL, TestEnv, options, request};

/// More than the seller asks again within one sale.
const ALL: usize = 1_000;
/// How long something that happens in the background may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

async fn until(done: impl Fn() -> bool) {
    let waiting = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it happens at last");
}

fn unreachable() -> ChargesError {
    ChargesError::Unreachable("gone".to_owned())
}

#[tokio::test]
async fn a_charge_whose_answer_is_lost_is_asked_for_again_and_the_payer_sees_nothing_of_it() {
    let env = TestEnv::new();
    let header = env.paid_post("/time", 10).await;
    env.watcher.state().lost_charges = 1;
    let answer = env.post("/time", &[("authorization", &header)]).await;
    assert_eq!(answer.receipt().charged, Some(Amount::from(10)));
    assert_eq!((env.watcher.totals(&CHANNEL), env.sold()), ((10, 10), 1));
}

#[tokio::test]
async fn a_request_whose_charge_never_got_an_answer_is_served_once_when_the_payer_asks_again() {
    let env = TestEnv::new();
    let header = env.paid_post("/time", 10).await;
    env.watcher.state().lost_charges = ALL;
    env.post("/time", &[("authorization", &header)]).await.is(503, "payment-outcome-unknown");
    env.watcher.state().lost_charges = 0;
    for _ in 0..2 {
        let answer = env.post("/time", &[("authorization", &header)]).await;
        assert_eq!(answer.receipt().charged, Some(Amount::from(10)));
        assert_eq!(answer.body, "answer 1");
    }
    assert_eq!((env.watcher.totals(&CHANNEL), env.sold()), ((10, 10), 1));
}

/// A request with a key that is asked for with two vouchers, while no charge gets an answer. The first was taken or not.
async fn doubtful(path: &str, taken: bool) -> TestEnv {
    let env = TestEnv::new();
    env.buy("/time", 10).await.receipt();
    let vouchers = [env.paid_post(path, 20).await, env.paid_post(path, 30).await];
    match taken {
        true => env.watcher.state().lost_charges = ALL,
        false => env.watcher.state().trouble = Some(ChargesError::OutcomeUnknown("cut".to_owned())),
    }
    for header in vouchers {
        let headers = [("authorization", header.as_str()), ("idempotency-key", "order-7")];
        env.post(path, &headers).await.is(503, "payment-outcome-unknown");
    }
    env.watcher.state().lost_charges = 0;
    env.watcher.state().trouble = None;
    env
}

#[tokio::test]
async fn a_request_with_a_key_is_paid_once_when_it_is_asked_for_with_another_voucher_after_a_lost_answer() {
    for taken in [true, false] {
        let env = doubtful("/time", taken).await;
        let header = env.paid_post("/time", 30).await;
        for _ in 0..2 {
            let headers = [("authorization", header.as_str()), ("idempotency-key", "order-7")];
            let answer = env.post("/time", &headers).await;
            assert_eq!((answer.body.as_str(), answer.receipt().charged), ("answer 2", Some(Amount::from(10))));
        }
        assert_eq!((env.watcher.totals(&CHANNEL), env.sold()), ((20, 20), 2), "taken at first: {taken}");
        // A request with another key is another purchase.
        let headers = [("authorization", header.as_str()), ("idempotency-key", "order-8")];
        env.post("/time", &headers).await.receipt();
        assert_eq!((env.watcher.totals(&CHANNEL), env.sold()), ((30, 30), 3));
    }
}

#[tokio::test]
async fn the_key_of_a_doubtful_payment_names_no_other_request() {
    let env = doubtful("/time", true).await;
    let header = env.paid_post("/rising", 30).await;
    let headers = [("authorization", header.as_str()), ("idempotency-key", "order-7")];
    env.post("/rising", &headers).await.is(409, "idempotency-key-reused");
    assert_eq!((env.watcher.totals(&CHANNEL), env.sold()), ((20, 20), 1));
}

#[tokio::test]
async fn a_doubtful_payment_is_not_charged_at_a_price_that_has_risen_since() {
    for (taken, totals) in [(true, (20, 20)), (false, (35, 25))] {
        let env = doubtful("/rising", taken).await;
        env.rising.store(15, std::sync::atomic::Ordering::SeqCst);
        let header = env.paid_post("/rising", 35).await;
        let headers = [("authorization", header.as_str()), ("idempotency-key", "order-7")];
        env.post("/rising", &headers).await.receipt();
        assert_eq!((env.watcher.totals(&CHANNEL), env.sold()), (totals, 2), "taken at first: {taken}");
    }
}

#[tokio::test]
async fn after_a_lost_answer_no_other_failure_says_that_nothing_was_taken() {
    let env = TestEnv::new();
    let header = env.paid_post("/time", 10).await;
    let gate = Arc::new(Notify::new());
    let signature = env.signed(Action::Voucher, 10).signature;
    env.watcher.state().charge_gate = Some((signature, Arc::clone(&gate)));
    env.watcher.state().lost_charges = 1;
    let (app, first) = (env.app.clone(), request("POST", "/time", &[("authorization", &header)]));
    let waiting = tokio::spawn(Answer::to(app, first));
    until(|| env.watcher.state().charge_calls == 1).await;
    env.watcher.state().trouble = Some(unreachable());
    env.watcher.state().charge_gate = None;
    gate.notify_waiters();
    gate.notify_one();
    waiting.await.unwrap().is(503, "payment-outcome-unknown");
    env.watcher.state().trouble = None;
    env.post("/time", &[("authorization", &header)]).await.receipt();
    assert_eq!((env.watcher.totals(&CHANNEL), env.sold()), ((10, 10), 1));
}

/// `POST /time`, as the seller's core sees it.
fn asked(parts: &Parts) -> Asked<'_> {
    Asked::of(parts, "/time", Price::Exactly(Amount::from(10)), None)
}

#[tokio::test]
async fn what_was_charged_is_served_also_when_its_voucher_has_bought_something_else_meanwhile() {
    let env = TestEnv::new();
    env.buy("/time", 100).await.receipt();
    let lost = env.paid_post("/time", 101).await;
    env.watcher.state().lost_charges = ALL;
    env.post("/time", &[("authorization", &lost)]).await.is(503, "payment-outcome-unknown");
    env.watcher.state().lost_charges = 0;
    // The payer gives up, and uses the voucher for something else. Both are paid from its credit.
    env.buy("/other", 101).await.receipt();
    assert_eq!(env.watcher.totals(&CHANNEL), (101, 30));
    env.post("/time", &[("authorization", &lost)]).await.receipt();
    assert_eq!((env.watcher.totals(&CHANNEL), env.sold()), ((101, 30), 3));
}

#[tokio::test]
async fn a_request_that_is_dropped_while_it_is_charged_is_served_when_the_payer_asks_again() {
    let env = TestEnv::new();
    let seller = Seller::new(env.watcher.clone(), options()).unwrap();
    let header = env.paid_post("/time", 10).await;
    let parts = || request("POST", "/time", &[("authorization", &header)]).into_parts().0;
    let signature = env.signed(Action::Voucher, 10).signature;
    env.watcher.state().charge_gate = Some((signature, Arc::default()));
    let (dropped, asking) = (parts(), seller.clone());
    let dropped = tokio::spawn(async move { asking.decide(&asked(&dropped)).await });
    until(|| env.watcher.totals(&CHANNEL) == (10, 10)).await;
    dropped.abort();
    assert!(dropped.await.unwrap_err().is_cancelled());
    env.watcher.state().charge_gate = None;
    let parts = parts();
    let Decision::Sell(sold) = seller.decide(&asked(&parts)).await else { panic!("it was paid and never served") };
    assert_eq!((sold.charged, sold.receipt.replayed), (Amount::from(10), true));
    let refused = seller.decide(&asked(&parts)).await;
    assert!(matches!(&refused, Decision::Refuse(refusal) if refusal.status == 409), "{refused:?}");
    assert_eq!(env.watcher.totals(&CHANNEL), (10, 10));
}

#[tokio::test]
async fn after_a_restart_a_seller_does_not_do_what_it_may_have_done_before() {
    let mut env = TestEnv::new();
    let header = env.paid_post("/time", 10).await;
    env.watcher.state().lost_charges = ALL;
    env.post("/time", &[("authorization", &header)]).await.is(503, "payment-outcome-unknown");
    env.watcher.state().lost_charges = 0;
    env.restart();
    for _ in 0..2 {
        let refused = env.post("/time", &[("authorization", &header)]).await.is(409, "answer-not-kept");
        assert!(refused.detail.contains("not known whether it was answered"), "{}", refused.detail);
    }
    // What is bought after the restart is served, whatever answers are lost.
    let header = env.paid_post("/time", 20).await;
    env.watcher.state().lost_charges = ALL;
    env.post("/time", &[("authorization", &header)]).await.is(503, "payment-outcome-unknown");
    env.watcher.state().lost_charges = 0;
    env.post("/time", &[("authorization", &header)]).await.receipt();
    assert_eq!((env.watcher.totals(&CHANNEL), env.sold()), ((20, 20), 1));
}

#[tokio::test]
async fn after_a_restart_the_first_charge_may_lose_its_answer_too() {
    let mut env = TestEnv::new();
    env.buy("/time", 10).await.receipt();
    let header = env.paid_post("/time", 20).await;
    env.restart();
    env.watcher.state().lost_charges = ALL;
    env.post("/time", &[("authorization", &header)]).await.is(503, "payment-outcome-unknown");
    env.watcher.state().lost_charges = 0;
    assert_eq!(env.post("/time", &[("authorization", &header)]).await.body, "answer 2");
    assert_eq!((env.watcher.totals(&CHANNEL), env.sold()), ((20, 20), 2));
}

#[tokio::test]
async fn a_replayed_answer_does_not_make_an_old_voucher_look_unused() {
    let mut env = TestEnv::new();
    let header = env.paid_get("/time", 10).await;
    env.get("/time", &[("authorization", &header)]).await.receipt();
    // There is credit, which an old voucher could spend.
    env.buy("/time", 100).await.receipt();
    env.restart();
    assert!(env.get("/time", &[("authorization", &header)]).await.receipt().replayed);
    let challenge = env.challenge("/time").await;
    let used = env.voucher(&challenge, 100);
    let headers = [("authorization", used.as_str()), ("payment-session", &CHANNEL.to_string())];
    env.get("/time", &headers).await.is(402, "session/delta-too-small");
    assert_eq!((env.watcher.totals(&CHANNEL), env.sold()), ((100, 20), 3));
}

#[tokio::test]
async fn an_unsafe_request_that_broke_off_is_not_begun_again_and_costs_nothing() {
    for path in ["/panics", "/breaks-off"] {
        let env = TestEnv::new();
        let header = env.paid_post(path, 10).await;
        let broken = env.post(path, &[("authorization", &header)]).await;
        broken.is(500, "internal-payment-error");
        let begun = env.sold();
        for _ in 0..2 {
            let refused = env.until_decided("POST", path, &[("authorization", &header)]).await;
            let refused = refused.is(409, "answer-not-kept");
            assert!(refused.detail.contains("broke off"), "{path}: {}", refused.detail);
        }
        assert_eq!(env.sold(), begun, "{path} is not begun again");
        assert_eq!(env.watcher.totals(&CHANNEL), (10, 0));
    }
}

#[tokio::test]
async fn an_unsafe_request_with_a_key_that_broke_off_is_begun_again_for_another_voucher() {
    let env = TestEnv::new();
    let key = ("idempotency-key", "order-7");
    for times in 1..=2 {
        let header = env.paid_post("/panics", 9 + times).await;
        env.post("/panics", &[("authorization", header.as_str()), key]).await.is(500, "internal-payment-error");
        let refused = env.until_decided("POST", "/panics", &[("authorization", header.as_str()), key]).await;
        refused.is(402, "session/delta-too-small");
        let begun = u64::try_from(env.sold()).unwrap();
        assert_eq!((env.watcher.totals(&CHANNEL), begun), ((9 + i128::from(times), 0), times));
    }
}

#[tokio::test]
async fn a_key_that_comes_too_late_begins_nothing_while_the_charge_is_given_back() {
    let env = TestEnv::new();
    let header = env.paid_post("/panics", 10).await;
    env.watcher.state().failing_credits = Some((ALL, unreachable()));
    env.post("/panics", &[("authorization", &header)]).await.is(500, "internal-payment-error");
    let headers = [("authorization", header.as_str()), ("idempotency-key", "order-7")];
    env.post("/panics", &headers).await.is(409, "in-progress");
    env.watcher.state().failing_credits = None;
    env.until_decided("POST", "/panics", &headers).await.is(402, "session/delta-too-small");
    assert_eq!((env.watcher.totals(&CHANNEL), env.sold()), ((10, 0), 1));
}

/// Two sales with the same voucher and different challenges, which are charged at the same time on credit. Only the first one may
/// be made. Returns both answers, and what the second one sent.
async fn two_at_a_time(env: &TestEnv) -> (Answer, Answer, String) {
    env.buy("/time", 100).await.receipt();
    let gate = Arc::new(Notify::new());
    env.watcher.state().charge_gate = Some((env.signed(Action::Voucher, 101).signature, Arc::clone(&gate)));
    let first = env.voucher(&env.challenge("/time").await, 101);
    let second = env.voucher(&env.challenge("/time").await, 101);
    let send =
        |header: &str| tokio::spawn(Answer::to(env.app.clone(), request("GET", "/time", &[("authorization", header)])));
    let calls = env.watcher.state().charge_calls;
    let (first, asked) = (send(&first), send(&second));
    until(|| env.watcher.state().charge_calls == calls + 2).await;
    env.watcher.state().charge_gate = None;
    gate.notify_waiters();
    (first.await.unwrap(), asked.await.unwrap(), second)
}

#[tokio::test]
async fn of_two_sales_with_one_voucher_one_is_given_back_also_when_the_first_try_fails() {
    for trouble in [unreachable(), ChargesError::OutcomeUnknown("cut".to_owned())] {
        let env = TestEnv::new();
        env.watcher.state().failing_credits = Some((1, trouble));
        let (served, refused, _) = two_at_a_time(&env).await;
        served.receipt();
        refused.is(402, "session/delta-too-small");
        assert_eq!((env.watcher.totals(&CHANNEL), env.sold()), ((101, 20), 2));
    }
}

#[tokio::test]
async fn nothing_is_sold_under_a_charge_that_is_being_given_back() {
    let env = TestEnv::new();
    env.watcher.state().failing_credits = Some((ALL, unreachable()));
    let (served, refused, second) = two_at_a_time(&env).await;
    served.receipt();
    refused.is(503, "payment-outcome-unknown");
    let headers = [("authorization", second.as_str())];
    env.get("/time", &headers).await.is(409, "in-progress");
    env.watcher.state().failing_credits = None;
    env.until_decided("GET", "/time", &headers).await.is(402, "session/delta-too-small");
    assert_eq!((env.watcher.totals(&CHANNEL), env.sold()), ((101, 20), 2));
}

#[tokio::test]
async fn a_used_voucher_or_a_late_one_takes_nothing_while_the_seller_finds_out() {
    let mut env = TestEnv::new();
    env.buy("/time", 100).await.receipt();
    env.restart();
    // No credit can be given, so nothing may be charged.
    env.watcher.state().failing_credits = Some((ALL, unreachable()));
    let header = env.voucher(&env.challenge("/time").await, 100);
    for _ in 0..2 {
        env.get("/time", &[("authorization", &header)]).await.is(402, "session/delta-too-small");
        assert_eq!((env.watcher.totals(&CHANNEL), env.sold()), ((100, 10), 1));
    }
}

#[tokio::test]
async fn what_was_paid_before_the_price_rose_is_served() {
    for restarted in [false, true] {
        let mut env = TestEnv::new();
        let challenge = env.challenge("/rising").await;
        let header = env.voucher(&challenge, 10);
        env.get("/rising", &[("authorization", &header)]).await.receipt();
        let lost = env.paid_post("/rising", 20).await;
        env.watcher.state().lost_charges = ALL;
        env.post("/rising", &[("authorization", &lost)]).await.is(503, "payment-outcome-unknown");
        env.watcher.state().lost_charges = 0;
        env.rising.store(15, std::sync::atomic::Ordering::SeqCst);
        if restarted {
            env.restart();
        } else {
            let served = env.post("/rising", &[("authorization", &lost)]).await;
            assert_eq!(served.receipt().charged, Some(Amount::from(10)));
        }
        let again = env.get("/rising", &[("authorization", &header)]).await;
        assert_eq!(again.receipt().charged, Some(Amount::from(10)));
        assert_eq!(env.watcher.totals(&CHANNEL), (20, 20));
        // Nothing new is sold at the old price.
        let cheap = env.voucher(&challenge, 35);
        env.get("/rising", &[("authorization", &cheap)]).await.is(402, "invalid-challenge");
        assert_eq!(env.watcher.totals(&CHANNEL), (20, 20));
    }
}

#[tokio::test]
async fn the_credit_of_a_failed_handler_is_given_also_when_the_first_try_fails() {
    for trouble in [unreachable(), ChargesError::OutcomeUnknown("cut".to_owned())] {
        let env = TestEnv::new();
        env.watcher.state().failing_credits = Some((1, trouble));
        assert_eq!(env.buy("/fails", 10).await.status, 502);
        assert_eq!(env.watcher.totals(&CHANNEL), (10, 0));
    }
}

#[tokio::test]
async fn a_receipt_says_what_is_charged_now_and_a_credit_that_could_not_be_given_is_given_later() {
    let env = TestEnv::new();
    env.watcher.state().failing_credits = Some((ALL, unreachable()));
    let answer = env.buy("/most", 100).await;
    assert_eq!(answer.receipt().charged, Some(Amount::from(100)), "not given back yet");
    assert_eq!(env.watcher.totals(&CHANNEL), (100, 100));
    env.watcher.state().failing_credits = None;
    until(|| env.watcher.totals(&CHANNEL) == (100, 30)).await;
}

#[tokio::test]
async fn the_receipt_of_a_request_that_is_answered_again_says_what_it_cost() {
    let mut env = TestEnv::new();
    let header = env.paid_get("/most", 100).await;
    for _ in 0..2 {
        let receipt = env.get("/most", &[("authorization", &header)]).await.receipt();
        assert_eq!(receipt.charged, Some(Amount::from(30)));
        env.restart();
    }
    assert_eq!(env.watcher.totals(&CHANNEL), (100, 30));
}
