//! Decides which commitments are acknowledged.
//!
//! The rules are pure ([`check`], [`check_charge`]). They are asked before a commitment costs anything, and again inside the
//! store's committer just before it is written ([`ViewGate`]). [`Commitments`] takes what was submitted.

mod charge;
mod close;
mod gate;
mod keys;
mod offer;
mod rules;
#[cfg(test)]
mod tests;

pub use charge::SaleError;
pub use close::{Closing, NotClosed};
pub use gate::ViewGate;
pub use offer::{Commitments, OfferError};
pub(crate) use rules::AFTER_PANIC;
pub use rules::{Conditions, check, check_charge};
