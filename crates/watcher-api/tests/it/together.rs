//! Tests of charges that wait at the same time: they go in one call, and each gets its own answer.

use std::time::Duration;

use paychan_channel::{Amount, RequestId, Signature};
use paychan_watcher_api::{
    ChargeBody, Charged, Client, ClientError, ForeignAnswer, MOST_CHARGES, ProblemKind, SignedAmount,
};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::listener::{Request, http_kept, read};
use crate::{CHANNEL, client_of};

/// How many charges must wait for each of the calls that are on their way at the same time.
const SIZES: [usize; 4] = [1, 1, 3, 5];
/// How many charges are in these calls.
const AHEAD: usize = 10;
/// A time far above what any of this takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A watcher whose answers the test gives.
struct Watcher {
    client: Client,
    calls: mpsc::UnboundedReceiver<Call>,
}

/// A call that waits for its answer.
struct Call {
    head: String,
    body: Value,
    answer: oneshot::Sender<String>,
}

impl Watcher {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = client_of(&format!("http://{}", listener.local_addr().unwrap()));
        let (came, calls) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let came = came.clone();
                tokio::spawn(async move {
                    while let Some(Request { head, body }) = read(&mut stream).await {
                        let (answer, answered) = oneshot::channel();
                        let body = serde_json::from_str(&body).unwrap();
                        came.send(Call { head, body, answer }).unwrap();
                        // A call whose answer is dropped loses its connection.
                        let Ok(answer) = answered.await else { return };
                        let _ = stream.write_all(answer.as_bytes()).await;
                    }
                });
            }
        });
        Self { client, calls }
    }

    async fn call(&mut self) -> Call {
        timeout(PATIENCE, self.calls.recv()).await.expect("a call comes").unwrap()
    }

    /// Charges, while the test goes on.
    fn charge(&self, id: &str) -> JoinHandle<Result<Charged, ClientError>> {
        let (client, body) = (self.client.clone(), body(id));
        tokio::spawn(async move { client.charge(&CHANNEL, &body).await })
    }

    /// Charges these while as many calls are on their way as [`SIZES`] has, and gives these calls. The first charges are theirs.
    async fn charge_behind_all(&mut self, ids: &[&str]) -> (Vec<Call>, Vec<JoinHandle<Result<Charged, ClientError>>>) {
        let (mut calls, mut charges) = (Vec::new(), Vec::new());
        for size in SIZES {
            for _ in 0..size {
                charges.push(self.charge(&format!("ahead {}", charges.len())));
            }
            // The runtime has one thread, so their call has them by then.
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
        }
        for _ in SIZES {
            calls.push(self.call().await);
        }
        charges.extend(ids.iter().map(|id| self.charge(id)));
        // Each of them has asked when this task runs again.
        tokio::task::yield_now().await;
        (calls, charges)
    }
}

impl Call {
    /// The ids of its charges.
    fn ids(&self) -> Vec<String> {
        let id = |charge: &Value| charge["request_id"].as_str().unwrap().to_owned();
        self.body["charges"].as_array().unwrap().iter().map(id).collect()
    }

    fn reply(self, body: &Value) {
        self.answer.send(http_kept(200, &body.to_string())).unwrap();
    }

    /// Takes all of its charges.
    fn take(self) {
        let answers: Vec<Value> = self.ids().iter().map(|id| charged(id)).collect();
        self.reply(&json!({ "answers": answers }));
    }
}

fn body(id: &str) -> ChargeBody {
    let commitment = SignedAmount { amount: Amount::from(70), signature: Signature([7; 64]) };
    ChargeBody { price: Amount::from(10), request_id: RequestId::new(id).unwrap(), commitment: Some(commitment) }
}

fn charged(id: &str) -> Value {
    json!({ "charged": {
        "request_id": id, "price": "10", "previous": "60", "highest": "70", "spent": "70", "unsettled": "70",
        "coverage": "1000", "credited": "0", "replayed": false,
    }})
}

async fn end(charge: JoinHandle<Result<Charged, ClientError>>) -> Result<Charged, ClientError> {
    timeout(PATIENCE, charge).await.expect("the charge ends").unwrap()
}

async fn all_taken(charges: Vec<JoinHandle<Result<Charged, ClientError>>>) {
    for charge in charges {
        assert!(end(charge).await.is_ok());
    }
}

#[tokio::test]
async fn a_charge_alone_goes_at_once() {
    let mut watcher = Watcher::start().await;
    let charge = watcher.charge("one");
    let call = watcher.call().await;
    assert!(call.head.starts_with("POST /v1/charges HTTP/1.1"), "{}", call.head);
    assert!(call.head.to_ascii_lowercase().contains("authorization: bearer hunter2"), "{}", call.head);
    let commitment = json!({ "amount": "70", "signature": "07".repeat(64) });
    let expected = json!({ "channel": CHANNEL, "price": "10", "request_id": "one", "commitment": commitment });
    assert_eq!(call.body, json!({ "charges": [expected] }));
    call.take();
    assert_eq!(end(charge).await.unwrap().spent, Amount::from(70));
}

#[tokio::test]
async fn the_more_calls_are_on_their_way_the_more_charges_wait_for_a_further_one() {
    let mut watcher = Watcher::start().await;
    let (calls, charges) = watcher.charge_behind_all(&[]).await;
    let mut sizes: Vec<_> = calls.iter().map(|call| call.ids().len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, SIZES);
    calls.into_iter().for_each(Call::take);
    all_taken(charges).await;

    let mut charges = vec![watcher.charge("one")];
    let first = watcher.call().await;
    charges.push(watcher.charge("two"));
    let second = watcher.call().await;
    charges.extend(["three", "four"].map(|id| watcher.charge(id)));
    tokio::task::yield_now().await;
    first.take();
    let call = watcher.call().await;
    assert_eq!(call.ids(), ["three", "four"]);
    call.take();
    second.take();
    all_taken(charges).await;
}

#[tokio::test]
async fn charges_that_come_while_enough_calls_are_on_their_way_go_together_and_each_gets_its_own_answer() {
    let mut watcher = Watcher::start().await;
    let (mut ahead, charges) = watcher.charge_behind_all(&["a", "b", "c"]).await;
    ahead.remove(0).take();
    let call = watcher.call().await;
    assert_eq!(call.ids(), ["a", "b", "c"]);
    ahead.into_iter().for_each(Call::take);
    let refused = json!({ "refused": { "kind": "insufficient", "detail": "sign more", "needed": "80" } });
    call.reply(&json!({ "answers": [charged("a"), refused, charged("c")] }));
    let mut ends = Vec::new();
    for charge in charges {
        ends.push(end(charge).await);
    }
    let id = |end: &Result<Charged, ClientError>| end.as_ref().map(|charged| charged.request_id.to_string()).ok();
    let behind = ends.split_off(AHEAD);
    for (at, end) in ends.iter().enumerate() {
        assert_eq!(id(end), Some(format!("ahead {at}")));
    }
    assert_eq!(behind.iter().map(id).collect::<Vec<_>>(), [Some("a".to_owned()), None, Some("c".to_owned())]);
    let error = behind[1].as_ref().unwrap_err();
    assert_eq!(error.problem().map(|problem| problem.facts.needed), Some(Some(Amount::from(80))));
    assert_eq!((error.status().unwrap().as_u16(), error.nothing_happened()), (402, true));
}

#[tokio::test]
async fn when_the_answer_of_a_call_is_lost_the_outcome_of_each_of_its_charges_is_unknown_and_later_ones_go_on() {
    let mut watcher = Watcher::start().await;
    let (mut ahead, charges) = watcher.charge_behind_all(&["a", "b"]).await;
    ahead.remove(0).take();
    let call = watcher.call().await;
    assert_eq!(call.ids(), ["a", "b"]);
    ahead.into_iter().for_each(Call::take);
    drop(call);
    for (at, charge) in charges.into_iter().enumerate() {
        match end(charge).await {
            Ok(_) => assert!(at < AHEAD),
            Err(error) => assert!(at >= AHEAD && !error.nothing_happened(), "{error}"),
        }
    }
    let later = watcher.charge("a");
    watcher.call().await.take();
    assert!(end(later).await.is_ok());
}

#[tokio::test]
async fn a_refusal_of_the_whole_call_is_the_answer_of_each_charge() {
    let mut watcher = Watcher::start().await;
    let (mut ahead, mut charges) = watcher.charge_behind_all(&["a", "b"]).await;
    ahead.remove(0).take();
    let problem = json!({ "kind": "stopping", "detail": "the watcher ends" }).to_string();
    watcher.call().await.answer.send(http_kept(503, &problem)).unwrap();
    ahead.into_iter().for_each(Call::take);
    for charge in charges.drain(AHEAD..) {
        let error = end(charge).await.unwrap_err();
        assert_eq!(error.problem().unwrap().kind, ProblemKind::Stopping);
        assert!(error.nothing_happened() && error.is_passing());
    }
}

#[tokio::test]
async fn answers_that_do_not_fit_the_charges_are_not_believed() {
    let mut watcher = Watcher::start().await;
    for answers in [json!([]), json!([charged("one"), charged("one")]), json!([charged("two")])] {
        let charge = watcher.charge("one");
        watcher.call().await.reply(&json!({ "answers": answers }));
        let error = end(charge).await.unwrap_err();
        assert!(!error.nothing_happened(), "{error}");
        assert!(matches!(error, ClientError::NotAWatcher { answer: ForeignAnswer::OtherJson { .. }, .. }), "{error}");
    }
}

#[tokio::test]
async fn a_charge_above_the_known_coverage_is_asked_for_alone() {
    let mut watcher = Watcher::start().await;
    let charge = watcher.charge("one");
    watcher.call().await.reply(&json!({ "answers": [{ "refused": { "kind": "exceeds_coverage" } }] }));
    let alone = watcher.call().await;
    assert!(alone.head.starts_with(&format!("POST /v1/channels/{CHANNEL}/charges HTTP/1.1")), "{}", alone.head);
    // Others do not wait for it.
    let other = watcher.charge("two");
    watcher.call().await.take();
    assert!(end(other).await.is_ok());
    alone.reply(&charged("one")["charged"]);
    assert_eq!(end(charge).await.unwrap().request_id.as_str(), "one");
}

#[tokio::test]
async fn a_call_without_an_answer_holds_others_back_for_a_moment_only() {
    let mut watcher = Watcher::start().await;
    let (silent, charges) = watcher.charge_behind_all(&["a", "b"]).await;
    let next = watcher.call().await;
    assert_eq!(next.ids(), ["a", "b"]);
    next.take();
    silent.into_iter().for_each(Call::take);
    all_taken(charges).await;
}

#[tokio::test]
async fn no_call_has_more_charges_than_the_watcher_takes() {
    let mut watcher = Watcher::start().await;
    let ids: Vec<String> = (0..2 * MOST_CHARGES + 5).map(|at| at.to_string()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let (ahead, charges) = watcher.charge_behind_all(&ids).await;
    ahead.into_iter().for_each(Call::take);
    let mut came = Vec::new();
    while came.len() < ids.len() {
        let call = watcher.call().await;
        assert!(call.ids().len() <= MOST_CHARGES);
        came.append(&mut call.ids());
        call.take();
    }
    came.sort_by_key(|id| id.parse::<usize>().unwrap());
    assert_eq!(came, ids);
    all_taken(charges).await;
}

#[tokio::test]
async fn a_charge_whose_caller_has_gone_before_it_was_sent_is_not_sent() {
    let mut watcher = Watcher::start().await;
    let (mut ahead, mut charges) = watcher.charge_behind_all(&["gone", "stays"]).await;
    charges.remove(AHEAD).abort();
    tokio::task::yield_now().await;
    ahead.remove(0).take();
    let call = watcher.call().await;
    assert_eq!(call.ids(), ["stays"]);
    call.take();
    ahead.into_iter().for_each(Call::take);
    all_taken(charges).await;
}

#[tokio::test]
async fn a_charge_that_waits_for_a_runtime_that_ends_gets_an_answer() {
    let mut watcher = Watcher::start().await;
    let other = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut calls = Vec::new();
    for id in ["first", "second"] {
        let client = watcher.client.clone();
        other.spawn(async move { client.charge(&CHANNEL, &body(id)).await });
        calls.push(watcher.call().await);
    }
    let behind = watcher.charge("behind");
    tokio::task::yield_now().await;
    other.shutdown_background();
    let error = end(behind).await.unwrap_err();
    assert!(!error.nothing_happened(), "{error}");
    drop(calls);
    let later = watcher.charge("later");
    loop {
        let call = watcher.call().await;
        if call.ids() == ["later"] {
            call.take();
            break;
        }
    }
    assert!(end(later).await.is_ok());
}
