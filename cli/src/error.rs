//! A command's failure says what was wrong, what was expected and what to do, and it has a kind for scripts.

use std::fmt;

use paychan_rpc::{ErrorKind, RpcError};
use serde::Serialize;
use serde_json::{Map, Value};

/// The kind of a failure, `error.kind` in `--json` output. Scripts match on it, so the names are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// The arguments do not make sense together, or one of them is malformed.
    Usage,
    /// A file that was named can't be read, or does not hold what it should.
    Input,
    /// A secret is missing, malformed, of the wrong kind, or readable by others.
    Secret,
    /// A check before sending refused. Nothing was sent.
    Refused,
    /// The channel does not exist, or the contract at its address is not a channel.
    NotAChannel,
    /// The endpoint's simulation wants more signed than the command means. Nothing was signed.
    Authorization,
    /// The fee would be above `--max-fee`. Nothing was sent.
    FeeTooHigh,
    /// The contract, the token or the network refused: at simulation (nothing was sent) or on chain (only the fee was
    /// paid).
    FailedOnChain,
    /// The watcher answered that it does not take this commitment; `watcher_kind` says why.
    WatcherRefused,
    /// The watcher can't take commitments at the moment; the same request may succeed later.
    WatcherNotReady,
    /// The server that sells can't take payments at the moment; the same command may succeed later, and pays once.
    SellerNotReady,
    /// What answers at the watcher's address is not a watcher. Nothing was taken.
    NotAWatcher,
    /// The endpoint's address is wrong, or its key is wrong or missing. Nothing changed.
    Endpoint,
    /// The endpoint could not be reached, or its answer is not valid. Nothing changed.
    Network,
    /// The endpoint serves another network than the one named.
    WrongNetwork,
    /// A request or a transaction went out, and it is not known whether it took effect.
    OutcomeUnknown,
    /// The command did what was asked, but its result could not be read or printed.
    ResultUnread,
    /// Output could not be written. Nothing was done.
    Output,
}

impl Kind {
    /// The process's exit code, documented in `paychan --help`.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Kind::Refused
            | Kind::NotAChannel
            | Kind::Authorization
            | Kind::FeeTooHigh
            | Kind::FailedOnChain
            | Kind::WatcherRefused
            | Kind::NotAWatcher => 1,
            Kind::Usage | Kind::Input | Kind::Secret | Kind::Endpoint => 2,
            Kind::Network | Kind::WrongNetwork | Kind::WatcherNotReady | Kind::SellerNotReady | Kind::Output => 3,
            Kind::OutcomeUnknown | Kind::ResultUnread => 4,
        }
    }
}

/// A command's failure. It never contains a secret.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    pub(crate) message: String,
    /// Facts for scripts beside kind and message, such as `salt` or `request_id` for a retry.
    pub(crate) details: Map<String, Value>,
}

impl Failure {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), details: Map::new() }
    }

    /// The failure of a call to the RPC endpoint.
    pub(crate) fn of_rpc(error: &RpcError) -> Self {
        let kind = match error.kind {
            ErrorKind::WrongNetwork { .. } => Kind::WrongNetwork,
            ErrorKind::BadUrl(_) => Kind::Usage,
            ErrorKind::NodeBehind { .. }
            | ErrorKind::HistoryGone { .. }
            | ErrorKind::Busy { .. }
            | ErrorKind::Refused { .. }
            | ErrorKind::Unauthorized { .. }
            | ErrorKind::Transport(_)
            | ErrorKind::Timeout(_)
            | ErrorKind::BadAnswer(_) => Kind::Network,
        };
        Self::new(kind, error.to_string())
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// Turns this failure into one that came after the command had its effect, so that a repetition would do it twice.
    /// `done` says what was done, and `look` says how to see the result.
    pub(crate) fn after(self, done: &impl fmt::Display, look: &impl fmt::Display) -> Self {
        let message = format!("it is done ({done}), but {}. Do not repeat the command; {look}", self.message);
        Self { kind: Kind::ResultUnread, message, details: self.details }
    }

    /// The JSON document printed on standard output under `--json`.
    pub(crate) fn to_json(&self) -> Value {
        let mut error = Map::new();
        error.insert("kind".to_owned(), serde_json::to_value(self.kind).unwrap_or(Value::Null));
        error.insert("message".to_owned(), self.message.clone().into());
        error.extend(self.details.clone());
        Value::Object(Map::from_iter([("error".to_owned(), error.into())]))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// `bail!(Kind, "format", ...)`: return a [`Failure`].
macro_rules! bail {
    ($kind:expr, $($arg:tt)*) => {
        return Err($crate::error::Failure::new($kind, format!($($arg)*)))
    };
}
pub(crate) use bail;
