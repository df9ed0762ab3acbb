//! Shows what a start is doing to the one that waits for it.

use std::sync::{Arc, Mutex, PoisonError};

/// What a start is doing. All clones share one value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress(Arc<Mutex<&'static str>>);

impl Progress {
    /// Notes what the start begins.
    pub(crate) fn at(&self, what: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = what;
    }

    /// What the start is doing.
    pub(crate) fn what(&self) -> &'static str {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
