#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test that fails here says where, and nobody links to tests")]
//! Tests of the watcher's behaviour, seen from outside.

mod alarms;
mod archival;
mod blinded;
mod confirming;
mod endpoints;
mod env;
mod faults;
mod following;
mod heard;
mod http;
mod not_understood;
mod notify;
mod overtaken;
mod panics;
mod payable;
mod process;
mod settling;
mod store_health;
mod unclosed;
mod without_events;
