//! The types and rules that all off-chain code of Paychan shares. The crate is pure: no I/O, no clock, no async.
//!
//! - [`Amount`], [`Ledger`], [`Stroops`]: numbers that must not be confused with one another.
//! - [`ContractId`], [`AccountId`], [`Address`], [`WasmHash`], [`NetworkId`]: the ids of contracts, accounts, code and
//!   networks.
//! - [`Commitment`]: "the recipient may have N in total", with its signature, made and checked as the chain does.
//! - [`RequestId`]: the name of one request, so that repeating the request is harmless.
//! - [`ChannelState`]: the state of a channel, read from its ledger entries in any of three storage layouts.
//! - [`ledger_keys`]: the ledger entries that a channel depends on.
//! - [`events`]: the events of a channel contract.
//! - [`payability`]: whether a recipient can be paid, and how much.
//! - [`calls`]: the host functions that create and invoke a channel.
//!
//! Malformed bytes, strings and ledger entries give an error that has a kind; no input makes this crate panic.

mod amount;
pub mod calls;
mod commitment;
mod commitment_key;
mod contract_error;
mod error;
pub mod events;
mod ids;
pub mod ledger_keys;
mod numbers;
pub mod payability;
mod request_id;
mod scval;
mod state;
mod text;
mod token;

pub use amount::Amount;
pub use commitment::{Commitment, Signature};
pub use commitment_key::{CommitmentKey, CommitmentSecret};
pub use contract_error::ContractError;
pub use error::{
    AddressError, AmountError, BadSignature, CommitmentError, EventError, HexError, IdError, KeyError, NumberError,
    StateError, StateErrorKind, ValueError, WasmTooLarge,
};
pub use events::ChannelEvent;
pub use ids::{AccountId, Address, ContractId, NetworkId, WasmHash};
pub use ledger_keys::ChannelKeys;
pub use numbers::{Ledger, Stroops};
pub use payability::{IssuerFlags, Payability, Promise, SharedRoom, TokenRisk};
pub use request_id::{RequestId, RequestIdError};
pub use state::{ChannelEntries, ChannelState, InstanceFacts, Layout, Life, Lives, decode_instance, decode_state};
pub use text::bytes_from_hex;
pub use token::{SAC_DECIMALS, SacAsset, TokenKind, token_kind};

/// The XDR types of the network, in the one version that the whole workspace uses.
pub use stellar_xdr as xdr;
