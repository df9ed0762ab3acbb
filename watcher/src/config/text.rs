//! Reads values as the file writes them.

use paychan_channel::Stroops;
use serde::{Deserialize, Deserializer, de};

/// Reads stroops, which are a string of digits like all amounts, since TOML readers differ in the largest number.
pub(super) fn stroops<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Stroops, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}
