//! The command line as a person or a script types it: arguments, secrets, output, exit codes. What needs a network is
//! tested with one, in the whole-system tests.
#![allow(clippy::unwrap_used, reason = "tests")]

mod keys;
mod paying;
mod run;
mod signing;
mod usage;
