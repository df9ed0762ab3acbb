//! The client against a listener that answers as a watcher does, or as something else.
#![allow(clippy::unwrap_used, reason = "tests")]

mod listener;
mod together;

use std::time::Duration;

use paychan_channel::{Amount, ContractId, RequestId, Signature};
use paychan_watcher_api::{
    Client, ClientError, CloseState, CommitmentBody, CreditBody, ForeignAnswer, ProblemKind, Token,
};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::listener::{Listener, http};

const CHANNEL: ContractId = ContractId([1; 32]);

fn client_of(url: &str) -> Client {
    Client::new(url.parse().unwrap(), Token::new(Zeroizing::new("hunter2".to_owned())).unwrap()).unwrap()
}

fn client(listener: &Listener) -> Client {
    client_of(&listener.url)
}

fn commitment() -> CommitmentBody {
    let request_id = RequestId::new("one").unwrap();
    CommitmentBody { amount: Amount::from(70), signature: Signature([7; 64]), request_id }
}

async fn commit(answer: String) -> Result<paychan_watcher_api::Acknowledged, ClientError> {
    let listener = Listener::answering(answer).await;
    client(&listener).commit(&CHANNEL, &commitment()).await
}

#[tokio::test]
async fn a_commitment_is_handed_over_with_the_token_and_the_answer_is_read() {
    let listener = Listener::answering(http(
        200,
        r#"{"previous":"0","spent":"0","replayed":false,"highest":"70","unsettled":"50","coverage":"1000","news":1}"#,
    ))
    .await;
    let taken = client(&listener).commit(&CHANNEL, &commitment()).await.unwrap();
    assert_eq!((taken.highest.get(), taken.unsettled.get(), taken.coverage.get()), (70, 50, 1000));
    let request = listener.request().await;
    assert!(request.head.starts_with(&format!("POST /v1/channels/{CHANNEL}/commitments HTTP/1.1")), "{}", request.head);
    assert!(request.head.to_ascii_lowercase().contains("authorization: bearer hunter2"), "{}", request.head);
    let body: Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(body, json!({ "amount": "70", "signature": "07".repeat(64), "request_id": "one" }));
}

#[tokio::test]
async fn a_credit_names_its_charge_in_the_path_whatever_characters_the_id_has() {
    let listener = Listener::answering(http(404, r#"{"kind":"unknown_charge"}"#)).await;
    let id = RequestId::new("order 7/a").unwrap();
    let error = client(&listener).credit(&CHANNEL, &id, &CreditBody { amount: Amount::from(1) }).await.unwrap_err();
    assert_eq!(error.problem().unwrap().kind, ProblemKind::UnknownCharge);
    let head = listener.request().await.head;
    assert!(head.starts_with(&format!("POST /v1/channels/{CHANNEL}/charges/order%207%2Fa/credit HTTP/1.1")), "{head}");
}

#[tokio::test]
async fn a_close_without_an_agreed_amount_has_no_body_and_waits_within_the_watchers_bound() {
    let answer = json!({
        "channel": CHANNEL, "state": "sent", "transaction": "ab".repeat(32), "amount": "9", "highest": "9", "spent": "4",
        "replayed": false,
    });
    for (wait, asked) in [(0, 0), (7, 7), (3_600, 20)] {
        let listener = Listener::answering(http(200, &answer.to_string())).await;
        let closing = client(&listener).close(&CHANNEL, None, Duration::from_secs(wait)).await.unwrap();
        assert_eq!((closing.amount, closing.spent), (Amount::from(9), Amount::from(4)));
        assert_eq!((closing.state, closing.state.is_over()), (CloseState::Sent, false));
        let request = listener.request().await;
        assert_eq!(request.body, "");
        let line = format!("POST /v1/channels/{CHANNEL}/close?wait={asked} HTTP/1.1");
        assert!(request.head.starts_with(&line), "{}", request.head);
    }
}

#[tokio::test]
async fn a_call_that_reaches_nobody_has_sent_nothing() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let client = client_of(&format!("http://127.0.0.1:{port}"));
    let error = client.commit(&CHANNEL, &commitment()).await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }) && error.nothing_happened(), "{error}");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn a_connection_that_closes_without_a_whole_answer_leaves_the_outcome_unknown() {
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{\"highest\"".to_owned();
    for answer in [String::new(), cut] {
        let error = commit(answer).await.unwrap_err();
        assert!(matches!(error, ClientError::NoAnswer { .. }) && !error.nothing_happened(), "{error}");
    }
}

#[tokio::test]
async fn a_success_from_something_that_is_no_watcher_is_not_believed() {
    for (body, expected) in [
        ("<html>welcome</html>", ForeignAnswer::Html),
        ("", ForeignAnswer::Empty),
        ("{}", ForeignAnswer::OtherJson { why: "missing field `previous` at line 1 column 2".to_owned() }),
    ] {
        let error = commit(http(200, body)).await.unwrap_err();
        assert!(!error.nothing_happened(), "{error}");
        assert!(matches!(error, ClientError::NotAWatcher { answer, .. } if answer == expected), "{body}");
    }
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let error = commit(http(200, &" ".repeat(65 * 1024 * 1024))).await.unwrap_err();
    assert!(matches!(error, ClientError::NotAWatcher { answer: ForeignAnswer::TooLong, .. }), "{error}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Listener::answering(http(200, "{}")).await;
    let moved = format!("HTTP/1.1 307 x\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", elsewhere.url);
    let error = commit(moved).await.unwrap_err();
    assert_eq!(error.status().unwrap().as_u16(), 307, "{error}");
    assert!(elsewhere.was_left_alone());
}
