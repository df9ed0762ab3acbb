//! Behaviour of the crate as its users see it.
#![allow(clippy::unwrap_used, reason = "a test that fails should stop where it fails")]

mod agrees_with_contract;
mod strict_verification;
