//! The body of a problem.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ProblemType;

/// The media type of a [`ProblemBody`].
pub const PROBLEM_CONTENT_TYPE: &str = "application/problem+json";

/// The name in [`ProblemBody::details`] of the highest total that the seller holds.
pub const HIGHEST: &str = "highest";

/// The name in [`ProblemBody::details`] of the signature of [`HIGHEST`]: the payer's own, 128 hexadecimal digits. It is there when
/// a voucher or a close with a valid signature was too low.
pub const HIGHEST_SIGNATURE: &str = "highestSignature";

/// A problem as it is sent. Unknown members are ignored when it is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProblemBody {
    /// The type's URL.
    #[serde(rename = "type")]
    pub kind: String,
    /// A short title for people.
    #[serde(default)]
    pub title: String,
    /// The HTTP status.
    #[serde(default)]
    pub status: u16,
    /// What was wrong.
    #[serde(default)]
    pub detail: String,
    /// Figures for programs. Amounts are decimal strings of base units.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub details: Map<String, Value>,
    /// How the client can go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The challenge that came with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge_id: Option<String>,
}

impl ProblemBody {
    /// A problem of this type.
    pub fn new(kind: ProblemType, detail: impl Into<String>, details: Map<String, Value>) -> Self {
        Self {
            kind: kind.url(),
            title: kind.title().to_owned(),
            status: kind.status().as_u16(),
            detail: detail.into(),
            details,
            hint: Some(kind.hint().to_owned()),
            challenge_id: None,
        }
    }

    /// The type, if this version knows it.
    #[must_use]
    pub fn known(&self) -> Option<ProblemType> {
        ProblemType::of_url(&self.kind)
    }
}
