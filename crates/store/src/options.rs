//! The settings of a store.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::progress::Progress;
use crate::{SystemWallClock, WallClock};

/// The settings of a store. The defaults are meant for the daemon; tests set small sizes.
#[derive(Clone)]
pub struct Options {
    /// Bytes after which a segment is followed by a new one.
    pub segment_bytes: u64,
    /// When the segments have this many bytes, a checkpoint replaces them as soon as the current segment is full.
    pub compact_after_bytes: u64,
    /// How many of each channel's last requests keep their ids; at least one.
    pub remembered_requests: u64,
    /// Free bytes of the store's file system below which the store takes nothing new; what settling needs is still
    /// written. The default is four times [`Options::compact_after_bytes`]: more than a checkpoint needs beside the
    /// segments that it replaces, and early enough for a person to make room.
    pub free_space_mark: u64,
    /// Bytes of a file that only takes up room, and is removed when the disk is nearly full.
    pub reserve_bytes: u64,
    /// How long one batch may take before the store reports that it stalls ([`crate::Health::Stalled`]).
    pub stalled_after: Duration,
    /// How long one batch may take before the store is given up and only settles: a disk that does not answer may never
    /// answer.
    pub give_up_after: Duration,
    /// How long a start may be without progress ([`crate::Store::open_or_settle`]), because it waits for the disk.
    pub start_patience: Duration,
    /// How long a start may take altogether, even while it makes progress.
    pub longest_start: Duration,
    /// Tells what the start of this store is doing.
    pub progress: Progress,
    /// The clock with which the store notes when something was written. The store decides nothing by it.
    pub clock: Arc<dyn WallClock>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            segment_bytes: 16 << 20,
            compact_after_bytes: 64 << 20,
            remembered_requests: 1_024,
            free_space_mark: 256 << 20,
            reserve_bytes: 8 << 20,
            stalled_after: Duration::from_secs(5),
            give_up_after: Duration::from_secs(30),
            start_patience: Duration::from_secs(60),
            longest_start: Duration::from_secs(600),
            progress: Progress::default(),
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
