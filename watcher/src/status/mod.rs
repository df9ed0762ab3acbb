//! What the operator sees: the same report from a running daemon and, while it is down, from its journal.

mod offline;
mod report;
mod reporter;
mod table;
#[cfg(test)]
mod tests;

use std::time::Duration;

use paychan_rpc::http::{HttpLimits, client_of_this_machine};
use reqwest::StatusCode;

pub use offline::from_store;
pub use report::{ChannelReport, ChannelStatus, HeadReport, LaneReport, LivesReport, Report};
pub use reporter::Reporter;
pub use table::render;

use crate::config::{ApiToken, Config, ConfigError};
use paychan_store::StoreError;

/// How long the daemon may take to answer. It answers from memory.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why no status can be shown.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// The token cannot be read.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The daemon chose its own port.
    #[error("listen has port 0, so the daemon's port is not known here; give it a port of its own")]
    NoPort,
    /// Something answers that is not the daemon of this configuration.
    #[error("what listens on {listen} is not the watcher of this configuration: {why}")]
    NotTheDaemon {
        /// Where.
        listen: String,
        /// What it said.
        why: String,
    },
    /// The daemon is down and the journal cannot be read.
    #[error("the daemon is down, and its journal cannot be read: {0}")]
    Journal(#[from] StoreError),
}

/// The report of the running daemon, or of its journal when nothing listens. Changes nothing.
///
/// # Errors
/// [`StatusError`] when neither can be had.
pub async fn get(config: &Config) -> Result<Report, StatusError> {
    if config.listen.port() == 0 {
        return Err(StatusError::NoPort);
    }
    match from_daemon(config).await? {
        Some(report) => Ok(report),
        None => Ok(from_store(config)?),
    }
}

/// Asks the daemon; `None` when nothing listens.
async fn from_daemon(config: &Config) -> Result<Option<Report>, StatusError> {
    // A token that cannot be read matters only if somebody listens who wants it.
    let token = ApiToken::read(&config.token);
    let listen = config.listen.to_string();
    let not_it = |why: String| StatusError::NotTheDaemon { listen: listen.clone(), why };
    // Straight to this machine's own address, whatever proxy the environment names.
    let limits = HttpLimits { connect: PATIENCE, total: PATIENCE };
    let client = client_of_this_machine(limits).map_err(|error| not_it(error.to_string()))?;
    let mut question = client.get(format!("http://{listen}/v1/status"));
    if let Ok(token) = &token {
        question = question.bearer_auth(token.expose());
    }
    let asked = question.send().await;
    let answer = match asked {
        Ok(answer) => answer,
        Err(error) if error.is_connect() => return Ok(None),
        Err(error) => return Err(not_it(error.without_url().to_string())),
    };
    match answer.status() {
        StatusCode::OK => {
            answer.json().await.map(Some).map_err(|error| not_it(format!("its answer is not a status: {error}")))
        }
        StatusCode::UNAUTHORIZED => {
            token?;
            Err(not_it("it does not take this configuration's token".to_owned()))
        }
        other => Err(not_it(format!("it answers with {other}"))),
    }
}
