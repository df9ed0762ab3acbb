//! How commands name the recipient's watcher and report its answers.

use std::path::PathBuf;

use clap::Args;
use paychan_watcher_api::{Client, ClientError, ProblemKind, Token, WatcherUrl};
use serde_json::Value;

use crate::error::{Failure, Kind};
use crate::output::Output;
use crate::secret::{Source, is_stdin};

/// The file with the watcher's token.
#[derive(Debug, Clone, Args)]
pub(crate) struct TokenArgs {
    /// A file with the watcher's bearer token, or - for standard input [env: PAYCHAN_WATCHER_TOKEN]
    #[arg(long, value_name = "FILE", help_heading = "Secrets")]
    token_file: Option<PathBuf>,
}

impl TokenArgs {
    pub(crate) fn reads_stdin(&self) -> bool {
        self.token_file.as_deref().is_some_and(is_stdin)
    }

    /// A client of the watcher at `url`, with this token.
    pub(crate) fn client(&self, url: &WatcherUrl, output: Output) -> Result<Client, Failure> {
        let text = Source {
            file: self.token_file.as_deref(),
            option: "--token-file",
            env: &["PAYCHAN_WATCHER_TOKEN"],
            what: "the watcher's bearer token",
        }
        .read()?;
        let token = Token::new(text).map_err(|e| Failure::new(Kind::Secret, format!("the watcher's token: {e}")))?;
        if url.is_exposed() {
            output.warn("the watcher's token goes over plain http to another machine; use https");
        }
        Client::new(url.clone(), token).map_err(|e| Failure::new(Kind::Network, e.to_string()))
    }
}

/// The failure of a call to the watcher, with the facts that a script can use.
pub(crate) fn watcher_failure(error: &ClientError) -> Failure {
    let kind = match error {
        ClientError::SetUp { .. } | ClientError::Unreachable { .. } => Kind::Network,
        _ if !error.nothing_happened() => Kind::OutcomeUnknown,
        _ if error.is_passing() => Kind::WatcherNotReady,
        ClientError::WrongPath { .. } | ClientError::NotAWatcher { .. } => Kind::NotAWatcher,
        _ => Kind::WatcherRefused,
    };
    let mut failure = Failure::new(kind, format!("{error}{}", option_to_check(error)));
    if let Some(status) = error.status() {
        failure = failure.with("status", status.as_u16());
    }
    if let Some(wait) = error.retry_after() {
        failure = failure.with("retry_after_seconds", wait.as_secs());
    }
    if let Some(problem) = error.problem() {
        failure = failure.with("watcher_kind", problem.kind.name());
        if let Ok(Value::Object(facts)) = serde_json::to_value(problem.facts) {
            failure.details.extend(facts);
        }
    }
    failure
}

/// The option that the person may have to correct.
fn option_to_check(error: &ClientError) -> &'static str {
    let kind = error.problem().map(|problem| &problem.kind);
    match (error, kind) {
        (ClientError::Denied { .. }, _) | (_, Some(ProblemKind::Unauthorized)) => "; see --token-file",
        (ClientError::Unreachable { .. } | ClientError::WrongPath { .. } | ClientError::NotAWatcher { .. }, _)
        | (_, Some(ProblemKind::NoSuchPath)) => "; see --watcher",
        (_, Some(ProblemKind::RequestIdReused)) => "; see --request-id",
        (_, Some(ProblemKind::BadSignature)) => "; see --network of paychan sign",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use paychan_channel::Amount;
    use paychan_watcher_api::{Facts, Problem};

    use super::*;

    fn refused(kind: ProblemKind, facts: Facts) -> Failure {
        let status = kind.status();
        let problem = Box::new(Problem::new(kind, "as it is").with(facts));
        watcher_failure(&ClientError::Refused { url: "http://w".to_owned(), status, retry_after: None, problem })
    }

    #[test]
    fn a_refusal_is_reported_with_its_kind_and_its_figures() {
        let facts = Facts { highest: Some(Amount::from(9)), ..Facts::default() };
        let failure = refused(ProblemKind::NotHigher, facts);
        assert_eq!(failure.kind, Kind::WatcherRefused);
        assert_eq!(
            (&failure.details["watcher_kind"], &failure.details["highest"]),
            (&"not_higher".into(), &"9".into())
        );
    }

    #[test]
    fn each_kind_of_the_api_is_reported_with_its_own_advice() {
        for kind in ProblemKind::ALL {
            let failure = refused(kind.clone(), Facts::default());
            assert!(failure.message.contains(kind.advice()), "{failure}");
            let expected = match kind {
                ProblemKind::Internal | ProblemKind::StoreFailed => Kind::OutcomeUnknown,
                kind if kind.is_passing() => Kind::WatcherNotReady,
                _ => Kind::WatcherRefused,
            };
            assert_eq!(failure.kind, expected, "{kind}");
        }
    }
}
