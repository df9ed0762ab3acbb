//! What a local network does, as its clients see it: every test talks JSON-RPC.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test fails by panicking"
)]
#![allow(missing_docs, unreachable_pub, reason = "nobody outside uses a test")]

mod assets;
mod channel;
mod classic;
mod control;
mod env;
mod events;
mod fees;
mod lives;
mod protocol;
mod resources;
mod validity;
