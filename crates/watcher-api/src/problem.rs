//! Errors as `application/problem+json` (RFC 9457).

use paychan_channel::{Amount, Ledger};
use serde::{Deserialize, Serialize};

use crate::ProblemKind;

/// The media type of a [`Problem`].
pub const PROBLEM_CONTENT_TYPE: &str = "application/problem+json";

/// Why the watcher did not do what a call asked for.
///
/// In JSON it also has the members `type` (always `about:blank`), `title` and `status` of RFC 9457, which repeat the HTTP
/// status. Reading ignores them, and every member that is not known.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Problem {
    /// What was wrong: stable, for programs.
    pub kind: ProblemKind,
    /// What was wrong, what was expected and what to do: for people.
    #[serde(default)]
    pub detail: String,
    /// Figures with which a program can go on.
    #[serde(flatten)]
    pub facts: Facts,
}

/// Figures beside a problem. The kind decides which ones are present. Amounts are base units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The highest commitment that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub highest: Option<Amount>,
    /// The sum of all charges less all credits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent: Option<Amount>,
    /// The cumulative total to sign for the charge, or the least total to close with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needed: Option<Amount>,
    /// The most that the chain would pay in total.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<Amount>,
    /// What was paid out on chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<Amount>,
    /// The commitment that came under the request id before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Amount>,
    /// The price that was charged under the request id before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Amount>,
    /// The part of the charge that was given back before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credited: Option<Amount>,
    /// The ledger at which the funder can take the rest back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Ledger>,
}

impl Problem {
    /// A problem without figures.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), facts: Facts::default() }
    }

    /// The same problem with these figures.
    #[must_use]
    pub fn with(self, facts: Facts) -> Self {
        Self { facts, ..self }
    }
}

#[derive(Serialize)]
struct Written<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    kind: &'a ProblemKind,
    detail: &'a str,
    #[serde(flatten)]
    facts: &'a Facts,
}

impl Serialize for Problem {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let status = self.kind.status();
        Written {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            kind: &self.kind,
            detail: &self.detail,
            facts: &self.facts,
        }
        .serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    #[test]
    fn a_problem_is_written_as_rfc_9457_has_it_with_its_figures_beside() {
        let facts = Facts { needed: Some(Amount::from(12)), deadline: Some(Ledger(7)), ..Facts::default() };
        let problem = Problem::new(ProblemKind::Insufficient, "sign more").with(facts);
        let written = serde_json::to_value(&problem).unwrap();
        let expected = json!({
            "type": "about:blank", "title": "Payment Required", "status": 402, "kind": "insufficient",
            "detail": "sign more", "needed": "12", "deadline": 7,
        });
        assert_eq!(written, expected);
        assert_eq!(serde_json::from_value::<Problem>(written).unwrap(), problem);
    }

    #[test]
    fn unknown_members_are_ignored_and_a_kind_is_required() {
        let read: Problem = serde_json::from_value(json!({ "kind": "busy", "moon": "full" })).unwrap();
        assert_eq!(read, Problem::new(ProblemKind::Busy, ""));
        assert!(serde_json::from_value::<Problem>(json!({ "title": "Not Found", "status": 404 })).is_err());
    }
}
