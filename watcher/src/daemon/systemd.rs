//! What systemd is told. Each call does nothing where there is no systemd.

use std::sync::Arc;
use std::time::Duration;

use paychan_channel::Ledger;
use sd_notify::NotifyState;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::debug;

use super::error::RunError;
use super::until;
use crate::alarm::raise;
use crate::clock::Clock;
use crate::liveness::Liveness;
use paychan_store::{Store, StoreError};

/// A loop that gave no sign of life for this long hangs. The settling loop gives one for each item. The following loop asks
/// the endpoint many things in a round, each within its time-out (10 seconds unless configured otherwise), and gives up at
/// the first that fails; a round of this length would mean a sweep that is longer than any floor allows for.
const LONGEST_SILENCE: Duration = Duration::from_secs(300);

/// How long the committer may take to answer a question that writes nothing.
const COMMITTER_ANSWERS_WITHIN: Duration = Duration::from_secs(20);

/// Tells what the start is doing, and that it may take so much longer, counted from now.
pub(super) fn starting(what: &str, longer: Duration) {
    let longer = u32::try_from(longer.as_micros()).unwrap_or(u32::MAX);
    tell(&[NotifyState::Status(what), NotifyState::ExtendTimeoutUsec(longer)]);
}

/// Tells that the store is verified and all channels were read.
pub(super) fn ready(head: Ledger) {
    tell(&[NotifyState::Ready, NotifyState::Status(&format!("watching, at ledger {head}"))]);
}

/// Tells that the daemon is ending.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Pings the watchdog, where one is set, as long as every loop beats and the committer answers.
pub(super) async fn watchdog(
    loops: Vec<Arc<Liveness>>,
    store: Store,
    clock: Arc<dyn Clock>,
    stopped: watch::Receiver<bool>,
) -> Result<(), RunError> {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        until(stopped).await;
        return Ok(());
    };
    loop {
        if alive(&loops, &store, clock.as_ref()).await {
            tell(&[NotifyState::Watchdog]);
        }
        // Half the limit, as sd_watchdog_enabled(3) advises.
        if timeout(limit / 2, until(stopped.clone())).await.is_ok() {
            return Ok(());
        }
    }
}

async fn alive(loops: &[Arc<Liveness>], store: &Store, clock: &dyn Clock) -> bool {
    if loops.iter().any(|liveness| liveness.silence(clock.boot()) > LONGEST_SILENCE) {
        raise!(Hanging, "a loop of the watcher stands still");
        return false;
    }
    match timeout(COMMITTER_ANSWERS_WITHIN, store.ping()).await {
        // A store that has stopped was reported; what is held is settled all the same.
        Ok(Ok(()) | Err(StoreError::Busy { .. } | StoreError::Failed(_))) => true,
        other => {
            raise!(Hanging, answer = ?other, "the committer does not answer");
            false
        }
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        debug!(%error, "systemd can't be told");
    }
}
