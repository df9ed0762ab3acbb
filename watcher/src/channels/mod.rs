//! Which channels the watcher takes on.
//!
//! The rules are pure: a candidate comes in, a record to keep or a refusal with a stable kind goes out ([`admit`]).
//! [`Channels`] reads candidates from the chain and records those that are admitted.

mod intake;
mod quota;
mod rules;
#[cfg(test)]
mod tests;

pub use intake::{Channels, IntakeError};
pub use rules::{Candidate, Refused, Rules, ToldBalance, admit};
