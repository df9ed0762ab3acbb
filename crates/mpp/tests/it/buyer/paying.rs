//! Tests of our buyer with our seller.

use std::sync::Arc;
use std::sync::Mutex;

use paychan_channel::Amount;
use paychan_mpp::buyer::{BuyerOptions, Event, PayError, PaymentMiddleware, Record, Store};
use tempfile::TempDir;

use super::{capped, get, open, options, serve};
use crate::env::{CHANNEL, TestEnv};

#[tokio::test]
async fn requests_are_paid_one_after_another_with_one_challenge() {
    let env = TestEnv::new();
    let address = serve(env.app.clone()).await;
    let folder = TempDir::new().unwrap();
    let events: Arc<Mutex<Vec<Event>>> = Arc::default();
    let told = Arc::clone(&events);
    let on_event = Some(Arc::new(move |event: &Event| told.lock().unwrap().push(event.clone())) as _);
    let buyer = open(&folder, BuyerOptions { on_event, ..options(&env) });
    for number in 1..=5_i128 {
        let bought = buyer.pay(get(address, "/time")).await.unwrap();
        let paid = bought.paid.unwrap();
        assert_eq!(paid.total.get(), number * 10);
        assert_eq!(paid.receipt.unwrap().spent.unwrap().get(), number * 10);
        assert_eq!(bought.response.text().await.unwrap(), format!("answer {number}"));
    }
    assert_eq!(env.watcher.totals(&CHANNEL), (50, 50));
    assert_eq!(events.lock().unwrap().iter().filter(|event| matches!(event, Event::Paying { .. })).count(), 5);
    let records = Store::read(folder.path()).unwrap();
    let signed = records.iter().filter(|record| matches!(record, Record::Signed(_))).count();
    let receipts =
        records.iter().filter(|r| matches!(r, Record::Answered(answered) if answered.receipt.is_some())).count();
    assert_eq!((signed, receipts), (5, 5), "receipts are kept");
}

#[tokio::test]
async fn concurrent_requests_on_one_channel_are_each_paid_once() {
    let env = TestEnv::new();
    let address = serve(env.app.clone()).await;
    let folder = TempDir::new().unwrap();
    let buyer = Arc::new(open(&folder, options(&env)));
    buyer.pay(get(address, "/time")).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let buyer = Arc::clone(&buyer);
        tasks.spawn(async move {
            for _ in 0..10 {
                buyer.pay(get(address, "/time")).await.unwrap().paid.unwrap();
            }
        });
    }
    tasks.join_all().await;
    assert_eq!((env.watcher.totals(&CHANNEL), env.sold()), ((810, 810), 81));
}

#[tokio::test]
async fn the_middleware_pays_without_a_change_of_the_program() {
    let env = TestEnv::new();
    let address = serve(env.app.clone()).await;
    let folder = TempDir::new().unwrap();
    let buyer = Arc::new(open(&folder, options(&env)));
    let plain = paychan_rpc::http::client_of_this_machine(Default::default()).unwrap();
    let client = reqwest_middleware::ClientBuilder::new(plain).with(PaymentMiddleware(buyer)).build();
    for number in 1..=2 {
        let answer = client.get(format!("http://{address}/time")).send().await.unwrap();
        assert!(answer.extensions().get::<paychan_mpp::buyer::Payment>().is_some());
        assert_eq!(answer.text().await.unwrap(), format!("answer {number}"));
    }
}

#[tokio::test]
async fn a_free_answer_costs_nothing_and_a_price_can_be_asked_for() {
    let env = TestEnv::new();
    let address = serve(env.app.clone()).await;
    let folder = TempDir::new().unwrap();
    let buyer = open(&folder, options(&env));
    assert!(buyer.pay(get(address, "/query?free")).await.unwrap().paid.is_none());
    assert_eq!(buyer.price(get(address, "/time")).await.unwrap(), Some((CHANNEL, Amount::from(10))));
    assert!(Store::read(folder.path()).unwrap().is_empty());
}

#[tokio::test]
async fn the_total_survives_a_restart_and_a_lost_answer_is_not_signed_away_twice() {
    let env = TestEnv::new();
    let address = serve(env.app.clone()).await;
    let folder = TempDir::new().unwrap();
    open(&folder, options(&env)).pay(get(address, "/time")).await.unwrap();
    // The process died after it recorded a total and before it sent the voucher.
    {
        let mut store = Store::open(folder.path()).unwrap();
        let Record::Signed(mut signed) = Store::read(folder.path()).unwrap()[0].clone() else { panic!("the payment") };
        (signed.id, signed.total) = (store.take_id(), Amount::from(20));
        store.write(&Record::Signed(signed), true).unwrap();
    }
    let bought = open(&folder, options(&env)).pay(get(address, "/time")).await.unwrap();
    assert_eq!(bought.paid.unwrap().total.get(), 20, "the total that never arrived is signed again, not a higher one");
    assert_eq!(env.watcher.totals(&CHANNEL), (20, 20));
}

#[tokio::test]
async fn after_the_loss_of_the_store_a_resync_without_a_proof_is_explicit_and_capped() {
    let env = TestEnv::new();
    env.watcher.state().hides_highest = true;
    let address = serve(env.app.clone()).await;
    let (lost, folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let buyer = open(&lost, options(&env));
    for _ in 0..3 {
        buyer.pay(get(address, "/time")).await.unwrap();
    }
    let ahead = open(&folder, options(&env)).pay(get(address, "/time")).await.unwrap_err();
    assert!(
        matches!(&*ahead.why, PayError::ServerAhead { says, known, .. } if says.get() == 30 && known.is_zero()),
        "{ahead}"
    );
    let too_little = BuyerOptions { resync_up_to: Some(Amount::from(29)), ..options(&env) };
    assert!(open(&folder, too_little).pay(get(address, "/time")).await.is_err());
    let enough = BuyerOptions { resync_up_to: Some(Amount::from(30)), ..options(&env) };
    let bought = open(&folder, enough).pay(get(address, "/time")).await.unwrap();
    assert_eq!(bought.paid.unwrap().total.get(), 40);
    assert_eq!(open(&folder, options(&env)).pay(get(address, "/time")).await.unwrap().paid.unwrap().total.get(), 50);
}

#[tokio::test]
async fn caps_hold_and_nothing_is_signed_above_them() {
    let env = TestEnv::new();
    let address = serve(env.app.clone()).await;
    let folder = TempDir::new().unwrap();
    let buyer = open(&folder, BuyerOptions { caps: capped(25), ..options(&env) });
    for _ in 0..2 {
        buyer.pay(get(address, "/time")).await.unwrap();
    }
    let error = buyer.pay(get(address, "/time")).await.unwrap_err();
    assert!(matches!(*error.why, PayError::Cap(_)) && !error.may_have_paid(), "{error}");
    drop(buyer);
    // The cap holds after a restart too.
    let buyer = open(&folder, BuyerOptions { caps: capped(25), ..options(&env) });
    let error = buyer.pay(get(address, "/time")).await.unwrap_err();
    assert!(matches!(*error.why, PayError::Cap(_)), "{error}");
    assert_eq!(env.watcher.totals(&CHANNEL), (20, 20));
}

#[tokio::test]
async fn a_failing_handler_and_a_credit_cost_no_more_than_a_base_unit() {
    let env = TestEnv::new();
    let address = serve(env.app.clone()).await;
    let folder = TempDir::new().unwrap();
    let buyer = open(&folder, options(&env));
    assert_eq!(buyer.pay(get(address, "/fails")).await.unwrap().response.status(), 502);
    assert_eq!(buyer.pay(get(address, "/time")).await.unwrap().paid.unwrap().total.get(), 11);
    let most = buyer.pay(get(address, "/most")).await.unwrap().paid.unwrap();
    assert_eq!((most.total.get(), most.receipt.unwrap().charged.unwrap().get()), (110, 30));
    let next = buyer.pay(get(address, "/time")).await.unwrap().paid.unwrap();
    assert_eq!(next.total.get(), 111, "the credit is used up before more is signed away");
}

/// The caller gives a payment up when the server has taken it.
#[tokio::test]
async fn a_payment_that_was_given_up_is_not_answered_to_the_next_request() {
    let env = TestEnv::new();
    let (taken, honest, told) = (Arc::new(tokio::sync::Notify::new()), env.app.clone(), Arc::new(Mutex::new(0)));
    let tell = Arc::clone(&taken);
    let app = axum::Router::new().fallback(move |request: axum::extract::Request| {
        let (honest, tell, told) = (honest.clone(), Arc::clone(&tell), Arc::clone(&told));
        async move {
            let paid = request.headers().contains_key("authorization");
            let answer = tower::ServiceExt::oneshot(honest, request).await.unwrap();
            let second = paid && {
                let mut told = told.lock().unwrap();
                *told += 1;
                *told == 2
            };
            if second {
                tell.notify_one();
                std::future::pending::<()>().await;
            }
            answer
        }
    });
    let address = serve(app).await;
    let folder = TempDir::new().unwrap();
    let buyer = open(&folder, options(&env));
    let answer = async || {
        let bought = buyer.pay(get(address, "/time")).await.unwrap();
        let total = bought.paid.unwrap().total.get();
        (bought.response.text().await.unwrap(), total)
    };
    assert_eq!(answer().await, ("answer 1".to_owned(), 10));
    tokio::select! {
        _ = answer() => panic!("it is not answered"),
        () = taken.notified() => {}
    }
    assert_eq!(answer().await, ("answer 3".to_owned(), 30));
}
