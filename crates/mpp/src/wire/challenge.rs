//! Challenges say what a server wants to be paid. An HMAC binds a challenge to the server.

use mpp::protocol::core::{
    compute_challenge_id_with_header, format_www_authenticate, parse_www_authenticate_all_bytes,
};
use mpp::{Base64UrlJson, PaymentChallenge};
use subtle::ConstantTimeEq;

use super::{ChallengeSecret, Timestamp, WireError};

/// A challenge. Its fields are the text as it was received or is sent. The id binds all of them except the description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// The HMAC over the other fields.
    pub id: String,
    /// The fields that the id binds, and the description.
    pub terms: ChallengeTerms,
}

/// A challenge without its id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChallengeTerms {
    /// The server whose prices these are.
    pub realm: String,
    /// The payment method, `stellar`.
    pub method: String,
    /// The intent, `channel`.
    pub intent: String,
    /// What the server asks for, as base64url of JSON.
    pub request: String,
    /// The time until which it may be paid, RFC 3339.
    pub expires: Option<String>,
    /// A description for people. The id does not bind it.
    pub description: Option<String>,
    /// The digest of the body for which it is.
    pub digest: Option<String>,
    /// Data that the client gives back unchanged: base64url of a flat JSON object.
    pub opaque: Option<String>,
    /// `Payment-Authorization`, if the credential belongs there.
    pub header: Option<String>,
}

/// One offer of a 402: a challenge, or the error if it is not valid.
pub type Offer = Result<Challenge, WireError>;

impl ChallengeTerms {
    /// Makes the challenge.
    ///
    /// # Errors
    /// [`WireError::Challenge`] for a `|` in the realm, since the id would not bind the end of the realm.
    pub fn issue(self, secret: &ChallengeSecret) -> Result<Challenge, WireError> {
        if self.realm.contains('|') {
            return Err(WireError::Challenge("a realm must not contain `|`".to_owned()));
        }
        Ok(Challenge { id: self.id(secret), terms: self })
    }

    fn id(&self, secret: &ChallengeSecret) -> String {
        compute_challenge_id_with_header(
            secret.text(),
            &self.realm,
            &self.method,
            &self.intent,
            &self.request,
            self.expires.as_deref(),
            self.digest.as_deref(),
            self.opaque.as_deref(),
            self.header.as_deref(),
        )
    }
}

impl Challenge {
    /// Whether this secret made the challenge with exactly this text.
    #[must_use]
    pub fn is_issued_with(&self, secret: &ChallengeSecret) -> bool {
        let expected = self.terms.id(secret);
        !self.terms.realm.contains('|') && bool::from(expected.as_bytes().ct_eq(self.id.as_bytes()))
    }

    /// The value of a `WWW-Authenticate` line. Characters above 0x7E are escaped as `\uXXXX`.
    ///
    /// # Errors
    /// [`WireError::Challenge`] for text that a reader would refuse, such as a line break in the description.
    pub fn to_header(&self) -> Result<String, WireError> {
        let terms = self.terms.clone();
        let challenge = PaymentChallenge {
            id: self.id.clone(),
            realm: terms.realm,
            method: terms.method.into(),
            intent: terms.intent.into(),
            request: Base64UrlJson::from_raw(terms.request),
            expires: terms.expires,
            description: terms.description,
            digest: terms.digest,
            opaque: terms.opaque.map(Base64UrlJson::from_raw),
            header: terms.header,
        };
        format_www_authenticate(&challenge).map_err(|error| WireError::Challenge(error.to_string()))
    }

    /// When it expires. `None` when there is no time, or no valid one.
    #[must_use]
    pub fn expires(&self) -> Option<Timestamp> {
        self.terms.expires.as_deref().and_then(Timestamp::parse)
    }
}

/// The offers in the values of `WWW-Authenticate` lines. A line may hold one or several. Foreign schemes are skipped,
/// and each bad offer is a separate error.
pub fn offers<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Vec<Offer> {
    parse_www_authenticate_all_bytes(values)
        .into_iter()
        .map(|parsed| parsed.map(of_wire).map_err(|error| WireError::Challenge(error.to_string())))
        .collect()
}

fn of_wire(challenge: PaymentChallenge) -> Challenge {
    Challenge {
        id: challenge.id,
        terms: ChallengeTerms {
            realm: challenge.realm,
            method: challenge.method.as_str().to_owned(),
            intent: challenge.intent.as_str().to_owned(),
            request: challenge.request.raw().to_owned(),
            expires: challenge.expires,
            description: challenge.description,
            digest: challenge.digest,
            opaque: challenge.opaque.map(|opaque| opaque.raw().to_owned()),
            header: challenge.header,
        },
    }
}
