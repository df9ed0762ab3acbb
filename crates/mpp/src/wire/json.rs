//! Canonical JSON (RFC 8785) and base64url.

use serde::Serialize;

use super::WireError;

/// Writes a value as canonical JSON.
///
/// # Errors
/// [`WireError::Json`] for a value that JSON can't represent.
pub fn canonical_json(value: &impl Serialize) -> Result<String, WireError> {
    let encoded = mpp::Base64UrlJson::from_typed(value).map_err(|error| WireError::Json(error.to_string()))?;
    let bytes = from_base64url(encoded.raw())?;
    String::from_utf8(bytes).map_err(|error| WireError::Json(error.to_string()))
}

/// The base64url of a value's canonical JSON, without padding.
pub(crate) fn encoded(value: &impl Serialize) -> Result<String, WireError> {
    let encoded = mpp::Base64UrlJson::from_typed(value).map_err(|error| WireError::Json(error.to_string()))?;
    Ok(encoded.raw().to_owned())
}

/// Encodes bytes as base64url without padding.
#[must_use]
pub fn base64url(bytes: &[u8]) -> String {
    mpp::base64url_encode(bytes)
}

/// Decodes base64url. Padding and the standard alphabet are accepted too; unused bits at the end must be zero.
///
/// # Errors
/// [`WireError::Json`].
pub fn from_base64url(text: &str) -> Result<Vec<u8>, WireError> {
    mpp::base64url_decode(text).map_err(|error| WireError::Json(error.to_string()))
}
