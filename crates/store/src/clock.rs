//! The clock with which the store notes when it took something. It decides nothing by this time.

use std::time::{SystemTime, UNIX_EPOCH};

/// The wall clock.
pub trait WallClock: Send + Sync + 'static {
    /// Milliseconds since the Unix epoch. The clock may jump forwards and backwards.
    fn wall_unix_ms(&self) -> u64;
}

/// The machine's wall clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemWallClock;

impl WallClock for SystemWallClock {
    fn wall_unix_ms(&self) -> u64 {
        // A clock before 1970 is a broken clock. Zero makes everything look stale, which is the safe answer.
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}
