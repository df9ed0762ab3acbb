//! Reads types from JSON and base64 XDR. Servers write some numbers as strings, and not all servers the same ones.

use serde::{Deserialize, Deserializer};
use stellar_xdr::{Limits, ReadXdr};

/// How deep XDR from a node may nest. The host itself has this limit (soroban-env-host, `DEFAULT_XDR_RW_LIMITS`).
const DEPTH: u32 = 500;

/// Reads base64 XDR; `what` names it in the error.
pub(crate) fn xdr<T: ReadXdr>(what: &str, text: &str) -> Result<T, String> {
    let limits = Limits { depth: DEPTH, len: text.len() };
    T::from_xdr_base64(text, limits).map_err(|error| format!("{what} is not the XDR it should be: {error}"))
}

/// A number, or a string of digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number<T>(pub(crate) T);

impl<'de, T> Deserialize<'de> for Number<T>
where
    T: Deserialize<'de> + std::str::FromStr,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either<T> {
            Number(T),
            Text(String),
        }
        match Either::deserialize(deserializer)? {
            Either::Number(number) => Ok(Number(number)),
            Either::Text(text) => text.parse().map(Number).map_err(|_| serde::de::Error::custom("expected a number")),
        }
    }
}
