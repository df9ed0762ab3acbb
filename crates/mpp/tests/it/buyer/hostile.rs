//! Tests with servers that ask for too much, ask twice, change the price, redirect or lie: no more is signed than one
//! price.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::Request;
use paychan_channel::{Amount, CommitmentSecret, ContractId};
use paychan_mpp::buyer::{BuyerOptions, Caps, PayError, PayFailure, PinnedChannel, Store};
use paychan_mpp::problem::{ProblemBody, ProblemType};
use paychan_mpp::wire::{ChallengeTerms, ChannelRequest, INTENT, METHOD, MethodDetails, Receipt, Timestamp};
use tempfile::TempDir;

use super::{get, open, pinned, serve};
use crate::env::{CHANNEL, SECRET, challenge_secret};

/// The content of a challenge of the hostile server.
#[derive(Clone)]
pub(super) struct Says {
    pub(super) amount: u64,
    pub(super) cumulative: u64,
    pub(super) channel: ContractId,
    pub(super) network: &'static str,
}

pub(super) const HONEST: Says = Says { amount: 10, cumulative: 0, channel: CHANNEL, network: "stellar:testnet" };

fn challenge(says: &Says) -> String {
    let request = ChannelRequest {
        amount: says.amount.into(),
        channel: says.channel,
        external_id: None,
        method_details: MethodDetails {
            reference: None,
            network: Some(says.network.to_owned()),
            cumulative_amount: Some(says.cumulative.into()),
        },
    };
    let terms = ChallengeTerms {
        realm: "r".to_owned(),
        method: METHOD.to_owned(),
        intent: INTENT.to_owned(),
        request: request.encode().unwrap(),
        expires: Some(Timestamp::now().after(std::time::Duration::from_secs(300)).to_text()),
        ..ChallengeTerms::default()
    };
    terms.issue(&challenge_secret(SECRET)).unwrap().to_header().unwrap()
}

pub(super) fn asks(says: &Says, problem: ProblemType) -> Response {
    let body = ProblemBody::new(problem, "pay", serde_json::Map::new());
    Response::builder()
        .status(402)
        .header("www-authenticate", challenge(says))
        .header("content-type", "application/problem+json")
        .body(Body::from(serde_json::to_string(&body).unwrap()))
        .unwrap()
}

/// A server that answers unpaid requests with `unpaid`, and paid ones with `paid`. Counts the paid ones.
async fn server(
    unpaid: impl Fn() -> Response + Clone + Send + Sync + 'static,
    paid: impl Fn(usize) -> Response + Clone + Send + Sync + 'static,
) -> (std::net::SocketAddr, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let app = Router::new().fallback(move |request: Request<Body>| {
        let answer = match request.headers().contains_key("authorization") {
            true => paid(counted.fetch_add(1, Ordering::SeqCst) + 1),
            false => unpaid(),
        };
        async move { answer }
    });
    (serve(app).await, count)
}

struct Outcome {
    error: PayFailure,
    /// The total that was signed.
    signed: i128,
    vouchers: usize,
}

async fn against(
    options: BuyerOptions,
    unpaid: impl Fn() -> Response + Clone + Send + Sync + 'static,
    paid: impl Fn(usize) -> Response + Clone + Send + Sync + 'static,
) -> Outcome {
    let (address, count) = server(unpaid, paid).await;
    let folder = TempDir::new().unwrap();
    let buyer = open(&folder, options);
    let error = buyer.pay(get(address, "/x")).await.expect_err("it is no honest server");
    drop(buyer);
    let store = Store::open(folder.path()).unwrap();
    Outcome { error, signed: store.signed(&CHANNEL).get(), vouchers: count.load(Ordering::SeqCst) }
}

fn buyer() -> BuyerOptions {
    BuyerOptions { channels: vec![pinned(&CommitmentSecret::generate().unwrap())], ..BuyerOptions::default() }
}

fn ok(_: usize) -> Response {
    Response::new(Body::from("here"))
}

#[tokio::test]
async fn offers_that_are_not_ours_or_break_a_cap_are_not_paid() {
    let dear = BuyerOptions { caps: Caps { per_request: Some(Amount::from(9)), ..Caps::default() }, ..buyer() };
    let outcome = against(dear, || asks(&HONEST, ProblemType::PaymentRequired), ok).await;
    assert!(matches!(*outcome.error.why, PayError::Cap(_)), "{}", outcome.error);
    assert_eq!((outcome.signed, outcome.vouchers), (0, 0));
    let foreign = PinnedChannel { hosts: vec!["api.example.com".to_owned()], ..buyer().channels.remove(0) };
    let foreign_host = BuyerOptions { channels: vec![foreign], ..BuyerOptions::default() };
    let cases = [
        ("another channel", buyer(), Says { channel: ContractId([8; 32]), ..HONEST }),
        ("another network", buyer(), Says { network: "stellar:pubnet", ..HONEST }),
        ("an amount of zero", buyer(), Says { amount: 0, ..HONEST }),
        ("a host that the channel is not for", foreign_host, HONEST),
    ];
    for (name, options, says) in cases {
        let outcome = against(options, move || asks(&says, ProblemType::PaymentRequired), ok).await;
        assert!(matches!(*outcome.error.why, PayError::NoOffer { .. }), "{name}: {}", outcome.error);
        assert_eq!((outcome.signed, outcome.vouchers), (0, 0), "{name}");
    }
    let lies = |kind| asks(&Says { cumulative: 1_000, ..HONEST }, kind);
    let refuses = move |_| lies(ProblemType::DeltaTooSmall);
    let outcome = against(buyer(), move || lies(ProblemType::PaymentRequired), refuses).await;
    assert!(matches!(*outcome.error.why, PayError::ServerAhead { .. }), "{}", outcome.error);
    assert_eq!((outcome.signed, outcome.vouchers), (1, 1), "one base unit was signed to ask for a proof");
    for malformed in [
        "Payment",
        "Payment id=\"",
        "Payment request=\"%%\"",
        "Bearer x",
        "Payment id=a, realm=r, method=stellar, intent=channel, request=e30",
    ] {
        let unpaid =
            move || Response::builder().status(402).header("www-authenticate", malformed).body(Body::empty()).unwrap();
        let outcome = against(buyer(), unpaid, ok).await;
        assert!(matches!(*outcome.error.why, PayError::NoOffer { .. }), "{malformed}: {}", outcome.error);
    }
}

#[tokio::test]
async fn a_server_that_asks_again_after_a_payment_gets_no_second_one() {
    let first = || asks(&HONEST, ProblemType::PaymentRequired);
    // The price went up, the first payment counts as taken, or the same total is always refused.
    for (says, most) in [(Says { amount: 20, ..HONEST }, 1), (Says { cumulative: 10, ..HONEST }, 1), (HONEST, 2)] {
        let outcome = against(buyer(), first, move |_| asks(&says, ProblemType::PaymentInsufficient)).await;
        assert!(matches!(*outcome.error.why, PayError::AskedTwice { .. }), "{}", outcome.error);
        assert!(outcome.error.may_have_paid());
        assert_eq!(
            (outcome.signed, outcome.vouchers),
            (10, most),
            "only one price is signed, however many times it asks"
        );
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_a_payment() {
    let moved =
        |_| Response::builder().status(307).header("location", "http://127.0.0.1:1/").body(Body::empty()).unwrap();
    let (address, count) = server(|| asks(&HONEST, ProblemType::PaymentRequired), moved).await;
    let folder = TempDir::new().unwrap();
    let bought = open(&folder, buyer()).pay(get(address, "/x")).await.unwrap();
    assert_eq!((bought.response.status().as_u16(), count.load(Ordering::SeqCst)), (307, 1));
}

#[tokio::test]
async fn a_receipt_that_claims_more_than_was_signed_is_not_believed() {
    let lie = |_| {
        let receipt = Receipt {
            accepted_cumulative: Some(Amount::from(1_000)),
            spent: Some(Amount::from(1_000)),
            ..Receipt::success("x", Timestamp::now().to_text())
        };
        Response::builder().header("payment-receipt", receipt.to_header().unwrap()).body(Body::empty()).unwrap()
    };
    let (address, _) = server(|| asks(&HONEST, ProblemType::PaymentRequired), lie).await;
    let folder = TempDir::new().unwrap();
    let buyer = open(&folder, buyer());
    for _ in 0..3 {
        let paid = buyer.pay(get(address, "/x")).await.unwrap().paid.unwrap();
        assert_eq!((paid.receipt, paid.total.get()), (None, 10), "its next challenge says that nothing was accepted");
    }
}

#[tokio::test]
async fn a_server_does_not_fill_the_disk_with_long_receipts() {
    let long = |_| {
        // The codec of MPP would take it.
        let receipt = Receipt::success("x".repeat(5_000), Timestamp::now().to_text()).to_header().unwrap();
        Response::builder().header("payment-receipt", receipt).body(Body::empty()).unwrap()
    };
    let (address, _) = server(|| asks(&HONEST, ProblemType::PaymentRequired), long).await;
    let folder = TempDir::new().unwrap();
    let paid = open(&folder, buyer()).pay(get(address, "/x")).await.unwrap().paid.unwrap();
    assert_eq!((paid.receipt, paid.total.get()), (None, 10));
    let written: u64 =
        std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(written < 2_000, "{written} bytes for one payment");
}

#[tokio::test]
async fn a_receipt_of_another_channel_does_not_change_what_that_one_is_closed_with() {
    let other = ContractId([8; 32]);
    let says = Says { channel: other, ..HONEST };
    let lie = |_| {
        let receipt = Receipt {
            accepted_cumulative: Some(Amount::from(10)),
            spent: Some(Amount::from(10)),
            channel: Some(CHANNEL),
            ..Receipt::success("x", Timestamp::now().to_text())
        };
        Response::builder().header("payment-receipt", receipt.to_header().unwrap()).body(Body::empty()).unwrap()
    };
    let (address, _) = server(move || asks(&says, ProblemType::PaymentRequired), lie).await;
    let folder = TempDir::new().unwrap();
    let channel = PinnedChannel { channel: other, ..buyer().channels.remove(0) };
    let buyer = open(&folder, BuyerOptions { channels: vec![channel], ..BuyerOptions::default() });
    assert_eq!(buyer.pay(get(address, "/x")).await.unwrap().paid.unwrap().receipt, None);
    drop(buyer);
    assert_eq!(Store::open(folder.path()).unwrap().spent(&CHANNEL), None);
}

#[tokio::test]
async fn a_channel_that_has_ended_is_no_longer_used_also_after_a_restart() {
    let gone = |_| {
        let body = ProblemBody::new(ProblemType::ChannelClosing, "closing", serde_json::Map::new());
        let text = serde_json::to_string(&body).unwrap();
        Response::builder()
            .status(410)
            .header("content-type", "application/problem+json")
            .body(Body::from(text))
            .unwrap()
    };
    let (address, count) = server(|| asks(&HONEST, ProblemType::PaymentRequired), gone).await;
    let folder = TempDir::new().unwrap();
    for _ in 0..3 {
        let error = open(&folder, buyer()).pay(get(address, "/x")).await.unwrap_err();
        assert!(matches!(*error.why, PayError::ChannelOver { .. }), "{error}");
    }
    assert_eq!(count.load(Ordering::SeqCst), 1, "it is not hammered");
}

#[tokio::test]
async fn passing_trouble_is_retried_with_the_same_voucher() {
    let passing = |number: usize| match number {
        1..=2 => {
            let body = ProblemBody::new(ProblemType::Unavailable, "later", serde_json::Map::new());
            let text = serde_json::to_string(&body).unwrap();
            Response::builder()
                .status(503)
                .header("content-type", "application/problem+json")
                .header("retry-after", "0")
                .body(Body::from(text))
                .unwrap()
        }
        _ => Response::new(Body::from("here")),
    };
    let (address, count) = server(|| asks(&HONEST, ProblemType::PaymentRequired), passing).await;
    let folder = TempDir::new().unwrap();
    let bought = open(&folder, buyer()).pay(get(address, "/x")).await.unwrap();
    assert_eq!((bought.paid.unwrap().total.get(), count.load(Ordering::SeqCst)), (10, 3));
}

#[tokio::test]
async fn plain_http_to_another_machine_and_other_schemes_are_refused() {
    let folder = TempDir::new().unwrap();
    let buyer = open(&folder, buyer());
    let to = |url: &str| reqwest::Request::new(reqwest::Method::GET, url.parse().unwrap());
    let exposed = buyer.pay(to("http://192.0.2.1/")).await.unwrap_err();
    assert!(matches!(*exposed.why, PayError::Exposed(_)), "{exposed}");
    let foreign = buyer.pay(to("ftp://127.0.0.1/")).await.unwrap_err();
    assert!(matches!(*foreign.why, PayError::BadUrl(_)), "{foreign}");
}

#[tokio::test]
async fn a_server_that_has_not_seen_a_deposit_yet_is_asked_again_with_the_same_voucher() {
    for (status, not_yet) in [(410, ProblemType::ChannelNotFound), (402, ProblemType::AmountExceedsDeposit)] {
        let paid = move |number: usize| match number {
            1..=2 => {
                let mut refused = asks(&HONEST, not_yet);
                *refused.status_mut() = http::StatusCode::from_u16(status).unwrap();
                refused
            }
            _ => ok(number),
        };
        let (address, count) = server(|| asks(&HONEST, ProblemType::PaymentRequired), paid).await;
        let folder = TempDir::new().unwrap();
        let mut patient = open(&folder, BuyerOptions::default());
        patient.add_channel(buyer().channels.remove(0));
        patient.deposited(&CHANNEL);
        let bought = patient.pay(get(address, "/x")).await.unwrap();
        assert_eq!((bought.paid.unwrap().total.get(), count.load(Ordering::SeqCst)), (10, 3), "{not_yet:?}");
    }
}

#[tokio::test]
async fn an_answer_that_came_from_elsewhere_is_an_error() {
    let (address, _) = server(|| asks(&HONEST, ProblemType::PaymentRequired), ok).await;
    let (elsewhere, _) = server(|| ok(0), ok).await;
    let folder = TempDir::new().unwrap();
    let plain = paychan_rpc::http::client_of_this_machine(paychan_rpc::http::HttpLimits::default()).unwrap();
    let client = reqwest_middleware::ClientBuilder::new(plain)
        .with(paychan_mpp::buyer::PaymentMiddleware(Arc::new(open(&folder, buyer()))))
        .with(Elsewhere(format!("http://{elsewhere}/").parse().unwrap()))
        .build();
    let error = client.get(format!("http://{address}/x")).send().await.unwrap_err();
    assert!(error.to_string().contains("a payment follows no redirect"), "{error}");
}

/// Sends paid requests to another server, as a client that follows redirects does.
struct Elsewhere(reqwest::Url);

#[async_trait::async_trait]
impl reqwest_middleware::Middleware for Elsewhere {
    async fn handle(
        &self,
        mut request: reqwest::Request,
        extensions: &mut http::Extensions,
        next: reqwest_middleware::Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        if request.headers().contains_key("authorization") {
            *request.url_mut() = self.0.clone();
        }
        next.run(request, extensions).await
    }
}

#[tokio::test]
async fn credit_that_the_server_does_not_know_costs_at_most_one_price_more() {
    // The receipt of the first answer leaves a credit of one price, which the server then does not grant.
    let paid = |number: usize| {
        let receipt = |accepted: u64, spent: u64| {
            let receipt = Receipt {
                accepted_cumulative: Some(accepted.into()),
                spent: Some(spent.into()),
                ..Receipt::success("x", Timestamp::now().to_text())
            };
            Response::builder().header("payment-receipt", receipt.to_header().unwrap()).body(Body::empty()).unwrap()
        };
        match number {
            1 => receipt(10, 0),
            2 => asks(&Says { cumulative: 10, ..HONEST }, ProblemType::PaymentInsufficient),
            _ => receipt(20, 20),
        }
    };
    let (address, count) = server(|| asks(&HONEST, ProblemType::PaymentRequired), paid).await;
    let folder = TempDir::new().unwrap();
    let buyer = open(&folder, buyer());
    let totals = [10, 20].map(Amount::from);
    for total in totals {
        assert_eq!(buyer.pay(get(address, "/x")).await.unwrap().paid.unwrap().total, total);
    }
    assert_eq!(count.load(Ordering::SeqCst), 3, "11 was signed first, since the receipt promised credit");
}

#[tokio::test]
async fn a_challenge_that_has_expired_is_not_paid() {
    let old = || {
        let mut challenge = paychan_mpp::wire::offers([challenge(&HONEST).as_bytes()]).remove(0).unwrap();
        challenge.terms.expires = Some("2020-01-01T00:00:00Z".to_owned());
        let header = challenge.to_header().unwrap();
        Response::builder().status(402).header("www-authenticate", header).body(Body::empty()).unwrap()
    };
    let outcome = against(buyer(), old, ok).await;
    assert!(outcome.error.to_string().contains("expired"), "{}", outcome.error);
    assert_eq!((outcome.signed, outcome.vouchers), (0, 0));
}

/// A signer that signs with another key than it names, or that can't sign now.
struct BadSigner {
    says: CommitmentSecret,
    signs: Option<CommitmentSecret>,
}

impl paychan_mpp::buyer::Signer for BadSigner {
    fn public(&self) -> paychan_channel::CommitmentKey {
        self.says.public()
    }

    fn sign<'a>(&'a self, commitment: &'a paychan_channel::Commitment) -> paychan_mpp::buyer::Signing<'a> {
        let away = || paychan_mpp::buyer::SignerError("it is locked".to_owned());
        Box::pin(std::future::ready(self.signs.as_ref().map(|key| commitment.sign(key)).ok_or_else(away)))
    }
}

#[tokio::test]
async fn with_a_signer_that_fails_or_signs_with_another_key_nothing_is_sent() {
    let key = || CommitmentSecret::generate().unwrap();
    for signs in [None, Some(key())] {
        let wrong = signs.is_some();
        let channel =
            PinnedChannel::new(CHANNEL, buyer().channels[0].network.clone(), BadSigner { says: key(), signs });
        let options = BuyerOptions { channels: vec![channel], ..BuyerOptions::default() };
        let outcome = against(options, || asks(&HONEST, ProblemType::PaymentRequired), ok).await;
        match wrong {
            true => assert!(matches!(*outcome.error.why, PayError::WrongSignature), "{}", outcome.error),
            false => assert!(matches!(*outcome.error.why, PayError::Signer(_)), "{}", outcome.error),
        }
        assert_eq!(outcome.vouchers, 0);
    }
}

#[tokio::test]
async fn without_a_store_nothing_is_signed() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let Err(error) = paychan_mpp::buyer::Buyer::open(&file, buyer()) else { panic!("a file is no folder") };
    assert!(matches!(error, PayError::Store(_)), "{error}");
    let held = open(&folder, buyer());
    let Err(error) = paychan_mpp::buyer::Buyer::open(folder.path(), buyer()) else { panic!("the store is in use") };
    assert!(error.to_string().contains("another process"), "{error}");
    drop(held);
}
