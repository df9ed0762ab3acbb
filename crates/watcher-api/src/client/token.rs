//! The bearer token.

use std::sync::Arc;

use reqwest::header::HeaderValue;
use zeroize::Zeroizing;

/// A watcher's bearer token. It is wiped when the last copy is dropped, and has no `Debug`.
#[derive(Clone)]
pub struct Token(Arc<Zeroizing<String>>);

/// The text can't be a bearer token. The text itself is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the token is empty or has characters that no HTTP header can carry; expected one line of printable ASCII")]
pub struct TokenError;

impl Token {
    /// Takes a text as a token.
    ///
    /// # Errors
    /// [`TokenError`] when it is empty or does not fit into a header.
    pub fn new(text: Zeroizing<String>) -> Result<Self, TokenError> {
        match !text.is_empty() && text.bytes().all(|byte| (b'!'..=b'~').contains(&byte)) {
            true => Ok(Self(Arc::new(text))),
            false => Err(TokenError),
        }
    }

    /// The header's value. It is made for each request: the HTTP library does not wipe its copies, so none is kept.
    pub(super) fn authorization(&self) -> HeaderValue {
        let text = Zeroizing::new(format!("Bearer {}", self.0.as_str()));
        let mut value = HeaderValue::from_str(&text).expect("Token::new took printable ASCII only");
        value.set_sensitive(true);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_no_header_can_carry_is_refused() {
        for wrong in ["", "two words", "line\nbreak", "caf\u{e9}", "\u{7f}"] {
            assert!(Token::new(Zeroizing::new(wrong.to_owned())).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_headers_debug_output_hides_the_token() {
        let value = Token::new(Zeroizing::new("hunter2".to_owned())).map(|token| token.authorization());
        assert_eq!(value.as_ref().map(HeaderValue::as_bytes), Ok(b"Bearer hunter2".as_slice()));
        assert_eq!(format!("{value:?}"), "Ok(Sensitive)");
    }
}
