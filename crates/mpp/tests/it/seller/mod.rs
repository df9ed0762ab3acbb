//! Tests of the seller behind axum, with a watcher in memory.

mod admission;
mod bad_input;
mod closing;
mod retries;
mod selling;
