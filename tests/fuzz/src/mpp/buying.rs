//! Answers that reach a buyer.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock};

use axum::http::{Extensions, HeaderName, HeaderValue, Response as HttpResponse};
use paychan_channel::Amount;
use paychan_mpp::buyer::{Buyer, BuyerOptions, Caps, Payment, PaymentMiddleware, PinnedChannel, Record, Store};
use paychan_mpp::wire::NetworkName;
use paychan_rpc::http::{HttpLimits, client_of_this_machine};
use reqwest::{Request, Response, ResponseBuilderExt};
use reqwest_middleware::{ClientBuilder, Middleware, Next};
use tokio::runtime::Runtime;

use super::selling::{CHANNEL, seller_key};
use crate::pieces::Pieces;

/// The most that the buyer may sign away in all, in base units.
const CAP: u64 = 100;
/// The most that one request may cost.
const DEAREST: u64 = 20;

/// What is asked for. Answers come from there, since the buyer checks that.
const URL: &str = "http://127.0.0.1:9/x";

/// A server that gives these answers, one after the other, and then none.
struct Server(Mutex<VecDeque<HttpResponse<Vec<u8>>>>);

#[async_trait::async_trait]
impl Middleware for Server {
    async fn handle(&self, _: Request, _: &mut Extensions, _: Next<'_>) -> reqwest_middleware::Result<Response> {
        let next = self.0.lock().expect("no panic before").pop_front();
        let last = || {
            HttpResponse::builder()
                .status(500)
                .url(URL.parse().expect("a URL"))
                .body(Vec::new())
                .expect("a plain answer")
        };
        Ok(Response::from(next.unwrap_or_else(last)))
    }
}

/// A client that is never asked: the server below stands before it.
fn http_client() -> reqwest::Client {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    CLIENT.get_or_init(|| client_of_this_machine(HttpLimits::default()).expect("a client")).clone()
}

thread_local! {
    static RUNTIME: RefCell<Runtime> =
        RefCell::new(tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap());
}

/// Up to six answers to three purchases: for each its status in two bytes, then header lines, an empty line and the body.
/// Understood: one purchase was paid for. However they lie, no more is signed away than the caps allow, nor more than one price
/// for each purchase.
pub fn answers(bytes: &[u8]) -> bool {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let caps = Caps { per_request: Some(DEAREST.into()), total: Some(CAP.into()), ..Caps::default() };
    let channels = vec![PinnedChannel::new(CHANNEL, NetworkName::testnet(), seller_key())];
    let buyer = Buyer::open(folder.path(), BuyerOptions { channels, caps, ..BuyerOptions::default() }).unwrap();
    let server = Server(Mutex::new(Pieces::of(bytes).take(6).filter_map(answer).collect()));
    let client = ClientBuilder::new(http_client()).with(PaymentMiddleware(Arc::new(buyer))).with(server).build();
    let mut paid = false;
    for _ in 0..3 {
        let bought = RUNTIME.with_borrow(|runtime| runtime.block_on(client.get(URL).send()));
        paid |= bought.is_ok_and(|answer| answer.extensions().get::<Payment>().is_some());
    }
    drop(client);
    // What a server has proven was signed before, so it is not counted here.
    let records = Store::read(folder.path()).unwrap();
    let raises = records.iter().filter(|record| matches!(record, Record::Signed(_))).map(Record::signed_away);
    let signed = raises.fold(Amount::ZERO, Amount::saturating_add);
    // One base unit may be signed to ask for a proof.
    assert!(signed <= Amount::from(CAP) && signed <= Amount::from(3 * DEAREST + 1), "{signed} was signed away");
    paid
}

fn answer(piece: &[u8]) -> Option<HttpResponse<Vec<u8>>> {
    let (status, rest) = piece.split_first_chunk::<2>()?;
    let status = match u16::from_be_bytes(*status) {
        // The buyer waits before it asks such a server again: the fuzzer would wait with it.
        409 | 503 => 500,
        status => status,
    };
    let mut answer = HttpResponse::builder().status(status).url(URL.parse().expect("a URL"));
    let mut lines = rest.split(|byte| *byte == b'\n');
    for line in lines.by_ref().take_while(|line| !line.is_empty()) {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = HeaderName::from_bytes(parts.next().unwrap_or_default());
        let value = HeaderValue::from_bytes(parts.next().unwrap_or_default().trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            answer = answer.header(name, value);
        }
    }
    answer.body(lines.collect::<Vec<_>>().join(&b'\n')).ok()
}
