//! Tests of the seller behind axum, with a watcher in memory.

mod admission;
mod bad_input;
mod closing;
mod crossing;
mod lost_answers;
mod random;
mod retries;
mod selling;
