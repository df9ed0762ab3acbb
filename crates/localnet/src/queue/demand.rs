//! The effect of other people's transactions on the price of inclusion. Nobody else uses a local network, so the
//! control endpoint sets what they would do.

use crate::{settings::BASE_FEE, transaction::fees::Bid};

/// The demand of others. By default there is none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Demand {
    /// How many ledgers, from the next one on, are full of others' transactions.
    full_ledgers: u32,
    /// The bid of those transactions, in stroops for one operation.
    bid: u32,
    /// The least bid that the queue takes, in stroops for one operation.
    price: u32,
}

impl Default for Demand {
    fn default() -> Self {
        Self { full_ledgers: 0, bid: BASE_FEE, price: BASE_FEE }
    }
}

impl Demand {
    /// Fills the next ledgers with transactions that bid this much for one operation.
    pub(crate) fn fill_ledgers(&mut self, ledgers: u32, bid: u32) {
        self.full_ledgers = ledgers;
        self.bid = bid.max(BASE_FEE);
    }

    /// Sets the least bid that the queue takes. The base fee is the least of all.
    pub(crate) fn set_price(&mut self, price: u32) {
        self.price = price.max(BASE_FEE);
    }

    /// The least bid that the queue takes, in stroops for one operation.
    pub(crate) fn price(&self) -> u32 {
        self.price
    }

    /// How many ledgers, from the next one on, are full.
    pub(crate) fn full_ledgers(&self) -> u32 {
        self.full_ledgers
    }

    /// The bid that fills the next ledger, in stroops for one operation, if it is full.
    pub(crate) fn filled_at(&self) -> Option<u32> {
        (self.full_ledgers > 0).then_some(self.bid)
    }

    /// Whether others leave room in the next ledger for a transaction with this bid. Only a higher bid pushes others
    /// out, since one with an equal bid came later.
    pub(crate) fn leaves_room_for(&self, bid: Bid) -> bool {
        bid >= Bid::per_operation(self.price) && self.filled_at().is_none_or(|others| bid > Bid::per_operation(others))
    }

    /// Notes that this many ledgers have closed.
    pub(crate) fn pass(&mut self, ledgers: u32) {
        self.full_ledgers = self.full_ledgers.saturating_sub(ledgers);
    }
}
