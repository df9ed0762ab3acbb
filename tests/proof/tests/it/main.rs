//! Random sequences that are compared with the model, written sequences for single rules, and a comparison of the three
//! contracts.
#![allow(clippy::unwrap_used, reason = "a test that fails should stop where it fails")]

mod differences;
mod gap;
mod sequences;
mod support;
mod worlds;
