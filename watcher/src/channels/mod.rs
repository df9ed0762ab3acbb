//! Decides which channels the watcher watches.
//!
//! The rules are pure: from a candidate, [`admit`] makes a record to keep or a refusal with a stable kind. [`Channels`]
//! reads candidates from the chain and records those that are admitted.

mod intake;
mod quota;
mod rules;
#[cfg(test)]
mod tests;

pub use intake::{Channels, IntakeError};
pub use rules::{Candidate, Refused, Rules, ToldBalance, admit};
