//! Tests that each way in which a node can fail has its own error kind.

use std::time::Duration;

use axum::http::StatusCode;
use paychan_channel::{Ledger, NetworkId};
use paychan_rpc::{Client, ErrorKind, EventsFrom, EventsRequest, Options};
use serde_json::json;

use crate::server::{Reply, Server};

async fn kind_of(reply: Reply) -> ErrorKind {
    let server = Server::start().await;
    server.on("getLatestLedger", [reply]);
    server.impatient_client().get_latest_ledger().await.unwrap_err().kind
}

fn http(status: StatusCode, headers: Vec<(&'static str, &'static str)>, body: &str) -> Reply {
    Reply::Http(status, headers, body.as_bytes().to_vec())
}

#[tokio::test]
async fn a_busy_node_says_how_long_to_wait() {
    for status in [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT] {
        assert_eq!(kind_of(http(status, vec![], "")).await, ErrorKind::Busy { retry_after: None });
        for (header, wait) in [("7", 7), ("99999999999999999999", 300), ("Sun, 06 Nov 1994 08:49:37 GMT", 0)] {
            let retry_after = Some(Duration::from_secs(wait));
            assert_eq!(kind_of(http(status, vec![("retry-after", header)], "")).await, ErrorKind::Busy { retry_after });
        }
        let unreadable = kind_of(http(status, vec![("retry-after", "soon")], "")).await;
        assert_eq!(unreadable, ErrorKind::Busy { retry_after: None });
    }
    let queue = "rpc queue for getLatestLedger surpassed queue limit of 5 requests".to_owned();
    assert_eq!(kind_of(Reply::Refusal(-32098, queue)).await, ErrorKind::Busy { retry_after: None });
}

#[tokio::test]
async fn a_refusal_keeps_the_nodes_words() {
    let refused = kind_of(Reply::Refusal(-32602, "cannot unmarshal key".to_owned())).await;
    assert_eq!(refused, ErrorKind::Refused { code: -32602, message: "cannot unmarshal key".to_owned() });
    let body = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"too large"}}"#;
    let under_400 = kind_of(http(StatusCode::BAD_REQUEST, vec![], body)).await;
    assert_eq!(under_400, ErrorKind::Refused { code: -32600, message: "too large".to_owned() });
}

#[tokio::test]
async fn a_broken_server_is_transport_and_a_redirect_is_not_followed() {
    let broken = kind_of(http(StatusCode::BAD_GATEWAY, vec![], "")).await;
    assert!(matches!(broken, ErrorKind::Transport(_)), "{broken}");
    let redirect = kind_of(http(StatusCode::FOUND, vec![("location", "http://elsewhere.invalid/")], "")).await;
    assert!(matches!(redirect, ErrorKind::Refused { code: 302, .. }), "{redirect}");
}

#[tokio::test]
async fn an_endpoint_that_wants_a_key_says_so_and_what_to_do() {
    for status in [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN] {
        let kind = kind_of(http(status, vec![], "<html>no key")).await;
        let wanted = ErrorKind::Unauthorized { status: status.as_u16(), path: "/...".to_owned() };
        assert_eq!(kind, wanted, "a long part of the path may be a key");
        assert!(kind.to_string().contains("give it as a header"), "{kind}");
    }
}

#[tokio::test]
async fn headers_reach_their_endpoint_and_are_never_shown() {
    let server = Server::start().await;
    let header = paychan_rpc::EndpointHeader::from_line("X-Api-Key: hidden-value\n").unwrap();
    server.on("getLatestLedger", [http(StatusCode::FOUND, vec![("location", "http://elsewhere.invalid/")], "")]);
    let client = server.client().with_header(header);
    let error = client.get_latest_ledger().await.unwrap_err();
    assert_eq!(server.headers("x-api-key"), ["hidden-value"]);
    assert!(!format!("{error} {error:?} {client:?}").contains("hidden-value"));
}

#[tokio::test]
async fn the_error_of_a_missing_path_shows_the_path_without_a_possible_key() {
    let missing = kind_of(http(StatusCode::NOT_FOUND, vec![], "")).await;
    let ErrorKind::Refused { code: 404, message } = missing else { panic!("{missing}") };
    assert!(message.contains("for the path /...; is this the path of a Stellar RPC?"), "{message}");
}

#[tokio::test]
async fn while_an_endpoint_asks_to_wait_only_urgent_calls_are_sent() {
    let server = Server::start().await;
    server.on("getLatestLedger", [http(StatusCode::TOO_MANY_REQUESTS, vec![("retry-after", "60")], "")]);
    let client = server.client();
    for _ in 0..3 {
        assert!(matches!(client.get_latest_ledger().await.unwrap_err().kind, ErrorKind::Busy { .. }));
    }
    assert_eq!(server.asked("getLatestLedger").len(), 1);
    client.urgent().get_latest_ledger().await.unwrap_err();
    assert_eq!(server.asked("getLatestLedger").len(), 2);
}

#[tokio::test]
async fn an_answer_that_is_no_json_is_recognised() {
    for (headers, body, words) in [
        (vec![], &b"  <!doctype html>"[..], "a page of HTML"),
        (vec![], &[0x1f, 0x8b, 8, 0][..], "compressed"),
        (vec![("content-encoding", "br")], &b"{}"[..], "compressed"),
        (vec![], &b" \n"[..], "empty"),
    ] {
        let kind = kind_of(Reply::Http(StatusCode::OK, headers, body.to_vec())).await;
        assert!(matches!(&kind, ErrorKind::BadAnswer(what) if what.contains(words)), "{kind}");
    }
}

#[tokio::test]
async fn a_node_that_refuses_a_cursor_is_asked_by_ledgers_from_then_on() {
    let server = Server::start().await;
    let page = json!({ "events": [], "cursor": "", "latestLedger": 300, "oldestLedger": 1 });
    let refusal = Reply::Refusal(-32602, "startLedger must be positive".to_owned());
    server.on("getEvents", [refusal, Reply::Result(page)]);
    let client = server.client();
    let cursor = format!("{:019}-0000000001", 200u64 << 32);
    for _ in 0..2 {
        let from = EventsFrom::Cursor(cursor.clone());
        let page = client.get_events(&EventsRequest { from, filters: vec![], limit: None }).await.unwrap();
        assert_eq!(page.next, Some(EventsFrom::Ledger(Ledger(300))));
    }
    let starts: Vec<_> = server.asked("getEvents").iter().map(|params| params["startLedger"].clone()).collect();
    assert_eq!(starts, [json!(null), json!(200), json!(200)]);
}

#[tokio::test]
async fn a_silent_node_is_a_timeout() {
    let silent = kind_of(Reply::Silence).await;
    assert_eq!(silent, ErrorKind::Timeout(Duration::from_millis(200)));
}

#[tokio::test]
async fn nobody_listening_is_transport() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = Client::new(&url, Options::default()).unwrap();
    let error = client.get_latest_ledger().await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Transport(_)), "{error}");
    assert!(error.is_passing());
}

#[tokio::test]
async fn garbage_is_a_bad_answer_and_not_an_empty_one() {
    for body in ["", "<html>", "[]", "{}", r#"{"result":null}"#, r#"{"result":{"sequence":"x"}}"#, "\u{0}"] {
        let garbage = kind_of(http(StatusCode::OK, vec![], body)).await;
        assert!(matches!(garbage, ErrorKind::BadAnswer(_)), "{body:?} was {garbage}");
    }
}

#[tokio::test]
async fn an_endless_answer_is_cut() {
    let server = Server::start().await;
    server.on("getLatestLedger", [Reply::Http(StatusCode::OK, vec![], vec![b' '; 100_001])]);
    let client = server.client_with(Options { max_answer: 100_000, ..Options::default() });
    let error = client.get_latest_ledger().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadAnswer("it is longer than 100000 bytes".to_owned()));
}

#[tokio::test]
async fn another_network_is_refused_and_both_are_named() {
    let server = Server::start().await;
    server.results("getNetwork", [json!({ "passphrase": "Other", "protocolVersion": 28 })]);
    let error = server.client().check_network("Mine").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::WrongNetwork { expected: "Mine".to_owned(), found: "Other".to_owned() });
    assert_eq!(server.client().check_network("Other").await.unwrap(), NetworkId::of("Other"));
}

#[tokio::test]
async fn a_start_ahead_of_the_node_and_one_before_its_history_are_different_errors() {
    let server = Server::start().await;
    let message = "startLedger must be within the ledger range: 100 - 200".to_owned();
    server.on("getEvents", [Reply::Refusal(-32600, message)]);
    let ask = |from| async { server.client().get_events(&EventsRequest { from, filters: vec![], limit: None }).await };
    let ahead = ask(EventsFrom::Ledger(Ledger(201))).await.unwrap_err().kind;
    assert_eq!(ahead, ErrorKind::NodeBehind { asked: Some(Ledger(201)), latest: Some(Ledger(200)) });
    let gone = ErrorKind::HistoryGone { asked: Ledger(99), oldest: Ledger(100), latest: Ledger(200) };
    assert_eq!(ask(EventsFrom::Ledger(Ledger(99))).await.unwrap_err().kind, gone);
    let cursor = format!("{:019}-4294967295", (99u64 << 32) | 0xffff);
    assert_eq!(ask(EventsFrom::Cursor(cursor)).await.unwrap_err().kind, gone);
}

#[tokio::test]
async fn no_error_shows_the_path_or_the_key_in_the_url() {
    let server = Server::start().await;
    server.on("getLatestLedger", [Reply::Silence]);
    let client = server.impatient_client();
    let error = client.get_latest_ledger().await.unwrap_err();
    let shown = format!("{error} {error:?} {client:?}");
    assert!(!shown.contains("hidden") && !shown.contains("secret-path"), "{shown}");
    assert!(shown.contains("http://127.0.0.1:"), "{shown}");
    assert!(client.url().contains("hidden"));
}

#[test]
fn only_http_urls_are_endpoints() {
    for url in ["", "localhost", "ftp://example.org", "file:///etc/passwd", "C:\\x"] {
        let error = Client::new(url, Options::default()).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::BadUrl(_)), "{url}: {error}");
    }
}
