//! The errors of foreign text.

/// Why foreign text was not understood. The message is for the other side's developer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// A challenge.
    #[error("the challenge is malformed: {0}")]
    Challenge(String),
    /// A credential.
    #[error("the credential is malformed: {0}")]
    Credential(String),
    /// What a challenge of `stellar`/`channel` asks for.
    #[error("the challenge's request is malformed: {0}")]
    Request(String),
    /// What a credential pays with.
    #[error("the payload is malformed: {0}")]
    Payload(String),
    /// A receipt.
    #[error("the receipt is malformed: {0}")]
    Receipt(String),
    /// JSON or its encoding.
    #[error("the JSON can't be written or read: {0}")]
    Json(String),
}
