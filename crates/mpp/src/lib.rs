//! HTTP 402, Machine Payments Protocol: sells and buys requests through payment channels.
//!
//! - [`wire`]: challenges, credentials and receipts as they go over the wire.
//! - [`problem`]: what a seller answers when it does not sell.
//! - [`seller`]: asks for payment, takes it, and answers once. A watcher counts for it.
//! - [`buyer`]: pays for requests, within caps, and writes down what it signs before it leaves.

pub mod buyer;
pub mod problem;
pub mod seller;
pub mod wire;
