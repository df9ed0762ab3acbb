//! The watcher's access to time: wall time for dates, boot time for elapsed time.

use std::sync::Mutex;
use std::time::Duration;

use paychan_store::{SystemWallClock, WallClock};

/// The clocks that the watcher reads. Decisions count ledgers; a clock only says whether the known state of the chain
/// is fresh, and how old a commitment is.
pub trait Clock: WallClock {
    /// The time since the machine booted, with the time in which it was suspended. It never goes back.
    ///
    /// A process that was suspended (a laptop's lid, a paused virtual machine) must see that time has passed:
    /// `CLOCK_MONOTONIC` stands still meanwhile, `CLOCK_BOOTTIME` does not.
    fn boot(&self) -> Duration;
}

/// The machine's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl WallClock for SystemClock {
    fn wall_unix_ms(&self) -> u64 {
        SystemWallClock.wall_unix_ms()
    }
}

impl Clock for SystemClock {
    fn boot(&self) -> Duration {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
    }
}

/// A clock that a test or the simulator moves.
#[derive(Debug)]
pub struct ManualClock(Mutex<Times>);

#[derive(Debug)]
struct Times {
    wall_unix_ms: u64,
    boot: Duration,
}

impl ManualClock {
    /// A clock showing this wall time, on a machine that booted an hour ago.
    pub fn at_unix_ms(wall_unix_ms: u64) -> Self {
        Self(Mutex::new(Times { wall_unix_ms, boot: Duration::from_secs(3600) }))
    }

    /// Lets time pass on both clocks.
    pub fn advance(&self, by: Duration) {
        let mut times = self.times();
        let ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        times.wall_unix_ms = times.wall_unix_ms.saturating_add(ms);
        times.boot = times.boot.saturating_add(by);
    }

    /// Sets the wall clock alone, as an administrator or NTP would.
    pub fn set_wall_unix_ms(&self, wall_unix_ms: u64) {
        self.times().wall_unix_ms = wall_unix_ms;
    }

    fn times(&self) -> std::sync::MutexGuard<'_, Times> {
        // The lock guards two plain numbers, so a thread that panicked while holding it left nothing half-written.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl WallClock for ManualClock {
    fn wall_unix_ms(&self) -> u64 {
        self.times().wall_unix_ms
    }
}

impl Clock for ManualClock {
    fn boot(&self) -> Duration {
        self.times().boot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_clock_never_goes_back_and_is_not_zero() {
        let first = SystemClock.boot();
        let second = SystemClock.boot();
        assert!(first > Duration::ZERO);
        assert!(second >= first);
    }

    #[test]
    fn the_wall_clock_is_in_milliseconds_of_this_century() {
        let year_2020 = 1_577_836_800_000;
        let year_2100 = 4_102_444_800_000;
        let now = SystemClock.wall_unix_ms();
        assert!(now > year_2020 && now < year_2100, "{now} is no plausible time in milliseconds");
    }

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = ManualClock::at_unix_ms(5_000);
        let before = clock.boot();
        clock.advance(Duration::from_millis(1_500));
        assert_eq!(clock.wall_unix_ms(), 6_500);
        assert_eq!(clock.boot() - before, Duration::from_millis(1_500));
        clock.set_wall_unix_ms(1);
        assert_eq!(clock.wall_unix_ms(), 1);
        assert_eq!(clock.boot() - before, Duration::from_millis(1_500));
    }
}
