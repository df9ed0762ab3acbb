//! The errors of calls to a node. Code matches [`ErrorKind`]; people read the text.

use std::time::Duration;

use paychan_channel::Ledger;

/// A call that got no usable answer.
#[derive(Debug, thiserror::Error)]
#[error("{method} at {endpoint}: {kind}")]
pub struct RpcError {
    /// The JSON-RPC method.
    pub method: &'static str,
    /// Scheme and host of the endpoint, without its path and query, since providers put API keys there.
    pub endpoint: String,
    /// What went wrong.
    pub kind: ErrorKind,
}

/// The kinds of [`RpcError`]. Each needs another reaction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ErrorKind {
    /// The node has not reached the ledger yet: ask it again later, or ask another node.
    #[error("the node is behind: {}", behind(asked, latest))]
    NodeBehind {
        /// The ledger asked for, if there was one.
        asked: Option<Ledger>,
        /// The node's latest ledger, if it says so.
        latest: Option<Ledger>,
    },
    /// The node no longer holds what was asked for. Events are lost, so read the entries.
    #[error("the history is gone: asked for ledger {asked}, the node holds {oldest} to {latest}")]
    HistoryGone {
        /// The ledger asked for.
        asked: Ledger,
        /// The oldest ledger that the node holds.
        oldest: Ledger,
        /// The latest ledger that the node holds.
        latest: Ledger,
    },
    /// The node has too much to do: wait, then repeat.
    #[error("the node is busy{}", retry_words(retry_after))]
    Busy {
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// The endpoint wants a key, or another one. Repeating the same call will not help.
    #[error(
        "not let in (HTTP status {status} for the path {path}); if the provider wants a key, give it as a header or in the \
         URL, and check that it is valid and has not used up its quota"
    )]
    Unauthorized {
        /// 401 or 403.
        status: u16,
        /// The URL's path, without the parts that may be a key.
        path: String,
    },
    /// The node understood the call and refused it. Repeating the same call will not help.
    #[error("refused ({code}): {message}")]
    Refused {
        /// The JSON-RPC error code, or HTTP status where there was no JSON-RPC answer.
        code: i64,
        /// The node's words, shortened and without control characters.
        message: String,
    },
    /// There was no connection, or it broke. A request may have arrived.
    #[error("no connection: {0}; check the URL and that the node is up")]
    Transport(String),
    /// There was no answer in time. A request may have arrived.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The endpoint serves another network than the one configured.
    #[error(
        "wrong network: expected the one with passphrase {expected:?}, but the endpoint serves {found:?}; \
         correct the passphrase or the RPC URL"
    )]
    WrongNetwork {
        /// The configured passphrase.
        expected: String,
        /// The endpoint's passphrase.
        found: String,
    },
    /// The answer can't be understood: it is of a newer protocol, or of no Stellar RPC. It never counts as an empty
    /// answer.
    #[error("an answer that can't be understood: {0}")]
    BadAnswer(String),
    /// The URL of the endpoint is no HTTP URL. No call was made.
    #[error("not an http:// or https:// URL: {0}")]
    BadUrl(String),
}

impl RpcError {
    /// How long the endpoint asks to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self.kind {
            ErrorKind::Busy { retry_after } => retry_after,
            _ => None,
        }
    }

    /// Whether the same call may succeed later, or at another endpoint.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match &self.kind {
            ErrorKind::NodeBehind { .. } | ErrorKind::Busy { .. } | ErrorKind::Transport(_) | ErrorKind::Timeout(_) => {
                true
            }
            ErrorKind::HistoryGone { .. }
            | ErrorKind::Refused { .. }
            | ErrorKind::Unauthorized { .. }
            | ErrorKind::WrongNetwork { .. }
            | ErrorKind::BadAnswer(_)
            | ErrorKind::BadUrl(_) => false,
        }
    }
}

fn behind(asked: &Option<Ledger>, latest: &Option<Ledger>) -> String {
    match (asked, latest) {
        (Some(asked), Some(latest)) => format!("asked for ledger {asked}, it is at {latest}"),
        (None, Some(latest)) => format!("it is at ledger {latest}"),
        _ => "it is still catching up with the network".to_owned(),
    }
}

fn retry_words(retry_after: &Option<Duration>) -> String {
    match retry_after {
        Some(wait) => format!("; it asks to wait {} s", wait.as_secs().max(1)),
        None => String::new(),
    }
}

/// The kind of a JSON-RPC error.
///
/// The server gives most of these errors the same codes, so their texts are matched where the code is not enough
/// (stellar-rpc v28: `methods/get_events.go`, `methods/get_health.go`, `network/backlogQ.go`,
/// `network/requestdurationlimiter.go`). `asked` is the ledger from which the request starts.
pub(crate) fn kind_of_refusal(code: i64, message: &str, asked: Option<Ledger>) -> ErrorKind {
    /// "request exceeded processing limit threshold".
    const DURATION_LIMIT: i64 = -32001;
    if code == DURATION_LIMIT || message.contains("surpassed queue limit") {
        return ErrorKind::Busy { retry_after: None };
    }
    if let (Some(asked), Some((oldest, latest))) = (asked, ledger_range(message)) {
        return if asked > latest {
            ErrorKind::NodeBehind { asked: Some(asked), latest: Some(latest) }
        } else {
            ErrorKind::HistoryGone { asked, oldest, latest }
        };
    }
    if message.starts_with("latency (") || message.starts_with("data stores are not initialized") {
        return ErrorKind::NodeBehind { asked: None, latest: None };
    }
    ErrorKind::Refused { code, message: printable(message) }
}

/// The two numbers of `startLedger must be within the ledger range: A - B`.
fn ledger_range(message: &str) -> Option<(Ledger, Ledger)> {
    let (_, range) = message.split_once("must be within the ledger range: ")?;
    let (oldest, latest) = range.split_once(" - ")?;
    let digits = |text: &str| -> Option<Ledger> {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        text.get(..end)?.parse().ok()
    };
    Some((digits(oldest)?, digits(latest)?))
}

/// A foreign text, shortened and without control characters, so that a terminal and one line of a log can show it.
pub(crate) fn printable(text: &str) -> String {
    const SHOWN: usize = 400;
    let mut out: String = text.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(SHOWN).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests;
