//! Talks to Stellar RPC: typed requests and answers; building, signing and submitting transactions.
//!
//! - [`Client`]: one endpoint. Each method of the server is one of the client's, typed, within a time limit.
//! - [`RpcError`]: keeps "the node is behind" (ask again), "the history is gone" (sweep), "busy" (wait), "refused" (don't
//!   repeat), "transport" and "timeout" apart.
//! - [`Draft`]: a transaction on its way from intent to signed bytes.
//! - [`read_channel`], [`read_channels`]: a channel's state, all its entries from the same ledger.
//! - [`submit`]: for a command line: simulate, sign, send, and wait until it is decided.
//! - [`Network`]: the public networks by name.

mod accounts;
pub mod auth;
mod channels;
mod client;
mod decoding;
mod entries;
mod error;
mod events;
mod failure;
mod fees;
mod history;
pub mod http;
mod network;
pub mod operations;
mod secret;
mod sending;
mod simulation;
pub mod submit;
mod transaction;

pub use accounts::{Account, AccountError, read_account};
pub use auth::AuthError;
pub use channels::{KnownChannel, ReadError, read_channel, read_channels};
pub use client::{Client, Options};
pub use entries::{Entries, Entry, MAX_KEYS};
pub use error::{ErrorKind, RpcError};
pub use events::{Event, EventFilter, EventsFrom, EventsPage, EventsRequest, Segment};
pub use failure::{CallFailure, Parties, SacError};
pub use fees::{FeeDistribution, FeeStats};
pub use history::{Health, LatestLedger, NetworkInfo};
pub use network::{Network, UnknownNetwork};
pub use secret::{SecretKey, SecretKeyError};
pub use sending::{Included, ResourceFees, SendAnswer, SendStatus, TransactionAnswer};
pub use simulation::{Simulated, Simulation, SimulationFailure};
pub use transaction::{
    BuildError, Draft, ExtraWrites, TxHash, WRITE_BYTES_PER_CHANNEL, WRITE_BYTES_PER_CLOSE, assemble, hash, sign,
};
