//! How much is free where the journal lies. A full disk must be noticed long before it stops the journal.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use tracing::warn;

use super::error::RunError;
use super::until;
use crate::alarm::raise;
use crate::api::Api;
use crate::config::Config;

/// The time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// MiB that are free on the file system of `dir`, for this process.
///
/// # Errors
/// What the system says.
pub fn free_mib(dir: &Path) -> io::Result<u64> {
    let system = rustix::fs::statvfs(dir)?;
    Ok(system.f_bavail.saturating_mul(system.f_frsize) >> 20)
}

/// Looks again and again, raises the alarm, and has `/readyz` say no while there is too little.
pub(super) async fn watch_disk(
    config: Arc<Config>,
    api: Arc<Api>,
    stopped: watch::Receiver<bool>,
) -> Result<(), RunError> {
    loop {
        let dir = config.data_dir.clone();
        // A file system that hangs must not keep a thread from the rest.
        match tokio::task::spawn_blocking(move || free_mib(&dir)).await {
            Ok(Ok(free)) if free < config.disk.free_mark_mib => {
                let (dir, mark) = (config.data_dir.display(), config.disk.free_mark_mib);
                raise!(DiskLow, %dir, free_mib = free, mark, "the disk is nearly full: make room");
                let why = format!("only {free} MiB are free where the journal lies, less than the mark of {mark}");
                api.reporter.disk_is_low(Some(why));
            }
            Ok(Ok(_)) => api.reporter.disk_is_low(None),
            Ok(Err(error)) => warn!(%error, "how much of the disk is free can't be told"),
            Err(error) => warn!(%error, "how much of the disk is free can't be told"),
        }
        if timeout(LOOK_EVERY, until(stopped.clone())).await.is_ok() {
            return Ok(());
        }
    }
}
