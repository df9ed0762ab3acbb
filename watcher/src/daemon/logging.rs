//! Structured logs: events with fields, for people or as JSON lines.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Sends logs to standard output: JSON lines when `json`, else for people. `RUST_LOG` says how much; `info` unless set.
/// Alarms are errors with the field `alarm`.
pub fn start(json: bool) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stdout).with_target(false);
    // A second start in one process (tests) keeps the first one's.
    let _ = match json {
        true => logs.json().flatten_event(true).try_init(),
        false => logs.with_ansi(std::io::stdout().is_terminal()).try_init(),
    };
}
