//! What the watcher takes on: which channels, and which commitments.
//!
//! The rules are pure: facts come in, a yes or a refusal with a stable kind goes out ([`admit`], [`check`]). [`Intake`]
//! reads the facts and keeps what was admitted.

mod channel;
mod commitment;
mod facts;
mod intake;
#[cfg(test)]
mod tests;

pub use channel::{Facts, Refused, Rules, admit};
pub use commitment::{Moment, check, fees_needed, rolled_back};
pub use facts::{
    FactsError, IssuerFlags, Payability, TokenFacts, issuer_key, payability, payability_keys, token_facts,
};
pub use intake::{Intake, IntakeError};
