//! The parts that the whole-system tests, the demo and the figures share: a local network and the real programs, each
//! as a separate process, and accounts that use them.
//!
//! Everything here panics when something does not work, since its users are tests.

pub mod command;
pub mod env;
pub mod files;
pub mod network;
pub mod programs;
pub mod table;
pub mod watcher;
