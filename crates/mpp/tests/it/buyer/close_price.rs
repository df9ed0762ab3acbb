//! Tests of closes at a server that wants one price more for them, as servers with Stellar's TypeScript SDK do.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use http::Response;
use paychan_channel::Amount;
use paychan_mpp::buyer::{Buyer, BuyerOptions, Caps, Ended, PayError, PayFailure, Store};
use paychan_mpp::problem::ProblemType;
use paychan_mpp::wire::{Action, Receipt, Timestamp, read_credential};
use paychan_watcher_api::CloseState;
use tempfile::TempDir;

use super::hostile::{HONEST, Says, asks};
use super::{get, open, options, serve};
use crate::env::{CHANNEL, TestEnv};

/// What the server holds.
#[derive(Default)]
pub(super) struct Held {
    pub(super) accepted: u64,
    used: HashSet<String>,
    closes: Vec<u64>,
    closed: bool,
}

/// A server with the rules of the SDK: each credential pays one price more, a close too; each challenge is taken once; no receipt
/// says what was spent.
pub(super) async fn server() -> (SocketAddr, Arc<Mutex<Held>>) {
    let held: Arc<Mutex<Held>> = Arc::default();
    let shared = Arc::clone(&held);
    let app = Router::new().fallback(move |request: Request| {
        let mut held = shared.lock().unwrap();
        let refuse = |held: &Held, kind| asks(&Says { cumulative: held.accepted, ..HONEST }, kind);
        let credential = request.headers().get("authorization").map(|value| value.to_str().unwrap());
        let answer = match credential.and_then(|text| read_credential(text).unwrap()) {
            None => refuse(&held, ProblemType::PaymentRequired),
            Some(credential) => {
                let payload = credential.payload().unwrap();
                let amount = u64::try_from(payload.amount.get()).unwrap();
                let close = payload.action == Action::Close;
                if close {
                    held.closes.push(amount);
                }
                let used = !held.used.insert(credential.challenge.id.clone());
                if held.closed || used || amount < held.accepted + HONEST.amount {
                    refuse(&held, ProblemType::PaymentInsufficient)
                } else {
                    (held.accepted, held.closed) = (amount, close);
                    let reference = if close { "ab".repeat(32) } else { "a reference".to_owned() };
                    let receipt = Receipt::success(reference, Timestamp::now().to_text()).to_header().unwrap();
                    Response::builder().header("payment-receipt", receipt).body(Body::from("sold")).unwrap()
                }
            }
        };
        async move { answer }
    });
    (serve(app).await, held)
}

async fn close(folder: &TempDir, options: BuyerOptions, address: SocketAddr) -> (Buyer, Result<Ended, PayFailure>) {
    let buyer = open(folder, options);
    for _ in 0..2 {
        buyer.pay(get(address, "/time")).await.unwrap();
    }
    let ended = buyer.end(get(address, "/time")).await;
    (buyer, ended)
}

#[tokio::test]
async fn a_close_that_costs_a_price_is_paid_only_when_the_user_allows_that_price() {
    for allowed in [None, Some(9_u64)] {
        let (env, folder, (address, held)) = (TestEnv::new(), TempDir::new().unwrap(), server().await);
        let close_may_cost = allowed.map(Amount::from);
        let (buyer, ended) = close(&folder, BuyerOptions { close_may_cost, ..options(&env) }, address).await;
        let refused = ended.unwrap_err();
        let PayError::CloseRefused { offered, price, .. } = &*refused.why else { panic!("{refused}") };
        assert_eq!((offered.get(), price.map(Amount::get)), (20, Some(10)), "it says what the server asks for");
        assert!(!refused.may_have_paid(), "{refused}");
        assert_eq!((buyer.signed(&CHANNEL).get(), &held.lock().unwrap().closes), (20, &vec![20]));
    }
    let (env, folder, (address, held)) = (TestEnv::new(), TempDir::new().unwrap(), server().await);
    let close_may_cost = Some(Amount::from(10_u64));
    let (buyer, ended) = close(&folder, BuyerOptions { close_may_cost, ..options(&env) }, address).await;
    let ended = ended.unwrap();
    assert_eq!((ended.amount.get(), ended.state, ended.transaction), (30, CloseState::Closed, Some("ab".repeat(32))));
    assert_eq!(held.lock().unwrap().closes, [20, 30], "what is owed was offered first");
    drop(buyer);
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.signed(&CHANNEL).get(), 30, "it was recorded");
    assert!(store.left(&CHANNEL).is_some());
}

#[tokio::test]
async fn the_caps_hold_for_the_price_of_a_close() {
    let most = |amount: u64| Some(Amount::from(amount));
    for caps in [
        Caps { total: most(29), ..Caps::default() },
        Caps { per_channel: most(29), ..Caps::default() },
        Caps { per_day: most(29), ..Caps::default() },
        Caps { per_host: most(29), ..Caps::default() },
    ] {
        let (env, folder, (address, held)) = (TestEnv::new(), TempDir::new().unwrap(), server().await);
        let allowing = BuyerOptions { close_may_cost: most(10), caps, ..options(&env) };
        let (buyer, ended) = close(&folder, allowing, address).await;
        let refused = ended.unwrap_err();
        assert!(matches!(*refused.why, PayError::Cap(_)), "{refused}");
        assert_eq!((buyer.signed(&CHANNEL).get(), &held.lock().unwrap().closes), (20, &vec![20]), "{caps:?}");
    }
}
