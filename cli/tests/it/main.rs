//! Tests of the command line as a person or a script types it: arguments, secrets, output, exit codes. The whole-system
//! tests cover the commands that need a network.
#![allow(clippy::unwrap_used, reason = "tests")]

mod keys;
mod paying;
mod run;
mod signing;
mod usage;
