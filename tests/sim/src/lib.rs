//! The watcher in hostile worlds.
//!
//! One seed draws one world: its channels, funders and front ends, the wrong answers of its endpoint, and the moments
//! at which the process is killed, the power fails or the disk is full. The watcher in it is the real one, with its
//! store, follower, policy, settler, commitments and charges. The function that the daemon uses puts it together. Only
//! the network, the disk and the clock are the simulator's. After each world [`world::run`] says which of its promises
//! the watcher broke.
//!
//! ```text
//! network  the chain and the endpoint in front of it      disk    the journal's disk, which loses what was not synced
//! setup    keys, channels, configuration                  alarms  which alarms were raised, and about what
//! world    plan (what is drawn) · faults · payers · requests · overlap (parts at the same time) · memory (what was
//!          acknowledged) · dangers (their alarms) · run   executor  polls in an order that the seed draws
//! report   totals of many worlds                          shrink  the smallest world that still fails
//! ```
#![allow(missing_docs, reason = "a test's support: the names say what is meant")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a simulation that fails here says where")]

pub mod alarms;
pub mod disk;
pub mod executor;
pub mod network;
pub mod report;
pub mod setup;
pub mod shrink;
pub mod world;
