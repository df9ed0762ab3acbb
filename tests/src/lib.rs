//! What whole-system tests and the demo share: the real programs as separate processes, and people to use them.
//!
//! Everything here panics when something does not work: its users are tests, which then say where.

pub mod command;
pub mod files;
pub mod network;
pub mod programs;
pub mod table;
pub mod watcher;
pub mod world;
