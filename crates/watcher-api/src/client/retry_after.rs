//! `Retry-After`: seconds, or a date (RFC 9110, section 10.2.3).

use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, RETRY_AFTER};

/// The longest wait that the client accepts. A server that asks for more is mistaken, or wants the caller to be gone.
const LONGEST: Duration = Duration::from_secs(3_600);

/// How long the server asks the caller to wait, at most an hour; `None` when it does not say.
pub(super) fn read(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default(),
    };
    Some(wait.min(LONGEST))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn asked(text: &str) -> Option<Duration> {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
        // Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110's example.
        read(&headers, SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777))
    }

    #[test]
    fn seconds_and_dates_are_read_and_capped() {
        for (text, seconds) in [
            ("0", 0),
            (" 7 ", 7),
            ("99999", 3_600),
            ("Sun, 06 Nov 1994 08:50:37 GMT", 60),
            ("Sun, 06 Nov 1994 08:00:00 GMT", 0),
            ("Sat, 06 Nov 2094 08:50:37 GMT", 3_600),
        ] {
            assert_eq!(asked(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(asked("soon"), None);
        assert_eq!(read(&HeaderMap::new(), SystemTime::now()), None);
    }
}
