//! What goes over the wire: challenges, credentials, receipts, canonical JSON.
//!
//! This is the one module that names the `mpp` crate, which breaks often; none of its types leave it. What is written is
//! strict: one header line for each challenge, base64url without padding, canonical JSON. What is read is lenient: foreign
//! schemes are skipped, a bad offer does not spoil the others, padding and the standard base64 alphabet are taken. The
//! challenge's id binds the text as it came, so leniency forges nothing.

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
pub use json::{base64url, canonical_json, from_base64url};
pub use network::{NetworkName, NetworkNameError};
pub use receipt::Receipt;
pub use secret::{ChallengeSecret, ChallengeSecrets, SecretError};
pub use timestamp::Timestamp;

/// The payment method of this crate.
pub const METHOD: &str = "stellar";
/// Its intent.
pub const INTENT: &str = "channel";
