//! How values are written in the file.

use paychan_channel::Stroops;
use serde::{Deserialize, Deserializer, de};

/// Stroops are a string of digits, as all amounts are: TOML readers differ on how large a number may be.
pub(super) fn stroops<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Stroops, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}
