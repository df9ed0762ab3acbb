//! Makes the report for the operator, from the running daemon or, while it is down, from its journal.

mod closing;
mod offline;
mod report;
mod reporter;
mod table;
#[cfg(test)]
mod tests;

use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use paychan_watcher_api::{Client, ClientError, Report};

pub use offline::from_store;
pub use reporter::Reporter;
pub use table::render;

use crate::config::Config;
use paychan_store::StoreError;

/// Why no status can be shown.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// What answers on the socket is not the daemon of this configuration.
    #[error("what listens at {} does not answer as a watcher: {why}", .socket.display())]
    NotTheDaemon {
        /// The operator's socket.
        socket: PathBuf,
        /// What happened.
        why: String,
    },
    /// The daemon is down and the journal cannot be read.
    #[error("the daemon is down, and its journal cannot be read: {0}")]
    Journal(#[from] StoreError),
}

/// The report of the running daemon, or of its journal if no daemon listens. Changes nothing.
///
/// # Errors
/// [`StatusError`] when neither can be read.
pub async fn get(config: &Config) -> Result<Report, StatusError> {
    match from_daemon(&config.operator_socket()).await? {
        Some(report) => Ok(report),
        None => Ok(from_store(config)?),
    }
}

/// Asks the daemon on the operator's socket; `None` when nobody listens there.
async fn from_daemon(socket: &Path) -> Result<Option<Report>, StatusError> {
    let Some(client) = daemon(socket)? else { return Ok(None) };
    let not_it = |error: ClientError| StatusError::NotTheDaemon { socket: socket.to_owned(), why: error.to_string() };
    client.status().await.map(Some).map_err(not_it)
}

/// A client of the daemon that listens on the operator's socket; `None` when nobody does.
///
/// # Errors
/// [`StatusError::NotTheDaemon`] when the socket can't be used.
pub fn daemon(socket: &Path) -> Result<Option<Client>, StatusError> {
    let not_it = |why: String| StatusError::NotTheDaemon { socket: socket.to_owned(), why };
    // This is tried first, since the client's error does not show whether nobody listens or access is denied.
    match UnixStream::connect(socket) {
        Ok(_) => {}
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => return Ok(None),
        Err(error) => return Err(not_it(format!("{error}; run this as the watcher's user"))),
    }
    Client::of_socket(socket).map(Some).map_err(|error| not_it(error.to_string()))
}
