//! What callers of the store and its committer share.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, RwLock};

use crate::health::Board;
use crate::state::State;

/// What the committer has done since the start, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Batches made durable, with one sync each.
    pub syncs: u64,
    /// Records in them.
    pub records: u64,
    /// Records of the largest one.
    pub largest_batch: u64,
}

#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) syncs: AtomicU64,
    pub(crate) records: AtomicU64,
    pub(crate) largest_batch: AtomicU64,
}

/// What callers and the committer share.
pub(crate) struct Shared {
    /// What is durable, and once the store only settles, what was signed since. The committer has one of its own that may
    /// be ahead.
    pub(crate) state: RwLock<State>,
    pub(crate) counters: Counters,
    pub(crate) board: Arc<Board>,
}
