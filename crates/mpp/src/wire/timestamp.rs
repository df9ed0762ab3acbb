//! Points in time as RFC 3339.

use std::time::{Duration, SystemTime};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(OffsetDateTime);

impl Timestamp {
    /// Now, by this machine's clock.
    #[must_use]
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// Reads RFC 3339, with any offset and any number of fractional digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        OffsetDateTime::parse(text, &Rfc3339).ok().map(Self)
    }

    /// The time after this wait, but at most the last year that RFC 3339 allows.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        let wait = time::Duration::try_from(wait).unwrap_or(time::Duration::MAX);
        let end = OffsetDateTime::new_utc(time::Date::MAX, time::Time::MIDNIGHT);
        Self(self.0.checked_add(wait).unwrap_or(end).min(end))
    }

    /// Seconds since the Unix epoch.
    #[must_use]
    pub fn unix_seconds(self) -> i64 {
        self.0.unix_timestamp()
    }

    /// The day of this time in UTC, counted from the Unix epoch.
    #[must_use]
    pub fn day(self) -> i64 {
        self.0.unix_timestamp().div_euclid(86_400)
    }

    /// The text in the form of mppx: UTC with milliseconds, `2030-01-01T00:00:00.000Z`.
    #[must_use]
    pub fn to_text(self) -> String {
        let utc = self.0.to_offset(time::UtcOffset::UTC);
        let (date, time) = (utc.date(), utc.time());
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            date.year(),
            u8::from(date.month()),
            date.day(),
            time.hour(),
            time.minute(),
            time.second(),
            time.millisecond()
        )
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Self(OffsetDateTime::from(time))
    }
}
