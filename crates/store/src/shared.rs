//! The state that the store's callers share with its committer.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, RwLock};

use crate::health::Board;
use crate::state::State;

/// What the committer has done since the start, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Batches made durable, with one sync each.
    pub syncs: u64,
    /// Records in these batches.
    pub records: u64,
    /// Records in the largest batch.
    pub largest_batch: u64,
}

#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) syncs: AtomicU64,
    pub(crate) records: AtomicU64,
    pub(crate) largest_batch: AtomicU64,
}

/// The state that callers share with the committer.
pub(crate) struct Shared {
    /// The durable state; once the store only settles, also what was signed since. The committer has a state of its own
    /// that may be ahead.
    pub(crate) state: RwLock<State>,
    pub(crate) counters: Counters,
    pub(crate) board: Arc<Board>,
}
