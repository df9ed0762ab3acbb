#![allow(clippy::unwrap_used, reason = "a test that fails should stop where it fails")]

use super::*;

const RANGE: &str = "startLedger must be within the ledger range: 100 - 200";

#[test]
fn a_ledger_ahead_of_the_node_and_one_before_its_history_are_different_errors() {
    assert_eq!(
        kind_of_refusal(-32600, RANGE, Some(Ledger(201))),
        ErrorKind::NodeBehind { asked: Some(Ledger(201)), latest: Some(Ledger(200)) }
    );
    assert_eq!(
        kind_of_refusal(-32600, RANGE, Some(Ledger(99))),
        ErrorKind::HistoryGone { asked: Ledger(99), oldest: Ledger(100), latest: Ledger(200) }
    );
}

#[test]
fn a_full_queue_and_an_exceeded_time_limit_are_busy() {
    let busy = ErrorKind::Busy { retry_after: None };
    let queue = "rpc queue for getEvents surpassed queue limit of 10 requests";
    assert_eq!(kind_of_refusal(-32098, queue, None), busy);
    assert_eq!(kind_of_refusal(-32001, "request exceeded processing limit threshold", None), busy);
}

#[test]
fn an_unhealthy_node_is_behind() {
    let behind = ErrorKind::NodeBehind { asked: None, latest: None };
    let late = "latency (45s) since last known ledger closed is too high (>30s)";
    assert_eq!(kind_of_refusal(-32603, late, None), behind);
    assert_eq!(kind_of_refusal(-32603, "data stores are not initialized: x", None), behind);
}

#[test]
fn any_other_refusal_keeps_the_nodes_words_without_control_characters() {
    let kind = kind_of_refusal(-32602, "bad\u{1b}[2J\nkey", None);
    assert_eq!(kind, ErrorKind::Refused { code: -32602, message: "bad [2J key".to_owned() });
    let ErrorKind::Refused { message, .. } = kind_of_refusal(0, &"x".repeat(100_000), None) else {
        panic!("not refused");
    };
    assert_eq!(message.chars().count(), 401);
    for odd in ["must be within the ledger range: ", "must be within the ledger range: a - b", ""] {
        assert!(matches!(kind_of_refusal(0, odd, Some(Ledger(1))), ErrorKind::Refused { .. }), "{odd}");
    }
}

#[test]
fn passing_errors_differ_from_lasting_ones() {
    let error = |kind| RpcError { method: "m", endpoint: "http://x".to_owned(), kind };
    assert!(error(ErrorKind::Timeout(Duration::from_secs(1))).is_passing());
    assert!(error(ErrorKind::Busy { retry_after: None }).is_passing());
    assert!(!error(ErrorKind::BadAnswer(String::new())).is_passing());
    assert!(!error(kind_of_refusal(-32600, RANGE, Some(Ledger(1)))).is_passing());
}
