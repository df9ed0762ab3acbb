//! The channel's events. Each has topics, which are its name and the addresses to filter by, and a map of data.
//!
//! No event is emitted for a transfer that did not happen. [`Withdraw`] and [`Refund`] prove that tokens moved; the
//! success of a call alone does not.
//!
//! The docs of events are in the Wasm's spec, where every byte is paid for. So the fields have comments instead.

use soroban_sdk::{Address, BytesN, contractevent};

/// The channel was opened
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
    // The ledgers between `close_start` and the deadline.
    pub refund_waiting_period: u32,
}

/// The funder deposited
#[contractevent]
pub struct Deposit {
    // The funder.
    #[topic]
    pub from: Address,
    // The amount that was deposited, in base units.
    pub amount: i128,
}

/// The deadline was set
#[contractevent]
pub struct Close {
    // The deadline: the ledger from which `refund` is possible.
    pub effective_at_ledger: u32,
}

/// The recipient was paid
#[contractevent]
pub struct Withdraw {
    // The recipient.
    #[topic]
    pub to: Address,
    // The amount that was paid out, in base units.
    pub amount: i128,
}

/// The funder was refunded
#[contractevent]
pub struct Refund {
    // The funder.
    #[topic]
    pub from: Address,
    // The amount that was sent back, in base units.
    pub amount: i128,
}
