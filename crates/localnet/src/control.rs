//! The control endpoint, on a port of its own: what a test or a demo does to time. Nobody else should reach it.

use axum::{
    Json, Router,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{ledger::history::LedgerTime, node::Node, thread::Handle};

/// Ledgers that one request can close; more are jumped over.
const MAX_CLOSE: u32 = 10_000;

/// The routes of the control port.
pub(crate) fn router(node: Handle) -> Router {
    Router::new().route("/close", post(close)).route("/jump", post(jump)).route("/status", get(status)).with_state(node)
}

/// Where the network stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The last closed ledger.
    pub ledger: u32,
    /// When it closed, in Unix seconds of this network's clock.
    pub close_time: u64,
    /// Transactions that wait for the next ledger.
    pub pending: usize,
    /// Ledgers close only when told.
    pub manual: bool,
    /// Milliseconds between ledgers.
    pub ledger_ms: u32,
    /// The network's passphrase.
    pub passphrase: String,
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
        }
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

/// `POST /close`, `POST /close?count=3`: closes that many ledgers, each with what waits.
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
    match serde_json::from_str::<Jump>(&body) {
        Ok(Jump { ledgers, seconds }) if ledgers > 0 => {
            answer(node, move |node| {
                node.jump(ledgers, seconds);
                Status::of(node)
            })
            .await
        }
        Ok(_) => refuse("ledgers is 0; jump over 1 at least"),
        Err(error) => refuse(&format!("expected a body like {{\"ledgers\": 1000}}: {error}")),
    }
}

/// `GET /status`.
async fn status(State(node): State<Handle>) -> Response {
    answer(node, |node| Status::of(node)).await
}

async fn answer(node: Handle, job: impl FnOnce(&mut Node) -> Status + Send + 'static) -> Response {
    match node.call(job).await {
        Ok(status) => Json(status).into_response(),
        Err(stopped) => {
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "error": stopped.to_string() }))).into_response()
        }
    }
}

fn refuse(error: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response()
}
