//! Telling somebody outside: alarms to a webhook, and a heartbeat, because a dead process raises no alarm.
//!
//! Both are diagnostic channels: whatever they do, nothing else waits for them.

mod heartbeat;
mod layer;
mod webhook;

pub use heartbeat::beat;
pub use layer::{AlarmLayer, Notice, alarms};
pub use webhook::{SIGNATURE_HEADER, send_all};
