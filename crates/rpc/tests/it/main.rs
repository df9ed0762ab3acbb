//! Tests the crate against a server that gives the answers of the test.
#![allow(clippy::unwrap_used, reason = "a test that fails should stop where it fails")]

mod answers;
mod failing;
mod reading_channels;
mod server;
mod submitting;
