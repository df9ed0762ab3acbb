//! What may be set about a store.

use std::fmt;
use std::sync::Arc;

use crate::{SystemWallClock, WallClock};

/// What may be set about a store. The defaults are meant for the daemon; tests set small sizes.
#[derive(Clone)]
pub struct Options {
    /// Bytes after which a segment is followed by a new one.
    pub segment_bytes: u64,
    /// Bytes of segments after which they are summed up in a checkpoint, when a segment is full.
    pub compact_after_bytes: u64,
    /// How many of each channel's last requests keep their ids; at least one.
    pub remembered_requests: u64,
    /// Tells when something was written. Nothing is decided by it here.
    pub clock: Arc<dyn WallClock>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            segment_bytes: 16 << 20,
            compact_after_bytes: 64 << 20,
            remembered_requests: 1_024,
            clock: Arc::new(SystemWallClock),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("segment_bytes", &self.segment_bytes)
            .field("compact_after_bytes", &self.compact_after_bytes)
            .field("remembered_requests", &self.remembered_requests)
            .finish_non_exhaustive()
    }
}
