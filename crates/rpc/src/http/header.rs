//! A header that an endpoint wants, such as one with a provider's key.

use std::fmt;

use reqwest::header::{HeaderName, HeaderValue};
use zeroize::Zeroizing;

/// A header for every request to one endpoint. Its value is a secret: it is wiped when dropped, and never shown.
#[derive(Clone)]
pub struct EndpointHeader {
    name: HeaderName,
    value: Zeroizing<String>,
}

/// Why a text is no header. The value is never repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// There is no colon to end the name.
    #[error("expected a header as NAME: VALUE in one line; there is no colon")]
    NoColon,
    /// The name is no valid HTTP header name.
    #[error("the name before the colon is no header name: expected letters, digits and dashes")]
    Name,
    /// This header is written by the client itself, or would change where or how the request goes.
    #[error("a header of this name can't be set here; expected one such as Authorization or X-Api-Key")]
    Reserved,
    /// The value is empty, or holds characters that no header can carry.
    #[error("the header's value is empty, or holds characters that no HTTP header can carry")]
    Value,
}

impl EndpointHeader {
    /// Makes a header of this name and value.
    ///
    /// # Errors
    /// [`HeaderError`], which never repeats the value.
    pub fn new(name: &str, value: &str) -> Result<EndpointHeader, HeaderError> {
        /// Headers that the client writes itself, or that decide where the request goes or how it is read.
        const RESERVED: [&str; 8] = [
            "host",
            "content-length",
            "content-type",
            "transfer-encoding",
            "connection",
            "upgrade",
            "te",
            "accept-encoding",
        ];
        let name: HeaderName = name.trim().parse().map_err(|_| HeaderError::Name)?;
        if RESERVED.contains(&name.as_str()) {
            return Err(HeaderError::Reserved);
        }
        let value = Zeroizing::new(value.trim().to_owned());
        if value.is_empty() || HeaderValue::from_str(&value).is_err() {
            return Err(HeaderError::Value);
        }
        Ok(EndpointHeader { name, value })
    }

    /// Reads `NAME: VALUE`, the content of a secret's file. A line break at the end is left out.
    ///
    /// # Errors
    /// [`HeaderError`], which never repeats the value.
    pub fn from_line(line: &str) -> Result<EndpointHeader, HeaderError> {
        let (name, value) = line.split_once(':').ok_or(HeaderError::NoColon)?;
        EndpointHeader::new(name, value)
    }

    /// The header's name, which is no secret.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The name and value to send. The value is marked as sensitive, so that nothing shows it.
    pub(crate) fn for_sending(&self) -> Option<(HeaderName, HeaderValue)> {
        let mut value = HeaderValue::from_str(&self.value).ok()?;
        value.set_sensitive(true);
        Some((self.name.clone(), value))
    }
}

/// Shows the name without the value.
impl fmt::Display for EndpointHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
