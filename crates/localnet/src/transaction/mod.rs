//! Transactions as they are submitted: what they contain, what they pay, and whether they are valid.

pub(crate) mod diagnostics;
pub(crate) mod envelope;
pub(crate) mod fees;
pub(crate) mod results;
pub(crate) mod signatures;
pub(crate) mod soroban_limits;
pub(crate) mod validate;
