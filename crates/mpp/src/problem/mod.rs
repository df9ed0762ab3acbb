//! The seller's answers when it does not sell: `application/problem+json` (RFC 9457), with a type that programs can
//! match.

mod body;
mod kind;
mod opening;

pub use body::{HIGHEST, HIGHEST_SIGNATURE, PROBLEM_CONTENT_TYPE, ProblemBody};
pub use kind::ProblemType;
pub use opening::{AcceptedToken, OpeningTerms};
