//! What keeps secrets in memory: no core dumps, no peeking by other processes of the same user.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use tracing::warn;

/// Forbids core dumps of this process, and that others of the same user read its memory (`PR_SET_DUMPABLE`,
/// `RLIMIT_CORE`). Called before any secret is read. Failing is no reason not to watch; it is said.
pub fn keep_memory_private() {
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        warn!(%error, "this process can't be made undumpable");
    }
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        warn!(%error, "core dumps can't be forbidden");
    }
}
