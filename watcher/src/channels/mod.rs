//! Which channels the watcher takes on.
//!
//! The rules are pure: facts come in, a yes or a refusal with a stable kind goes out ([`admit`]). [`Intake`] reads the
//! facts and keeps what was admitted.

mod facts;
mod intake;
mod rules;
#[cfg(test)]
mod tests;

pub use facts::{
    FactsError, IssuerFlags, Payability, TokenFacts, issuer_key, payability, payability_keys, token_facts,
};
pub use intake::{Intake, IntakeError};
pub use rules::{Facts, Refused, Rules, admit};
