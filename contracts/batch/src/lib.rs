//! # The batch contract
//!
//! Settles many payment channels in one transaction. A recipient with many channels pays one transaction's fee instead of one
//! for each. The contract has no state, no admin and no rights: `settle` needs nobody's authorization, so neither does this.
//!
//! **Not audited. Immutable.**
//!
//! | function | authorization | does |
//! | --- | --- | --- |
//! | `settle_many(settlements)` | none | calls each channel's `settle(amount, signature)` in order and answers, in the same order, which calls succeeded |
//!
//! A settlement is a list of three: channel (address), amount (i128, the committed total in base units), signature (64 bytes).
//! Without settlements the answer is empty.
//!
//! ## Rules
//!
//! - **One that fails changes nothing and does not stop the others**: contract errors, missing authorization, a bad
//!   signature, a refused transfer, an address without a contract.
//! - **What can't be isolated** fails the whole transaction: a ledger entry that the footprint lacks, an archived entry, an
//!   exhausted budget, an argument that is no list of settlements. So simulate first, drop what simulates `false`, and allow 64
//!   written bytes more per channel than simulated (a `close_start` in between grows a channel's entry).
//! - **`true` is no payment**: a channel that has paid as much already succeeds and pays nothing. Read `withdrawn`.
//! - **Call only code that you trust.** A channel's address may be any contract; it can't move anything of others here, but it
//!   can burn the budget of the whole transaction. Channels whose `settle` needs the recipient's authorization (the
//!   reference's, the fork's) answer `false`, unless the recipient signs for each.
//!
//! ## How many, for how much
//!
//! Measured on 2026-11-24 by `scripts/figures.sh batch` on the local network (protocol 28, testnet's limits and prices), one
//! recipient, one token, stroops without rent and without the bid for inclusion:
//!
//! | | at most in a transaction | 30 at once, each | one on its own | |
//! | --- | ---: | ---: | ---: | ---: |
//! | XLM | 45 | 9,728 | 16,408 | 59.3 % |
//! | USDC | 39 | 10,021 | 16,856 | 59.5 % |
//!
//! What ends it is the limit on events. Half of a settlement's fee at once is what the network takes for the two entries that
//! each writes, the channel and its balance (2,500 stroops each); no batch saves that. The bid for inclusion is paid once a
//! transaction, so the share falls as bids rise: from 3,412 stroops on, 30 at once cost at most half of a single each.
//!
//! This page is made from the docs in `src/lib.rs` by `scripts/contract-readmes.sh`.

#![no_std]

use soroban_sdk::{
    Address, BytesN, Env, Error, IntoVal, Val, Vec, contract, contractimpl, contractmeta, contracttype, symbol_short,
};

contractmeta!(key = "name", val = env!("CARGO_PKG_NAME"));
contractmeta!(key = "version", val = env!("CARGO_PKG_VERSION"));
contractmeta!(key = "source_repo", val = env!("CARGO_PKG_REPOSITORY"));

/// Channel, amount, signature
// The total that the recipient may have, in base units, and the commitment key's signature of it. A list of three, not a
// map: the names would be 52 of a settlement's bytes in the transaction, 2 % of what it costs.
#[contracttype]
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settlement(pub Address, pub i128, pub BytesN<64>);

/// Settles channels by the hundred, a few dozen a transaction.
#[contract]
pub struct Batch;

#[contractimpl]
impl Batch {
    /// Settle each channel; true where it succeeded
    pub fn settle_many(env: Env, settlements: Vec<Settlement>) -> Vec<bool> {
        let mut settled = Vec::new(&env);
        for settlement in settlements {
            settled.push_back(settle(&env, settlement));
        }
        settled
    }
}

/// Whether the channel's `settle` succeeded.
fn settle(env: &Env, settlement: Settlement) -> bool {
    let Settlement(channel, amount, signature) = settlement;
    let args: Vec<Val> = (amount, signature).into_val(env);
    let outcome = env.try_invoke_contract::<(), Error>(&channel, &symbol_short!("settle"), args);
    matches!(outcome, Ok(Ok(())))
}
