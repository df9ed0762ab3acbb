//! Releases the disk without waiting for it.
//!
//! sled's drop waits for a flush, which never ends on a full disk. So the index is dropped on a thread of its own, and
//! a shutdown waits for that thread at most [`PATIENCE`].

use std::mem::ManuallyDrop;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tracing::warn;

use crate::index::Index;
use crate::lock::Lock;

/// How long a shutdown waits for the index. What the index has not written by then is built again from the journal.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Whether the store has released the disk. All clones share one value.
#[derive(Clone, Default)]
pub(crate) struct Released(Arc<(Mutex<bool>, Condvar)>);

impl Released {
    fn tell(&self) {
        let (released, told) = &*self.0;
        *released.lock().unwrap_or_else(PoisonError::into_inner) = true;
        told.notify_all();
    }

    /// Waits until the disk is released, at most this long. Returns `false` if it is not.
    pub(crate) fn wait(&self, patience: Duration) -> bool {
        let (released, told) = &*self.0;
        let guard = released.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = told.wait_timeout_while(guard, patience, |released| !*released);
        waited.is_ok_and(|(released, _)| *released)
    }
}

/// Drops the index and then the lock, on a thread for which nobody has to wait. The index goes first, since sled has a
/// lock of its own.
pub(crate) fn let_go(index: ManuallyDrop<Index>, lock: Lock, released: Released) {
    let thread = std::thread::Builder::new().name("store-release".to_owned()).spawn(move || {
        // This makes nothing durable, and need not; the next start has less to catch up with.
        if let Err(error) = index.flush() {
            warn!(%error, "the index was not flushed; the next start catches up from the journal");
        }
        drop(ManuallyDrop::into_inner(index));
        drop(lock);
        released.tell();
    });
    if let Err(error) = thread {
        // The index stays open until the process ends.
        warn!(%error, "no thread could be started to close the index");
    }
}
