//! Random sequences against the model, directed ones where a rule needs to be seen, and the three contracts side by side.
#![allow(clippy::unwrap_used, reason = "a test that fails should stop where it fails")]

mod differences;
mod gap;
mod sequences;
mod support;
