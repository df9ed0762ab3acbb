//! What a buyer remembers between two payments.

use std::collections::HashMap;
use std::time::Instant;

use paychan_channel::{Amount, ContractId};

use super::offer::Payable;

/// The part of a buyer that all its payments share. A restart forgets it.
#[derive(Default)]
pub(super) struct State {
    /// Challenges that may be used again. The key is the method and the address without the query.
    pub(super) challenges: HashMap<String, Payable>,
    /// What the last receipts said, by channel.
    pub(super) channels: HashMap<ContractId, Standing>,
    /// Channels with a recent deposit, and the time of it, since a server may not have seen it yet.
    pub(super) unseen: HashMap<ContractId, Instant>,
}

/// What the last receipt said of a channel, and how many payments of it are under way.
#[derive(Default, Clone, Copy)]
pub(super) struct Standing {
    pub(super) accepted: Option<Amount>,
    pub(super) spent: Option<Amount>,
    pub(super) under_way: u32,
}
