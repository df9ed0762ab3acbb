//! Notifies systemd. Without systemd, each call does nothing.

use std::sync::Arc;
use std::time::Duration;

use paychan_channel::Ledger;
use sd_notify::NotifyState;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::debug;

use super::until;
use crate::alarm::raise;
use crate::clock::Clock;
use crate::liveness::Liveness;

/// A loop that made no progress for this long hangs. The settling loop reports progress for each item. The following
/// loop asks the endpoint many questions in a round, each within its time-out (10 seconds by default), and ends the
/// round at the first failure. A round of this length would contain a sweep that is longer than any floor allows.
const LONGEST_SILENCE: Duration = Duration::from_secs(300);

/// Reports what the start is doing, and that it may take this much longer from now.
pub(super) fn starting(what: &str, longer: Duration) {
    let longer = u32::try_from(longer.as_micros()).unwrap_or(u32::MAX);
    tell(&[NotifyState::Status(what), NotifyState::ExtendTimeoutUsec(longer)]);
}

/// Reports that the store is verified and all channels were read.
pub(super) fn ready(head: Ledger) {
    tell(&[NotifyState::Ready, NotifyState::Status(&format!("watching, at ledger {head}"))]);
}

/// Reports that the daemon is ending.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Pings the watchdog, if one is set, as long as every loop makes progress.
///
/// A store that hangs is no reason for a restart. It gives up by itself, and the watcher then settles the commitments
/// that it has in memory. A new start would wait for the same disk and settle nothing.
pub(super) async fn watchdog(loops: Vec<Arc<Liveness>>, clock: Arc<dyn Clock>, stopped: watch::Receiver<bool>) {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return until(stopped).await;
    };
    loop {
        if alive(&loops, clock.as_ref()) {
            tell(&[NotifyState::Watchdog]);
        }
        // It pings after half of the limit, as sd_watchdog_enabled(3) advises.
        if timeout(limit / 2, until(stopped.clone())).await.is_ok() {
            return;
        }
    }
}

fn alive(loops: &[Arc<Liveness>], clock: &dyn Clock) -> bool {
    let hangs = loops.iter().any(|liveness| liveness.silence(clock.boot()) > LONGEST_SILENCE);
    if hangs {
        raise!(Hanging, "a loop of the watcher makes no progress");
    }
    !hangs
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        debug!(%error, "systemd can't be notified");
    }
}
