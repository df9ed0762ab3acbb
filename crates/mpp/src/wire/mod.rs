//! Challenges, credentials, receipts and canonical JSON as they are sent.
//!
//! Only this module uses the `mpp` crate, which changes often; none of its types are public here. Writing is strict:
//! one header line for each challenge, base64url without padding, canonical JSON. Reading is lenient: foreign schemes
//! are skipped, a bad offer does not affect the others, and padding and the standard base64 alphabet are accepted. The
//! challenge's id binds the received text, so lenient reading allows no forgery.

mod challenge;
mod channel_request;
mod credential;
mod error;
pub mod headers;
mod json;
mod network;
mod receipt;
mod secret;
#[cfg(test)]
mod tests;
mod timestamp;

pub use challenge::{Challenge, ChallengeTerms, Offer, offers};
pub use channel_request::{ChannelRequest, MethodDetails};
pub use credential::{Action, Credential, Payload, read_credential};
pub use error::WireError;
pub(crate) use json::encoded;
pub use json::{base64url, canonical_json, from_base64url};
pub use network::{NetworkName, NetworkNameError};
pub use receipt::Receipt;
pub use secret::{ChallengeSecret, ChallengeSecrets, SecretError};
pub use timestamp::Timestamp;

/// The payment method of this crate.
pub const METHOD: &str = "stellar";
/// The intent of this crate.
pub const INTENT: &str = "channel";
