#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test that fails here says where, and nobody links to tests")]
//! The watcher's behaviour, from outside.

mod alarms;
mod blinded;
mod endpoints;
mod env;
mod following;
mod heard;
mod http;
mod not_understood;
mod notify;
mod payable;
mod process;
mod settling;
mod store_health;
mod storms;
mod without_events;
