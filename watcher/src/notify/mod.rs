//! Notifies people outside: it sends alarms to a webhook, and a heartbeat, because a dead process raises no alarm.
//!
//! Nothing else in the watcher waits for either.

mod heartbeat;
mod layer;
mod webhook;

pub use heartbeat::beat;
pub use layer::{AlarmLayer, Notice, alarms};
pub use webhook::{SIGNATURE_HEADER, send_all};
