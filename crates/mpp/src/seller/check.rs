//! Checks a credential before it costs anything. Pure. The order is the protocol's: the answer to a foreign challenge
//! must not depend on its content.

use paychan_channel::ContractId;
use serde_json::{Map, Value, json};

use super::asked::Asked;
use crate::problem::ProblemType;
use crate::wire::{
    ChallengeSecrets, ChannelRequest, Credential, INTENT, METHOD, NetworkName, Payload, Timestamp, WireError, encoded,
    read_credential,
};

/// The seller's own values that a credential must match.
pub(super) struct Pinned<'a> {
    pub(super) secrets: &'a ChallengeSecrets,
    pub(super) realm: &'a str,
    pub(super) network: &'a NetworkName,
    /// The channel for this request, if the request names one or its path has one.
    pub(super) channel: Option<ContractId>,
    pub(super) now: Timestamp,
}

/// A credential whose challenge is from this server and for this request. Its signature is not checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checked {
    pub(super) challenge_id: String,
    pub(super) channel: ContractId,
    pub(super) payload: Payload,
    pub(super) reference: Option<String>,
    /// Why nothing new may be sold with this challenge: it has expired, or the price has risen. What was paid before is still
    /// served.
    pub(super) lapsed: Option<Flaw>,
}

/// Why a credential is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) problem: ProblemType,
    pub(super) detail: String,
    pub(super) details: Box<Map<String, Value>>,
    /// The channel of the refused challenge, if this server made the challenge. The next challenge is for it too.
    pub(super) channel: Option<ContractId>,
    /// The seconds after which the payer should ask again, where they don't follow from the problem.
    pub(super) retry_after: Option<u32>,
}

impl Flaw {
    pub(super) fn new(problem: ProblemType, detail: impl Into<String>) -> Self {
        Self { problem, detail: detail.into(), details: Box::default(), channel: None, retry_after: None }
    }

    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }
}

/// The only credential of a request; `None` when nothing was paid.
pub(super) fn credential(asked: &Asked<'_>) -> Result<Option<Credential>, Flaw> {
    let mut found = None;
    for value in &asked.authorizations {
        if credentials_in(value) > 1 {
            return Err(several());
        }
        // The value of another scheme may hold any bytes; ours is ASCII.
        let read = match std::str::from_utf8(value) {
            Ok(text) => read_credential(text),
            Err(_) if value.to_ascii_lowercase().starts_with(b"payment ") => {
                Err(WireError::Credential("it holds characters that are not ASCII".to_owned()))
            }
            Err(_) => Ok(None),
        };
        match read {
            Ok(None) => {}
            Ok(Some(_)) if found.is_some() => {
                return Err(several());
            }
            Ok(credential) => found = credential,
            Err(error) => return Err(Flaw::new(ProblemType::MalformedCredential, error.to_string())),
        }
    }
    Ok(found)
}

/// The longest `Idempotency-Key`, in bytes: keys are kept in memory, and a UUID has 36.
const LONGEST_KEY: usize = 255;

/// Refuses a client's own name for the request that is empty or too long to be kept in memory.
pub(super) fn idempotency_key(asked: &Asked<'_>) -> Result<(), Flaw> {
    match asked.idempotency_key {
        Some(key) if key.is_empty() || key.len() > LONGEST_KEY => {
            let why = format!("the header Idempotency-Key has {} bytes; expected 1 to {LONGEST_KEY}", key.len());
            Err(Flaw::new(ProblemType::BadRequest, why))
        }
        _ => Ok(()),
    }
}

/// How many credentials of ours a value has, separated by commas.
fn credentials_in(value: &[u8]) -> usize {
    let starts = |part: &[u8]| part.trim_ascii_start().get(..8).is_some_and(|s| s.eq_ignore_ascii_case(b"payment "));
    value.split(|byte| *byte == b',').filter(|part| starts(part)).count()
}

fn several() -> Flaw {
    Flaw::new(ProblemType::BadRequest, "the request has several Payment credentials; send one")
}

/// The channel of a challenge that this server made.
pub(super) fn channel_of(credential: &Credential, secrets: &ChallengeSecrets) -> Option<ContractId> {
    let ours = secrets.all().any(|secret| credential.challenge.is_issued_with(secret));
    let request = ours.then(|| ChannelRequest::decode(&credential.challenge.terms.request).ok())??;
    Some(request.channel)
}

/// Checks a credential: HMAC; realm, method, intent, route, channel, network and price; expiry; payload.
pub(super) fn check(credential: &Credential, asked: &Asked<'_>, pinned: &Pinned<'_>) -> Result<Checked, Flaw> {
    let challenge = &credential.challenge;
    let terms = &challenge.terms;
    let invalid = |why: &str| Flaw::new(ProblemType::InvalidChallenge, why);
    if !pinned.secrets.all().any(|secret| challenge.is_issued_with(secret)) {
        return Err(invalid("the challenge was not issued by this server, or was altered"));
    }
    if terms.realm != pinned.realm {
        return Err(invalid("the challenge is of another realm"));
    }
    if terms.method != METHOD || terms.intent != INTENT {
        return Err(invalid("the challenge is for another method or intent"));
    }
    if terms.opaque.as_deref() != scope_text(&asked.scope).ok().as_deref() {
        return Err(invalid("the challenge is for another route"));
    }
    let request = ChannelRequest::decode(&terms.request).map_err(|error| invalid(&error.to_string()))?;
    if pinned.channel.is_some_and(|channel| channel != request.channel) {
        return Err(invalid("the challenge is for another channel than the request"));
    }
    if request.network() != pinned.network.as_str() {
        return Err(invalid("the challenge is for another network"));
    }
    let expires = challenge.expires().ok_or_else(|| invalid("the challenge has no time of expiry"))?;
    let costs = asked.price.charged();
    let lapsed = if request.amount < costs {
        let offered = request.amount;
        Some(invalid(&format!("the challenge is for {offered} base units, and this request costs {costs} now")))
    } else {
        (expires <= pinned.now).then(expired_flaw)
    };
    let payload = match credential.payload() {
        Ok(payload) => payload,
        Err(error) => return Err(lapsed.unwrap_or_else(|| Flaw::new(ProblemType::InvalidPayload, error.to_string()))),
    };
    if payload.amount.is_zero() {
        return Err(Flaw::new(ProblemType::InvalidPayload, "the payload's amount is 0"));
    }
    Ok(Checked {
        challenge_id: challenge.id.clone(),
        channel: request.channel,
        payload,
        reference: request.method_details.reference,
        lapsed,
    })
}

fn expired_flaw() -> Flaw {
    Flaw::new(ProblemType::PaymentExpired, "the challenge has expired")
}

/// The text that binds a challenge to its route. The key is the same as in mppx.
pub(super) fn scope_text(scope: &str) -> Result<String, WireError> {
    encoded(&json!({ "_mppx_scope": scope }))
}
