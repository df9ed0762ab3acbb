//! Records when a loop last made progress, so that a loop that hangs is noticed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// When a loop last made progress, in milliseconds of the boot clock.
///
/// An endpoint that does not answer is no reason for a restart: the loop that waits for it has time-outs and still
/// makes progress. A loop that hangs is a reason.
#[derive(Debug, Default)]
pub struct Liveness(AtomicU64);

impl Liveness {
    /// Records that the loop made progress now.
    pub fn beat(&self, boot: Duration) {
        self.0.store(u64::try_from(boot.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The time since the last progress.
    pub fn silence(&self, boot: Duration) -> Duration {
        boot.saturating_sub(Duration::from_millis(self.0.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_lasts_until_the_next_beat() {
        let liveness = Liveness::default();
        liveness.beat(Duration::from_secs(10));
        assert_eq!(liveness.silence(Duration::from_secs(13)), Duration::from_secs(3));
        liveness.beat(Duration::from_secs(13));
        assert_eq!(liveness.silence(Duration::from_secs(13)), Duration::ZERO);
    }
}
