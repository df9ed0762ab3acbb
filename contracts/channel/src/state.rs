//! All of a channel in one answer. The fields have comments instead of docs, because docs are in the Wasm's spec, where
//! every byte is paid for.

use soroban_sdk::{Address, BytesN, contracttype};

/// All of a channel at once
#[contracttype]
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ChannelState {
    // The channel's token balance, in base units.
    pub balance: i128,
    // The deadline, which is the ledger from which `refund` is possible. It is absent while no close has started.
    pub close_effective_at_ledger: Option<u32>,
    // The ed25519 key that commitments are signed with.
    pub commitment_key: BytesN<32>,
    // The base units that the constructor and `top_up` took in.
    pub deposited: i128,
    // The funder.
    pub from: Address,
    // The ledgers between `close_start` and the deadline.
    pub refund_waiting_period: u32,
    // Whether a close or a refund has ended the channel.
    pub refunded: bool,
    // The recipient.
    pub to: Address,
    // The SEP-41 token that the channel pays in.
    pub token: Address,
    // The base units that were paid to the recipient over the channel's life.
    pub withdrawn: i128,
}
