//! Limits how many file descriptors the API may use.
//!
//! The API's callers must never take the descriptors that the endpoint, the journal and sled need.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::info;

use super::until;
use crate::alarm::raise;

/// Descriptors that the API may not use: 64 for connections to endpoints, 32 for journal and sled (which open a few
/// files each and one more while they write a snapshot), and 32 for the runtime, the log, the sockets and systemd. An
/// idle watcher was measured to have about 20 open.
const RESERVED: u64 = 128;

/// Connections for the operator's own commands, which have their own socket.
pub(super) const OPERATOR_CONNECTIONS: usize = 8;

/// With fewer connections than this, the operator should raise the limit.
const FEW_CONNECTIONS: usize = 16;

/// The time between two counts of open descriptors.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Raises the soft limit to the hard one, and returns how many descriptors this process may have.
pub(super) fn limit() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // `None` means that there is no limit.
    let (soft, hard) = (current.unwrap_or(u64::MAX), maximum.unwrap_or(u64::MAX));
    if soft < hard && setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok() {
        return hard;
    }
    soft
}

/// How many of the `wanted` connections the API gets. Raises an alarm if they are few.
pub(super) fn api_connections(limit: u64, wanted: usize) -> usize {
    let connections = share(limit, wanted);
    if connections < FEW_CONNECTIONS.min(wanted) {
        raise!(
            DescriptorsLow,
            limit,
            connections,
            reserved = RESERVED,
            "this process may open few files, so the API takes few connections at a time"
        );
    } else {
        info!(limit, connections, reserved = RESERVED, "the number of connections that the API takes at a time");
    }
    connections
}

/// At most half of the descriptors that are not reserved, so that a small miscount does no harm, and at least one.
fn share(limit: u64, wanted: usize) -> usize {
    let half = limit.saturating_sub(RESERVED) / 2;
    usize::try_from(half).unwrap_or(usize::MAX).min(wanted).max(1)
}

/// Raises an alarm while fewer descriptors are free than half of the reserved number.
pub(super) async fn watch(limit: u64, stopped: watch::Receiver<bool>) {
    while timeout(LOOK_EVERY, until(stopped.clone())).await.is_err() {
        let Some(open) = open() else { continue };
        let free = limit.saturating_sub(open);
        if free < RESERVED / 2 {
            raise!(DescriptorsLow, limit, open, free, "few file descriptors are left");
        }
    }
}

/// How many descriptors are open, including the one that this function opens; `None` where the system does not say.
fn open() -> Option<u64> {
    let entries = std::fs::read_dir("/proc/self/fd").ok()?;
    u64::try_from(entries.count()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_never_gets_the_reserved_descriptors() {
        for (limit, wanted, connections) in
            [(200, 256, 36), (1_024, 256, 256), (1_024, 1_000, 448), (16_384, 256, 256), (u64::MAX, 256, 256)]
        {
            assert_eq!(share(limit, wanted), connections, "{limit}");
            assert!(limit - share(limit, wanted) as u64 >= RESERVED.min(limit - 1), "{limit}");
        }
    }

    #[test]
    fn with_a_limit_below_the_reserved_descriptors_callers_are_served_one_after_another() {
        assert_eq!(share(64, 256), 1);
        assert_eq!(share(0, 256), 1);
    }
}
