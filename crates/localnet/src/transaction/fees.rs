//! What a transaction pays: for inclusion, for resources it keeps, for resources it may get back. Stroops throughout.

use soroban_env_host::fees::{FeeConfiguration, TransactionResources, compute_transaction_resource_fee};
use stellar_xdr::{LedgerKey, OperationBody, SorobanTransactionData};

use super::envelope::Submitted;
use crate::settings::BASE_FEE;

/// Operations that inclusion is paid for; at least one.
fn paid_operations(tx: &Submitted) -> i64 {
    i64::try_from(tx.operations().len()).unwrap_or(i64::MAX).max(1)
}

/// The least that a transaction must bid for inclusion.
pub(crate) fn minimum_inclusion_fee(tx: &Submitted) -> i64 {
    i64::from(BASE_FEE).saturating_mul(paid_operations(tx))
}

/// The fee that a refusal names as due: the least inclusion fee and the declared resource fee.
pub(crate) fn required_fee(tx: &Submitted) -> i64 {
    minimum_inclusion_fee(tx).saturating_add(tx.resource_fee())
}

/// The fee taken when the transaction is included. No ledger is ever full here, so inclusion costs the base fee,
/// whatever was bid above it.
pub(crate) fn charged_at_inclusion(tx: &Submitted) -> i64 {
    tx.resource_fee().saturating_add(tx.inclusion_fee().min(minimum_inclusion_fee(tx)))
}

/// Stroops per operation that the transaction pays for inclusion.
pub(crate) fn inclusion_fee_per_operation(tx: &Submitted) -> u64 {
    u64::try_from(tx.inclusion_fee().min(minimum_inclusion_fee(tx)) / paid_operations(tx)).unwrap_or(0)
}

/// Is the entry under this key contract data or code?
pub(crate) fn is_contract_key(key: &LedgerKey) -> bool {
    matches!(key, LedgerKey::ContractData(_) | LedgerKey::ContractCode(_))
}

/// Entries of the footprint that are read from disk: classic ones, and all that are to be restored (CAP-66).
pub(crate) fn disk_read_entries(tx: &Submitted, data: &SorobanTransactionData) -> u32 {
    let footprint = &data.resources.footprint;
    let restores = matches!(tx.operations().first().map(|op| &op.body), Some(OperationBody::RestoreFootprint(_)));
    let count = if restores {
        footprint.read_write.len()
    } else {
        footprint.read_only.iter().chain(footprint.read_write.iter()).filter(|key| !is_contract_key(key)).count()
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
