//! Tests that a buyer ends its channel with what was spent, and never with more than it has signed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::StatusCode;
use paychan_channel::{Amount, Commitment, CommitmentSecret};
use paychan_mpp::buyer::{Buyer, BuyerOptions, PayError, Record, Store};
use paychan_mpp::problem::{HIGHEST, HIGHEST_SIGNATURE};
use paychan_watcher_api::CloseState;
use tempfile::TempDir;

use super::proof::{after_loss, liar, pay_three};
use super::{capped, get, open, options, serve};
use crate::env::{CHANNEL, TestEnv};

/// A server, and a buyer with its folder.
async fn buying() -> (TestEnv, SocketAddr, TempDir, Buyer) {
    let (env, folder) = (TestEnv::new(), TempDir::new().unwrap());
    let (address, buyer) = (serve(env.app.clone()).await, open(&folder, options(&env)));
    (env, address, folder, buyer)
}

#[tokio::test]
async fn a_channel_is_ended_with_what_was_spent_and_is_used_no_more() {
    let (env, address, folder, buyer) = buying().await;
    // It is charged 100, and gets 70 of them back.
    buyer.pay(get(address, "/most")).await.unwrap();
    assert_eq!(env.watcher.totals(&CHANNEL), (100, 30));
    let ended = buyer.end(get(address, "/time")).await.unwrap();
    assert_eq!((ended.channel, ended.amount, ended.state), (CHANNEL, Amount::from(30_u64), CloseState::Closed));
    assert_eq!(ended.transaction, Some("ab".repeat(32)));
    assert_eq!(env.watcher.state().channels[&CHANNEL].closed_with, Some(Amount::from(30_u64)));
    assert_eq!(env.sold(), 1, "a close buys nothing");

    let after = buyer.pay(get(address, "/time")).await.unwrap_err();
    assert!(!after.may_have_paid(), "{after}");
    drop(buyer);
    assert!(Store::open(folder.path()).unwrap().left(&CHANNEL).is_some(), "the next process knows it too");
}

#[tokio::test]
async fn what_the_server_needs_is_offered_if_it_was_signed_before() {
    let (env, address, _folder, buyer) = buying().await;
    buyer.pay(get(address, "/most")).await.unwrap();
    // A sale of which the buyer has no receipt.
    env.watcher.state().channels.get_mut(&CHANNEL).unwrap().spent = Amount::from(45_u64);
    let ended = buyer.end(get(address, "/time")).await.unwrap();
    assert_eq!(ended.amount, Amount::from(45_u64));
    assert_eq!(env.watcher.state().channels[&CHANNEL].closed_with, Some(Amount::from(45_u64)));
}

#[tokio::test]
async fn a_buyer_that_has_lost_its_receipts_ends_with_no_more_than_the_server_counts() {
    let env = TestEnv::new();
    env.watcher.state().hides_highest = true;
    let (address, folder) = (serve(env.app.clone()).await, TempDir::new().unwrap());
    let lost = TempDir::new().unwrap();
    open(&lost, options(&env)).pay(get(address, "/time")).await.unwrap();
    let buyer = open(&folder, options(&env));
    let refused = buyer.end(get(address, "/time")).await.unwrap_err();
    assert!(matches!(*refused.why, PayError::ServerAhead { .. }), "{refused}");
    assert_eq!(env.watcher.state().channels[&CHANNEL].closed_with, None);
    drop(buyer);
    let resync_up_to = Some(Amount::from(10_u64));
    let buyer = open(&folder, BuyerOptions { resync_up_to, ..options(&env) });
    assert_eq!(buyer.end(get(address, "/time")).await.unwrap().amount, Amount::from(10_u64));
}

#[tokio::test]
async fn after_a_loss_a_close_learns_the_total_and_pays_what_was_spent() {
    let (env, address) = after_loss().await;
    let folder = TempDir::new().unwrap();
    let buyer = open(&folder, options(&env));
    assert_eq!(buyer.end(get(address, "/time")).await.unwrap().amount, Amount::from(30_u64));
    assert_eq!(env.watcher.state().channels[&CHANNEL].closed_with, Some(Amount::from(30_u64)));
    drop(buyer);
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.signed(&CHANNEL), Amount::from(30_u64), "what was learnt is on disk");
    assert!(store.left(&CHANNEL).is_some());

    // It is charged 100, and gets 70 of them back.
    let env = TestEnv::new();
    let (address, lost, folder) = (serve(env.app.clone()).await, TempDir::new().unwrap(), TempDir::new().unwrap());
    open(&lost, options(&env)).pay(get(address, "/most")).await.unwrap();
    assert_eq!(env.watcher.totals(&CHANNEL), (100, 30));
    let ended = open(&folder, options(&env)).end(get(address, "/time")).await.unwrap();
    assert_eq!(ended.amount, Amount::from(30_u64), "not the highest commitment");
}

#[tokio::test]
async fn a_store_from_an_old_copy_signs_nothing_new_for_a_close() {
    let env = TestEnv::new();
    let (address, folder) = (serve(env.app.clone()).await, TempDir::new().unwrap());
    open(&folder, options(&env)).pay(get(address, "/time")).await.unwrap();
    pay_three(&env, address).await;
    let ended = open(&folder, options(&env)).end(get(address, "/time")).await.unwrap();
    assert_eq!(ended.amount, Amount::from(40_u64));
    let signed = Store::read(folder.path()).unwrap().into_iter().filter(|record| matches!(record, Record::Signed(_)));
    assert_eq!(signed.count(), 1, "the payment");
}

#[tokio::test]
async fn a_close_after_a_loss_keeps_the_caps() {
    for (cap, kept) in [(29, false), (30, true)] {
        let (env, address) = after_loss().await;
        let folder = TempDir::new().unwrap();
        let ended = open(&folder, BuyerOptions { caps: capped(cap), ..options(&env) }).end(get(address, "/time")).await;
        match ended {
            Ok(ended) => assert!(kept && ended.amount == Amount::from(30_u64), "{cap}: {ended:?}"),
            Err(failed) => assert!(!kept && matches!(*failed.why, PayError::Cap(_)), "{cap}: {failed}"),
        }
        assert_eq!(env.watcher.state().channels[&CHANNEL].closed_with.is_some(), kept);
    }
}

#[tokio::test]
async fn a_close_is_not_raised_by_what_proves_nothing() {
    let env = TestEnv::new();
    let forged = CommitmentSecret::generate().unwrap();
    let commitment = Commitment { network: env.network.id(), channel: CHANNEL, amount: 30_u64.into() };
    let signature = commitment.sign(&forged).to_string();
    let address = liar(&env, move |problem| {
        problem.details.insert(HIGHEST.to_owned(), "30".into());
        problem.details.insert(HIGHEST_SIGNATURE.to_owned(), signature.clone().into());
    })
    .await;
    pay_three(&env, address).await;
    let folder = TempDir::new().unwrap();
    let buyer = open(&folder, options(&env));
    for signed_away in [Some(Amount::from(1_u64)), None] {
        let refused = buyer.end(get(address, "/time")).await.unwrap_err();
        assert!(matches!(*refused.why, PayError::ServerAhead { .. }), "{refused}");
        assert_eq!(refused.signed_away, signed_away, "one base unit was signed to ask, once");
    }
    assert_eq!(buyer.signed(&CHANNEL), Amount::from(1_u64));
    assert_eq!(env.watcher.state().channels[&CHANNEL].closed_with, None);
}

#[tokio::test]
async fn a_channel_whose_payments_were_all_given_back_is_closed_with_one_base_unit() {
    let (env, address, _folder, buyer) = buying().await;
    buyer.pay(get(address, "/fails")).await.unwrap();
    assert_eq!(env.watcher.totals(&CHANNEL), (10, 0));
    assert_eq!(buyer.end(get(address, "/time")).await.unwrap().amount, Amount::from(1_u64));
}

#[tokio::test]
async fn a_channel_on_which_nothing_was_signed_is_not_closed_with_a_signature() {
    let env = TestEnv::new();
    let (address, folder) = (serve(env.app.clone()).await, TempDir::new().unwrap());
    let refused = open(&folder, options(&env)).end(get(address, "/time")).await.unwrap_err();
    assert!(matches!(*refused.why, PayError::NothingSigned { .. }) && !refused.may_have_paid(), "{refused}");
    assert!(Store::read(folder.path()).unwrap().is_empty());
}

/// Statuses and bodies.
type Answers = &'static [(u16, &'static str)];

/// A server that answers closes itself, after real sales: each with the next of these answers, and the last one again and again.
/// It counts the closes that it gets.
async fn with_liar(env: &TestEnv, answers: Answers) -> (std::net::SocketAddr, Arc<AtomicUsize>) {
    let (honest, closes) = (env.app.clone(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&closes);
    let app = Router::new().fallback(move |request: axum::extract::Request| {
        let (honest, counted) = (honest.clone(), Arc::clone(&counted));
        async move {
            let credential = request.headers().get("authorization").and_then(|value| value.to_str().ok());
            let read = credential.and_then(|text| paychan_mpp::wire::read_credential(text).unwrap());
            let closes = read.is_some_and(|read| read.payload().unwrap().action == paychan_mpp::wire::Action::Close);
            if !closes {
                return tower::ServiceExt::oneshot(honest, request).await.unwrap();
            }
            let number = counted.fetch_add(1, Ordering::SeqCst);
            let (status, body) = answers[number.min(answers.len() - 1)];
            let status = StatusCode::from_u16(status).unwrap();
            let problem = [("content-type", "application/problem+json")];
            axum::response::IntoResponse::into_response((status, problem, body))
        }
    });
    (serve(app).await, closes)
}

const TOO_LOW: &str = "https://paymentauth.org/problems/session/close-too-low";

#[tokio::test]
async fn a_server_that_needs_more_than_was_signed_gets_nothing_more() {
    for needed in ["11", "1000", "nonsense"] {
        let env = TestEnv::new();
        let body = format!(r#"{{"type":"{TOO_LOW}","title":"t","status":402,"details":{{"needed":"{needed}"}}}}"#);
        let (address, closes) = with_liar(&env, vec![(402, &*body.leak())].leak()).await;
        let folder = TempDir::new().unwrap();
        let buyer = open(&folder, options(&env));
        buyer.pay(get(address, "/time")).await.unwrap();
        let refused = buyer.end(get(address, "/time")).await.unwrap_err();
        assert!(matches!(&*refused.why, PayError::CloseRefused { offered, .. } if offered.get() == 10), "{refused}");
        assert_eq!(closes.load(Ordering::SeqCst), 1, "nothing higher is offered");
        assert_eq!(buyer.signed(&CHANNEL), Amount::from(10_u64));
        buyer.pay(get(address, "/time")).await.unwrap();
    }
}

#[tokio::test]
async fn an_answer_that_says_little_or_nonsense_is_no_transaction() {
    for (body, state) in [
        ("", CloseState::Closed),
        (r#"{"state":"settled","transaction":"not a hash"}"#, CloseState::Settled),
        (r#"{"state":7}"#, CloseState::Closed),
    ] {
        let env = TestEnv::new();
        let (address, _) = with_liar(&env, vec![(200, body)].leak()).await;
        let folder = TempDir::new().unwrap();
        let buyer = open(&folder, options(&env));
        buyer.pay(get(address, "/time")).await.unwrap();
        let ended = buyer.end(get(address, "/time")).await.unwrap();
        assert_eq!((ended.state, ended.transaction), (state, None), "{body}");
    }
}

/// The sessions of mppx answer a close in this way.
#[tokio::test]
async fn an_answer_without_content_says_that_the_close_is_done() {
    let env = TestEnv::new();
    let (address, closes) = with_liar(&env, &[(204, "")]).await;
    let folder = TempDir::new().unwrap();
    let buyer = open(&folder, options(&env));
    buyer.pay(get(address, "/time")).await.unwrap();
    let ended = buyer.end(get(address, "/time")).await.unwrap();
    assert_eq!((ended.state, closes.load(Ordering::SeqCst)), (CloseState::Closed, 1));
    drop(buyer);
    assert!(Store::open(folder.path()).unwrap().left(&CHANNEL).is_some(), "the channel is used no more");
}

#[tokio::test]
async fn a_close_is_sent_again_until_it_is_done_and_is_not_taken_back() {
    const GONE: &str =
        r#"{"type":"https://paymentauth.org/problems/session/channel-not-found","title":"t","status":410}"#;
    let cases: [(Answers, CloseState, usize); 3] = [
        (&[(500, ""), (202, ""), (200, "")], CloseState::Closed, 3),
        (&[(202, r#"{"state":"sent"}"#), (410, GONE)], CloseState::Sent, 2),
        (&[(202, r#"{"state":"closed"}"#), (402, "")], CloseState::Agreed, 2),
    ];
    for (answers, state, sent) in cases {
        let env = TestEnv::new();
        let (address, closes) = with_liar(&env, answers).await;
        let folder = TempDir::new().unwrap();
        let buyer = open(&folder, options(&env));
        buyer.pay(get(address, "/time")).await.unwrap();
        let ended = buyer.end(get(address, "/time")).await.unwrap();
        assert_eq!((ended.state, closes.load(Ordering::SeqCst)), (state, sent), "{answers:?}");
    }
}

#[tokio::test]
async fn a_server_that_asks_for_no_payment_offers_no_close() {
    let (_env, address, _folder, buyer) = buying().await;
    let refused = buyer.end(get(address, "/query?free")).await.unwrap_err();
    assert!(matches!(*refused.why, PayError::NoOffer { .. }), "{refused}");
}
