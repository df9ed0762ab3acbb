//! Tests with callers who keep their connections: the server ends each of these connections by itself.

use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use paychan_watcher::api::{Limits, OperatorListener, serve};
use paychan_watcher_api::{Client, ProblemKind, Token};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::{API_TOKEN, CHANNEL, TestEnv, signed};

/// Limits that are short enough for a test.
const SHORT: Limits = Limits {
    connections: 4,
    head: Duration::from_millis(300),
    age: Duration::from_secs(2),
    last_request: Duration::ZERO,
    grace: Duration::from_millis(300),
};

/// A time far above all of these limits, for busy machines.
const PATIENCE: Duration = Duration::from_secs(30);

struct Server {
    address: String,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(router: Router, limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (stop, stopped) = watch::channel(false);
        Self { address, stop, task: tokio::spawn(serve(listener, router, limits, stopped)) }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).await.unwrap()
    }

    fn client(&self) -> Client {
        let token = Token::new(Zeroizing::new(API_TOKEN.to_owned())).unwrap();
        Client::new(format!("http://{}", self.address).parse().unwrap(), token).unwrap()
    }

    /// Stops the server, and returns how long that took.
    async fn stop(self) -> Duration {
        let asked = Instant::now();
        self.stop.send_replace(true);
        timeout(PATIENCE, self.task).await.expect("the server ends").unwrap();
        asked.elapsed()
    }
}

/// Reads everything until the server closes the connection.
async fn rest(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    // A connection that is cut may end with a reset.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut text)).await.expect("the server closes the connection");
    String::from_utf8_lossy(&text).into_owned()
}

fn half_a_body() -> String {
    let length = signed(100, "one").to_string().len();
    format!(
        "POST /v1/channels/{CHANNEL}/commitments HTTP/1.1\r\nhost: w\r\nauthorization: Bearer {API_TOKEN}\r\n\
         content-length: {length}\r\n\r\n{{\"amount\""
    )
}

#[tokio::test]
async fn silent_callers_in_any_number_keep_nobody_out_for_long() {
    let env = TestEnv::with_channel().await;
    let server = Server::start(env.api.clone(), SHORT).await;
    let mut silent = Vec::new();
    for _ in 0..3 * SHORT.connections {
        silent.push(server.connect().await);
    }
    let report: Value = timeout(PATIENCE, server.client().channel(&CHANNEL)).await.unwrap().unwrap();
    assert_eq!(report["channel"], CHANNEL.to_string());
    drop(silent);
}

#[tokio::test]
async fn no_more_connections_are_open_than_the_limit_says() {
    let env = TestEnv::with_channel().await;
    let server = Server::start(env.api.clone(), Limits { head: PATIENCE, age: PATIENCE, ..SHORT }).await;
    let mut taken = Vec::new();
    for _ in 0..SHORT.connections {
        let mut stream = server.connect().await;
        // An answer says that the connection was accepted; it stays open.
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: w\r\n\r\n").await.unwrap();
        assert!(stream.read(&mut [0; 1_024]).await.unwrap() > 0);
        taken.push(stream);
    }
    let mut next = server.connect().await;
    next.write_all(b"GET /healthz HTTP/1.1\r\nhost: w\r\n\r\n").await.unwrap();
    let mut buffer = [0; 1_024];
    assert!(timeout(Duration::from_millis(500), next.read(&mut buffer)).await.is_err(), "one too many was served");
    taken.pop();
    assert!(timeout(PATIENCE, next.read(&mut buffer)).await.unwrap().unwrap() > 0, "a free place is given away");
}

#[tokio::test]
async fn a_head_that_does_not_end_and_an_idle_connection_are_closed() {
    let env = TestEnv::with_channel().await;
    let server = Server::start(env.api.clone(), SHORT).await;
    let mut half = server.connect().await;
    half.write_all(b"GET /healthz HTTP/1.1\r\nhost").await.unwrap();
    let mut idle = server.connect().await;
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: w\r\n\r\n").await.unwrap();
    rest(half).await;
    assert!(rest(idle).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_body_that_does_not_come_is_a_problem_with_a_kind() {
    let env = TestEnv::with_channel().await;
    let server = Server::start(env.api.clone(), Limits { age: PATIENCE, ..SHORT }).await;
    let mut half = server.connect().await;
    half.write_all(half_a_body().as_bytes()).await.unwrap();
    let answer = rest(half).await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("too_slow"), "{answer}");
    assert_eq!(env.held().accepted, 0);
}

#[tokio::test]
async fn a_caller_who_does_not_read_its_answers_is_cut() {
    let env = TestEnv::with_channel().await;
    let server = Server::start(env.api.clone(), SHORT).await;
    let mut deaf = server.connect().await;
    let asking = b"GET /nothing-here HTTP/1.1\r\nhost: w\r\n\r\n".repeat(100);
    // When the answers have filled both kernels' buffers, the server can neither write nor read any more.
    let cut = async { while deaf.write_all(&asking).await.is_ok() {} };
    timeout(PATIENCE, cut).await.expect("the server closes the connection");
}

#[tokio::test]
async fn a_request_that_came_just_before_its_connection_was_too_old_is_answered_and_is_the_last() {
    let limits = Limits { age: Duration::from_millis(200), last_request: PATIENCE, ..SHORT };
    // A close waits for the chain: longer than the connection may live, and longer than the grace.
    let wait = get(|| async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        "closed"
    });
    let server = Server::start(Router::new().route("/wait", wait), limits).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /wait HTTP/1.1\r\nhost: w\r\n\r\n").await.unwrap();
    let answer = rest(stream).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("closed"), "{answer:?}");
}

#[tokio::test]
async fn requests_that_were_half_sent_do_not_delay_the_end() {
    let env = TestEnv::with_channel().await;
    let server = Server::start(env.api.clone(), Limits { connections: 4, ..Limits::of(4) }).await;
    let mut head = server.connect().await;
    head.write_all(b"POST /v1/chan").await.unwrap();
    let mut body = server.connect().await;
    body.write_all(half_a_body().as_bytes()).await.unwrap();
    let silent = server.connect().await;
    // This gives the server time to accept them all.
    let _: Value = server.client().channel(&CHANNEL).await.unwrap();
    let took = server.stop().await;
    assert!(took < Duration::from_secs(4), "{took:?}");
    drop((head, body, silent));
}

#[tokio::test]
async fn the_operators_socket_needs_no_token_and_shows_figures() {
    let env = TestEnv::with_channel().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let listener = OperatorListener(UnixListener::bind(&path).unwrap());
    let (_stop, stopped) = watch::channel(false);
    tokio::spawn(serve(listener, env.operator_api.clone(), SHORT, stopped));
    let client = Client::of_socket(&path).unwrap();
    let status: Value = client.status().await.unwrap();
    assert_eq!(status["running"], true);
    let unknown = client.channel::<Value>(&paychan_channel::ContractId([9; 32])).await.unwrap_err();
    assert_eq!(unknown.problem().unwrap().kind, ProblemKind::UnknownChannel);
}
