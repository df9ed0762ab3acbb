//! Tests that each failure says truly whether the server can take something, and how much.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use http::Response;
use paychan_channel::{Amount, Commitment, CommitmentKey, CommitmentSecret, ContractId};
use paychan_mpp::buyer::{
    Buyer, BuyerOptions, PayFailure, PaymentMiddleware, PinnedChannel, Signer, SignerError, Signing,
};
use paychan_mpp::problem::{ProblemBody, ProblemType};
use paychan_mpp::wire::{NetworkName, read_credential};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::hostile::{HONEST, Says, asks};
use super::{capped, open, pinned, serve};
use crate::env::CHANNEL;

type Answer = Response<Body>;

/// A server that answers unpaid requests in one way and paid ones in another. It keeps the totals that it got. Its connection
/// breaks where there is no answer.
struct Server {
    address: std::net::SocketAddr,
    got: Arc<Mutex<Vec<Amount>>>,
}

impl Server {
    async fn new(
        unpaid: impl Fn() -> Answer + Clone + Send + Sync + 'static,
        paid: impl Fn(usize) -> Option<Answer> + Clone + Send + Sync + 'static,
    ) -> Self {
        let got: Arc<Mutex<Vec<Amount>>> = Arc::default();
        let taken = Arc::clone(&got);
        let app = Router::new().fallback(move |request: Request| {
            let credential = request.headers().get("authorization").map(|value| value.to_str().unwrap());
            let answer = match credential.and_then(|text| read_credential(text).unwrap()) {
                None => Some(unpaid()),
                Some(credential) => {
                    let mut taken = taken.lock().unwrap();
                    taken.push(credential.payload().unwrap().amount);
                    paid(taken.len())
                }
            };
            async move { answer.expect("the connection breaks") }
        });
        Self { address: serve(app).await, got }
    }

    fn got(&self) -> Option<Amount> {
        self.got.lock().unwrap().iter().copied().max()
    }

    /// `POST`, which is not sent again when the connection breaks.
    fn request(&self) -> reqwest::Request {
        reqwest::Request::new(reqwest::Method::POST, format!("http://{}/x", self.address).parse().unwrap())
    }
}

fn plain(status: u16) -> Answer {
    Response::builder().status(status).body(Body::empty()).unwrap()
}

fn problem(status: u16, kind: ProblemType) -> Answer {
    let body = ProblemBody::new(kind, "no", serde_json::Map::new());
    let text = serde_json::to_string(&body).unwrap();
    let answer = Response::builder().status(status).header("content-type", "application/problem+json");
    answer.header("retry-after", "0").body(Body::from(text)).unwrap()
}

fn ask() -> Answer {
    asks(&HONEST, ProblemType::PaymentRequired)
}

/// Signs this many times, with this key or another one.
struct Signs {
    names: CommitmentSecret,
    signs: CommitmentSecret,
    left: Mutex<usize>,
}

impl Signs {
    fn times(left: usize) -> Self {
        let key = CommitmentSecret::generate().unwrap();
        Self { names: super::same_key(&key), signs: key, left: Mutex::new(left) }
    }
}

impl Signer for Signs {
    fn public(&self) -> CommitmentKey {
        self.names.public()
    }

    fn sign<'a>(&'a self, commitment: &'a Commitment) -> Signing<'a> {
        let mut left = self.left.lock().unwrap();
        let signature = left.checked_sub(1).map(|fewer| {
            *left = fewer;
            commitment.sign(&self.signs)
        });
        Box::pin(std::future::ready(signature.ok_or_else(|| SignerError("it is locked".to_owned()))))
    }
}

fn signer(signs: Signs) -> BuyerOptions {
    let channel = PinnedChannel::new(CHANNEL, NetworkName::testnet(), signs);
    BuyerOptions { channels: vec![channel], ..BuyerOptions::default() }
}

fn usual() -> BuyerOptions {
    BuyerOptions { channels: vec![pinned(&CommitmentSecret::generate().unwrap())], ..BuyerOptions::default() }
}

/// The name of the error's variant.
fn name(failed: &PayFailure) -> String {
    let text = format!("{:?}", failed.why);
    text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

type Paid = Box<dyn Fn(usize) -> Option<Answer> + Send + Sync>;

struct Case {
    what: &'static str,
    unpaid: fn() -> Answer,
    paid: Paid,
    options: BuyerOptions,
    error: &'static str,
    signed_away: Option<u64>,
}

fn case(
    what: &'static str,
    (unpaid, paid): (fn() -> Answer, Paid),
    options: BuyerOptions,
    error: &'static str,
    signed_away: Option<u64>,
) -> Case {
    Case { what, unpaid, paid, options, error, signed_away }
}

fn always(answer: impl Fn() -> Answer + Send + Sync + 'static) -> Paid {
    Box::new(move |_| Some(answer()))
}

#[tokio::test]
async fn each_failure_says_how_much_the_server_can_take() {
    let ahead = || asks(&Says { cumulative: 1_000, ..HONEST }, ProblemType::PaymentInsufficient);
    let again = || asks(&HONEST, ProblemType::PaymentInsufficient);
    let other_key = Signs { names: CommitmentSecret::generate().unwrap(), ..Signs::times(9) };
    let cases = [
        case(
            "no offer is for our channel",
            (|| asks(&Says { channel: ContractId([8; 32]), ..HONEST }, ProblemType::PaymentRequired), always(ask)),
            usual(),
            "NoOffer",
            None,
        ),
        case("a cap", (ask, always(ask)), BuyerOptions { caps: capped(9), ..usual() }, "Cap", None),
        case("the signer gives nothing", (ask, always(ask)), signer(Signs::times(0)), "Signer", None),
        case("the signer has another key", (ask, always(ask)), signer(other_key), "WrongSignature", None),
        case("the signer gives one signature", (ask, always(again)), signer(Signs::times(1)), "Signer", Some(10)),
        case("one base unit asks for a proof", (ahead, always(ahead)), usual(), "ServerAhead", Some(1)),
        case("a higher total after the voucher", (ask, always(ahead)), usual(), "ServerAhead", Some(10)),
        case("it asks again", (ask, always(ask)), usual(), "AskedTwice", Some(10)),
        case("it asks again and again", (ask, always(again)), usual(), "AskedTwice", Some(10)),
        case("the connection breaks", (ask, Box::new(|_| None)), usual(), "NoAnswer", Some(10)),
        case(
            "the channel is over",
            (ask, always(|| problem(410, ProblemType::ChannelClosing))),
            usual(),
            "ChannelOver",
            Some(10),
        ),
        case("gone", (ask, always(|| plain(410))), usual(), "Unavailable", Some(10)),
        case(
            "no money now",
            (ask, always(|| problem(503, ProblemType::Unavailable))),
            usual(),
            "Unavailable",
            Some(10),
        ),
    ];
    for Case { what, unpaid, paid, options, error, signed_away } in cases {
        let paid = Arc::new(paid);
        let server = Server::new(unpaid, move |number| paid(number)).await;
        let folder = TempDir::new().unwrap();
        let failed = open(&folder, options).pay(server.request()).await.unwrap_err();
        assert_eq!((name(&failed).as_str(), failed.signed_away), (error, signed_away.map(Amount::from)), "{what}");
        assert_eq!(failed.signed_away, server.got(), "{what}: it is what the server has got");
        let told = signed_away.map(|amount| format!("{amount} base units were signed for this request"));
        assert_eq!(told.is_some_and(|told| failed.to_string().contains(&told)), failed.may_have_paid(), "{failed}");
    }
}

async fn refused(buyer: &Buyer, request: reqwest::Request) -> (String, Option<Amount>) {
    let failed = buyer.pay(request).await.unwrap_err();
    (name(&failed), failed.signed_away)
}

#[tokio::test]
async fn what_was_signed_before_is_not_signed_away_again() {
    // A proof is asked for with the total that the server has got already.
    let ahead = || asks(&Says { cumulative: 1_000, ..HONEST }, ProblemType::PaymentInsufficient);
    let server = Server::new(ahead, move |_| Some(ahead())).await;
    let folder = TempDir::new().unwrap();
    let buyer = open(&folder, usual());
    assert_eq!(refused(&buyer, server.request()).await, ("ServerAhead".to_owned(), Some(Amount::from(1_u64))));
    assert_eq!(refused(&buyer, server.request()).await, ("ServerAhead".to_owned(), None));

    // The voucher of a channel that is over is not sent a second time.
    let server = Server::new(ask, |_| Some(problem(410, ProblemType::ChannelFinalized))).await;
    let folder = TempDir::new().unwrap();
    let buyer = open(&folder, usual());
    assert_eq!(refused(&buyer, server.request()).await, ("ChannelOver".to_owned(), Some(Amount::from(10_u64))));
    assert_eq!(refused(&buyer, server.request()).await, ("ChannelOver".to_owned(), None));

    // The same total again, since the server has not taken it.
    let server = Server::new(ask, |_| None).await;
    let folder = TempDir::new().unwrap();
    let buyer = open(&folder, usual());
    assert_eq!(refused(&buyer, server.request()).await, ("NoAnswer".to_owned(), Some(Amount::from(10_u64))));
    assert_eq!(refused(&buyer, server.request()).await, ("NoAnswer".to_owned(), Some(Amount::ZERO)));
    assert_eq!(server.got(), Some(Amount::from(10_u64)));
}

#[tokio::test]
async fn a_voucher_that_could_not_be_sent_can_be_taken_by_nobody() {
    // One connection, and nobody listens after it.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        drop(listener);
        let _ = stream.read(&mut [0; 4096]).await.unwrap();
        let challenge = ask().headers()["www-authenticate"].to_str().unwrap().to_owned();
        let answer = format!(
            "HTTP/1.1 402 Payment Required\r\nwww-authenticate: {challenge}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
    });
    let folder = TempDir::new().unwrap();
    let request = reqwest::Request::new(reqwest::Method::POST, format!("http://{address}/x").parse().unwrap());
    assert_eq!(refused(&open(&folder, usual()), request).await, ("NoAnswer".to_owned(), None));
}

#[tokio::test]
async fn a_middleware_says_it_too() {
    let server = Server::new(ask, |_| Some(ask())).await;
    let folder = TempDir::new().unwrap();
    let plain = paychan_rpc::http::client_of_this_machine(Default::default()).unwrap();
    let paying = PaymentMiddleware(Arc::new(open(&folder, usual())));
    let client = reqwest_middleware::ClientBuilder::new(plain).with(paying).build();
    let error = client.execute(server.request()).await.unwrap_err();
    let reqwest_middleware::Error::Middleware(error) = error else { panic!("{error}") };
    let failed: &PayFailure = error.downcast_ref().unwrap();
    assert_eq!((name(failed).as_str(), failed.signed_away), ("AskedTwice", Some(Amount::from(10_u64))));
}
