//! Shows what a start is doing to the one that waits for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What a start is doing, and whether it makes progress. All clones share one value.
///
/// Keep a clone of [`Options::progress`](crate::Options::progress) and ask it while another thread opens the store.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    what: Mutex<&'static str>,
    steps: AtomicU64,
}

impl Progress {
    /// Notes what the start begins.
    pub(crate) fn at(&self, what: &'static str) {
        *self.0.what.lock().unwrap_or_else(PoisonError::into_inner) = what;
        self.moved();
    }

    /// The start has read one more record.
    pub(crate) fn moved(&self) {
        self.0.steps.fetch_add(1, Ordering::Relaxed);
    }

    /// What the start is doing, as text; empty before it begins.
    pub fn what(&self) -> &'static str {
        *self.0.what.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number that grows with the progress of the start. It does not grow while the start waits for the disk.
    pub fn steps(&self) -> u64 {
        self.0.steps.load(Ordering::Relaxed)
    }
}
