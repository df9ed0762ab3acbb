//! How a command fails: what was wrong, what was expected, what to do, and a kind for scripts.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

/// What a script may match on: `error.kind` in `--json` output. The names are interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// The arguments do not make sense together, or one of them is malformed.
    Usage,
    /// A file that was named can't be read, or does not hold what it should.
    Input,
    /// A secret is missing, malformed, of the wrong kind, or readable by others.
    Secret,
    /// A check before sending said no. Nothing was sent.
    Refused,
    /// The channel does not exist, or what lies at its address is not a channel.
    NotAChannel,
    /// What simulation wants signed is more than the command means. Nothing was signed.
    Authorization,
    /// The fee would be above `--max-fee`. Nothing was sent.
    FeeTooHigh,
    /// The contract, the token or the network refused: at simulation (nothing was sent) or on chain (only the fee is
    /// gone).
    FailedOnChain,
    /// The watcher answered that it does not take this commitment; `watcher_kind` says why.
    WatcherRefused,
    /// The watcher can't take commitments at the moment; the same request may succeed later.
    WatcherNotReady,
    /// Whatever answers at the watcher's address is no watcher. Nothing was taken.
    NotAWatcher,
    /// The endpoint's address is wrong, or the key that it wants. Nothing changed.
    Endpoint,
    /// The endpoint could not be reached or answered with something that is no answer. Nothing changed.
    Network,
    /// The endpoint is of another network than the one named.
    WrongNetwork,
    /// A request or a transaction went out, and whether it took effect is not known.
    OutcomeUnknown,
    /// The command did what it was asked, but what it led to could not be read or told.
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
            Kind::Network | Kind::WrongNetwork | Kind::WatcherNotReady | Kind::Output => 3,
            Kind::OutcomeUnknown | Kind::ResultUnread => 4,
        }
    }
}

/// A command's failure. Never contains a secret.
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

    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// The same trouble, as it is told when it came after the deed: whoever repeats the command would do it twice.
    /// `done` says what was done, `look` how to see what it led to.
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
