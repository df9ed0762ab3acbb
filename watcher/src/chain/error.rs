//! The errors of questions to the network.

use std::time::Duration;

/// A question that had no usable answer.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {message}")]
pub struct ChainError {
    /// What was asked.
    pub what: &'static str,
    /// What the caller must do about it.
    pub kind: ChainErrorKind,
    /// What was wrong, for people. It names the endpoint and never a secret.
    pub message: String,
}

/// What to do about a question without a usable answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainErrorKind {
    /// The endpoint has not reached this ledger yet. Ask again; nothing is lost.
    Behind,
    /// The endpoint no longer has these ledgers. A sweep must find what happened in them.
    Gone,
    /// The endpoint is overloaded or limits the rate. Ask again later.
    Busy {
        /// How long the endpoint asks to wait, if it says so.
        retry_after: Option<Duration>,
    },
    /// The endpoint understood the question and refused it. The same question gets the same answer.
    Refused,
    /// No answer came, because of the connection, the name, TLS or a time-out.
    Transport,
    /// This program does not understand the answer: the protocol is newer, or the endpoint is broken. This is an alarm.
    Undecodable,
    /// The endpoint serves another network than the configured one. This is an alarm, and none of its answers may be
    /// used.
    WrongNetwork,
}

impl ChainErrorKind {
    /// Whether a person has to act, since waiting is not enough.
    pub fn is_alarm(self) -> bool {
        matches!(self, Self::Undecodable | Self::WrongNetwork)
    }
}
