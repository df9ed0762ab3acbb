#![allow(clippy::unwrap_used, reason = "a test that unwraps says what it needs")]

mod rules;
