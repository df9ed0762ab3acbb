#![allow(clippy::unwrap_used, reason = "a test that fails here says where")]
