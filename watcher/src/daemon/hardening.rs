//! What keeps secrets in memory: no core dumps, no peeking by other processes of the same user, no swap.

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};
use tracing::{info, warn};

/// Forbids core dumps of this process, and that others of the same user read its memory (`PR_SET_DUMPABLE`,
/// `RLIMIT_CORE`), and keeps its memory out of swap. Called before any secret is read. Failing is no reason not to watch;
/// it is logged.
pub fn keep_memory_private() {
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        warn!(%error, "this process can't be made undumpable");
    }
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        warn!(%error, "core dumps can't be forbidden");
    }
    keep_out_of_swap();
}

/// Locks all memory of the process, now and later, as it is used.
///
/// Only where no limit is set: under a limit, an allocation that reaches it would fail, and end the process (mlock(2)).
/// There, swap must be kept away by other means, which the systemd unit does (`MemorySwapMax=0`).
fn keep_out_of_swap() {
    if getrlimit(Resource::Memlock).current.is_some() {
        info!(
            "memory is not locked, since RLIMIT_MEMLOCK is set; keep swap off, or encrypted (systemd: MemorySwapMax=0)"
        );
        return;
    }
    if let Err(error) = mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT) {
        warn!(%error, "memory can't be locked; keep swap off, or encrypted");
    }
}
