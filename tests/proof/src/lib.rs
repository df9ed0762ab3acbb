//! The contract against a reference model.
//!
//! Random sequences of every call by every party, honest and not, run on the real Soroban host and in a model of plain
//! integers. After each step the two must agree in answer, error number, events, storage and balances, and five rules
//! must hold that know nothing of the model: see [`invariants`]. [`difference`] runs
//! the same sequences through the rules of the two contracts whose interface ours speaks, and accounts for every place
//! where they part.
//!
//! - [`moves`]: the alphabet, decoded from bytes; [`script`]: from symbols to figures.
//! - [`call`], [`token`], [`model`], `run` and `rules`, each knowing those before it: what should happen. Pure.
//!   [`compare`]: the same under others' rules.
//! - [`network`] and [`chain`]: what does happen: `paychan-localnet` in this process, the real Wasm, real transactions.
//! - [`drive`]: both, step by step.

pub mod answer;
pub mod call;
pub mod chain;
pub mod compare;
pub mod difference;
pub mod drive;
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
