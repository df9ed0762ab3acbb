//! Why the network could not be asked.

use std::time::Duration;

/// A question that got no usable answer.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {message}")]
pub struct ChainError {
    /// What was asked.
    pub what: &'static str,
    /// What the caller must do about it.
    pub kind: ChainErrorKind,
    /// What was wrong, for people. Names the endpoint, never a secret.
    pub message: String,
}

/// What to do about a question that got no usable answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainErrorKind {
    /// The endpoint has not got there yet. Ask again; nothing is lost.
    Behind,
    /// The endpoint no longer holds the ledgers asked for. What happened in them must be found another way: sweep.
    Gone,
    /// The endpoint is overloaded or limits the rate. Ask again, later.
    Busy {
        /// How long it wants to be left alone, when it said so.
        retry_after: Option<Duration>,
    },
    /// The endpoint understood and said no. The same question gets the same answer.
    Refused,
    /// No answer came: connection, name, TLS, timeout.
    Transport,
    /// An answer came that this program doesn't understand: a newer protocol, or a broken endpoint. An alarm.
    Undecodable,
    /// The endpoint serves another network than the configured one. An alarm; no answer of it may be used.
    WrongNetwork,
}

impl ChainErrorKind {
    /// Whether a person has to look at it, rather than wait.
    pub fn is_alarm(self) -> bool {
        matches!(self, Self::Undecodable | Self::WrongNetwork)
    }
}
