//! Requests that reach a seller.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderName, HeaderValue, Method, Request};
use axum::routing::get;
use paychan_channel::{Amount, Commitment, CommitmentSecret, ContractId, RequestId};
use paychan_mpp::seller::{Charges, ChargesError, Ending, Seller, SellerOptions, Standing};
use paychan_mpp::wire::{ChallengeSecrets, NetworkName};
use paychan_watcher_api::{ChannelStatus, ChargeBody, Charged, CloseState, Facts, Problem, ProblemKind, SignedAmount};
use tokio::runtime::Runtime;
use tower::ServiceExt;

use crate::pieces::Pieces;

/// The text of the secret that challenges are made with.
pub const CHALLENGE_SECRET: &str = "a fuzzer's secret of at least 32 bytes";
/// The channel that the seller is paid through.
pub const CHANNEL: ContractId = ContractId([7; 32]);
/// What a request costs, in base units.
const PRICE: u64 = 10;
/// What the channel covers.
const COVERAGE: u64 = 1_000;

/// The key of the channel's commitments.
pub fn seller_key() -> CommitmentSecret {
    CommitmentSecret::from_seed_hex(&"07".repeat(32)).expect("64 hex digits")
}

/// A watcher in memory: one channel, with the real rules about signatures, totals and request ids.
#[derive(Default)]
struct Ledger(Mutex<Totals>);

#[derive(Default)]
struct Totals {
    highest: Amount,
    spent: Amount,
    charges: HashMap<RequestId, Charged>,
}

fn refused(kind: ProblemKind) -> ChargesError {
    ChargesError::Refused(Box::new(Problem::new(kind, "the fake says no").with(Facts::default())))
}

fn verify(channel: &ContractId, signed: &SignedAmount) -> Result<(), ChargesError> {
    let commitment = Commitment { network: NetworkName::testnet().id(), channel: *channel, amount: signed.amount };
    if *channel != CHANNEL {
        return Err(refused(ProblemKind::UnknownChannel));
    }
    commitment.verify(&seller_key().public(), &signed.signature).map_err(|_| refused(ProblemKind::BadSignature))
}

impl Ledger {
    fn standing(&self) -> Standing {
        let totals = self.0.lock().expect("no panic before");
        Standing {
            highest: totals.highest,
            spent: totals.spent,
            status: ChannelStatus::Open,
            fenced: false,
            commitment_key: Some(seller_key().public()),
        }
    }
}

impl Charges for Ledger {
    async fn charge(&self, channel: &ContractId, body: &ChargeBody) -> Result<Charged, ChargesError> {
        let signed = body.commitment.expect("the seller sends the voucher");
        verify(channel, &signed)?;
        let mut totals = self.0.lock().expect("no panic before");
        if let Some(charged) = totals.charges.get(&body.request_id) {
            return Ok(Charged { replayed: true, ..charged.clone() });
        }
        let highest = totals.highest.max(signed.amount);
        let spent = totals.spent.saturating_add(body.price);
        if highest > Amount::from(COVERAGE) {
            return Err(refused(ProblemKind::ExceedsCoverage));
        }
        if spent > highest {
            return Err(refused(ProblemKind::Insufficient));
        }
        let charged = Charged {
            request_id: body.request_id.clone(),
            price: body.price,
            previous: totals.highest,
            highest,
            spent,
            unsettled: highest,
            coverage: COVERAGE.into(),
            credited: Amount::ZERO,
            replayed: false,
        };
        (totals.highest, totals.spent) = (highest, spent);
        totals.charges.insert(body.request_id.clone(), charged.clone());
        Ok(charged)
    }

    async fn credit(&self, _: &ContractId, id: &RequestId, amount: Amount) -> Result<(), ChargesError> {
        let mut totals = self.0.lock().expect("no panic before");
        let charged = totals.charges.get_mut(id).expect("only what was charged is given back");
        assert!(charged.credited.is_zero() && amount <= charged.price, "once, and no more than was taken");
        charged.credited = amount;
        totals.spent = totals.spent.saturating_sub(amount);
        Ok(())
    }

    async fn prepay(&self, channel: &ContractId, signed: SignedAmount, _: &RequestId) -> Result<(), ChargesError> {
        verify(channel, &signed)
    }

    async fn admit(&self, channel: &ContractId) -> Result<Standing, ChargesError> {
        if *channel == CHANNEL { Ok(self.standing()) } else { Err(refused(ProblemKind::NotOnChain)) }
    }

    async fn standing(&self, channel: &ContractId) -> Result<Standing, ChargesError> {
        if *channel == CHANNEL { Ok(self.standing()) } else { Err(refused(ProblemKind::UnknownChannel)) }
    }

    async fn close(&self, channel: &ContractId, agreed: SignedAmount, _: Duration) -> Result<Ending, ChargesError> {
        verify(channel, &agreed)?;
        Ok(Ending { state: CloseState::Closed, transaction: None, amount: agreed.amount })
    }
}

thread_local! {
    static RUNTIME: RefCell<Runtime> =
        RefCell::new(tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap());
}

/// Requests, one after the other, to one seller: for each a byte that picks the method and the path, and its header lines.
/// Understood: one of them was sold.
pub fn requests(bytes: &[u8]) -> bool {
    let secrets = ChallengeSecrets::new(super::challenge_secret());
    let options = SellerOptions::new("api.example.com", NetworkName::testnet(), secrets);
    let seller = Seller::new(Ledger::default(), options).expect("the realm is fine");
    let app = Router::new().route("/time", get(now).post(now).route_layer(seller.price(Amount::from(PRICE))));
    let mut sold = false;
    for piece in Pieces::of(bytes).take(4) {
        let Some(request) = request(piece) else { continue };
        let answer = RUNTIME.with_borrow(|runtime| {
            runtime.block_on(async {
                let (parts, body) = app.clone().oneshot(request).await.expect("a router always answers").into_parts();
                (parts, to_bytes(body, 1 << 20).await.expect("a body in memory"))
            })
        });
        let (parts, body) = answer;
        assert_ne!(parts.status.as_u16(), 500, "{}", String::from_utf8_lossy(&body));
        let paid = parts.headers.contains_key("payment-receipt");
        assert_eq!(paid, parts.status.is_success(), "nothing is sold without a receipt, and no refusal has one");
        if !paid && !body.is_empty() {
            let problem: serde_json::Value = serde_json::from_slice(&body).expect("a problem is JSON");
            assert_eq!(problem["status"], parts.status.as_u16(), "{problem}");
        }
        sold |= paid;
    }
    sold
}

async fn now() -> &'static str {
    "now"
}

fn request(piece: &[u8]) -> Option<Request<Body>> {
    let (choice, lines) = piece.split_first()?;
    let method = if choice & 1 == 0 { Method::GET } else { Method::POST };
    let mut request = Request::builder().method(method).uri(if choice & 2 == 0 { "/time" } else { "/time?x" });
    for line in lines.split(|byte| *byte == b'\n').take(8) {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = HeaderName::from_bytes(parts.next().unwrap_or_default());
        let value = HeaderValue::from_bytes(parts.next().unwrap_or_default().trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            request = request.header(name, value);
        }
    }
    request.body(Body::empty()).ok()
}
