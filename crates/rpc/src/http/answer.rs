//! Reads answers of HTTP servers within limits, and recognises answers that are no JSON.

use std::time::{Duration, SystemTime};

use reqwest::Response;
use reqwest::header::{CONTENT_ENCODING, HeaderMap, RETRY_AFTER};

/// The longest wait that is accepted from a `Retry-After`. A server that names a longer one is asked again after this
/// time, since an hour can be a whole waiting period.
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(300);

/// Why the body of an answer could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is longer than allowed. The rest was not read.
    #[error("it is longer than {0} bytes")]
    TooLong(usize),
    /// The connection broke, or the time limit was reached.
    #[error("it broke off: {}", reason(.0))]
    Broken(#[from] reqwest::Error),
}

/// Reads the body of an answer, at most `limit` bytes of it.
///
/// # Errors
/// [`BodyError`].
pub async fn read_body(response: &mut Response, limit: usize) -> Result<Vec<u8>, BodyError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len().saturating_add(chunk.len()) > limit {
            return Err(BodyError::TooLong(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// How long a server asks to wait: `Retry-After` as seconds or as a date (RFC 9110, section 10.2.3), at most
/// [`LONGEST_RETRY_AFTER`]. A date that is past asks for no wait.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // A number that does not fit means a very long wait.
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default()
    };
    Some(wait.min(LONGEST_RETRY_AFTER))
}

/// Says in words what an answer is that can't be JSON; `None` when it may be JSON.
///
/// Nothing here asks for compression, so a compressed answer is a proxy's mistake. A page of HTML comes from a web
/// server at a wrong address, or from a proxy that reports an error.
#[must_use]
pub fn not_json(headers: &HeaderMap, body: &[u8]) -> Option<&'static str> {
    const GZIP: [u8; 2] = [0x1f, 0x8b];
    let encoded = headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding.as_bytes() != b"identity");
    if encoded || body.starts_with(&GZIP) {
        return Some("it is compressed, though nobody asked for that: a proxy in between is set up wrongly");
    }
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        None => Some("it is empty"),
        Some(b'<') => Some("it is a page of HTML: a web server or a proxy answered; check the address and its path"),
        Some(_) => None,
    }
}

/// The innermost cause of an error, which says "connection refused" where the outer ones say "error sending request". It
/// has no URL in it.
#[must_use]
pub fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    if std::ptr::eq(std::ptr::from_ref(cause).cast::<u8>(), std::ptr::from_ref(error).cast::<u8>()) {
        return match () {
            () if error.is_timeout() => "no answer in time".to_owned(),
            () if error.is_connect() => "could not connect".to_owned(),
            () if error.is_body() || error.is_decode() => "the answer broke off".to_owned(),
            () => "the request could not be sent".to_owned(),
        };
    }
    crate::error::printable(&cause.to_string())
}
