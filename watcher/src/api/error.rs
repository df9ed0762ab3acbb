//! Turns each of the watcher's errors into a [`Problem`] that the API answers with.

use axum::Json;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use paychan_store::{AcceptError, ChargeError, CloseError, CreditError, Refusal, StoreError};
use paychan_watcher_api::{Facts, PROBLEM_CONTENT_TYPE, Problem, ProblemKind};

use crate::alarm::raise;
use crate::chain::ChainErrorKind;
use crate::channels::IntakeError;
use crate::commitments::{NotClosed, OfferError, SaleError};

/// A problem for the caller. `?` in a handler makes it from any error of the watcher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError(Box<Problem>);

impl ApiError {
    pub(super) fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self(Box::new(Problem::new(kind, detail)))
    }

    fn with(self, facts: Facts) -> Self {
        Self(Box::new(self.0.with(facts)))
    }
}

impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Self {
        *error.0
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.0.kind.status(), Json(self.0)).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_CONTENT_TYPE));
        response
    }
}

impl From<OfferError> for ApiError {
    fn from(error: OfferError) -> Self {
        match error {
            OfferError::BadSignature(_) => Self::new(ProblemKind::BadSignature, error.to_string()),
            OfferError::NotAccepted(error) => error.into(),
        }
    }
}

impl From<AcceptError> for ApiError {
    fn from(error: AcceptError) -> Self {
        let detail = error.to_string();
        let highest = |highest| Facts { highest: Some(highest), ..Facts::default() };
        match error {
            AcceptError::UnknownChannel(_) => Self::new(ProblemKind::UnknownChannel, detail),
            AcceptError::NotHigher { highest: held, .. } => {
                Self::new(ProblemKind::NotHigher, detail).with(highest(held))
            }
            AcceptError::AlreadyHeld { highest: held } => {
                Self::new(ProblemKind::AlreadyHeld, detail).with(highest(held))
            }
            AcceptError::RequestIdReused { price, accepted, .. } => {
                Self::new(ProblemKind::RequestIdReused, detail).with(Facts { price, accepted, ..Facts::default() })
            }
            AcceptError::Fenced { highest: held } => Self::new(ProblemKind::Closing, detail).with(highest(held)),
            AcceptError::Refused(refusal) => refusal.into(),
            AcceptError::Store(error) => error.into(),
        }
    }
}

impl From<SaleError> for ApiError {
    fn from(error: SaleError) -> Self {
        match error {
            SaleError::BadSignature(_) => Self::new(ProblemKind::BadSignature, error.to_string()),
            SaleError::Commitment(error) => error.into(),
            SaleError::NotCharged(error) => error.into(),
        }
    }
}

impl From<ChargeError> for ApiError {
    fn from(error: ChargeError) -> Self {
        let detail = error.to_string();
        let (kind, facts) = match error {
            ChargeError::UnknownChannel(_) => (ProblemKind::UnknownChannel, Facts::default()),
            ChargeError::NoPrice => (ProblemKind::Malformed, Facts::default()),
            ChargeError::RequestIdReused { price, accepted, .. } => {
                (ProblemKind::RequestIdReused, Facts { price, accepted, ..Facts::default() })
            }
            ChargeError::Insufficient { spent, highest, needed, .. } => (
                ProblemKind::Insufficient,
                Facts { spent: Some(spent), highest: Some(highest), needed: Some(needed), ..Facts::default() },
            ),
            ChargeError::Fenced { highest } => {
                (ProblemKind::Closing, Facts { highest: Some(highest), ..Facts::default() })
            }
            ChargeError::Refused(refusal) => return refusal.into(),
            ChargeError::Store(error) => return error.into(),
        };
        Self::new(kind, detail).with(facts)
    }
}

impl From<CreditError> for ApiError {
    fn from(error: CreditError) -> Self {
        let detail = error.to_string();
        let (kind, facts) = match error {
            CreditError::UnknownChannel(_) => (ProblemKind::UnknownChannel, Facts::default()),
            CreditError::UnknownCharge { .. } => (ProblemKind::UnknownCharge, Facts::default()),
            CreditError::AlreadyCredited { credited, .. } => {
                (ProblemKind::AlreadyCredited, Facts { credited: Some(credited), ..Facts::default() })
            }
            CreditError::OutOfRange { price, .. } => {
                (ProblemKind::CreditOutOfRange, Facts { price: Some(price), ..Facts::default() })
            }
            CreditError::Store(error) => return error.into(),
        };
        Self::new(kind, detail).with(facts)
    }
}

impl From<NotClosed> for ApiError {
    fn from(error: NotClosed) -> Self {
        let detail = error.to_string();
        match error {
            NotClosed::NotRead(_) => Self::new(ProblemKind::NotFresh, detail),
            NotClosed::RolledBack(_) => Self::new(ProblemKind::RolledBack, detail),
            NotClosed::Final(_) => Self::new(ProblemKind::Final, detail),
            NotClosed::BadSignature(_) => Self::new(ProblemKind::BadSignature, detail),
            NotClosed::Commitment(error) => error.into(),
            NotClosed::Store(error) => error.into(),
        }
    }
}

impl From<CloseError> for ApiError {
    fn from(error: CloseError) -> Self {
        let detail = error.to_string();
        let (kind, facts) = match error {
            CloseError::UnknownChannel(_) => (ProblemKind::UnknownChannel, Facts::default()),
            CloseError::TooLow { at_least, .. } => {
                (ProblemKind::CloseTooLow, Facts { needed: Some(at_least), ..Facts::default() })
            }
            CloseError::AboveHighest { highest, .. } => {
                (ProblemKind::CloseAboveHighest, Facts { highest: Some(highest), ..Facts::default() })
            }
            CloseError::AgreedOtherwise { agreed, .. } => {
                (ProblemKind::Closing, Facts { accepted: Some(agreed), ..Facts::default() })
            }
            CloseError::Store(error) => return error.into(),
        };
        Self::new(kind, detail).with(facts)
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        let (kind, facts) = match refusal {
            Refusal::NotFresh { .. } => (ProblemKind::NotFresh, Facts::default()),
            Refusal::FeesLow { .. } => (ProblemKind::FeesLow, Facts::default()),
            Refusal::Paused => (ProblemKind::Paused, Facts::default()),
            Refusal::Stopping { .. } => (ProblemKind::Stopping, Facts::default()),
            Refusal::RolledBack { highest, withdrawn } => (
                ProblemKind::RolledBack,
                Facts { highest: Some(highest), withdrawn: Some(withdrawn), ..Facts::default() },
            ),
            Refusal::RolledBackForAll { .. } => (ProblemKind::RolledBack, Facts::default()),
            Refusal::Unpayable { .. } => (ProblemKind::Unpayable, Facts::default()),
            Refusal::Closing { deadline } => (ProblemKind::Closing, Facts { deadline, ..Facts::default() }),
            Refusal::Final => (ProblemKind::Final, Facts::default()),
            Refusal::ExceedsCoverage { coverage, .. } => {
                (ProblemKind::ExceedsCoverage, Facts { coverage: Some(coverage), ..Facts::default() })
            }
            // What was paid out is the highest known amount, even if the store has no commitment for it.
            Refusal::NotAboveWithdrawn { withdrawn, .. } => {
                (ProblemKind::NotHigher, Facts { highest: Some(withdrawn), ..Facts::default() })
            }
        };
        Self::new(kind, detail).with(facts)
    }
}

impl From<IntakeError> for ApiError {
    fn from(error: IntakeError) -> Self {
        let detail = error.to_string();
        let kind = match error {
            IntakeError::Stopping | IntakeError::Panicked => ProblemKind::Stopping,
            IntakeError::Paused => ProblemKind::Paused,
            IntakeError::NotOnChain { .. } => ProblemKind::NotOnChain,
            IntakeError::NotAChannel { .. } => ProblemKind::NotAChannel,
            IntakeError::Refused(refused) => refused.kind(),
            IntakeError::Floor(_) => ProblemKind::TooManyChannels,
            IntakeError::SettingsUnread | IntakeError::NoQuorum { .. } => ProblemKind::NotFresh,
            IntakeError::Chain(error) => match error.kind {
                ChainErrorKind::WrongNetwork => ProblemKind::WrongNetwork,
                _ => ProblemKind::ChainUnreachable,
            },
            IntakeError::Store(error) => return error.into(),
        };
        Self::new(kind, detail)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let detail = error.to_string();
        let kind = match error {
            StoreError::UnknownChannel(_) => ProblemKind::UnknownChannel,
            StoreError::Busy { .. } => ProblemKind::Busy,
            StoreError::Stopping => ProblemKind::Stopping,
            // The path and the free space are for the operator only.
            StoreError::SpaceLow(_) => {
                let detail = "too little room is free on the watcher's disk, so nothing new is taken";
                return Self::new(ProblemKind::DiskLow, detail);
            }
            // The error names files of this machine, so it goes only to the operator's log.
            error => {
                raise!(StoreFailed, %error, "the store could not answer");
                let detail = "the watcher's store has failed; whether this request is on disk shows after its restart";
                return Self::new(ProblemKind::StoreFailed, detail);
            }
        };
        Self::new(kind, detail)
    }
}
