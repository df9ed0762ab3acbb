//! Types that are strings on every wire: `Display` writes them, `FromStr` reads them, serde follows both.

/// Implements `Serialize` through `Display` and `Deserialize` through `FromStr`, from JSON strings only: a number would
/// lose digits in clients whose numbers are floating point.
macro_rules! serde_as_text {
    ($type:ty, $expecting:literal) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $type;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str($expecting)
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    };
}
pub(crate) use serde_as_text;

use crate::HexError;

/// Reads exactly `N` bytes from `2 N` hexadecimal digits. `bytes` is overwritten from its start.
///
/// The caller owns the buffer so that a secret can be read into memory that is wiped.
///
/// # Errors
/// [`HexError`], which counts characters and never repeats them.
pub fn bytes_from_hex<const N: usize>(text: &str, bytes: &mut [u8; N]) -> Result<(), HexError> {
    let expected = N * 2;
    hex::decode_to_slice(text, bytes).map_err(|error| match error {
        hex::FromHexError::InvalidHexCharacter { .. } if text.len() == expected => {
            let position = text.chars().position(|c| !c.is_ascii_hexdigit()).map_or(1, |index| index + 1);
            HexError::Digit { expected, position }
        }
        _ => HexError::Length { expected, given: text.chars().count() },
    })
}
