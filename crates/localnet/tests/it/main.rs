//! Tests the local network as its clients see it: every test uses the JSON-RPC.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test fails by panicking"
)]
#![allow(missing_docs, unreachable_pub, reason = "tests have no users")]

mod archival;
mod assets;
mod channel;
mod classic;
mod control;
mod env;
mod events;
mod fee_bumps;
mod fees;
mod protocol;
mod resources;
mod surge;
mod validity;
