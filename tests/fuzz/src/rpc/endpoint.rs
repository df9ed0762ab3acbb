//! An HTTP server that answers as an input tells it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use paychan_channel::xdr::{LedgerEntryData, LedgerKey, Limits, ReadXdr};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// How requests are answered.
pub(super) enum Answers {
    /// With these bodies; the last one again and again.
    Bodies(VecDeque<Vec<u8>>),
    /// With right JSON around these pieces of XDR.
    Xdr(Vec<Vec<u8>>),
}

/// The server, on the runtime that also runs its client.
pub(super) struct Endpoint {
    pub(super) runtime: Runtime,
    pub(super) url: String,
    answers: Arc<Mutex<Answers>>,
}

impl Endpoint {
    pub(super) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answers = Arc::new(Mutex::new(Answers::Bodies(VecDeque::new())));
        let app = Router::new().fallback(answer).with_state(answers.clone());
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { runtime, url, answers }
    }

    pub(super) fn answer_with(&self, answers: Answers) {
        *self.answers.lock().unwrap() = answers;
    }
}

async fn answer(State(answers): State<Arc<Mutex<Answers>>>, request: Bytes) -> Response {
    match &mut *answers.lock().unwrap() {
        Answers::Bodies(bodies) => {
            let body = match bodies.len() {
                0 => Vec::new(),
                1 => bodies[0].clone(),
                _ => bodies.pop_front().unwrap_or_default(),
            };
            match body.as_slice() {
                [255, choice, rest @ ..] => with_choice(*choice, rest.to_vec()),
                _ => body.into_response(),
            }
        }
        Answers::Xdr(pieces) => {
            let request: Value = serde_json::from_slice(&request).expect("the client writes JSON");
            json!({ "jsonrpc": "2.0", "id": 1, "result": result(&request, pieces) }).to_string().into_response()
        }
    }
}

/// Statuses and headers that servers and proxies answer with.
fn with_choice(choice: u8, body: Vec<u8>) -> Response {
    const STATUSES: [u16; 8] = [200, 429, 503, 504, 401, 404, 500, 302];
    let status = STATUSES[usize::from(choice & 7)];
    let mut headers = HeaderMap::new();
    // The first bytes of the body stand for the value of a header too.
    let value = HeaderValue::from_bytes(&body[..body.len().min(40)]);
    if let Ok(value) = value {
        match choice >> 3 & 3 {
            0 => {}
            1 => drop(headers.insert(header::RETRY_AFTER, value)),
            2 => drop(headers.insert(header::CONTENT_ENCODING, value)),
            _ => drop(headers.insert(header::CONTENT_TYPE, value)),
        }
    }
    (StatusCode::from_u16(status).unwrap(), headers, body).into_response()
}

/// Whether a piece is the ledger entry of this key.
fn is_of(piece: &[u8], key: &Value) -> bool {
    let limits = || Limits { depth: 100, len: 64 << 10 };
    let entry = LedgerEntryData::from_xdr(piece, limits());
    let key = LedgerKey::from_xdr_base64(key.as_str().unwrap_or_default(), limits());
    matches!((entry, key), (Ok(entry), Ok(key)) if entry.to_key() == key)
}

/// What a method answers, with the pieces in the places of its XDR.
fn result(request: &Value, pieces: &[Vec<u8>]) -> Value {
    let xdr = |at: usize| pieces.get(at).map(|piece| STANDARD.encode(piece));
    let all = |from: usize| pieces.iter().skip(from).map(|piece| STANDARD.encode(piece)).collect::<Vec<_>>();
    match request["method"].as_str().unwrap_or_default() {
        "getLedgerEntries" => {
            let keys = request["params"]["keys"].as_array().cloned().unwrap_or_default();
            let entry = |(at, key): (usize, Value)| {
                // The piece that is the entry asked for, and any piece where there is none.
                let at = pieces.iter().position(|piece| is_of(piece, &key)).unwrap_or(at);
                let xdr = xdr(at)?;
                Some(json!({ "key": key, "xdr": xdr, "lastModifiedLedgerSeq": 90, "liveUntilLedgerSeq": 500 }))
            };
            let entries: Vec<Value> = keys.into_iter().enumerate().filter_map(entry).collect();
            json!({ "entries": entries, "latestLedger": 100 })
        }
        "getEvents" => json!({
            "events": [{
                "ledger": 100, "id": "1", "contractId": super::CHANNEL.to_string(), "topic": all(1),
                "value": xdr(0).unwrap_or_default()
            }],
            "cursor": "0000000429496729600-0000000001", "latestLedger": 101, "oldestLedger": 1
        }),
        "simulateTransaction" if pieces.len() == 1 => {
            json!({ "error": "HostError: Error(Contract, #1)", "events": all(0), "latestLedger": 100 })
        }
        "simulateTransaction" => json!({
            "transactionData": xdr(0), "results": [{ "xdr": xdr(1), "auth": all(2) }], "latestLedger": 100,
            "minResourceFee": "1"
        }),
        "sendTransaction" => json!({
            "status": "ERROR", "hash": "07".repeat(32), "latestLedger": 100, "errorResultXdr": xdr(0)
        }),
        "getTransaction" => json!({
            "status": if pieces.len().is_multiple_of(2) { "SUCCESS" } else { "FAILED" }, "ledger": 99, "latestLedger": 100,
            "oldestLedger": 1, "resultXdr": xdr(0), "resultMetaXdr": xdr(1), "diagnosticEventsXdr": all(2)
        }),
        "getLatestLedger" => json!({ "sequence": 100, "closeTime": "1795000000", "protocolVersion": 28 }),
        "getHealth" => json!({ "status": "healthy", "latestLedger": 101, "oldestLedger": 1 }),
        _ => json!({ "passphrase": "Simulated Network", "protocolVersion": 28 }),
    }
}
