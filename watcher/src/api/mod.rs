//! The HTTP API. Handlers only translate: [`crate::channels`] and [`crate::commitments`] decide what is taken.
//!
//! | call | answers |
//! | --- | --- |
//! | `POST /v1/channels` | 201 the channel |
//! | `GET /v1/channels` | 200 all channels |
//! | `GET /v1/channels/{C}` | 200 the channel |
//! | `POST /v1/channels/{C}/commitments` | 200 [`paychan_watcher_api::Acknowledged`] |
//! | `POST /v1/channels/{C}/charges` | 200 [`paychan_watcher_api::Charged`] |
//! | `POST /v1/charges` | 200 [`paychan_watcher_api::ChargesAnswered`] |
//! | `POST /v1/channels/{C}/charges/{request_id}/credit` | 200 [`paychan_watcher_api::Credited`] |
//! | `POST /v1/channels/{C}/close?wait=SECONDS` | 200 [`paychan_watcher_api::ClosingAgreed`] |
//! | `GET /v1/channels/{C}/commitments/highest` | 200 [`paychan_watcher_api::SignedAmount`] |
//! | `GET /v1/status` | 200 what `paychan-watcher status` shows |
//! | `GET /v1/terms` | 200 [`paychan_watcher_api::Terms`] |
//! | `GET /healthz` | 200 while the process answers |
//! | `GET /readyz` | 200 while money may be taken; else 503 with the reasons |
//!
//! Every call under `/v1` needs the bearer token, except on the operator's socket. `/readyz` shows kinds to everybody,
//! and details only to callers with the token. Every other answer is a [`paychan_watcher_api::Problem`] with the HTTP
//! status of its kind.

mod bodies;
mod closing;
mod error;
mod handlers;
mod metrics;
mod operator;
mod server;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};

use paychan_watcher_api::{MOST_CHARGES, ProblemKind};

use error::ApiError;
pub use server::{Limits, Listener, OperatorListener, serve};

use crate::caught::caught;
use crate::channels::Channels;
use crate::commitments::Commitments;
use crate::config::ApiToken;
use crate::pause::Pause;
use crate::status::Reporter;

/// The largest body that most calls take, in bytes. A commitment has less than 400.
const BODY_LIMIT: usize = 4_096;
/// The largest body with several charges, in bytes. The longest charge has less than 512.
const CHARGES_LIMIT: usize = 512 * MOST_CHARGES;

/// The parts of the watcher that the handlers call.
pub struct Api {
    /// The token that callers have to present.
    pub token: ApiToken,
    /// Decides about channels.
    pub channels: Channels,
    /// Decides about commitments, charges and closes.
    pub commitments: Commitments,
    /// The operator's pause.
    pub pause: Pause,
    /// Reports what is known.
    pub reporter: Reporter,
}

/// All calls for callers who present the token. Serve it with [`serve`].
pub fn router(api: Arc<Api>) -> Router {
    let bearer = middleware::from_fn_with_state(api.clone(), bearer);
    let guarded = middleware::from_fn_with_state(api.clone(), answered);
    with_probes(calls().layer(bearer.clone()), get(handlers::readyz), get(metrics::metrics).layer(bearer))
        .layer(guarded)
        .with_state(api)
}

/// All calls for the operator. A process that can open the operator's socket needs no token.
pub fn operator_router(api: Arc<Api>) -> Router {
    let calls = calls()
        .route("/pause", post(operator::pause))
        .route("/resume", post(operator::resume))
        .route("/rollback/confirm", post(operator::confirm_rollback));
    let guarded = middleware::from_fn_with_state(api.clone(), answered);
    with_probes(calls, get(handlers::readyz_with_reasons), get(metrics::metrics)).layer(guarded).with_state(api)
}

/// The calls under `/v1`.
fn calls() -> Router<Arc<Api>> {
    Router::new()
        .route("/channels", post(handlers::admit).get(handlers::channels))
        .route("/channels/{channel}", get(handlers::channel))
        .route("/charges", post(handlers::charges).layer(DefaultBodyLimit::max(CHARGES_LIMIT)))
        .route("/channels/{channel}/commitments", post(handlers::offer))
        .route("/channels/{channel}/charges", post(handlers::charge))
        .route("/channels/{channel}/charges/{request_id}/credit", post(handlers::credit))
        .route("/channels/{channel}/close", post(closing::close))
        .route("/channels/{channel}/commitments/highest", get(handlers::highest))
        .route("/status", get(handlers::status))
        .route("/terms", get(handlers::terms))
        .fallback(handlers::no_such_path)
        .method_not_allowed_fallback(handlers::no_such_method)
}

fn with_probes(
    calls: Router<Arc<Api>>,
    readyz: MethodRouter<Arc<Api>>,
    metrics: MethodRouter<Arc<Api>>,
) -> Router<Arc<Api>> {
    Router::new()
        .nest("/v1", calls)
        .route("/healthz", get(handlers::healthz))
        .route("/readyz", readyz)
        .route("/metrics", metrics)
        .fallback(handlers::no_such_path)
        .method_not_allowed_fallback(handlers::no_such_method)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
}

/// Answers a call even if it panics. Such a call ends nothing but itself, but nobody knows what it has left undone, so the
/// watcher takes nothing more.
async fn answered(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    match caught(next.run(request)).await {
        Ok(response) => response,
        Err(panicked) => {
            api.reporter.call_panicked(&panicked);
            ApiError::new(ProblemKind::Internal, "the watcher could not finish this call; its log says more")
                .into_response()
        }
    }
}

async fn bearer(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let detail = match presented(request.headers()) {
        Some(token) if api.token.is(token) => return next.run(request).await,
        Some(_) => "the bearer token is not the one of the watcher's configuration",
        None => "expected the header `Authorization: Bearer TOKEN` with the token of the watcher's configuration",
    };
    let mut response = ApiError::new(ProblemKind::Unauthorized, detail).into_response();
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// The token that a request presents.
fn presented(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    // The scheme's name is case-insensitive (RFC 7235, section 2.1).
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
