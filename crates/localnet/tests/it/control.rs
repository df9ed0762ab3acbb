//! Tests the control endpoint (closing ledgers, jumping ahead, archiving), and starting and stopping.

use std::time::Duration;

use paychan_localnet::{Localnet, Options, StartError};
use serde_json::json;
use stellar_xdr::Asset;

use crate::env::*;

#[tokio::test]
async fn no_ledger_closes_without_a_request_in_manual_mode() {
    let env = TestEnv::start();
    let (a, b) = (env.funded(1).await, env.funded(2).await);
    let before = env.localnet.status().unwrap();
    let sent = env.send(&env.sign(&env.draft(&a, vec![payment(&b, &Asset::Native, 1)]).await, &[&a])).await;
    let waiting = env.localnet.status().unwrap();
    assert_eq!((waiting.ledger, waiting.pending), (before.ledger, 1));
    assert_eq!(env.get(&sent["hash"]).await["status"], "NOT_FOUND");
    let (status, told) = env.control("/close", "").await;
    assert_eq!((status, &told["ledger"], &told["pending"]), (200, &json!(before.ledger + 1), &json!(0)));
    assert_eq!(env.get(&sent["hash"]).await["status"], "SUCCESS");
    let (_, told) = env.control("/close?count=5", "").await;
    assert_eq!(told["ledger"], before.ledger + 6);
}

#[tokio::test]
async fn a_jump_advances_sequence_and_time() {
    let env = TestEnv::with(Options { ledger_ms: 5_000, ..Options::default() });
    let before = env.localnet.status().unwrap();
    let (status, after) = env.control("/jump", r#"{"ledgers": 17280}"#).await;
    assert_eq!((status, &after["ledger"]), (200, &json!(before.ledger + 17_280)));
    let passed = after["close_time"].as_u64().unwrap() - before.close_time;
    assert!((86_395..=86_500).contains(&passed), "{passed} seconds for a day of ledgers");
    env.close();
    let later = env.localnet.status().unwrap();
    assert!(later.close_time >= after["close_time"].as_u64().unwrap(), "time never goes back");
}

#[tokio::test]
async fn a_jump_can_leave_the_clock_alone() {
    let env = TestEnv::with(Options { ledger_ms: 5_000, ..Options::default() });
    let before = env.localnet.status().unwrap();
    let (_, after) = env.control("/jump", r#"{"ledgers": 17280, "seconds": 0}"#).await;
    assert_eq!(after["ledger"], before.ledger + 17_280);
    let ledger = env.localnet.jump_within(100, 0).unwrap();
    let later = env.localnet.status().unwrap();
    assert_eq!(later.ledger, ledger);
    let passed = later.close_time - before.close_time;
    assert!(passed <= 100, "{passed} seconds are the test's own");
}

#[tokio::test]
async fn entries_are_archived_on_request() {
    let env = TestEnv::start();
    let native = env.contract_of(Asset::Native);
    assert!(env.live_until(&native.instance()).await.unwrap() > 0);
    let address = stellar_strkey::Contract(native.contract.0.0).to_string();
    let (status, _) = env.control("/archive", &json!({"contracts": [address.as_str()]}).to_string()).await;
    assert_eq!((status, env.live_until(&native.instance()).await), (200, Some(0)));
    // The first is archived already, and an account has no life.
    for key in [native.instance(), env.funded(1).await.key()] {
        let (status, answer) = env.control("/archive", &json!({"keys": [base64(&key)]}).to_string()).await;
        assert_eq!(status, 400);
        assert!(answer["error"].as_str().unwrap().contains(&base64(&key)), "{answer}");
        assert!(env.localnet.archive(vec![key]).is_err());
    }
}

#[tokio::test]
async fn wrong_control_requests_are_refused() {
    let env = TestEnv::start();
    let cases = [
        ("/jump", ""),
        ("/jump", "{}"),
        ("/jump", r#"{"ledgers": 0}"#),
        ("/close?count=0", ""),
        ("/archive", "{}"),
        ("/archive", r#"{"keys": ["AAAA"]}"#),
        ("/archive", r#"{"contracts": ["C"]}"#),
        ("/fill", r#"{"ledgers": 1}"#),
        ("/inclusion-price", r#"{"stroops": -1}"#),
    ];
    for (path, body) in cases {
        let (status, told) = env.control(path, body).await;
        assert_eq!(status, 400, "{path} {body}");
        assert!(!told["error"].as_str().unwrap().is_empty());
    }
    assert_eq!(env.localnet.status().unwrap().ledger, 1);
}

#[tokio::test]
async fn ledgers_close_by_themselves() {
    let localnet = Localnet::start(Options { ledger_ms: 20, ..Options::default() }).unwrap();
    let first = localnet.status().unwrap().ledger;
    while localnet.status().unwrap().ledger < first + 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    localnet.stop();
}

#[test]
fn it_starts_and_stops_without_an_async_runtime() {
    let localnet = Localnet::start(Options { manual: true, ..Options::default() }).unwrap();
    let ledger = localnet.close_ledger().unwrap();
    assert_eq!(localnet.jump(10).unwrap(), ledger + 10);
    let url = localnet.rpc_url();
    localnet.stop();
    let address = url.strip_prefix("http://").unwrap();
    assert!(std::net::TcpStream::connect(address).is_err(), "nobody listens after stop");
}

#[test]
fn a_port_in_use_and_contradictory_options_are_reported() {
    let taken = Localnet::start(Options { manual: true, ..Options::default() }).unwrap();
    let port = taken.rpc_url().rsplit_once(':').unwrap().1.parse().unwrap();
    match Localnet::start(Options { rpc_port: port, ..Options::default() }) {
        Err(StartError::Listen { what: "JSON-RPC", port: named, .. }) => assert_eq!(named, port),
        other => panic!("{:?}", other.err()),
    }
    assert!(matches!(Localnet::start(Options { ledger_ms: 0, ..Options::default() }), Err(StartError::Options(_))));
}

#[tokio::test]
async fn two_networks_are_independent() {
    let (one, two) = (TestEnv::start(), TestEnv::start());
    one.close();
    assert_eq!(two.localnet.status().unwrap().ledger, 1);
    assert_ne!(one.localnet.rpc_url(), two.localnet.rpc_url());
}
