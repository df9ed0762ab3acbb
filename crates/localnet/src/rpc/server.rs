//! Serves HTTP: the JSON-RPC, where a POST of at most 512 KiB has one call or a batch of calls, and the friendbot.

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Query, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{any, post},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stellar_xdr::TransactionMeta;

use super::{call, encode, error::RpcError};
use crate::{friendbot::Funding, ledger::accounts::account_id, thread::Handle};

/// The most bytes of a request's body (stellar-rpc: `maxHTTPRequestSize`).
const MAX_BODY: usize = 512 * 1024;

/// The routes of the RPC port. Other local networks serve it at `/rpc`, and some clients add a slash.
pub(crate) fn router(node: Handle) -> Router {
    Router::new()
        .route("/", post(serve).options(preflight))
        .route("/rpc", post(serve).options(preflight))
        .route("/rpc/", post(serve).options(preflight))
        .route("/friendbot", any(friendbot))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::map_response(allow_browsers))
        .with_state(node)
}

/// Allows calls from pages in browsers, as the public server does.
async fn allow_browsers(mut response: Response) -> Response {
    const ANY: HeaderValue = HeaderValue::from_static("*");
    let headers: [HeaderName; 3] = [
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        header::ACCESS_CONTROL_ALLOW_METHODS,
    ];
    for name in headers {
        response.headers_mut().insert(name, ANY);
    }
    response
}

async fn preflight() -> StatusCode {
    StatusCode::NO_CONTENT
}

#[derive(Debug, Deserialize)]
struct Call {
    jsonrpc: Option<String>,
    id: Option<Value>,
    method: String,
    #[serde(default)]
    params: Value,
}

#[derive(Debug, Serialize)]
struct Answer {
    jsonrpc: &'static str,
    id: Value,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Result(Value),
    Error(RpcError),
}

impl Answer {
    fn new(id: Value, outcome: Result<Value, RpcError>) -> Self {
        let outcome = match outcome {
            Ok(value) => Outcome::Result(value),
            Err(error) => Outcome::Error(error),
        };
        Self { jsonrpc: "2.0", id, outcome }
    }
}

async fn serve(State(node): State<Handle>, body: Bytes) -> Response {
    let body: Value = match serde_json::from_slice(&body) {
        Ok(body) => body,
        Err(error) => {
            let error = RpcError::parse(format!("invalid JSON: {error}"));
            return Json(Answer::new(Value::Null, Err(error))).into_response();
        }
    };
    match body {
        Value::Array(calls) if calls.is_empty() => {
            Json(Answer::new(Value::Null, Err(RpcError::invalid_request("empty request batch")))).into_response()
        }
        Value::Array(calls) => {
            let mut answers = Vec::new();
            for one in calls {
                answers.extend(answer(&node, one).await);
            }
            if answers.is_empty() { StatusCode::NO_CONTENT.into_response() } else { Json(answers).into_response() }
        }
        one => match answer(&node, one).await {
            Some(answer) => Json(answer).into_response(),
            None => StatusCode::NO_CONTENT.into_response(),
        },
    }
}

/// A call without an id is a notification, which gets no answer.
async fn answer(node: &Handle, request: Value) -> Option<Answer> {
    let id = request.get("id").cloned().unwrap_or(Value::Null);
    let parsed = match serde_json::from_value::<Call>(request) {
        Ok(parsed) if parsed.jsonrpc.as_deref() == Some("2.0") => parsed,
        Ok(_) => {
            return Some(Answer::new(id, Err(RpcError::invalid_request("invalid version marker"))));
        }
        Err(error) => {
            return Some(Answer::new(id, Err(RpcError::invalid_request(format!("invalid request: {error}")))));
        }
    };
    let Call { id: given, method, params, .. } = parsed;
    let outcome = node
        .call(move |node| call(node, &method, params))
        .await
        .unwrap_or_else(|stopped| Err(RpcError::internal(stopped.to_string())));
    given.map(|_| Answer::new(id, outcome))
}

#[derive(Debug, Deserialize)]
struct FriendbotQuery {
    addr: Option<String>,
}

/// Answers in the form of Horizon, as other friendbots do.
async fn friendbot(State(node): State<Handle>, Query(query): Query<FriendbotQuery>) -> Response {
    let Some(text) = query.addr else {
        return problem(StatusCode::BAD_REQUEST, "no address given: ask for /friendbot?addr=G...");
    };
    let Ok(key) = text.parse::<stellar_strkey::ed25519::PublicKey>() else {
        let detail = format!("'{text}' is not an account's address: expected G and 55 more letters and digits");
        return problem(StatusCode::BAD_REQUEST, &detail);
    };
    let account = account_id(key.0);
    let asked = node
        .call(move |node| {
            let receiver = node.friendbot.request(&node.entries, account);
            // In manual mode the request itself closes a ledger, so that it can be answered.
            if node.options.manual && node.friendbot.is_waited_for() {
                node.close();
            }
            receiver
        })
        .await;
    let funding = match asked {
        Ok(receiver) => receiver.await.unwrap_or(Funding::Dropped),
        Err(stopped) => return problem(StatusCode::SERVICE_UNAVAILABLE, &stopped.to_string()),
    };
    match funding {
        Funding::Closed { ledger, transaction } => {
            let meta = TransactionMeta::V4(transaction.meta.clone());
            let parts = (encode(&transaction.envelope), encode(&transaction.result), encode(&meta));
            let (Ok(envelope), Ok(result), Ok(meta)) = parts else {
                return problem(StatusCode::INTERNAL_SERVER_ERROR, "the transaction does not encode");
            };
            Json(json!({
                "hash": hex::encode(transaction.hash),
                "successful": transaction.successful,
                "ledger": ledger,
                "envelope_xdr": envelope,
                "result_xdr": result,
                "result_meta_xdr": meta,
            }))
            .into_response()
        }
        Funding::Exists => {
            // stellar-cli looks for the first words, and the JavaScript SDK for the last one. Both then count it as a
            // success.
            let detail =
                format!("account already funded to starting balance: {text} exists (createAccountAlreadyExist)");
            problem(StatusCode::BAD_REQUEST, &detail)
        }
        Funding::Dropped => problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the ledger did not take the friendbot's transaction; its account may have no coins left",
        ),
    }
}

fn problem(status: StatusCode, detail: &str) -> Response {
    let body = Json(json!({
        "type": "https://stellar.org/horizon-errors/bad_request",
        "title": status.canonical_reason().unwrap_or_default(),
        "status": status.as_u16(),
        "detail": detail,
    }));
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response()
}
