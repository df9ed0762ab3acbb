//! The watcher in hostile worlds.
//!
//! One seed draws one world: channels and their funders, front ends, what the endpoint answers wrongly, when the process is
//! killed or loses power, when the disk is full. The watcher in it is the real one: its store, follower, policy, settler,
//! commitments and charges, put together by the function that the daemon uses. Only the network, the disk and the clock are
//! the simulator's. After each world [`world::run`] says which of the promises of the watcher did not hold.
//!
//! ```text
//! network  the chain and the endpoint in front of it      disk    the journal's disk, which loses what was not synced
//! setup    keys, channels, configuration                  alarms  which alarms were raised
//! world    plan (what is drawn) · faults · payers · memory (what was acknowledged) · run
//! report   totals of many worlds                          shrink  the smallest world that still fails
//! ```
#![allow(missing_docs, reason = "a test's support: the names say what is meant")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a simulation that fails here says where")]

pub mod alarms;
pub mod disk;
pub mod network;
pub mod report;
pub mod setup;
pub mod shrink;
pub mod world;
