//! The proof: the contract is compared with a reference model.
//!
//! Random sequences of every call by every party, honest or not, run on the real Soroban host and in a model of plain
//! integers. After each step the two must agree in the answer, the error's number, the events, the storage and the
//! balances. Five rules that do not use the model must hold as well: see [`invariants`]. [`difference`] runs the same
//! sequences through the rules of the two contracts that have the same interface, and accounts for every difference.
//!
//! - [`moves`] has the alphabet of all moves, and decodes them from bytes. [`script`] turns its symbols into figures.
//! - [`call`], [`token`], [`model`], `run` and `rules` say what should happen. Each uses those before it, and all are
//!   pure. [`compare`] does the same under other contracts' rules.
//! - [`network`] and [`chain`] make it happen, with `paychan-localnet` in this process, the real Wasm and real transactions.
//! - [`drive`] does both, step by step.
//! - [`ground`] has several channels on the same host, for calls that are written elsewhere: those of simulated worlds.

pub mod answer;
pub mod call;
pub mod chain;
pub mod compare;
pub mod difference;
pub mod drive;
pub mod ground;
pub mod invariants;
pub mod keys;
pub mod model;
pub mod moves;
pub mod network;
pub mod observed;
mod rules;
mod run;
pub mod script;
pub mod token;
pub mod xdr;
