//! Listens on the API's address, and on the socket of the operator's own commands.

use std::fs::{self, Permissions};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::info;

use super::descriptors::OPERATOR_CONNECTIONS;
use super::error::RunError;
use super::until;
use crate::alarm::raise;
use crate::api::{self, Limits, OperatorListener};
use crate::clock::Clock;
use crate::config::Config;
use crate::reminder::Reminder;

/// The pause before an address in use is tried again.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// Listens on the API's address.
///
/// # Errors
/// [`RunError::Listen`] when the address is in use or is not this machine's.
pub(super) async fn listen(config: &Config) -> Result<TcpListener, RunError> {
    let failed = |error: std::io::Error| RunError::Listen { listen: config.listen.to_string(), why: error.to_string() };
    let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
    let at = listener.local_addr().map_err(failed)?;
    info!(listen = %at, "the API listens; it takes money once the chain is known");
    Ok(listener)
}

/// Serves the API until the daemon stops. If it can't listen yet (`first` is `None`), it keeps trying. Meanwhile no
/// caller is served, and settling goes on.
pub(super) async fn serve_api(
    config: Arc<Config>,
    first: Option<TcpListener>,
    router: Router,
    limits: Limits,
    clock: Arc<dyn Clock>,
    stopped: watch::Receiver<bool>,
) {
    let (mut listener, mut reminder) = (first, Reminder::default());
    let listener = loop {
        if let Some(listener) = listener.take() {
            break listener;
        }
        match listen(&config).await {
            Ok(bound) => listener = Some(bound),
            Err(error) => {
                if reminder.is_due(clock.boot()) {
                    raise!(ApiNotListening, %error, "no caller is served; the watcher still settles, and tries again to listen");
                }
                if timeout(TRY_AGAIN_AFTER, until(stopped.clone())).await.is_ok() {
                    return;
                }
            }
        }
    };
    api::serve(listener, router, limits, stopped).await;
}

/// Serves the operator's own commands until the daemon stops. Without its socket there is nothing to serve.
pub(super) async fn serve_operator(config: Arc<Config>, router: Router, stopped: watch::Receiver<bool>) {
    match listen_for_operator(&config) {
        Some(listener) => api::serve(listener, router, Limits::of(OPERATOR_CONNECTIONS), stopped).await,
        None => until(stopped).await,
    }
}

/// Listens on the socket of the operator's own commands. Without it, the watcher still takes money and settles.
fn listen_for_operator(config: &Config) -> Option<OperatorListener> {
    let path = config.operator_socket();
    let bound = || {
        // The store's lock shows that no other daemon uses this directory, so an existing socket is of one that has
        // ended.
        match fs::symlink_metadata(&path) {
            Ok(found) if found.file_type().is_socket() => fs::remove_file(&path)?,
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        std::io::Result::Ok(listener)
    };
    match bound() {
        Ok(listener) => {
            info!(socket = %path.display(), "the operator's commands are accepted on this socket");
            Some(OperatorListener(listener))
        }
        Err(error) => {
            raise!(
                OperatorSocketMissing, socket = %path.display(), %error,
                "the operator's socket can't be made; give `operator_socket` a short path in a directory that is the \
                 watcher's"
            );
            None
        }
    }
}
