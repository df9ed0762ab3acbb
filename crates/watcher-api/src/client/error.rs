//! How a call can fail, and what is known after each failure.

use std::fmt;
use std::time::Duration;

use reqwest::StatusCode;

use super::one_line;
use crate::{Problem, ProblemKind};

/// Why a call gave no answer that can be used. [`ClientError::nothing_happened`] says whether the outcome is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// This machine can't speak HTTP or TLS. Nothing was sent.
    #[error("this machine can't speak HTTP: {why}")]
    SetUp {
        /// What is missing.
        why: String,
    },
    /// No connection. Nothing was sent.
    #[error("the watcher at {url} can't be reached: {why}; is it running, and is its address right?")]
    Unreachable {
        /// The call.
        url: String,
        /// Why there was no connection.
        why: String,
    },
    /// The request was sent, and no whole answer came.
    #[error("no answer from {url}: {why}")]
    NoAnswer {
        /// The call.
        url: String,
        /// What happened.
        why: String,
    },
    /// The watcher refused the call, and says why.
    #[error(
        "the watcher at {url} answered {} {}: {}{}{}",
        .status.as_u16(), one_line(.problem.kind.name(), 40), .problem.kind.advice(), wait(*.retry_after), says(.problem)
    )]
    Refused {
        /// The call.
        url: String,
        /// The HTTP status.
        status: StatusCode,
        /// How long to wait before asking again.
        retry_after: Option<Duration>,
        /// What was wrong.
        problem: Box<Problem>,
    },
    /// Something that is no watcher, such as a proxy, does not let the caller in.
    #[error(
        "{url} answered {}: whatever listens there, perhaps a proxy before the watcher, does not let this caller in \
         ({answer}); check the address and the token",
        .status.as_u16()
    )]
    Denied {
        /// The call.
        url: String,
        /// 401 or 403.
        status: StatusCode,
        /// What the answer looks like.
        answer: ForeignAnswer,
    },
    /// Something that is no watcher has nothing at this path.
    #[error(
        "{url} answered {}, and not as a watcher does ({answer}); there is no watcher at this path: check the address",
        .status.as_u16()
    )]
    WrongPath {
        /// The call.
        url: String,
        /// 404 or 405.
        status: StatusCode,
        /// What the answer looks like.
        answer: ForeignAnswer,
    },
    /// A proxy before the watcher has too much to do, or reaches no watcher.
    #[error(
        "{url} answered {}: a proxy before the watcher takes no more requests now ({answer}); try again{}",
        .status.as_u16(), wait(*.retry_after)
    )]
    Overloaded {
        /// The call.
        url: String,
        /// 429 or 503.
        status: StatusCode,
        /// How long to wait before asking again.
        retry_after: Option<Duration>,
        /// What the answer looks like.
        answer: ForeignAnswer,
    },
    /// A proxy before the watcher failed, perhaps after it handed the request on.
    #[error("{url} answered {}: a proxy before the watcher got no answer from it, or failed ({answer})", .status.as_u16())]
    Gateway {
        /// The call.
        url: String,
        /// 500 or more.
        status: StatusCode,
        /// What the answer looks like.
        answer: ForeignAnswer,
    },
    /// Whatever answered is no watcher.
    #[error("{url} answered {}, but not as a watcher does ({answer}); is it one?", .status.as_u16())]
    NotAWatcher {
        /// The call.
        url: String,
        /// The HTTP status.
        status: StatusCode,
        /// What the answer looks like.
        answer: ForeignAnswer,
    },
}

/// The kind of an answer that no watcher wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForeignAnswer {
    /// Nothing.
    Empty,
    /// A page for a browser.
    Html,
    /// It is compressed, which nobody asked for.
    Compressed,
    /// It is longer than any answer of a watcher.
    TooLong,
    /// It is JSON, but no answer of a watcher.
    OtherJson {
        /// What is missing.
        why: String,
    },
    /// Anything else.
    Text {
        /// Its first characters.
        start: String,
    },
}

impl ClientError {
    pub(super) fn not_a_watcher(url: String, status: StatusCode, answer: ForeignAnswer) -> Self {
        Self::NotAWatcher { url, status, answer }
    }

    /// The watcher's problem, if a watcher answered.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused { problem, .. } => Some(problem),
            _ => None,
        }
    }

    /// The HTTP status, if there was an answer.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::SetUp { .. } | Self::Unreachable { .. } | Self::NoAnswer { .. } => None,
            Self::Refused { status, .. }
            | Self::Denied { status, .. }
            | Self::WrongPath { status, .. }
            | Self::Overloaded { status, .. }
            | Self::Gateway { status, .. }
            | Self::NotAWatcher { status, .. } => Some(*status),
        }
    }

    /// How long the answer asks to wait before the next request.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } | Self::Overloaded { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether it is sure that the call took no effect. Otherwise, the same call with the same request id tells whether
    /// it did.
    pub fn nothing_happened(&self) -> bool {
        match self {
            Self::SetUp { .. }
            | Self::Unreachable { .. }
            | Self::Denied { .. }
            | Self::WrongPath { .. }
            | Self::Overloaded { .. } => true,
            Self::NoAnswer { .. } | Self::Gateway { .. } => false,
            Self::Refused { status, problem, .. } => match problem.kind {
                ProblemKind::Unknown(_) => status.is_client_error(),
                _ => problem.kind.nothing_happened(),
            },
            // A success whose body can't be read may have taken effect.
            Self::NotAWatcher { status, .. } => status.is_client_error() || status.is_redirection(),
        }
    }

    /// Whether the same call may succeed later without a change.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::NoAnswer { .. } | Self::Overloaded { .. } | Self::Gateway { .. } => true,
            Self::Refused { status, problem, .. } => match problem.kind {
                ProblemKind::Unknown(_) => status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS,
                _ => problem.kind.is_passing(),
            },
            Self::SetUp { .. } | Self::Denied { .. } | Self::WrongPath { .. } | Self::NotAWatcher { .. } => false,
        }
    }
}

impl fmt::Display for ForeignAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the answer is empty"),
            Self::Html => f.write_str("the answer is an HTML page"),
            Self::Compressed => f.write_str("the answer is compressed, which nobody asked for"),
            Self::TooLong => f.write_str("the answer is longer than any answer of a watcher"),
            Self::OtherJson { why } => write!(f, "the answer is JSON, but not a watcher's: {why}"),
            Self::Text { start } => write!(f, "the answer begins with {start:?}"),
        }
    }
}

fn wait(retry_after: Option<Duration>) -> String {
    retry_after.map(|wait| format!(", after {} s", wait.as_secs())).unwrap_or_default()
}

fn says(problem: &Problem) -> String {
    match problem.detail.is_empty() {
        true => String::new(),
        false => format!(" (it says: {})", one_line(&problem.detail, 600)),
    }
}
