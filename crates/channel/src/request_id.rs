//! The name that a front end gives to one request, so that asking again is harmless.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::text::serde_as_text;

/// A request id: 1 to 64 printable ASCII characters, from the space to `~`. Cloning is cheap.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(Arc<str>);

/// Why a text is no request id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestIdError {
    /// The text is empty.
    #[error("the request id is empty; give 1 to {max} printable ASCII characters", max = RequestId::MAX_LENGTH)]
    Empty,
    /// The text is longer than [`RequestId::MAX_LENGTH`].
    #[error("the request id has {given} bytes; give 1 to {max} printable ASCII characters", max = RequestId::MAX_LENGTH)]
    TooLong {
        /// How many bytes were given.
        given: usize,
    },
    /// The text has a character that does not print, or that is not ASCII.
    #[error(
        "the request id has a character outside printable ASCII at byte {at}; \
         give 1 to {max} printable ASCII characters",
        max = RequestId::MAX_LENGTH
    )]
    NotPrintable {
        /// The place of the first such byte.
        at: usize,
    },
}

impl RequestId {
    /// The greatest length in characters. A UUID with a prefix fits, and the journal stays small.
    pub const MAX_LENGTH: usize = 64;

    /// Takes a text as a request id.
    ///
    /// # Errors
    /// [`RequestIdError`] says what is wrong with it.
    pub fn new(text: &str) -> Result<Self, RequestIdError> {
        if text.is_empty() {
            return Err(RequestIdError::Empty);
        }
        if text.len() > Self::MAX_LENGTH {
            return Err(RequestIdError::TooLong { given: text.len() });
        }
        if let Some(at) = text.bytes().position(|byte| !(b' '..=b'~').contains(&byte)) {
            return Err(RequestIdError::NotPrintable { at });
        }
        Ok(Self(Arc::from(text)))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RequestId {
    type Err = RequestIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_as_text!(RequestId, "a request id of 1 to 64 printable characters as a string");

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here says where")]
    use super::*;

    #[test]
    fn sixty_four_printable_characters_are_taken_as_they_are() {
        let text = "~".repeat(64);
        assert_eq!(RequestId::new(&text).unwrap().as_str(), text);
        assert_eq!(RequestId::new("order 7").unwrap().to_string(), "order 7");
    }

    #[test]
    fn empty_long_and_unprintable_ids_give_different_errors() {
        assert_eq!(RequestId::new(""), Err(RequestIdError::Empty));
        assert_eq!(RequestId::new(&"a".repeat(65)), Err(RequestIdError::TooLong { given: 65 }));
        for (text, at) in [("a\n", 1), ("\u{7f}", 0), ("caf\u{e9}", 3), ("\0", 0)] {
            assert_eq!(RequestId::new(text), Err(RequestIdError::NotPrintable { at }), "{text:?}");
        }
    }
}
