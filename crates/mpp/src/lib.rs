//! Sells and buys requests through payment channels with HTTP 402 and the Machine Payments Protocol.
//!
//! - [`wire`]: challenges, credentials and receipts as they go over the wire.
//! - [`problem`]: the seller's answers when it does not sell.
//! - [`seller`]: asks for payment, takes it, and answers once. A watcher keeps its accounts.
//! - [`buyer`]: pays for requests within caps, and writes down each voucher before it sends it.

pub mod buyer;
pub mod problem;
pub mod seller;
pub mod wire;
