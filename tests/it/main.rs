//! Whole-system tests with the real programs as separate processes on a real local network.
#![allow(missing_docs, reason = "tests say what they check by their names")]
#![allow(clippy::unwrap_used, reason = "a test that fails here says where")]

mod agreed_close;
mod archived;
mod bad_channels;
mod bad_environment;
mod batch;
mod checked;
mod cli;
mod contract_readmes;
mod damaged_store;
mod documents;
mod examples;
mod foreign_token;
mod full_disk;
mod interop;
mod killed;
mod one_build;
mod opening;
mod paused;
mod paying;
mod recipe;
mod strangers;
mod traced;
mod watcher_endpoint;
mod whole_path;
