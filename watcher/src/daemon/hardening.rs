//! Keeps secrets inside the process's memory: no core dumps, no access by other processes of the same user, no swap.

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};
use tracing::{info, warn};

/// Forbids core dumps, stops other processes of the same user from reading this one's memory (`PR_SET_DUMPABLE`,
/// `RLIMIT_CORE`), and keeps its memory out of swap. It is called before any secret is read. A failure is logged, and
/// the watcher goes on.
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

/// Locks all present and future memory of the process when it is first used.
///
/// It does so only if there is no limit, since an allocation above a limit would fail and end the process (mlock(2)).
/// With a limit, swap must be avoided by other means; the systemd unit does it with `MemorySwapMax=0`.
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
