//! The daemon that protects the one who is paid.

pub mod clock;
pub mod store;
