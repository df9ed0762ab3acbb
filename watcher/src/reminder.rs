//! Reminds the operator of lasting trouble, but not at every ledger.

use std::time::Duration;

/// The time between two reminders of the same trouble. A person who opens the log sees one soon, and the reminders do
/// not fill the log.
const BETWEEN: Duration = Duration::from_secs(60);

/// When the operator was last reminded, by the boot clock.
#[derive(Debug, Default)]
pub(crate) struct Reminder(Option<Duration>);

impl Reminder {
    /// Whether a reminder is due now: at the first call, and then once a minute. If one is due, it counts as given.
    pub(crate) fn is_due(&mut self, now: Duration) -> bool {
        let due = self.0.is_none_or(|last| now.saturating_sub(last) >= BETWEEN);
        if due {
            self.0 = Some(now);
        }
        due
    }

    /// Records that the trouble is over. When it comes again, a reminder is due at once.
    pub(crate) fn reset(&mut self) {
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
    fn trouble_that_comes_back_is_reported_at_once() {
        let mut reminder = Reminder::default();
        assert!(reminder.is_due(Duration::from_secs(5)));
        reminder.reset();
        assert!(reminder.is_due(Duration::from_secs(6)));
    }
}
