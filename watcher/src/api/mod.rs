//! The HTTP API. Handlers only translate: [`crate::channels`] and [`crate::commitments`] decide what is taken.
//!
//! | call | answers |
//! | --- | --- |
//! | `POST /v1/channels` | 201 the channel |
//! | `GET /v1/channels` | 200 all channels |
//! | `GET /v1/channels/{C}` | 200 the channel |
//! | `POST /v1/channels/{C}/commitments` | 200 [`paychan_watcher_api::Acknowledged`] |
//! | `GET /v1/status` | 200 what `paychan-watcher status` shows |
//! | `GET /healthz` | 200: the process answers |
//! | `GET /readyz` | 200: it may take money; 503 with the reasons why not |
//!
//! Everything under `/v1` wants the bearer token. Every other answer is a [`paychan_watcher_api::Problem`] with the HTTP
//! status of its kind.

mod bodies;
mod error;
mod handlers;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::HeaderValue;
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use paychan_watcher_api::ProblemKind;

use error::ApiError;

use crate::channels::Intake;
use crate::commitments::Acceptance;
use crate::config::ApiToken;
use crate::status::Reporter;

/// The largest body taken, in bytes. A commitment is below 400.
const BODY_LIMIT: usize = 4_096;

/// What the handlers translate for.
pub struct Api {
    /// Whoever presents it may call.
    pub token: ApiToken,
    /// Takes channels.
    pub intake: Intake,
    /// Takes commitments.
    pub acceptance: Acceptance,
    /// Says what is known.
    pub reporter: Reporter,
}

/// All calls. Serve it with `axum::serve`.
pub fn router(api: Arc<Api>) -> Router {
    let guarded = Router::new()
        .route("/channels", post(handlers::admit).get(handlers::channels))
        .route("/channels/{channel}", get(handlers::channel))
        .route("/channels/{channel}/commitments", post(handlers::offer))
        .route("/status", get(handlers::status))
        .fallback(handlers::no_such_path)
        .method_not_allowed_fallback(handlers::no_such_method)
        .layer(middleware::from_fn_with_state(api.clone(), bearer))
        .layer(DefaultBodyLimit::max(BODY_LIMIT));
    Router::new()
        .nest("/v1", guarded)
        .route("/healthz", get(handlers::healthz))
        .route("/readyz", get(handlers::readyz))
        .fallback(handlers::no_such_path)
        .method_not_allowed_fallback(handlers::no_such_method)
        .with_state(api)
}

async fn bearer(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    // The scheme's name is case-insensitive (RFC 7235, section 2.1).
    let presented = header.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    if presented.is_some_and(|token| api.token.is(token)) {
        return next.run(request).await;
    }
    let detail = match presented {
        None => "expected the header `Authorization: Bearer TOKEN` with the token of the watcher's configuration",
        Some(_) => "the bearer token is not the one of the watcher's configuration",
    };
    let mut response = ApiError::new(ProblemKind::Unauthorized, detail).into_response();
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}
