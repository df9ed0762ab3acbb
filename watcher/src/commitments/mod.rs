//! Which commitments are acknowledged, and how.
//!
//! The rules are pure ([`check`]). They are asked before the signature is checked, and again inside the store's
//! committer just before a commitment is written ([`ViewGate`]). [`Acceptance`] takes what was submitted.

mod gate;
mod keys;
mod offer;
mod rules;
#[cfg(test)]
mod tests;

pub use gate::ViewGate;
pub use offer::{Acceptance, OfferError, Reread};
pub use rules::{Moment, check, fees_needed, rolled_back};
