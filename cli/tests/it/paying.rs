//! Tests of `submit` against a listener that answers as a watcher or as something else.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use serde_json::{Value, json};

use crate::run::{CHANNEL, LOCAL, Ran, SEED, dir, file, paychan_with};

/// A received request: the request line with the headers, and the body.
struct Request {
    head: String,
    body: String,
}

/// Answers one request with this status and body.
fn answering(status: u16, body: &str) -> (String, JoinHandle<Request>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let request = read_request(&stream);
        stream.write_all(answer.as_bytes()).unwrap();
        request
    });
    (url, thread)
}

fn read_request(stream: &TcpStream) -> Request {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    Request { head, body: String::from_utf8(body).unwrap() }
}

fn signed(amount: &str) -> String {
    let args = [&["sign", CHANNEL, "--amount", amount, "--json"], &LOCAL[..]].concat();
    paychan_with(&args, &[("PAYCHAN_SECRET", SEED)], "").stdout
}

fn submit(url: &str, commitment: &str, rest: &[&str]) -> Ran {
    let args = [&["submit", "--commitment", "-", "--watcher", url, "--json"], rest].concat();
    paychan_with(&args, &[("PAYCHAN_WATCHER_TOKEN", "hunter2")], commitment)
}

#[test]
fn submit_hands_over_what_sign_prints() {
    let commitment = signed("70");
    let (url, watcher) = answering(
        200,
        r#"{"previous":"0","spent":"0","replayed":false,"highest":"70","unsettled":"50","coverage":"1000"}"#,
    );
    let ran = submit(&url, &commitment, &["--request-id", "order-1"]);
    assert_eq!(ran.code, 0, "{}", ran.everything());
    let answer = ran.json();
    for (key, value) in [("highest", "70"), ("unsettled", "50"), ("coverage", "1000"), ("request_id", "order-1")] {
        assert_eq!(answer[key], value);
    }
    let request = watcher.join().unwrap();
    assert!(request.head.starts_with(&format!("POST /v1/channels/{CHANNEL}/commitments HTTP/1.1")), "{}", request.head);
    assert!(request.head.to_ascii_lowercase().contains("authorization: bearer hunter2"), "{}", request.head);
    let commitment: Value = serde_json::from_str(&commitment).unwrap();
    let expected = json!({"amount": "70", "signature": commitment["signature"], "request_id": "order-1"});
    assert_eq!(serde_json::from_str::<Value>(&request.body).unwrap(), expected);
    assert!(!ran.everything().contains("hunter2"));
}

#[test]
fn a_request_id_is_generated_when_none_is_given_and_printed_for_a_retry() {
    let (url, watcher) = answering(
        200,
        r#"{"previous":"0","spent":"0","replayed":false,"highest":"70","unsettled":"70","coverage":"1000"}"#,
    );
    let ran = submit(&url, &signed("70"), &[]);
    let id = ran.json()["request_id"].as_str().unwrap().to_owned();
    assert_eq!(id.len(), 32);
    assert!(ran.stderr.contains(&id));
    assert!(watcher.join().unwrap().body.contains(&id));
}

#[test]
fn a_refusal_is_reported_with_its_kind_and_the_highest_commitment() {
    let (url, watcher) = answering(409, r#"{"kind":"not_higher","detail":"no","highest":"90"}"#);
    let ran = submit(&url, &signed("70"), &[]);
    assert_eq!((ran.code, ran.error_kind().as_str()), (1, "watcher_refused"));
    assert_eq!(ran.json()["error"]["watcher_kind"], "not_higher");
    assert_eq!(ran.json()["error"]["highest"], "90");
    assert!(ran.stdout.contains("cumulative total"), "{}", ran.stdout);
    watcher.join().unwrap();
}

#[test]
fn a_watcher_that_is_not_fresh_may_take_it_later() {
    let (url, watcher) = answering(503, r#"{"kind":"not_fresh"}"#);
    let ran = submit(&url, &signed("70"), &[]);
    assert_eq!((ran.code, ran.error_kind().as_str()), (3, "watcher_not_ready"));
    watcher.join().unwrap();
}

#[test]
fn a_busy_watcher_is_reported_as_not_ready() {
    let (url, watcher) = answering(503, r#"{"kind":"busy","detail":"the store has 4096 requests waiting"}"#);
    let ran = submit(&url, &signed("70"), &[]);
    assert_eq!((ran.code, ran.error_kind().as_str()), (3, "watcher_not_ready"));
    assert_eq!(ran.json()["error"]["watcher_kind"], "busy");
    assert!(ran.stdout.contains("try again in a moment") && !ran.stdout.contains("unexpected"), "{}", ran.stdout);
    watcher.join().unwrap();
}

#[test]
fn a_wrong_path_a_proxy_and_an_unknown_channel_get_different_errors() {
    let gzip = "\u{1f}\u{8}";
    for (status, body, code, kind, said) in [
        (404, "<html>not here</html>", 1, "not_a_watcher", "no watcher at this path"),
        (404, gzip, 1, "not_a_watcher", "--watcher"),
        (404, r#"{"kind":"no_such_path"}"#, 1, "watcher_refused", "--watcher"),
        (404, r#"{"kind":"unknown_channel"}"#, 1, "watcher_refused", "register the channel"),
        (403, "<html>no</html>", 1, "watcher_refused", "--token-file"),
        (429, "slow down", 3, "watcher_not_ready", "a proxy before the watcher"),
        (504, "<html>", 4, "outcome_unknown", "--request-id"),
    ] {
        let (url, watcher) = answering(status, body);
        let ran = submit(&url, &signed("70"), &[]);
        assert_eq!((ran.code, ran.error_kind().as_str()), (code, kind), "{status} {body}");
        assert!(ran.stdout.contains(said), "{status} {body}: {}", ran.stdout);
        assert_eq!(ran.json()["error"]["status"], status);
        watcher.join().unwrap();
    }
}

#[test]
fn a_missing_answer_leaves_the_outcome_unknown_and_the_error_names_the_request_id() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let watcher = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        read_request(&stream);
        // The stream is dropped here, so the connection closes without an answer.
    });
    let ran = submit(&url, &signed("70"), &["--request-id", "order-1"]);
    assert_eq!((ran.code, ran.error_kind().as_str()), (4, "outcome_unknown"), "{}", ran.everything());
    assert_eq!(ran.json()["error"]["request_id"], "order-1");
    assert!(ran.stdout.contains("--request-id order-1"), "{}", ran.stdout);
    watcher.join().unwrap();
}

#[test]
fn a_success_from_something_that_is_no_watcher_is_not_believed() {
    let (url, watcher) = answering(200, "<html>welcome</html>");
    let ran = submit(&url, &signed("70"), &[]);
    assert_eq!((ran.code, ran.error_kind().as_str()), (4, "outcome_unknown"));
    watcher.join().unwrap();
}

#[test]
fn a_watcher_that_is_down_is_network_trouble() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let ran = submit(&format!("http://127.0.0.1:{port}"), &signed("70"), &[]);
    assert_eq!((ran.code, ran.error_kind().as_str()), (3, "network"));
}

#[test]
fn a_document_that_is_no_commitment_is_refused_before_anything_is_sent() {
    let other_field = signed("70").replacen('{', "{\"tip\":1,", 1);
    let number = signed("70").replace("\"70\"", "70");
    let zero = signed("70").replace("\"70\"", "\"0\"");
    let short = signed("70").replacen("\"signature\":\"", "\"signature\":\"00", 1);
    for (wrong, said) in [
        ("", "does not hold a commitment"),
        ("{", "does not hold a commitment"),
        ("{}", "missing field"),
        (other_field.as_str(), "unknown field"),
        (number.as_str(), "decimal string"),
        (zero.as_str(), "above zero"),
        (short.as_str(), "128 hexadecimal digits"),
    ] {
        let ran = submit("http://127.0.0.1:1", wrong, &[]);
        assert_eq!(ran.code, 2, "{wrong}");
        assert!(ran.stdout.contains(said), "{wrong}: {}", ran.stdout);
    }
}

#[test]
fn a_commitment_on_the_command_line_is_checked_for_form() {
    let signature = "ab".repeat(64);
    let short = "ab".repeat(63);
    let args = |amount, signature| {
        ["submit", CHANNEL, "--amount", amount, "--signature", signature, "--watcher", "http://127.0.0.1:1", "--json"]
    };
    for (amount, signature, said) in [
        ("70", short.as_str(), "got 126"),
        ("0", &signature, "above zero"),
        ("-1", &signature, "negative"),
        ("1.5", &signature, "fraction"),
    ] {
        let ran = paychan_with(&args(amount, signature), &[("PAYCHAN_WATCHER_TOKEN", "t")], "");
        assert_eq!((ran.code, ran.error_kind().as_str()), (2, "usage"), "{amount}");
        assert!(ran.stdout.contains(said), "{amount}: {}", ran.stdout);
    }
}

#[test]
fn a_commitment_for_another_channel_than_the_one_named_is_refused() {
    let other = "CAS3J7GYLGXMF6TDJBBYYSE3HQ6BBSMLNUQ34T6TZMYMW2EVH34XOWMA";
    let dir = dir();
    let path = file(dir.path(), "newest.json", 0o644, &signed("70"));
    let args = ["submit", other, "--commitment", path.to_str().unwrap(), "--watcher", "http://127.0.0.1:1", "--json"];
    let ran = paychan_with(&args, &[("PAYCHAN_WATCHER_TOKEN", "t")], "");
    assert_eq!((ran.code, ran.error_kind().as_str()), (2, "usage"));
    assert!(ran.stdout.contains(other) && ran.stdout.contains(CHANNEL), "{}", ran.stdout);
}

#[test]
fn a_request_id_that_no_watcher_takes_is_refused() {
    let long = "x".repeat(65);
    for id in ["", &long, "line\nbreak", "\u{e9}"] {
        let ran = submit("http://127.0.0.1:1", &signed("70"), &["--request-id", id]);
        assert_eq!((ran.code, ran.error_kind().as_str()), (2, "usage"), "{id:?}");
    }
}
