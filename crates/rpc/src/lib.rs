//! Calls Stellar RPC with typed requests and answers, and builds, signs and submits transactions.
//!
//! - [`Client`]: a client of one endpoint. It has a typed method for each method of the server, with a time limit.
//! - [`RpcError`]: an error with one of these kinds: the node is behind (ask again), the history is gone (sweep), busy
//!   (wait), unauthorized (a key is missing), refused (don't repeat), transport, timeout, and others.
//! - [`Draft`]: a transaction on its way from intent to signed bytes.
//! - [`Meaning`]: what a transaction is meant to do. Before it is signed, it is compared with what a simulation added
//!   to it.
//! - [`http`]: the one place where HTTP clients are made.
//! - [`read_channel`], [`read_channels`]: a channel's state, all its entries from the same ledger.
//! - [`submit`]: for a command line, it simulates, signs and sends a transaction, and waits until the network has
//!   decided.
//! - [`Network`]: the public networks by name.

mod accounts;
pub mod auth;
mod call_failure;
mod channels;
mod client;
mod decoding;
mod draft;
mod entries;
mod error;
mod events;
mod fees;
pub mod http;
pub mod meaning;
mod network;
mod node;
pub mod operations;
mod secret_key;
mod simulation;
pub mod submit;
mod transaction_status;

pub use accounts::{Account, AccountError, read_account};
pub use auth::AuthError;
pub use call_failure::{CallFailure, Parties, SacError};
pub use channels::{KnownChannel, ReadError, read_channel, read_channels};
pub use client::{Client, Options};
pub use draft::{
    BuildError, Draft, ExtraWrites, TxHash, WRITE_BYTES_PER_CHANNEL, WRITE_BYTES_PER_CLOSE, assemble, hash, sign,
};
pub use entries::{Entries, Entry, MAX_KEYS, UndecodableEntry};
pub use error::{ErrorKind, RpcError};
pub use events::{Event, EventFilter, EventsFrom, EventsPage, EventsRequest, Segment, UndecodableEvent};
pub use fees::{FeeDistribution, FeeStats, raised_bid};
pub use http::EndpointHeader;
pub use meaning::{Authorization, Meaning, NotMeant, ResourceFeeCaps};
pub use network::Network;
pub use node::{Health, LatestLedger, NetworkInfo};
pub use secret_key::{SecretKey, SecretKeyError};
pub use simulation::{Simulated, Simulation, SimulationFailure};
pub use transaction_status::{
    Included, ResourceFees, SendAnswer, SendRefusal, SendStatus, TransactionAnswer, result_code,
};
