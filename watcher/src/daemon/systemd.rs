//! What systemd is told. Every call is harmless where there is no systemd.

use std::sync::Arc;
use std::time::Duration;

use paychan_channel::Ledger;
use sd_notify::NotifyState;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::debug;

use super::error::RunError;
use super::until;
use super::watchdog::Pulse;
use crate::alarm::raise;
use crate::clock::Clock;
use paychan_store::{Store, StoreError};

/// A loop that gave no sign of life for this long hangs. A round asks the endpoint many things, each within its
/// time-out (10 seconds unless configured otherwise), and gives up at the first that fails; a round of this length that
/// still makes progress would mean a sweep longer than any floor allows for.
const LONGEST_SILENCE: Duration = Duration::from_secs(300);

/// How long the committer may take to answer a question that writes nothing.
const COMMITTER_PATIENCE: Duration = Duration::from_secs(20);

/// Starting takes longer: this is what it does, and so long it may take from now on.
pub(super) fn starting(what: &str, patience: Duration) {
    let patience = u32::try_from(patience.as_micros()).unwrap_or(u32::MAX);
    tell(&[NotifyState::Status(what), NotifyState::ExtendTimeoutUsec(patience)]);
}

/// The store is verified and all channels were read.
pub(super) fn ready(head: Ledger) {
    tell(&[NotifyState::Ready, NotifyState::Status(&format!("watching, at ledger {head}"))]);
}

/// The daemon is ending.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Pings the watchdog, where one is set, as long as every loop beats and the committer answers.
pub(super) async fn watchdog(
    pulses: Vec<Arc<Pulse>>,
    store: Store,
    clock: Arc<dyn Clock>,
    stopped: watch::Receiver<bool>,
) -> Result<(), RunError> {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        until(stopped).await;
        return Ok(());
    };
    loop {
        if alive(&pulses, &store, clock.as_ref()).await {
            tell(&[NotifyState::Watchdog]);
        }
        // Half the limit, as sd_watchdog_enabled(3) advises.
        if timeout(limit / 2, until(stopped.clone())).await.is_ok() {
            return Ok(());
        }
    }
}

async fn alive(pulses: &[Arc<Pulse>], store: &Store, clock: &dyn Clock) -> bool {
    if pulses.iter().any(|pulse| pulse.silence(clock.boot()) > LONGEST_SILENCE) {
        raise!(Hanging, "a loop of the watcher stands still");
        return false;
    }
    match timeout(COMMITTER_PATIENCE, store.ping()).await {
        Ok(Ok(()) | Err(StoreError::Busy { .. })) => true,
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
