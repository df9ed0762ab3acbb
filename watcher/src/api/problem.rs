//! Errors as `application/problem+json` (RFC 9457).

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use paychan_channel::Amount;
use serde_json::{Map, Value, json};

use crate::alarm::raise;
use crate::chain::ChainErrorKind;
use crate::channels::IntakeError;
use crate::commitments::OfferError;
use paychan_store::{AcceptError, Refusal, StoreError};

/// What was wrong. `kind` is stable and for programs; `detail` says what was wrong, what was expected and what to do.
///
/// Further members, where they help: `highest`, `coverage`, `withdrawn` (base units as strings), `deadline` (a ledger).
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    status: StatusCode,
    kind: &'static str,
    detail: String,
    more: Map<String, Value>,
}

impl Problem {
    /// A problem of this kind.
    pub fn new(status: StatusCode, kind: &'static str, detail: String) -> Self {
        Self { status, kind, detail, more: Map::new() }
    }

    /// 400: the request itself is not what it should be, whatever is known of the channel.
    pub fn malformed(detail: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", detail)
    }

    /// 404: this watcher does not watch the channel.
    pub fn unknown_channel(detail: String) -> Self {
        Self::new(StatusCode::NOT_FOUND, "unknown_channel", detail)
    }

    fn unavailable(kind: &'static str, detail: String) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, kind, detail)
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    fn amount(self, name: &str, amount: Amount) -> Self {
        self.with(name, amount.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = Map::new();
        body.insert("type".to_owned(), json!("about:blank"));
        body.insert("title".to_owned(), json!(self.status.canonical_reason().unwrap_or_default()));
        body.insert("status".to_owned(), json!(self.status.as_u16()));
        body.insert("kind".to_owned(), json!(self.kind));
        body.insert("detail".to_owned(), json!(self.detail));
        body.extend(self.more);
        let json = HeaderValue::from_static("application/problem+json");
        (self.status, [(CONTENT_TYPE, json)], Value::Object(body).to_string()).into_response()
    }
}

impl From<OfferError> for Problem {
    fn from(error: OfferError) -> Self {
        match error {
            OfferError::BadSignature(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_signature", error.to_string())
            }
            OfferError::NotAccepted(error) => error.into(),
        }
    }
}

impl From<AcceptError> for Problem {
    fn from(error: AcceptError) -> Self {
        let detail = error.to_string();
        let conflict = |kind| Self::new(StatusCode::CONFLICT, kind, detail.clone());
        match error {
            AcceptError::UnknownChannel(_) => Self::unknown_channel(detail),
            AcceptError::NotHigher { highest, .. } => conflict("not_higher").amount("highest", highest),
            AcceptError::AlreadyHeld { highest } => conflict("already_held").amount("highest", highest),
            AcceptError::RequestIdReused { accepted, .. } => conflict("request_id_reused").amount("accepted", accepted),
            AcceptError::Fenced { highest } => {
                Self::new(StatusCode::GONE, "closing", detail).amount("highest", highest)
            }
            AcceptError::Refused(refusal) => refusal.into(),
            AcceptError::Store(error) => error.into(),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::NotFresh { .. } => Self::unavailable("not_fresh", detail),
            Refusal::FeesLow { .. } => Self::unavailable("fees_low", detail),
            Refusal::Stopping { .. } => Self::unavailable("stopping", detail),
            Refusal::RolledBack { highest, withdrawn } => {
                Self::unavailable("rolled_back", detail).amount("highest", highest).amount("withdrawn", withdrawn)
            }
            Refusal::RolledBackElsewhere { .. } => Self::unavailable("rolled_back", detail),
            Refusal::Unpayable { .. } => Self::unavailable("unpayable", detail),
            Refusal::Closing { deadline } => {
                Self::new(StatusCode::GONE, "closing", detail).with("deadline", deadline.map(|ledger| ledger.get()))
            }
            Refusal::Final => Self::new(StatusCode::GONE, "final", detail),
            Refusal::ExceedsCoverage { coverage, .. } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "exceeds_coverage", detail).amount("coverage", coverage)
            }
            // What was paid out is the highest that is known, though no commitment for it is held here.
            Refusal::NotAboveWithdrawn { withdrawn, .. } => {
                Self::new(StatusCode::CONFLICT, "not_higher", detail).amount("highest", withdrawn)
            }
        }
    }
}

impl From<IntakeError> for Problem {
    fn from(error: IntakeError) -> Self {
        let detail = error.to_string();
        let broken = |kind| Self::new(StatusCode::UNPROCESSABLE_ENTITY, kind, detail.clone());
        match error {
            IntakeError::Stopping => Self::unavailable("stopping", detail),
            IntakeError::NotOnChain { .. } => broken("not_on_chain"),
            IntakeError::NotAChannel { .. } => broken("not_a_channel"),
            IntakeError::Refused(refused) => broken(refused.kind()),
            IntakeError::Floor(_) => broken("too_many_channels"),
            IntakeError::SettingsUnread => Self::unavailable("not_fresh", detail),
            IntakeError::Chain(error) => match error.kind {
                ChainErrorKind::WrongNetwork => Self::unavailable("wrong_network", detail),
                _ => Self::unavailable("chain_unreachable", detail),
            },
            IntakeError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let detail = error.to_string();
        match error {
            StoreError::UnknownChannel(_) => Self::unknown_channel(detail),
            StoreError::Busy { .. } => Self::unavailable("busy", detail),
            StoreError::Stopping => Self::unavailable("stopping", detail),
            // The store has stopped for good, and the daemon with it.
            error => {
                raise!(StoreFailed, %error, "the store could not answer");
                Self::unavailable("stopping", detail)
            }
        }
    }
}
