//! The control endpoint, on a port of its own: tests and demos use it to control time, archival and fees.

use axum::{
    Json, Router,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;
use stellar_xdr::{
    ContractDataDurability, LedgerKey, LedgerKeyContractData, Limits, ReadXdr, ScAddress, ScVal, WriteXdr,
};

use crate::{
    ledger::{entries::Found, history::LedgerTime},
    node::Node,
    thread::{Handle, Stopped},
};

/// The most ledgers that one request closes. To pass more ledgers, jump.
const MAX_CLOSE: u32 = 10_000;

/// The routes of the control port.
pub(crate) fn router(node: Handle) -> Router {
    Router::new()
        .route("/close", post(close))
        .route("/jump", post(jump))
        .route("/archive", post(archive))
        .route("/fill", post(fill))
        .route("/inclusion-price", post(inclusion_price))
        .route("/status", get(status))
        .with_state(node)
}

/// The state of the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The last closed ledger.
    pub ledger: u32,
    /// When it closed, in Unix seconds of this network's clock.
    pub close_time: u64,
    /// The number of transactions that wait for the next ledger.
    pub pending: usize,
    /// Whether ledgers close only on request.
    pub manual: bool,
    /// Milliseconds between ledgers.
    pub ledger_ms: u32,
    /// The network's passphrase.
    pub passphrase: String,
    /// How many ledgers, from the next one on, are full of other people's transactions.
    pub full_ledgers: u32,
    /// The least bid that the queue takes, in stroops for one operation.
    pub inclusion_price: u32,
}

impl Status {
    pub(crate) fn of(node: &Node) -> Self {
        let LedgerTime { sequence, close_time } = node.history.newest();
        Self {
            ledger: sequence,
            close_time,
            pending: node.queue.len(),
            manual: node.options.manual,
            ledger_ms: node.options.ledger_ms,
            passphrase: node.options.passphrase.clone(),
            full_ledgers: node.queue.demand.full_ledgers(),
            inclusion_price: node.queue.demand.price(),
        }
    }
}

/// Why entries can't be archived.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// The network has stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// No live contract entry has this key, so nothing was archived.
    #[error("there is no live contract entry with the key {0}; give keys of contract data or code")]
    NoSuchEntry(String),
}

impl Node {
    /// Ends the lives of these entries with the last closed ledger.
    ///
    /// # Errors
    /// See [`ArchiveError`]. Then no entry has changed.
    pub(crate) fn archive(&mut self, keys: &[LedgerKey]) -> Result<(), ArchiveError> {
        let ledger = self.history.newest().sequence;
        for key in keys {
            match self.entries.find(key, ledger) {
                Found::Live(stored) if stored.live_until.is_some() => {}
                _ => {
                    let text = key.to_xdr_base64(Limits::none()).unwrap_or_else(|error| error.to_string());
                    return Err(ArchiveError::NoSuchEntry(text));
                }
            }
        }
        let entries = std::rc::Rc::make_mut(&mut self.entries);
        for key in keys {
            entries.set_live_until(key, ledger.saturating_sub(1));
        }
        Ok(())
    }
}

#[derive(Debug, Deserialize)]
struct Close {
    #[serde(default = "one")]
    count: u32,
}

fn one() -> u32 {
    1
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Jump {
    ledgers: u32,
    seconds: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Archive {
    /// `LedgerKey`s as XDR in base64.
    #[serde(default)]
    keys: Vec<String>,
    /// The C... addresses of contracts whose instances are archived.
    #[serde(default)]
    contracts: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fill {
    ledgers: u32,
    bid: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct InclusionPrice {
    stroops: u32,
}

/// `POST /close`, `POST /close?count=3`: closes that many ledgers. The transactions that wait are in the first of them.
async fn close(State(node): State<Handle>, Query(Close { count }): Query<Close>) -> Response {
    if count == 0 || count > MAX_CLOSE {
        return refuse(&format!("count is {count}; close 1 to {MAX_CLOSE} ledgers, or jump over more"));
    }
    answer(node, move |node| {
        for _ in 0..count {
            node.close();
        }
        Status::of(node)
    })
    .await
}

/// `POST /jump {"ledgers": 1000}`, `POST /jump {"ledgers": 1000, "seconds": 0}`: see `Localnet::jump` and
/// `Localnet::jump_within`.
async fn jump(State(node): State<Handle>, body: String) -> Response {
    match read(&body, r#"{"ledgers": 1000}"#) {
        Ok(Jump { ledgers, seconds }) if ledgers > 0 => {
            answer(node, move |node| {
                node.jump(ledgers, seconds);
                Status::of(node)
            })
            .await
        }
        Ok(_) => refuse("ledgers is 0; jump over 1 at least"),
        Err(refused) => refused,
    }
}

/// `POST /archive {"keys": ["AAAAB..."]}`, `POST /archive {"contracts": ["C..."]}`: see `Localnet::archive`.
async fn archive(State(node): State<Handle>, body: String) -> Response {
    let request: Archive = match read(&body, r#"{"keys": ["AAAAB..."]} or {"contracts": ["C..."]}"#) {
        Ok(request) => request,
        Err(refused) => return refused,
    };
    let keys = match ledger_keys(&request) {
        Ok(keys) if keys.is_empty() => return refuse("there are neither keys nor contracts; give one at least"),
        Ok(keys) => keys,
        Err(error) => return refuse(&error),
    };
    let archived = node.call(move |node| node.archive(&keys).map(|()| Status::of(node))).await;
    match archived.map_err(ArchiveError::from).and_then(|outcome| outcome) {
        Ok(status) => Json(status).into_response(),
        Err(ArchiveError::Stopped(error)) => unavailable(error),
        Err(error) => refuse(&error.to_string()),
    }
}

fn ledger_keys(request: &Archive) -> Result<Vec<LedgerKey>, String> {
    let keys = request.keys.iter().map(|text| {
        let limits = Limits { depth: 100, len: text.len() };
        LedgerKey::from_xdr_base64(text, limits)
            .map_err(|error| format!("'{text}' is not a LedgerKey as XDR in base64: {error}"))
    });
    let instances = request.contracts.iter().map(|text| {
        let contract: stellar_strkey::Contract =
            text.parse().map_err(|error| format!("'{text}' is not a contract's address (C...): {error}"))?;
        Ok(LedgerKey::ContractData(LedgerKeyContractData {
            contract: ScAddress::Contract(stellar_xdr::ContractId(stellar_xdr::Hash(contract.0))),
            key: ScVal::LedgerKeyContractInstance,
            durability: ContractDataDurability::Persistent,
        }))
    });
    keys.chain(instances).collect()
}

/// `POST /fill {"ledgers": 3, "bid": 5000}`: see `Localnet::fill_ledgers`.
async fn fill(State(node): State<Handle>, body: String) -> Response {
    match read(&body, r#"{"ledgers": 3, "bid": 5000}"#) {
        Ok(Fill { ledgers, bid }) => {
            answer(node, move |node| {
                node.queue.demand.fill_ledgers(ledgers, bid);
                Status::of(node)
            })
            .await
        }
        Err(refused) => refused,
    }
}

/// `POST /inclusion-price {"stroops": 5000}`: see `Localnet::set_inclusion_price`.
async fn inclusion_price(State(node): State<Handle>, body: String) -> Response {
    match read(&body, r#"{"stroops": 5000}"#) {
        Ok(InclusionPrice { stroops }) => {
            answer(node, move |node| {
                node.queue.demand.set_price(stroops);
                Status::of(node)
            })
            .await
        }
        Err(refused) => refused,
    }
}

/// `GET /status`.
async fn status(State(node): State<Handle>) -> Response {
    answer(node, |node| Status::of(node)).await
}

async fn answer(node: Handle, job: impl FnOnce(&mut Node) -> Status + Send + 'static) -> Response {
    match node.call(job).await {
        Ok(status) => Json(status).into_response(),
        Err(stopped) => unavailable(stopped),
    }
}

/// Reads a body. If the body is malformed, the answer shows an example.
#[allow(clippy::result_large_err, reason = "it is returned at once")]
fn read<T: DeserializeOwned>(body: &str, example: &str) -> Result<T, Response> {
    serde_json::from_str(body).map_err(|error| refuse(&format!("expected a body like {example}: {error}")))
}

fn unavailable(stopped: Stopped) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "error": stopped.to_string() }))).into_response()
}

fn refuse(error: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response()
}
