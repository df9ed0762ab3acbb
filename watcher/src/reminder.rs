//! Saying what stays wrong again and again, but not at every ledger.

use std::time::Duration;

/// The time between two reminders of the same trouble: often enough for whoever looks at the log now, seldom enough to
/// leave room for other lines.
const BETWEEN: Duration = Duration::from_secs(60);

/// When something was last said, by the boot clock.
#[derive(Debug, Default)]
pub(crate) struct Reminder(Option<Duration>);

impl Reminder {
    /// Whether it is to be said now: the first time, and once a minute from then on. If so, it counts as said.
    pub(crate) fn is_due(&mut self, now: Duration) -> bool {
        let due = self.0.is_none_or(|last| now.saturating_sub(last) >= BETWEEN);
        if due {
            self.0 = Some(now);
        }
        due
    }

    /// It is over: the next time is a first time.
    pub(crate) fn is_over(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_said_at_once_and_then_once_a_minute() {
        let mut reminder = Reminder::default();
        let start = Duration::from_secs(1_000);
        let said: Vec<u64> = (0..150).filter(|second| reminder.is_due(start + Duration::from_secs(*second))).collect();
        assert_eq!(said, [0, 60, 120]);
    }

    #[test]
    fn trouble_that_comes_back_is_said_at_once() {
        let mut reminder = Reminder::default();
        assert!(reminder.is_due(Duration::from_secs(5)));
        reminder.is_over();
        assert!(reminder.is_due(Duration::from_secs(6)));
    }
}
