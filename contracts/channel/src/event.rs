//! What the channel tells the world. Topics first (the event's name, then addresses to filter by), then a map.
//!
//! No event is emitted for a transfer that did not happen: [`Withdraw`] and [`Refund`] say that tokens moved, the
//! success of a call alone does not.
//!
//! The docs of events travel in the Wasm's spec, where every byte is paid for; so the fields have comments
//! instead.

use soroban_sdk::{Address, BytesN, contractevent};

/// Channel opened
#[contractevent]
pub struct Open {
    // The funder.
    #[topic]
    pub from: Address,
    // The recipient.
    #[topic]
    pub to: Address,
    // The ed25519 key that commitments are signed with.
    pub commitment_key: BytesN<32>,
    // The SEP-41 token that the channel pays in.
    pub token: Address,
    // The first deposit, in base units.
    pub amount: i128,
    // Ledgers between `close_start` and the deadline.
    pub refund_waiting_period: u32,
}

/// Funder deposited
#[contractevent]
pub struct Deposit {
    // The funder.
    #[topic]
    pub from: Address,
    // What was deposited, in base units.
    pub amount: i128,
}

/// Deadline set
#[contractevent]
pub struct Close {
    // The deadline: the ledger from which `refund` is possible.
    pub effective_at_ledger: u32,
}

/// Recipient paid
#[contractevent]
pub struct Withdraw {
    // The recipient.
    #[topic]
    pub to: Address,
    // What was paid out, in base units.
    pub amount: i128,
}

/// Funder refunded
#[contractevent]
pub struct Refund {
    // The funder.
    #[topic]
    pub from: Address,
    // What was sent back, in base units.
    pub amount: i128,
}
