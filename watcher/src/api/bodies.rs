//! What callers send, read strictly: no unknown field, no number where a string of digits belongs.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use paychan_channel::{Amount, ContractId, Signature};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{BODY_LIMIT, Problem};
use paychan_store::RequestId;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawChannel {
    channel: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCommitment {
    amount: String,
    signature: String,
    request_id: String,
}

/// A commitment as it was offered. The amount is above zero.
pub(super) struct Offered {
    pub(super) amount: Amount,
    pub(super) signature: Signature,
    pub(super) request_id: RequestId,
}

/// Reads the body of an admission.
pub(super) fn channel(body: Result<Bytes, BytesRejection>) -> Result<ContractId, Problem> {
    let raw: RawChannel = json(body, r#"{"channel": "C..."}"#)?;
    channel_id(&raw.channel)
}

/// Reads a channel's address, of a body or a path.
pub(super) fn channel_id(text: &str) -> Result<ContractId, Problem> {
    text.parse().map_err(|error| Problem::malformed(format!("channel: {error}")))
}

/// Reads the body of an offer.
pub(super) fn commitment(body: Result<Bytes, BytesRejection>) -> Result<Offered, Problem> {
    let raw: RawCommitment =
        json(body, r#"{"amount": "15000000", "signature": "128 hex digits", "request_id": "..."}"#)?;
    let amount: Amount = raw.amount.parse().map_err(|error| Problem::malformed(format!("amount: {error}")))?;
    if amount.is_zero() {
        return Err(Problem::malformed("amount: it is 0; sign a cumulative total above 0".to_owned()));
    }
    let signature = raw.signature.parse().map_err(|error| Problem::malformed(format!("signature: {error}")))?;
    let request_id = raw.request_id.parse().map_err(|error| Problem::malformed(format!("request_id: {error}")))?;
    Ok(Offered { amount, signature, request_id })
}

fn json<T: DeserializeOwned>(body: Result<Bytes, BytesRejection>, expected: &str) -> Result<T, Problem> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!("the body is larger than {BODY_LIMIT} bytes; expected {expected}"),
        ),
        _ => Problem::malformed(format!("the body could not be read: {}", rejection.body_text())),
    })?;
    serde_json::from_slice(&body)
        .map_err(|error| Problem::malformed(format!("the body is not as expected: {error}; expected {expected}")))
}
