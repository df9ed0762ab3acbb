//! Reminding the operator of trouble that lasts, but not at every ledger.

use std::time::Duration;

/// The time between two reminders of the same trouble. Whoever looks at the log now sees it soon, and other lines still
/// have room.
const BETWEEN: Duration = Duration::from_secs(60);

/// When the operator was last reminded, by the boot clock.
#[derive(Debug, Default)]
pub(crate) struct Reminder(Option<Duration>);

impl Reminder {
    /// Whether a reminder is due now: the first time, and once a minute after that. If so, it counts as given.
    pub(crate) fn is_due(&mut self, now: Duration) -> bool {
        let due = self.0.is_none_or(|last| now.saturating_sub(last) >= BETWEEN);
        if due {
            self.0 = Some(now);
        }
        due
    }

    /// The trouble is over. When it comes again, a reminder is due at once.
    pub(crate) fn is_over(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reminder_is_due_at_once_and_then_once_a_minute() {
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
