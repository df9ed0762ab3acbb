//! What a buyer remembers between two payments.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::time::Instant;

use paychan_channel::{Amount, ContractId};

use super::offer::Payable;
use super::turns::Turns;
use crate::wire::Receipt;

/// The part of a buyer that all its payments share. A restart forgets it.
#[derive(Default)]
pub(super) struct State {
    /// Challenges that may be used again. The key is the method and the address without the query.
    pub(super) challenges: HashMap<String, Payable>,
    /// What the last receipts said, by channel.
    pub(super) channels: HashMap<ContractId, Standing>,
    /// Channels with a recent deposit, and the time of it, since a server may not have seen it yet.
    pub(super) unseen: HashMap<ContractId, Instant>,
    /// The turns of the servers whose payments are made one after another.
    pub(super) turns: Turns,
    /// How many receipts there were so far.
    pub(super) receipts: u64,
}

/// What the last receipt said of a channel, and how many payments of it are under way.
#[derive(Default, Clone, Copy)]
pub(super) struct Standing {
    pub(super) accepted: Option<Amount>,
    pub(super) spent: Option<Amount>,
    pub(super) under_way: u32,
    /// The number of the last receipt.
    pub(super) receipt: u64,
}

impl State {
    /// Takes what a receipt says of this channel, as [`Standing::learn`] does.
    pub(super) fn learn(&mut self, channel: ContractId, receipt: Option<&Receipt>) {
        self.receipts = self.receipts.saturating_add(u64::from(receipt.is_some()));
        let standing = self.channels.entry(channel).or_default();
        if receipt.is_some() {
            standing.receipt = self.receipts;
        }
        standing.learn(receipt);
    }
}

impl Standing {
    /// Whether a receipt has come since this offer was asked for. The offer's total may then be older than the receipt's.
    pub(super) fn is_newer_than(&self, payable: &Payable) -> bool {
        self.receipt > payable.asked_at && self.spent.is_some() && self.accepted.is_some()
    }

    /// Takes what a receipt says. Receipts of payments that ran side by side come in any order: the one with the
    /// highest total is the newest. `None` forgets both amounts; the next challenge says them again.
    pub(super) fn learn(&mut self, receipt: Option<&Receipt>) {
        let Some(receipt) = receipt else {
            (self.accepted, self.spent) = (None, None);
            return;
        };
        match self.accepted.cmp(&receipt.accepted_cumulative) {
            // A credit lowers the spent amount, so a newer receipt replaces both amounts.
            Ordering::Less => (self.accepted, self.spent) = (receipt.accepted_cumulative, receipt.spent),
            Ordering::Equal => self.spent = self.spent.max(receipt.spent),
            Ordering::Greater => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(accepted: u64, spent: u64) -> Receipt {
        Receipt {
            accepted_cumulative: Some(accepted.into()),
            spent: Some(spent.into()),
            ..Receipt::success("x", "2030-01-01T00:00:00.000Z")
        }
    }

    #[test]
    fn receipts_in_any_order_claim_no_credit_that_does_not_exist() {
        let mut standing = Standing::default();
        for (accepted, spent) in [(10, 10), (30, 30), (20, 20), (30, 25)] {
            standing.learn(Some(&receipt(accepted, spent)));
        }
        assert_eq!((standing.accepted, standing.spent), (Some(30_u64.into()), Some(30_u64.into())));
        standing.learn(Some(&receipt(40, 31)));
        assert_eq!(standing.spent, Some(31_u64.into()), "a credit lowers the spent amount");
        standing.learn(None);
        assert_eq!((standing.accepted, standing.spent), (None, None));
    }
}
