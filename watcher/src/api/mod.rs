//! The HTTP edge. Handlers only translate: what is taken is decided by [`crate::admission`] and [`crate::commitments`].
//!
//! | call | answers |
//! | --- | --- |
//! | `POST /v1/channels` `{channel}` | 201 the channel; 422 with the rule that it breaks |
//! | `GET /v1/channels` | 200 all channels |
//! | `GET /v1/channels/{C}` | 200 the channel |
//! | `POST /v1/channels/{C}/commitments` `{amount, signature, request_id}` | 200 `{highest, unsettled, coverage}` |
//! | `GET /v1/status` | 200 what `paychan-watcher status` shows |
//! | `GET /healthz` | 200: the process answers |
//! | `GET /readyz` | 200: it may take money; 503 with the reasons why not |
//!
//! Everything under `/v1` wants the bearer token. Errors are `application/problem+json` with a stable `kind`:
//!
//! | status | kinds |
//! | --- | --- |
//! | 400 | `malformed`: JSON, a field, an address, an amount, a signature or an id is not what it should be |
//! | 401 | `unauthorized` |
//! | 404 | `unknown_channel`, `no_such_path` |
//! | 405, 413 | `method_not_allowed`, `too_large` |
//! | 409 | `not_higher`, `already_held` (both with `highest`), `request_id_reused` |
//! | 410 | `closing`, `final` |
//! | 422 | commitments: `bad_signature`, `exceeds_coverage` (with `coverage`); channels: `not_on_chain`, `not_a_channel` and those of [`Refused::kind`](crate::channels::Refused::kind) |
//! | 503 | `not_fresh`, `fees_low`, `stopping`, `rolled_back`, `unpayable`, `busy`; channels also `chain_unreachable`, `wrong_network` |

mod bodies;
mod handlers;
mod problem;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

pub use problem::Problem;

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
    let mut response = Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail.to_owned()).into_response();
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}
