//! Computes what a transaction pays: for inclusion, for resources that it pays whether used or not, and for resources
//! whose unused part is given back. All fees are in stroops.

use soroban_env_host::fees::{FeeConfiguration, TransactionResources, compute_transaction_resource_fee};
use stellar_xdr::{LedgerKey, OperationBody, SorobanTransactionData};

use super::envelope::Submitted;
use crate::settings::BASE_FEE;

/// A bid for inclusion. Bids compare by what they offer for one operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bid {
    /// Stroops for all operations together.
    pub(crate) stroops: i64,
    /// The number of operations, at least one.
    pub(crate) operations: u32,
}

impl Bid {
    /// The bid of a transaction.
    pub(crate) fn of(tx: &Submitted) -> Self {
        Self { stroops: tx.inclusion_fee(), operations: paid_operations(tx) }
    }

    /// A bid of this many stroops for each operation.
    pub(crate) fn per_operation(stroops: u32) -> Self {
        Self { stroops: i64::from(stroops), operations: 1 }
    }

    /// Stroops for one operation, rounded down.
    pub(crate) fn rate(self) -> u64 {
        u64::try_from(self.stroops / i64::from(self.operations)).unwrap_or(0)
    }

    /// The fewest stroops that a bid for `operations` operations must offer to be no less than this one.
    pub(crate) fn matched_by(self, operations: u32) -> i64 {
        let product = i128::from(self.stroops) * i128::from(operations);
        let divisor = i128::from(self.operations);
        i64::try_from((product + divisor - 1).div_euclid(divisor)).unwrap_or(i64::MAX)
    }

    /// The fewest stroops that a bid for `operations` operations must offer to be above this one.
    pub(crate) fn beaten_by(self, operations: u32) -> i64 {
        let product = i128::from(self.stroops) * i128::from(operations);
        let stroops = product.div_euclid(i128::from(self.operations)) + 1;
        i64::try_from(stroops).unwrap_or(i64::MAX)
    }
}

impl PartialEq for Bid {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Bid {}

impl PartialOrd for Bid {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Bid {
    /// Compares a/n with b/m as a·m with b·n, without rounding.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let left = i128::from(self.stroops) * i128::from(other.operations);
        let right = i128::from(other.stroops) * i128::from(self.operations);
        left.cmp(&right)
    }
}

/// For how many operations inclusion is paid: at least one, and a fee bump counts as one more (CAP-15).
pub(crate) fn paid_operations(tx: &Submitted) -> u32 {
    let own = u32::try_from(tx.operations().len()).unwrap_or(u32::MAX).max(1);
    own.saturating_add(u32::from(tx.fee_bump().is_some()))
}

/// What inclusion costs at this price of one operation.
pub(crate) fn inclusion_cost(tx: &Submitted, price: u32) -> i64 {
    i64::from(price).saturating_mul(i64::from(paid_operations(tx)))
}

/// The fee that a refusal names as due: the least inclusion fee and the declared resource fee.
pub(crate) fn required_fee(tx: &Submitted) -> i64 {
    inclusion_cost(tx, BASE_FEE).saturating_add(tx.resource_fee())
}

/// What is charged for inclusion: the ledger's price, but never more than the bid.
pub(crate) fn inclusion_charged(tx: &Submitted, price: u32) -> i64 {
    tx.inclusion_fee().min(inclusion_cost(tx, price))
}

/// Whether the entry under this key is contract data or code.
pub(crate) fn is_contract_key(key: &LedgerKey) -> bool {
    matches!(key, LedgerKey::ContractData(_) | LedgerKey::ContractCode(_))
}

/// How many entries of the footprint are read from disk: classic ones, and all that are restored (CAP-66).
pub(crate) fn disk_read_entries(tx: &Submitted, data: &SorobanTransactionData) -> u32 {
    let footprint = &data.resources.footprint;
    let restores = matches!(tx.operations().first().map(|op| &op.body), Some(OperationBody::RestoreFootprint(_)));
    let count = if restores {
        footprint.read_write.len()
    } else {
        let classic =
            footprint.read_only.iter().chain(footprint.read_write.iter()).filter(|key| !is_contract_key(key)).count();
        classic + tx.marked_archived().len()
    };
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The (non-refundable, refundable) fee of the declared resources and of events of this size.
pub(crate) fn resource_fees(
    tx: &Submitted,
    data: &SorobanTransactionData,
    events_size: u32,
    prices: &FeeConfiguration,
) -> (i64, i64) {
    let resources = TransactionResources {
        instructions: data.resources.instructions,
        disk_read_entries: disk_read_entries(tx, data),
        write_entries: u32::try_from(data.resources.footprint.read_write.len()).unwrap_or(u32::MAX),
        disk_read_bytes: data.resources.disk_read_bytes,
        write_bytes: data.resources.write_bytes,
        contract_events_size_bytes: events_size,
        transaction_size_bytes: tx.size(),
    };
    compute_transaction_resource_fee(&resources, prices)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bids_compare_by_what_they_offer_for_one_operation() {
        let bid = |stroops, operations| Bid { stroops, operations };
        assert!(bid(300, 2) > bid(100, 1));
        assert!(bid(299, 3) < bid(100, 1));
        assert_eq!(bid(200, 2), bid(100, 1));
        assert_eq!(bid(299, 3).matched_by(1), 100);
        assert_eq!(bid(300, 3).matched_by(2), 200);
        assert_eq!(bid(100, 1).beaten_by(2), 201);
        assert_eq!(bid(299, 3).beaten_by(1), 100);
        assert_eq!(bid(300, 3).beaten_by(1), 101);
        assert_eq!(bid(i64::MAX, 1).beaten_by(2), i64::MAX);
    }
}
