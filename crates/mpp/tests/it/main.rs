#![allow(clippy::unwrap_used, reason = "a test that fails here says where")]

//! Tests of the seller and the buyer, seen from outside.

mod buyer;
mod env;
mod fake_watcher;
mod foreign_bytes;
mod seller;
