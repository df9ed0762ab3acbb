//! # The batch contract
//!
//! This contract settles many payment channels in one transaction, so that a recipient with many channels pays the fee of one
//! transaction instead of one for each channel. It has no state, no admin and no rights. `settle` needs nobody's authorization, and
//! neither does this contract.
//!
//! **Not audited. Immutable.**
//!
//! | function | authorization | does |
//! | --- | --- | --- |
//! | `settle_many(settlements)` | none | calls each channel's `settle(amount, signature)` in order, and answers in the same order which calls succeeded |
//!
//! A settlement is a list of three: the channel (address), the amount (i128, the committed total in base units) and the signature
//! (64 bytes). Without settlements the answer is empty.
//!
//! ## Rules
//!
//! - **A settlement that fails changes nothing and does not stop the others.** This holds for contract errors, a missing
//!   authorization, a bad signature, a transfer that the token refuses, and an address without a contract.
//! - **Some failures can't be isolated** and fail the whole transaction: a ledger entry that the footprint lacks, an archived
//!   entry, an exhausted budget, and an argument that is no list of settlements. So simulate first, drop what simulates `false`, and
//!   declare 64 written bytes more for each channel than simulated, because a `close_start` in between makes a channel's entry
//!   larger.
//! - **`true` does not mean a payment.** A channel that has paid as much already succeeds and pays nothing. Read `withdrawn`.
//! - **Call only code that you trust.** A channel's address may be any contract. It can't move anything of others here, but it
//!   can use up the budget of the whole transaction. Channels whose `settle` needs the recipient's authorization, which are the
//!   reference's and the fork's, answer `false` unless the recipient signs for each.
//!
//! ## How many, for how much
//!
//! Measured on 2026-11-25 by `scripts/figures.sh batch` on the local network (protocol 28, testnet's limits and prices), with one
//! recipient and one token, in stroops without rent and without the bid for inclusion:
//!
//! | | at most in a transaction | 30 at once, each | one alone | |
//! | --- | ---: | ---: | ---: | ---: |
//! | XLM | 45 | 9,768 | 16,450 | 59.4 % |
//! | USDC | 39 | 10,065 | 16,899 | 59.6 % |
//!
//! No more fit, because of the network's limit on events. Each settlement writes two entries, the channel and its
//! balance, for 2,500 stroops each. That is half of the cost of a settlement in a batch, and no batch saves it. The bid
//! for inclusion is paid once for each transaction, so a batch saves more as bids rise. From a bid of 3,306 stroops on
//! (USDC: 3,460), each of 30 at once costs at most half of a single settlement.
//!
//! `scripts/contract-readmes.sh` makes this page from the docs in `src/lib.rs`.

#![no_std]

use soroban_sdk::{
    Address, BytesN, Env, Error, IntoVal, Val, Vec, contract, contractimpl, contractmeta, contracttype, symbol_short,
};

contractmeta!(key = "name", val = env!("CARGO_PKG_NAME"));
contractmeta!(key = "version", val = env!("CARGO_PKG_VERSION"));
contractmeta!(key = "source_repo", val = env!("CARGO_PKG_REPOSITORY"));

/// Channel, amount, signature
// The amount is the total that the recipient may have, in base units, and the signature is the commitment key's. A settlement
// is a list of three and not a map, because the names would take 52 of its bytes in the transaction, 2 % of what it costs.
#[contracttype]
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settlement(pub Address, pub i128, pub BytesN<64>);

/// The batch contract, which has no state.
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
