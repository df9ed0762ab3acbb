//! Has the operator hear of it when the store gets worse, within seconds: it stalls, it only settles, its disk fills up.
//!
//! `/readyz` asks the store itself, so it knows at the same moment.

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

/// The time between two looks. The store tells of changes too, but by a thread of its own, which may hang with the disk.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks at the store until the daemon stops, raises an alarm when it gets worse, and repeats it while that lasts.
pub async fn watch_store(store: Store, clock: Arc<dyn Clock>, stopped: watch::Receiver<bool>) {
    let mut changes = store.watch_health();
    let (mut reported, mut reminder) = ("running", Reminder::default());
    loop {
        let health = store.health();
        if health.kind() != reported {
            reminder.is_over();
            if health.takes() {
                info!("{health}");
            }
            reported = health.kind();
        }
        if !health.takes() && reminder.is_due(clock.boot()) {
            report(&health);
        }
        tokio::select! {
            () = until(stopped.clone()) => return,
            // An error means that the store tells nothing any more; it can still be asked.
            changed = timeout(LOOK_EVERY, changes.changed()) => if matches!(changed, Ok(Err(_))) {
                tokio::time::sleep(LOOK_EVERY).await;
            },
        }
    }
}

fn report(health: &Health) {
    match health {
        // Not while the daemon runs: it stops the store last.
        Health::Running | Health::Stopped => {}
        Health::SpaceLow(space) => {
            raise!(DiskLow, path = %space.path.display(), free_bytes = space.free, mark_bytes = space.mark, "{space}");
        }
        Health::Stalled { seconds } => raise!(
            StoreStalled,
            seconds,
            "the store does not finish what it writes, so nothing is acknowledged; if it goes on, the store is given up and \
             what is held is settled from memory"
        ),
        Health::SettleOnly { why } => raise!(
            SettleOnly, why = %why,
            "the store has stopped; nothing is taken any more, and what is held is settled from memory"
        ),
    }
}
