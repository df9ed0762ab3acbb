//! Tests of notifications. Alarms reach the webhook signed, are repeated if necessary, and don't wait for one that
//! hangs. The heartbeat stops when a loop of the watcher makes no progress.

use std::sync::Arc;
use std::time::Duration;

use hmac::{Hmac, Mac};
use paychan_watcher::clock::{Clock, ManualClock, SystemClock};
use paychan_watcher::config::WebhookSecret;
use paychan_watcher::liveness::Liveness;
use paychan_watcher::notify::{Notice, beat, send_all};
use reqwest::Url;
use serde_json::{Map, Value};
use sha2::Sha256;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;
use zeroize::Zeroizing;

const SECRET: &str = "a-webhook-secret-0123456789abcdef";
/// The limit is long, so that a busy machine is no failure.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request that the server received: its head and its body.
struct Received {
    head: String,
    body: String,
    connection: TcpStream,
}

impl Received {
    async fn answer(mut self, status: &str) {
        let text = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        self.connection.write_all(text.as_bytes()).await.unwrap();
    }

    fn header(&self, name: &str) -> String {
        let line = self.head.lines().find(|line| line.to_ascii_lowercase().starts_with(name)).unwrap();
        line.split_once(':').unwrap().1.trim().to_owned()
    }

    fn field(&self, name: &str) -> Value {
        serde_json::from_str::<Value>(&self.body).unwrap()[name].clone()
    }
}

/// A server on this machine. A client waits until the test answers.
async fn server() -> (Url, Receiver<Received>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/there", listener.local_addr().unwrap()).parse().unwrap();
    let (tell, received) = channel(100);
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let tell = tell.clone();
            tokio::spawn(async move { tell.send(read(connection).await).await });
        }
    });
    (url, received)
}

async fn read(mut connection: TcpStream) -> Received {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8(bytes.clone()).unwrap();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.to_ascii_lowercase().lines().find_map(|line| {
                line.strip_prefix("content-length:").map(|length| length.trim().parse::<usize>().unwrap())
            });
            if body.len() >= length.unwrap_or(0) {
                return Received { head: head.to_owned(), body: body.to_owned(), connection };
            }
        }
        let mut more = [0; 1_024];
        let length = connection.read(&mut more).await.unwrap();
        assert!(length > 0, "the request broke off");
        bytes.extend_from_slice(&more[..length]);
    }
}

async fn next(received: &mut Receiver<Received>) -> Received {
    timeout(PATIENCE, received.recv()).await.expect("somebody asks").unwrap()
}

async fn nobody_asks(received: &mut Receiver<Received>, time: Duration) {
    assert!(timeout(time, received.recv()).await.is_err(), "somebody asked");
}

/// A webhook, with the sender of its alarms and the receiver of its requests.
async fn webhook() -> (Sender<Notice>, Receiver<Received>) {
    let (url, received) = server().await;
    let (alarms, notices) = channel(100);
    let secret = WebhookSecret::new(Zeroizing::new(SECRET.to_owned()));
    tokio::spawn(async move {
        let mut notices = notices;
        send_all(url, Arc::new(secret), "the network".to_owned(), Arc::new(SystemClock), &mut notices).await;
    });
    (alarms, received)
}

fn notice(alarm: &str, channel: &str) -> Notice {
    let mut fields = Map::new();
    fields.insert("channel".to_owned(), channel.into());
    Notice { alarm: alarm.to_owned(), message: "look".to_owned(), fields }
}

#[tokio::test]
async fn a_receiver_that_hangs_on_one_alarm_still_gets_the_next() {
    let (alarms, mut received) = webhook().await;
    alarms.send(notice("close_seen", "C1")).await.unwrap();
    let hanging = next(&mut received).await;
    assert_eq!(hanging.field("alarm"), "close_seen");
    alarms.send(notice("loss", "C1")).await.unwrap();
    let start = std::time::Instant::now();
    let second = next(&mut received).await;
    assert_eq!(second.field("alarm"), "loss");
    // It comes before the first could be given up.
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    second.answer("200 OK").await;
    drop(hanging);
}

#[tokio::test]
async fn an_alarm_is_signed_repeated_until_it_is_taken_and_not_sent_twice() {
    let (alarms, mut received) = webhook().await;
    alarms.send(notice("close_seen", "C1")).await.unwrap();
    let first = next(&mut received).await;
    let signature = first.header("paychan-signature");
    let (time, mac) = signature.split_once(",v1=").unwrap();
    let mut expected = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    expected.update(format!("{}.{}", time.strip_prefix("t=").unwrap(), first.body).as_bytes());
    assert_eq!(mac, hex::encode(expected.finalize().into_bytes()));
    let body = first.body.clone();
    first.answer("503 Service Unavailable").await;

    let again = next(&mut received).await;
    assert_eq!(again.body, body);
    again.answer("200 OK").await;
    alarms.send(notice("close_seen", "C1")).await.unwrap();
    nobody_asks(&mut received, Duration::from_secs(1)).await;
    alarms.send(notice("close_seen", "C2")).await.unwrap();
    assert_eq!(next(&mut received).await.field("fields")["channel"], "C2");
}

#[tokio::test]
async fn the_heartbeat_is_sent_while_all_loops_make_progress_and_stops_when_one_hangs() {
    let (url, mut received) = server().await;
    let clock = Arc::new(ManualClock::at_unix_ms(1_795_000_000_000));
    let loops = vec![Arc::new(Liveness::default()), Arc::new(Liveness::default())];
    loops.iter().for_each(|liveness| liveness.beat(clock.boot()));
    tokio::spawn(beat(url, Duration::from_millis(50), loops.clone(), clock.clone()));
    for _ in 0..2 {
        let heard = next(&mut received).await;
        assert!(heard.head.starts_with("POST /there ") && heard.body.is_empty(), "{}", heard.head);
        heard.answer("200 OK").await;
    }

    clock.advance(Duration::from_secs(301));
    loops[0].beat(clock.boot());
    // One heartbeat may have been under way.
    if let Ok(Some(heard)) = timeout(Duration::from_millis(500), received.recv()).await {
        heard.answer("200 OK").await;
    }
    nobody_asks(&mut received, Duration::from_millis(500)).await;

    loops[1].beat(clock.boot());
    next(&mut received).await;
}
