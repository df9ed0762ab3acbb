//! Collects the alarms that a watcher raises while a test runs.

use paychan_watcher::notify::{Notice, alarms};
use tokio::sync::mpsc::Receiver;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt;

/// The alarms of this test's thread.
pub struct Heard {
    alarms: Receiver<Notice>,
    _subscriber: DefaultGuard,
}

impl Heard {
    /// Starts to collect alarms.
    pub fn listen() -> Self {
        let (layer, alarms) = alarms();
        let subscriber = tracing_subscriber::registry().with(layer);
        Self { alarms, _subscriber: tracing::subscriber::set_default(subscriber) }
    }

    /// The alarms of this name since the last call, oldest first.
    pub fn named(&mut self, name: &str) -> Vec<Notice> {
        let mut named = Vec::new();
        while let Ok(notice) = self.alarms.try_recv() {
            if notice.alarm == name {
                named.push(notice);
            }
        }
        named
    }
}
