//! The surroundings of a test: a seller behind axum with a watcher in memory, and a payer's key.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use paychan_channel::{Amount, Commitment, CommitmentSecret, ContractId};
use paychan_mpp::problem::ProblemBody;
use paychan_mpp::seller::{FinalPrice, Price, Pricing, Seller, SellerOptions};
use paychan_mpp::wire::{
    Action, Challenge, ChallengeSecret, ChallengeSecrets, Credential, NetworkName, Payload, Receipt, offers,
};
use tokio::sync::Notify;
use tower::ServiceExt;

use crate::fake_watcher::FakeWatcher;

pub(crate) const REALM: &str = "api.example.com";
pub(crate) const SECRET: &str = "paychan-test-secret-0123456789abcdef";
pub(crate) const CHANNEL: ContractId = ContractId([7; 32]);
/// The price of `/time`, base units.
pub(crate) const PRICE: u64 = 10;
/// The coverage of the channel, base units.
pub(crate) const COVERAGE: u64 = 100_000;

pub(crate) struct TestEnv {
    pub(crate) watcher: FakeWatcher,
    pub(crate) app: Router,
    pub(crate) key: CommitmentSecret,
    pub(crate) network: NetworkName,
    /// How many times a handler ran.
    pub(crate) sold: Arc<AtomicUsize>,
    /// The handler of `/slow` waits for this.
    pub(crate) slow: Arc<Notify>,
    /// The price of `/rising`, base units.
    pub(crate) rising: Arc<AtomicU64>,
}

pub(crate) fn challenge_secret(text: &str) -> ChallengeSecret {
    ChallengeSecret::new(text.to_owned().into()).unwrap()
}

pub(crate) fn options() -> SellerOptions {
    SellerOptions::new(REALM, NetworkName::testnet(), ChallengeSecrets::new(challenge_secret(SECRET)))
}

impl TestEnv {
    pub(crate) fn new() -> Self {
        Self::with(options())
    }

    pub(crate) fn with(options: SellerOptions) -> Self {
        let network = NetworkName::testnet();
        let watcher = FakeWatcher::new(network.id());
        let key = CommitmentSecret::generate().unwrap();
        watcher.open(CHANNEL, key.public(), COVERAGE);
        let (sold, slow, rising) = (Arc::default(), Arc::default(), Arc::new(AtomicU64::new(PRICE)));
        let app = app(&watcher, options, &sold, &slow, &rising);
        Self { watcher, app, key, network, sold, slow, rising }
    }

    /// Ends the seller's process and starts it again. The watcher stays.
    pub(crate) fn restart(&mut self) {
        self.app = app(&self.watcher, options(), &self.sold, &self.slow, &self.rising);
    }

    pub(crate) fn sold(&self) -> usize {
        self.sold.load(Ordering::SeqCst)
    }

    pub(crate) fn signed(&self, action: Action, amount: u64) -> Payload {
        let amount = Amount::from(amount);
        let commitment = Commitment { network: self.network.id(), channel: CHANNEL, amount };
        Payload { action, amount, signature: commitment.sign(&self.key) }
    }

    /// A value of `Authorization` that pays with a voucher for `amount`.
    pub(crate) fn voucher(&self, challenge: &Challenge, amount: u64) -> String {
        self.credential(challenge, Action::Voucher, amount)
    }

    pub(crate) fn credential(&self, challenge: &Challenge, action: Action, amount: u64) -> String {
        Credential::new(challenge.clone(), &self.signed(action, amount)).unwrap().to_header().unwrap()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        Answer::to(self.app.clone(), request).await
    }

    /// `GET path` with these headers.
    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(request("GET", path, headers)).await
    }

    /// The challenge for `GET path`.
    pub(crate) async fn challenge(&self, path: &str) -> Challenge {
        self.get(path, &[("payment-session", &CHANNEL.to_string())]).await.challenge()
    }

    /// `POST path` with these headers.
    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(request("POST", path, headers)).await
    }

    /// Asks until the same purchase is no longer in progress.
    pub(crate) async fn until_decided(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        for _ in 0..5_000 {
            let answer = self.send(request(method, path, headers)).await;
            if answer.status != 409 || !answer.body.contains("problems/in-progress") {
                return answer;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        panic!("{method} {path} stays in progress");
    }

    /// A credential that pays `GET path` with a voucher for `amount`.
    pub(crate) async fn paid_get(&self, path: &str, amount: u64) -> String {
        self.voucher(&self.challenge(path).await, amount)
    }

    /// A credential that pays `POST path` with a voucher for `amount`.
    pub(crate) async fn paid_post(&self, path: &str, amount: u64) -> String {
        let challenge = self.post(path, &[("payment-session", &CHANNEL.to_string())]).await.challenge();
        self.voucher(&challenge, amount)
    }

    /// Buys `path` with a voucher for `amount`.
    pub(crate) async fn buy(&self, path: &str, amount: u64) -> Answer {
        let header = self.paid_get(path, amount).await;
        self.get(path, &[("authorization", &header)]).await
    }
}

pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

fn app(
    watcher: &FakeWatcher,
    options: SellerOptions,
    sold: &Arc<AtomicUsize>,
    slow: &Arc<Notify>,
    rising: &Arc<AtomicU64>,
) -> Router {
    let seller = Seller::new(watcher.clone(), options).unwrap();
    let counted = |sold: &Arc<AtomicUsize>| {
        let sold = Arc::clone(sold);
        move || {
            let number = sold.fetch_add(1, Ordering::SeqCst) + 1;
            async move { format!("answer {number}") }
        }
    };
    let costs = |amount: u64| seller.price(Amount::from(amount));
    let by_query = Pricing::of(|parts| match parts.uri.query() {
        Some(query) if query.contains("free") => None,
        Some(query) if query.contains("dear") => Some(Price::Exactly(Amount::from(1_000))),
        _ => Some(Price::Exactly(Amount::from(PRICE))),
    });
    let metered = |sold: Arc<AtomicUsize>| {
        move || {
            sold.fetch_add(1, Ordering::SeqCst);
            async { (axum::Extension(FinalPrice(Amount::from(30))), "metered") }
        }
    };
    let rising = {
        let price = Arc::clone(rising);
        Pricing::of(move |_| Some(Price::Exactly(Amount::from(price.load(Ordering::SeqCst)))))
    };
    let slow = {
        let (slow, sold) = (Arc::clone(slow), Arc::clone(sold));
        move || {
            sold.fetch_add(1, Ordering::SeqCst);
            let slow = Arc::clone(&slow);
            async move { slow.notified().await }
        }
    };
    Router::new()
        .route("/rising", get(counted(sold)).post(counted(sold)).route_layer(seller.price(rising)))
        .route("/slow", post(slow).route_layer(costs(PRICE)))
        .route("/time", get(counted(sold)).post(counted(sold)).route_layer(costs(PRICE)))
        .route("/other", get(counted(sold)).route_layer(costs(PRICE)))
        .route("/items/{id}", get(counted(sold)).route_layer(costs(PRICE)))
        .route("/query", get(counted(sold)).route_layer(seller.price(by_query)))
        .route("/most", get(metered(Arc::clone(sold))).route_layer(seller.price(Price::AtMost(Amount::from(100)))))
        .route("/fails", get(|| async { StatusCode::BAD_GATEWAY.into_response() }).route_layer(costs(PRICE)))
        .route("/panics", get(panics).post(counted_panic(sold)).route_layer(costs(PRICE)))
        .route("/breaks-off", get(|| async { broken() }).post(|| async { broken() }).route_layer(costs(PRICE)))
        .route("/sixty-thousand-bytes", get(|| async { "x".repeat(60_000) }).route_layer(costs(PRICE)))
        .route("/large", get(|| async { "x".repeat(100_000) }).route_layer(costs(PRICE)))
}

async fn panics() -> Response {
    panic!("the handler's own fault")
}

fn counted_panic(sold: &Arc<AtomicUsize>) -> impl Fn() -> std::future::Ready<Response> + Clone + Send + use<> {
    let sold = Arc::clone(sold);
    move || {
        sold.fetch_add(1, Ordering::SeqCst);
        panic!("the handler's own fault")
    }
}

/// An answer whose body ends with an error.
fn broken() -> Response {
    Response::new(Body::new(Breaking))
}

struct Breaking;

impl http_body::Body for Breaking {
    type Data = axum::body::Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        std::task::Poll::Ready(Some(Err(std::io::Error::other("it broke off"))))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(5)
    }
}

/// An answer that was read completely.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    /// The answer to a request.
    pub(crate) async fn to(app: Router, request: Request<Body>) -> Self {
        Self::of(app.oneshot(request).await.unwrap()).await
    }

    async fn of(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Self { status: parts.status, headers: parts.headers, body: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    pub(crate) fn challenge(&self) -> Challenge {
        let values = self.headers.get_all("www-authenticate").iter().map(http::HeaderValue::as_bytes);
        let mut offers = offers(values);
        assert_eq!(offers.len(), 1, "{} {}", self.status, self.body);
        offers.remove(0).unwrap()
    }

    pub(crate) fn receipt(&self) -> Receipt {
        let value = self.headers.get("payment-receipt").unwrap_or_else(|| panic!("{} {}", self.status, self.body));
        Receipt::from_header(value.to_str().unwrap()).unwrap()
    }

    pub(crate) fn problem(&self) -> ProblemBody {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.body);
        serde_json::from_str(&self.body).unwrap()
    }

    /// Checks that the answer is this problem.
    pub(crate) fn is(&self, status: u16, name: &str) -> ProblemBody {
        let problem = self.problem();
        assert_eq!(
            (self.status.as_u16(), problem.kind.rsplit("problems/").next().unwrap()),
            (status, name),
            "{}",
            self.body
        );
        assert_eq!(problem.status, status);
        assert!(problem.hint.as_ref().is_some_and(|hint| !hint.is_empty()), "it says how to go on");
        assert_eq!(self.headers.contains_key("www-authenticate"), problem.challenge_id.is_some());
        assert!(!self.headers.contains_key("payment-receipt"));
        problem
    }
}
