//! What can go wrong between here and a node. Code matches [`ErrorKind`]; a person reads the text.

use std::time::Duration;

use paychan_channel::Ledger;

/// A call that got no usable answer.
#[derive(Debug, thiserror::Error)]
#[error("{method} at {endpoint}: {kind}")]
pub struct RpcError {
    /// The JSON-RPC method.
    pub method: &'static str,
    /// Scheme and host of the endpoint. Never its path or query: providers put API keys there.
    pub endpoint: String,
    /// What went wrong.
    pub kind: ErrorKind,
}

/// The kinds of [`RpcError`]: what to do next differs for each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ErrorKind {
    /// The node has not got that far yet: ask it again later, or ask another.
    #[error("the node is behind: {}", behind(asked, latest))]
    NodeBehind {
        /// The ledger asked for, where one was.
        asked: Option<Ledger>,
        /// The node's latest, where it says so.
        latest: Option<Ledger>,
    },
    /// The node no longer holds what was asked for: events are lost, look at the entries.
    #[error("the history is gone: asked for ledger {asked}, the node holds {oldest} to {latest}")]
    HistoryGone {
        /// The ledger asked for.
        asked: Ledger,
        /// The oldest that the node holds.
        oldest: Ledger,
        /// The latest that the node holds.
        latest: Ledger,
    },
    /// The node has too much to do: wait, then repeat.
    #[error("the node is busy{}", retry_words(retry_after))]
    Busy {
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// The endpoint wants a key, or another one. Repeating the same will not help.
    #[error(
        "not let in (HTTP status {status} for the path {path}); if the provider wants a key, give it as a header or in the \
         URL, and check that it is valid and has not used up its quota"
    )]
    Unauthorized {
        /// 401 or 403.
        status: u16,
        /// The URL's path, without what may be a key.
        path: String,
    },
    /// The node understood and said no. Repeating the same will not help.
    #[error("refused ({code}): {message}")]
    Refused {
        /// JSON-RPC error code, or HTTP status where there was no JSON-RPC answer.
        code: i64,
        /// The node's words, shortened and without control characters.
        message: String,
    },
    /// No connection, or it broke. What was sent may have arrived.
    #[error("no connection: {0}; check the URL and that the node is up")]
    Transport(String),
    /// No answer in time. What was sent may have arrived.
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
        /// The endpoint's.
        found: String,
    },
    /// The answer can't be understood: a newer protocol, or no Stellar RPC at all. Never taken for an empty answer.
    #[error("an answer that can't be understood: {0}")]
    BadAnswer(String),
    /// The URL of the endpoint is no HTTP URL. No call was made.
    #[error("not an http:// or https:// URL: {0}")]
    BadUrl(String),
}

impl RpcError {
    /// How long the endpoint asks to be left alone.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self.kind {
            ErrorKind::Busy { retry_after } => retry_after,
            _ => None,
        }
    }

    /// Whether the same call may work later, or elsewhere.
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

/// A JSON-RPC error as a kind.
///
/// The server gives most of these the same codes, so its texts are matched where nothing else tells them apart
/// (stellar-rpc v28: `methods/get_events.go`, `methods/get_health.go`, `network/backlogQ.go`,
/// `network/requestdurationlimiter.go`). `asked` is the ledger that the request started from.
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
    ErrorKind::Refused { code, message: tame(message) }
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

/// A stranger's words, fit for one line of a terminal or a log.
pub(crate) fn tame(text: &str) -> String {
    const SHOWN: usize = 400;
    let mut out: String = text.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(SHOWN).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests;
