//! Raises an alarm within seconds when the store gets worse: when it stalls, only settles, or its disk fills up.
//!
//! `/readyz` asks the store itself, so it shows the same state.

use std::sync::Arc;
use std::time::Duration;

use paychan_store::{Health, Store};
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::info;

use super::until;
use crate::alarm::raise;
use crate::clock::Clock;
use crate::reminder::Reminder;

/// The time between two checks. The store reports changes too, but from its own thread, which may hang with the disk.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What was reported already about the store.
#[derive(Debug)]
pub struct StoreReports {
    reported: &'static str,
    reminder: Reminder,
}

impl Default for StoreReports {
    fn default() -> Self {
        Self { reported: "running", reminder: Reminder::default() }
    }
}

impl StoreReports {
    /// Looks at the store once. Raises an alarm when it has become worse, and repeats the alarm while that lasts.
    pub fn look(&mut self, store: &Store, clock: &dyn Clock) {
        let health = store.health();
        if health.kind() != self.reported {
            self.reminder.reset();
            if health.takes() {
                info!("{health}");
            }
            self.reported = health.kind();
        }
        if !health.takes() && self.reminder.is_due(clock.boot()) {
            report(&health);
        }
    }
}

/// Looks at the store until the daemon stops.
pub async fn watch_store(store: Store, clock: Arc<dyn Clock>, stopped: watch::Receiver<bool>) {
    let mut changes = store.watch_health();
    let mut reports = StoreReports::default();
    loop {
        reports.look(&store, clock.as_ref());
        tokio::select! {
            () = until(stopped.clone()) => return,
            // An error means that the store reports no more changes; it can still be asked.
            changed = timeout(LOOK_EVERY, changes.changed()) => if matches!(changed, Ok(Err(_))) {
                tokio::time::sleep(LOOK_EVERY).await;
            },
        }
    }
}

fn report(health: &Health) {
    match health {
        // A running store is well, and the daemon stops the store last.
        Health::Running | Health::Stopped => {}
        Health::SpaceLow(space) => {
            raise!(DiskLow, path = %space.path.display(), free_bytes = space.free, mark_bytes = space.mark, "{space}");
        }
        Health::Stalled { seconds } => raise!(
            StoreStalled,
            seconds,
            "the store does not finish what it writes, so nothing is acknowledged; if this lasts, the watcher gives up the store and \
             settles the commitments that it has in memory"
        ),
        Health::SettleOnly { why } => raise!(
            SettleOnly, why = %why,
            "the store has stopped; the watcher takes nothing any more, and settles the commitments that it has in memory"
        ),
    }
}
