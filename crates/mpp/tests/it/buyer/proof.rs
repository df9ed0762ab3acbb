//! Tests that a buyer which has lost its store learns its total from its own signature, and believes no other proof.

use std::net::SocketAddr;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use paychan_channel::{Amount, Commitment, CommitmentSecret, ContractId, NetworkId};
use paychan_mpp::buyer::{Buyer, BuyerOptions, Caps, PayError, PayFailure, Store};
use paychan_mpp::problem::{HIGHEST, HIGHEST_SIGNATURE, ProblemBody};
use paychan_mpp::wire::NetworkName;
use serde_json::Value;
use tempfile::TempDir;

use super::{get, open, options, serve};
use crate::env::{CHANNEL, TestEnv};

/// A seller to which 30 base units were paid by a buyer whose store is lost.
pub(super) async fn after_loss() -> (TestEnv, SocketAddr) {
    let env = TestEnv::new();
    let address = serve(env.app.clone()).await;
    pay_three(&env, address).await;
    (env, address)
}

pub(super) async fn pay_three(env: &TestEnv, address: SocketAddr) {
    let lost = TempDir::new().unwrap();
    let buyer = open(&lost, options(env));
    for _ in 0..3 {
        buyer.pay(get(address, "/time")).await.unwrap();
    }
}

async fn total(buyer: &Buyer, address: SocketAddr) -> Result<i128, PayFailure> {
    Ok(buyer.pay(get(address, "/time")).await?.paid.expect("it was paid").total.get())
}

#[tokio::test]
async fn a_lost_total_is_proven_and_the_request_is_paid() {
    let (env, address) = after_loss().await;
    let folder = TempDir::new().unwrap();
    let buyer = open(&folder, options(&env));
    assert_eq!(total(&buyer, address).await.unwrap(), 40);
    assert_eq!(total(&buyer, address).await.unwrap(), 50);
    assert_eq!((env.watcher.totals(&CHANNEL), env.sold()), ((50, 50), 5), "each answer was paid once");
    drop(buyer);
    assert_eq!(Store::open(folder.path()).unwrap().signed(&CHANNEL), Amount::from(50_u64), "it is on disk");
}

#[tokio::test]
async fn payments_side_by_side_after_a_loss_are_all_made_once() {
    for _ in 0..5 {
        let (env, address) = after_loss().await;
        let folder = TempDir::new().unwrap();
        let buyer = std::sync::Arc::new(open(&folder, options(&env)));
        let pay = |_| {
            let buyer = std::sync::Arc::clone(&buyer);
            tokio::spawn(async move { total(&buyer, address).await })
        };
        let payments: Vec<_> = (0..8).map(pay).collect();
        for payment in payments {
            payment.await.unwrap().unwrap();
        }
        assert_eq!((env.watcher.totals(&CHANNEL), env.sold()), ((110, 110), 11));
        assert_eq!(buyer.signed(&CHANNEL), Amount::from(110_u64));
    }
}

#[tokio::test]
async fn a_store_from_an_old_copy_signs_nothing_new_to_get_a_proof() {
    let env = TestEnv::new();
    let address = serve(env.app.clone()).await;
    let folder = TempDir::new().unwrap();
    open(&folder, options(&env)).pay(get(address, "/time")).await.unwrap();
    let file = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let copy = std::fs::read(&file).unwrap();
    for _ in 0..2 {
        open(&folder, options(&env)).pay(get(address, "/time")).await.unwrap();
    }
    std::fs::write(&file, copy).unwrap();
    assert_eq!(total(&open(&folder, options(&env)), address).await.unwrap(), 40);
    let raises: Vec<i128> =
        Store::read(folder.path()).unwrap().iter().map(|record| record.signed_away().get()).collect();
    assert_eq!(raises.iter().sum::<i128>(), 40, "{raises:?}");
    assert!(raises.contains(&20), "what was lost: {raises:?}");
}

#[tokio::test]
async fn credit_that_is_left_at_the_server_pays_first() {
    let env = TestEnv::new();
    let (address, lost, folder) = (serve(env.app.clone()).await, TempDir::new().unwrap(), TempDir::new().unwrap());
    // It is charged 100, and gets 70 of them back.
    open(&lost, options(&env)).pay(get(address, "/most")).await.unwrap();
    let buyer = open(&folder, options(&env));
    // The first request asks for a proof, and is sold for credit. The second one learns the total.
    for expected in [1, 101, 102, 103, 104, 105, 106] {
        assert_eq!(total(&buyer, address).await.unwrap(), expected, "the credit pays, but for one base unit");
    }
    assert_eq!(env.watcher.totals(&CHANNEL), (106, 100));
    assert_eq!(total(&buyer, address).await.unwrap(), 110, "the credit is used up");
    assert_eq!(env.watcher.totals(&CHANNEL), (110, 110));
}

#[tokio::test]
async fn caps_count_a_learnt_total_as_paid_today_and_the_price_as_one_request() {
    let ten = Some(Amount::from(10_u64));
    for (cap, kept) in [(39_u64, false), (40, true)] {
        let cap = Some(Amount::from(cap));
        for caps in [
            Caps { per_request: ten, total: cap, ..Caps::default() },
            Caps { per_request: ten, per_day: cap, ..Caps::default() },
            Caps { per_request: ten, per_host: cap, ..Caps::default() },
            Caps { per_request: ten, per_channel: cap, ..Caps::default() },
        ] {
            let (env, address) = after_loss().await;
            let folder = TempDir::new().unwrap();
            // The second buyer reads from the disk what the first one has learnt.
            for _ in 0..2 {
                let bought = total(&open(&folder, BuyerOptions { caps, ..options(&env) }), address).await;
                match bought {
                    Ok(total) => assert!(kept && total == 40, "{caps:?}: {total}"),
                    Err(error) => assert!(matches!(*error.why, PayError::Cap(_)), "{caps:?}: {error}"),
                }
            }
            let expected = if kept { 40 } else { 30 };
            assert_eq!(env.watcher.totals(&CHANNEL), (expected, expected), "{caps:?}");
            assert_eq!(Store::open(folder.path()).unwrap().signed(&CHANNEL).get(), expected, "{caps:?}");
        }
    }
}

/// The seller, behind a server that changes the details of its refusals.
pub(super) async fn liar(
    env: &TestEnv,
    change: impl Fn(&mut ProblemBody) + Clone + Send + Sync + 'static,
) -> SocketAddr {
    let honest = env.app.clone();
    serve(Router::new().fallback(move |request: Request| {
        let (honest, change) = (honest.clone(), change.clone());
        async move {
            let (mut parts, body) = tower::ServiceExt::oneshot(honest, request).await.unwrap().into_parts();
            let mut body = to_bytes(body, 1 << 20).await.unwrap();
            if let Ok(mut problem) = serde_json::from_slice::<ProblemBody>(&body) {
                change(&mut problem);
                body = serde_json::to_vec(&problem).unwrap().into();
                parts.headers.remove("content-length");
            }
            axum::response::Response::from_parts(parts, Body::from(body))
        }
    }))
    .await
}

#[tokio::test]
async fn what_proves_nothing_is_not_believed() {
    let sign = |key: &CommitmentSecret, network: NetworkId, channel: ContractId, amount: u64| {
        let commitment = Commitment { network, channel, amount: amount.into() };
        (amount.to_string(), commitment.sign(key).to_string())
    };
    let (here, there) = (NetworkName::testnet().id(), NetworkName::pubnet().id());
    type Lie<'a> = Box<dyn Fn(&TestEnv) -> (String, String) + 'a>;
    let lies: Vec<(&str, Lie<'_>)> = vec![
        ("another channel", Box::new(|env| sign(&env.key, here, ContractId([8; 32]), 30))),
        ("another network", Box::new(|env| sign(&env.key, there, CHANNEL, 30))),
        ("another key", Box::new(|_| sign(&CommitmentSecret::generate().unwrap(), here, CHANNEL, 30))),
        ("a higher amount", Box::new(|env| ("31".to_owned(), sign(&env.key, here, CHANNEL, 30).1))),
        ("less than it claims", Box::new(|env| sign(&env.key, here, CHANNEL, 29))),
        ("less than the store knows", Box::new(|env| sign(&env.key, here, CHANNEL, 1))),
        ("no signature", Box::new(|_| ("30".to_owned(), String::new()))),
        ("no amount", Box::new(|env| ("-30".to_owned(), sign(&env.key, here, CHANNEL, 30).1))),
    ];
    for (what, lie) in lies {
        let env = TestEnv::new();
        let (highest, signature) = lie(&env);
        let address = liar(&env, move |problem| {
            problem.details.insert(HIGHEST.to_owned(), highest.clone().into());
            problem.details.insert(HIGHEST_SIGNATURE.to_owned(), signature.clone().into());
        })
        .await;
        pay_three(&env, address).await;
        let folder = TempDir::new().unwrap();
        let buyer = open(&folder, options(&env));
        let mut signed = Vec::new();
        for _ in 0..3 {
            let refused = buyer.pay(get(address, "/time")).await.unwrap_err();
            assert!(matches!(*refused.why, PayError::ServerAhead { .. }), "{what}: {refused}");
            signed.push(buyer.signed(&CHANNEL).get());
        }
        let proven = if what == "less than it claims" { 29 } else { 1 };
        assert_eq!(signed, [proven; 3], "{what}: one base unit was signed to ask, and no more");
        assert_eq!((env.watcher.totals(&CHANNEL), env.sold()), ((30, 30), 3), "{what}");
    }
}

/// The server takes a voucher, claims a higher total, and then proves no more than that voucher.
#[tokio::test]
async fn a_voucher_for_this_request_is_no_proof_that_something_was_lost() {
    use paychan_mpp::problem::ProblemType;
    use paychan_mpp::wire::read_credential;
    use std::sync::{Arc, Mutex};

    use super::hostile::{HONEST, Says, asks};

    let env = TestEnv::new();
    let got: Arc<Mutex<Vec<Amount>>> = Arc::default();
    let taken = Arc::clone(&got);
    let address = serve(Router::new().fallback(move |request: Request| {
        let credential = request.headers().get("authorization").map(|value| value.to_str().unwrap());
        let payload = credential.and_then(|text| read_credential(text).unwrap()).map(|read| read.payload().unwrap());
        let says = |cumulative| Says { cumulative, ..HONEST };
        let mut taken = taken.lock().unwrap();
        taken.extend(payload.as_ref().map(|payload| payload.amount));
        let answer = match (payload, taken.len()) {
            (None, _) => asks(&HONEST, ProblemType::PaymentRequired),
            (Some(_), 1) => asks(&says(1_000), ProblemType::PaymentInsufficient),
            (Some(payload), 2) => {
                let (mut parts, _) = asks(&says(10), ProblemType::PaymentInsufficient).into_parts();
                let mut problem = ProblemBody::new(ProblemType::PaymentInsufficient, "x", serde_json::Map::new());
                problem.details.insert(HIGHEST.to_owned(), payload.amount.to_string().into());
                problem.details.insert(HIGHEST_SIGNATURE.to_owned(), payload.signature.to_string().into());
                parts.headers.remove("content-length");
                axum::response::Response::from_parts(parts, Body::from(serde_json::to_vec(&problem).unwrap()))
            }
            _ => axum::response::Response::new(Body::from("sold")),
        };
        async move { answer }
    }))
    .await;
    let folder = TempDir::new().unwrap();
    let buyer = open(&folder, options(&env));
    let refused = buyer.pay(get(address, "/x")).await.unwrap_err();
    assert!(matches!(*refused.why, PayError::ServerAhead { .. }), "{refused}");
    assert_eq!(buyer.signed(&CHANNEL), Amount::from(10_u64), "one price for one answer");
    assert_eq!(*got.lock().unwrap(), [10_u64, 10].map(Amount::from));
}

#[tokio::test]
async fn a_seller_hands_a_proof_only_to_a_valid_voucher_that_is_too_low() {
    let env = TestEnv::new();
    env.buy("/time", 10).await.receipt();
    let challenge = env.challenge("/time").await;
    let session = CHANNEL.to_string();
    let unpaid = env.get("/time", &[("payment-session", &session)]).await;
    assert_eq!(unpaid.is(402, "payment-required").details.get(HIGHEST_SIGNATURE), None);
    let low = env.get("/time", &[("authorization", &env.voucher(&challenge, 1))]).await;
    let details = low.is(402, "payment-insufficient").details;
    let expected = env.signed(paychan_mpp::wire::Action::Voucher, 10).signature.to_string();
    assert_eq!((&details[HIGHEST], &details[HIGHEST_SIGNATURE]), (&Value::from("10"), &Value::from(expected)));

    let same = env.get("/time", &[("authorization", &env.voucher(&env.challenge("/time").await, 10))]).await;
    assert_eq!(
        same.is(402, "session/delta-too-small").details.get(HIGHEST_SIGNATURE),
        None,
        "its sender has it already"
    );

    let thief = TestEnv { key: CommitmentSecret::generate().unwrap(), ..env };
    let forged = thief.get("/time", &[("authorization", &thief.voucher(&challenge, 1))]).await;
    assert_eq!(forged.is(402, "session/invalid-signature").details.get(HIGHEST_SIGNATURE), None);
}
