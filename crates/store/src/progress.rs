//! What a start is at, for whoever waits for it.

use std::sync::{Arc, Mutex, PoisonError};

/// What a start is at. Clones tell the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress(Arc<Mutex<&'static str>>);

impl Progress {
    /// The start begins this.
    pub(crate) fn at(&self, what: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = what;
    }

    /// What the start is at.
    pub(crate) fn what(&self) -> &'static str {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
