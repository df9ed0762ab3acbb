//! Credentials, which give a challenge back with a voucher.

use mpp::protocol::core::{extract_payment_scheme, parse_authorization};
use paychan_channel::{Amount, Signature};
use serde::{Deserialize, Serialize};

use super::{Challenge, ChallengeTerms, WireError, base64url};

/// A credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The challenge as the client gave it back.
    pub challenge: Challenge,
    /// The payload, which is not interpreted yet, since the seller first checks the challenge.
    payload: serde_json::Value,
}

/// The payload of a credential of `stellar`/`channel`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// What to do with it.
    pub action: Action,
    /// The commitment's total over the channel's life, base units.
    pub amount: Amount,
    /// Its signature.
    pub signature: Signature,
}

/// What a voucher is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It pays for a request.
    Voucher,
    /// It is the total with which the channel is to be ended.
    Close,
}

/// A credential as it is written, with this order of members.
#[derive(Serialize)]
struct Written<'a> {
    challenge: Echo<'a>,
    payload: &'a serde_json::Value,
}

#[derive(Serialize)]
struct Echo<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<&'a str>,
    id: &'a str,
    intent: &'a str,
    method: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    opaque: Option<&'a str>,
    realm: &'a str,
    request: &'a str,
}

impl Credential {
    /// Answers a challenge.
    ///
    /// # Errors
    /// [`WireError::Json`].
    pub fn new(challenge: Challenge, payload: &Payload) -> Result<Self, WireError> {
        let payload = serde_json::to_value(payload).map_err(|error| WireError::Json(error.to_string()))?;
        Ok(Self { challenge, payload })
    }

    /// The payload.
    ///
    /// # Errors
    /// [`WireError::Payload`].
    pub fn payload(&self) -> Result<Payload, WireError> {
        Payload::deserialize(&self.payload).map_err(|error| WireError::Payload(error.to_string()))
    }

    /// The value of the header: `Payment` and base64url of JSON.
    ///
    /// # Errors
    /// [`WireError::Json`].
    pub fn to_header(&self) -> Result<String, WireError> {
        let terms = &self.challenge.terms;
        let written = Written {
            challenge: Echo {
                digest: terms.digest.as_deref(),
                expires: terms.expires.as_deref(),
                header: terms.header.as_deref(),
                id: &self.challenge.id,
                intent: &terms.intent,
                method: &terms.method,
                opaque: terms.opaque.as_deref(),
                realm: &terms.realm,
                request: &terms.request,
            },
            payload: &self.payload,
        };
        let json = serde_json::to_vec(&written).map_err(|error| WireError::Json(error.to_string()))?;
        Ok(format!("Payment {}", base64url(&json)))
    }
}

/// Reads a header's value. Returns `None` when it holds no `Payment` credential but, for example, a bearer token.
///
/// # Errors
/// [`WireError::Credential`].
pub fn read_credential(value: &str) -> Result<Option<Credential>, WireError> {
    let starts_as_one = value.trim_start().get(..8).is_some_and(|start| start.eq_ignore_ascii_case("payment "));
    if !starts_as_one && extract_payment_scheme(value).is_none() {
        return match value.trim().eq_ignore_ascii_case("payment") {
            true => Err(WireError::Credential("there is nothing after `Payment`".to_owned())),
            false => Ok(None),
        };
    }
    let read = parse_authorization(value).map_err(|error| WireError::Credential(error.to_string()))?;
    let echo = read.challenge;
    let challenge = Challenge {
        id: echo.id,
        terms: ChallengeTerms {
            realm: echo.realm,
            method: echo.method.as_str().to_owned(),
            intent: echo.intent.as_str().to_owned(),
            request: echo.request.raw().to_owned(),
            expires: echo.expires,
            description: None,
            digest: echo.digest,
            opaque: echo.opaque.map(|opaque| opaque.raw().to_owned()),
            header: echo.header,
        },
    };
    Ok(Some(Credential { challenge, payload: read.payload }))
}
