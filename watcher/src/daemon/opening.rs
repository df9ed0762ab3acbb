//! Opens the store, and says what the start waits for.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use paychan_store::{Opened, Progress, Store, StoreError};
use tokio::sync::oneshot;
use tokio::time::sleep;
use tracing::{info, warn};

use super::error::RunError;
use super::systemd;
use crate::alarm::raise;
use crate::clock::Clock;
use crate::commitments::ViewGate;
use crate::config::Config;
use crate::reminder::Reminder;

/// How often the start says what it waits for.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// A start without progress for this long raises an alarm, since nothing is settled meanwhile.
const ALARM_AFTER: Duration = Duration::from_secs(15);

/// Opens the store. If the store is damaged, can't be written, or makes no progress while it opens, this reads it into memory, and
/// the watcher only settles. Returns `None` when the daemon is asked to stop meanwhile.
///
/// # Errors
/// The store can't be read at all.
pub(super) async fn open_store(
    config: &Config,
    gate: Arc<ViewGate>,
    clock: &dyn Clock,
    mut shutdown: Pin<&mut impl Future<Output = ()>>,
) -> Result<Option<Store>, RunError> {
    let options = config.store_options();
    let mut waiting = Waiting::new(options.progress.clone(), clock.boot());
    let (dir, network) = (config.data_dir.clone(), config.network_id());
    let (tell, mut opened) = oneshot::channel();
    // Nobody joins this thread, since a disk that does not answer must not delay the end of the process.
    let open = move || {
        let _ = tell.send(Store::open_or_settle(&dir, &network, options, gate));
    };
    let broke_off = |why: String| RunError::Part { part: "opening the store", why };
    std::thread::Builder::new()
        .name("store-open".to_owned())
        .spawn(open)
        .map_err(|error| broke_off(error.to_string()))?;
    let opened = loop {
        tokio::select! {
            () = shutdown.as_mut() => {
                warn!(waiting_for = waiting.progress.what(), "asked to stop while the store is opened; nothing is lost by that");
                return Ok(None);
            }
            opened = &mut opened => break opened.map_err(|error| broke_off(error.to_string()))?,
            () = sleep(TELL_EVERY) => waiting.tell(clock.boot()),
        }
    };
    logged(opened).map(Some)
}

/// Logs what the start found, and returns the store.
fn logged(opened: Result<(Store, Opened), StoreError>) -> Result<Store, RunError> {
    let (store, opened) = opened?;
    match opened {
        Opened::Whole(recovered) => info!(
            channels = recovered.channels,
            in_flight = recovered.in_flight,
            last_record = recovered.last_record,
            "{recovered}"
        ),
        Opened::SettleOnly(settle_only) => {
            for (channel, highest) in &settle_only.uncertain {
                warn!(%channel, %highest, "the journal has gaps: a higher commitment of this channel may be lost");
            }
            // The alarm is raised by `watch_store`.
            warn!(channels = settle_only.channels, gaps = settle_only.gaps.len(), "{settle_only}");
        }
    }
    Ok(store)
}

/// The progress of a start. Times are of the boot clock.
struct Waiting {
    progress: Progress,
    began: Duration,
    moved_at: Duration,
    steps: u64,
    alarm: Reminder,
}

impl Waiting {
    fn new(progress: Progress, boot: Duration) -> Self {
        tell_systemd(progress.what());
        Self { steps: progress.steps(), progress, began: boot, moved_at: boot, alarm: Reminder::default() }
    }

    /// Tells the log and systemd what the start waits for, and raises an alarm when there is no progress.
    fn tell(&mut self, boot: Duration) {
        let waiting_for = self.progress.what();
        tell_systemd(waiting_for);
        let seconds = boot.saturating_sub(self.began).as_secs();
        info!(waiting_for, seconds, "the store is being opened");
        if std::mem::replace(&mut self.steps, self.progress.steps()) != self.steps {
            self.moved_at = boot;
        }
        if boot.saturating_sub(self.moved_at) >= ALARM_AFTER && self.alarm.is_due(boot) {
            raise!(
                StoreStalled,
                waiting_for,
                seconds,
                "the start waits for the disk, and nothing is settled before it ends; if it goes on, what can be read is settled \
                 from memory"
            );
        }
    }
}

/// Asks systemd for more time, since a start may take longer than it allows.
fn tell_systemd(waiting_for: &str) {
    systemd::starting(&format!("opening the store: {waiting_for}"), Duration::from_secs(120));
}
