//! Tests of payments side by side, with a server that gives its answers in a fixed order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::Request;
use paychan_mpp::buyer::{Buyer, BuyerOptions};
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::{get, open, options, serve};
use crate::env::{CHANNEL, TestEnv};

/// The seller, behind a server that holds one answer back until it is told to let it go.
struct Holding {
    address: SocketAddr,
    /// The answer is ready and is held.
    held: Arc<Notify>,
    let_go: Arc<Notify>,
    /// Whether one has been held, or none is to be held yet.
    taken: Arc<AtomicBool>,
}

/// The first answer to a request with a payment is held, or the first one to a request without.
async fn holding(env: &TestEnv, paid: bool) -> Holding {
    let (held, let_go, taken) = (Arc::new(Notify::new()), Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let (honest, tell, wait) = (env.app.clone(), Arc::clone(&held), Arc::clone(&let_go));
    let flag = Arc::clone(&taken);
    let app = Router::new().fallback(move |request: Request| {
        let hold = request.headers().contains_key("authorization") == paid && !flag.swap(true, Ordering::SeqCst);
        let (honest, tell, wait) = (honest.clone(), Arc::clone(&tell), Arc::clone(&wait));
        async move {
            let answer = tower::ServiceExt::oneshot(honest, request).await.unwrap();
            if hold {
                tell.notify_one();
                wait.notified().await;
            }
            answer
        }
    });
    Holding { address: serve(app).await, held, let_go, taken }
}

async fn total(buyer: &Buyer, address: SocketAddr) -> i128 {
    buyer.pay(get(address, "/time")).await.unwrap().paid.unwrap().total.get()
}

/// A payment in a task of its own, and the total that it signs.
fn pays_aside(buyer: &Arc<Buyer>, address: SocketAddr) -> JoinHandle<i128> {
    let buyer = Arc::clone(buyer);
    tokio::spawn(async move { total(&buyer, address).await })
}

#[tokio::test]
async fn a_receipt_is_believed_rather_than_a_challenge_that_was_asked_for_before_it() {
    let env = TestEnv::new();
    let Holding { address, held, let_go, .. } = holding(&env, false).await;
    let folder = TempDir::new().unwrap();
    let buyer = Arc::new(open(&folder, options(&env)));
    let slow = pays_aside(&buyer, address);
    held.notified().await;
    // These payments begin and end while the challenge of the other one, which says that nothing was paid, is on its way.
    for expected in [10, 20] {
        assert_eq!(total(&buyer, address).await, expected);
    }
    let_go.notify_one();
    assert_eq!(slow.await.unwrap(), 30);
    assert_eq!((env.watcher.totals(&CHANNEL), env.sold()), ((30, 30), 3));
}

#[tokio::test]
async fn a_receipt_is_believed_rather_than_a_proof_that_was_asked_for_before_it() {
    let env = TestEnv::new();
    let Holding { address, held, let_go, taken } = holding(&env, true).await;
    taken.store(true, Ordering::SeqCst);
    let folder = TempDir::new().unwrap();
    let buyer = Arc::new(open(&folder, BuyerOptions { new_challenge_each_time: true, ..options(&env) }));
    assert_eq!(total(&buyer, address).await, 10);
    // Another machine with the same key pays, and this one's store does not know of it.
    env.buy("/time", 20).await.receipt();
    env.buy("/time", 30).await.receipt();
    taken.store(false, Ordering::SeqCst);
    let slow = pays_aside(&buyer, address);
    held.notified().await;
    // These payments learn the lost total and are answered while the proof for the other one is on its way.
    for expected in [40, 50] {
        assert_eq!(total(&buyer, address).await, expected);
    }
    let_go.notify_one();
    assert_eq!(slow.await.unwrap(), 60);
    assert_eq!((env.watcher.totals(&CHANNEL), env.sold()), ((60, 60), 6));
}

#[tokio::test]
async fn payments_to_a_server_that_counts_no_credit_are_made_one_after_another() {
    let (env, (address, held)) = (TestEnv::new(), super::close_price::server().await);
    let folder = TempDir::new().unwrap();
    let buyer = Arc::new(open(&folder, options(&env)));
    let payments: Vec<_> = (0..8).map(|_| pays_aside(&buyer, address)).collect();
    for payment in payments {
        payment.await.unwrap();
    }
    assert_eq!(held.lock().unwrap().accepted, 80);
    assert_eq!(buyer.signed(&CHANNEL).get(), 80, "one price for each answer");
}
