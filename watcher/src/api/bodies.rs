//! Reads bodies and paths, and says which part of them is wrong.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use paychan_channel::{Amount, ContractId, RequestId};
use paychan_watcher_api::ProblemKind;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::error::ApiError;

/// The longest time from the end of a request's head to the last byte of its body. A body is smaller than one packet of
/// most networks.
const BODY_TIME: Duration = Duration::from_secs(5);

/// The whole body as bytes. It is read before the handler runs, within [`BODY_TIME`].
pub(super) struct Body(Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        match timeout(BODY_TIME, Bytes::from_request(request, state)).await {
            Ok(Ok(bytes)) => Ok(Self(bytes)),
            Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                let detail = "the body is larger than this call needs; send its fields and nothing else";
                Err(ApiError::new(ProblemKind::TooLarge, detail))
            }
            Ok(Err(rejection)) => Err(malformed(format!("the body could not be read: {}", rejection.body_text()))),
            Err(_) => {
                let detail = format!("the body had not arrived after {} s; send it at once", BODY_TIME.as_secs());
                Err(ApiError::new(ProblemKind::TooSlow, detail))
            }
        }
    }
}

impl Body {
    /// Whether the request has no body.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads the body as JSON. `expected` shows the form that it should have.
    pub(super) fn json<T: DeserializeOwned>(&self, expected: &str) -> Result<T, ApiError> {
        // To know which field is wrong costs time, so only a wrong body is read in that way.
        if let Ok(body) = serde_json::from_slice(&self.0) {
            return Ok(body);
        }
        let mut json = serde_json::Deserializer::from_slice(&self.0);
        let read = serde_path_to_error::deserialize(&mut json);
        let body = read.map_err(|error| {
            let field = error.path().to_string();
            let field = if field == "." { String::new() } else { format!("{field}: ") };
            malformed(format!("the body is not as expected: {field}{}; expected {expected}", error.inner()))
        })?;
        json.end().map_err(|_| malformed(format!("something follows the body's JSON; expected {expected}")))?;
        Ok(body)
    }
}

/// The channel that the path names.
pub(super) struct Channel(pub(super) ContractId);

impl<S: Send + Sync> FromRequestParts<S> for Channel {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let unreadable = |rejection: PathRejection| malformed(format!("path: {}", rejection.body_text()));
        let Path(text) = Path::<String>::from_request_parts(parts, state).await.map_err(unreadable)?;
        text.parse().map(Self).map_err(|error| malformed(format!("channel: {error}")))
    }
}

/// The charge that the path names: its channel and its request id.
pub(super) struct ChargeOfChannel(pub(super) ContractId, pub(super) RequestId);

impl<S: Send + Sync> FromRequestParts<S> for ChargeOfChannel {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let unreadable = |rejection: PathRejection| malformed(format!("path: {}", rejection.body_text()));
        let Path((channel, id)) =
            Path::<(String, String)>::from_request_parts(parts, state).await.map_err(unreadable)?;
        let channel = channel.parse().map_err(|error| malformed(format!("channel: {error}")))?;
        let id = id.parse().map_err(|error| malformed(format!("request_id: {error}")))?;
        Ok(Self(channel, id))
    }
}

/// Refuses an amount of zero. `field` names it in the error.
pub(super) fn above_zero(field: &str, amount: Amount) -> Result<Amount, ApiError> {
    match amount.is_zero() {
        true => Err(malformed(format!("{field}: it is 0; expected an amount above 0"))),
        false => Ok(amount),
    }
}

pub(super) fn malformed(detail: String) -> ApiError {
    ApiError::new(ProblemKind::Malformed, detail)
}
