//! ExtendFootprintTTL and RestoreFootprint: they change the lives of entries from outside of the contracts. The entries are
//! those of the transaction's footprint.

use stellar_xdr::{
    ContractDataDurability, ExtendFootprintTtlOp, ExtendFootprintTtlResult, LedgerKey, RestoreFootprintResult,
};

use super::soroban::{READ_EXCEEDED, Soroban, WRITE_EXCEEDED, longer_life, size};
use crate::{
    ledger::entries::Found,
    transaction::{envelope::Submitted, fees::is_contract_key},
};

pub(super) fn check_extend(
    op: &ExtendFootprintTtlOp,
    tx: &Submitted,
    max_entry_ttl: u32,
) -> Result<(), ExtendFootprintTtlResult> {
    let Some(data) = tx.soroban_data() else {
        return Err(ExtendFootprintTtlResult::Malformed);
    };
    let footprint = &data.resources.footprint;
    if !footprint.read_write.is_empty() || !footprint.read_only.iter().all(is_contract_key) {
        return Err(ExtendFootprintTtlResult::Malformed);
    }
    // The current ledger is one of the ledgers of the longest life.
    if op.extend_to >= max_entry_ttl {
        return Err(ExtendFootprintTtlResult::Malformed);
    }
    Ok(())
}

pub(super) fn check_restore(tx: &Submitted) -> Result<(), RestoreFootprintResult> {
    let Some(data) = tx.soroban_data() else {
        return Err(RestoreFootprintResult::Malformed);
    };
    let footprint = &data.resources.footprint;
    let persistent = |key: &LedgerKey| {
        soroban_env_host::ledger_info::get_key_durability(key) == Some(ContractDataDurability::Persistent)
    };
    if !footprint.read_only.is_empty() || !footprint.read_write.iter().all(persistent) {
        return Err(RestoreFootprintResult::Malformed);
    }
    Ok(())
}

/// Extends lives. It ignores entries that are missing or archived, and those that live long enough already.
pub(super) fn extend(op: &ExtendFootprintTtlOp, soroban: &mut Soroban<'_>) -> ExtendFootprintTtlResult {
    let ledger = soroban.info.sequence_number;
    let until = ledger.saturating_add(op.extend_to);
    let mut changes = Vec::new();
    for key in soroban.data.resources.footprint.read_only.iter() {
        let Found::Live(stored) = soroban.entries.find(key, ledger) else {
            continue;
        };
        let Some(old) = stored.live_until.filter(|old| *old < until) else {
            continue;
        };
        let entry = std::rc::Rc::clone(&stored.entry);
        if !soroban.is_storable(key, size(entry.as_ref())) {
            return ExtendFootprintTtlResult::ResourceLimitExceeded;
        }
        let Ok(change) = longer_life(&soroban.config.host, key, &entry, old, until) else {
            return ExtendFootprintTtlResult::ResourceLimitExceeded;
        };
        changes.push(change);
        soroban.entries.set_live_until(key, until);
    }
    let rent = soroban.rent(&changes);
    match soroban.pay(rent, 0) {
        Ok(()) => ExtendFootprintTtlResult::Success,
        Err(_) => ExtendFootprintTtlResult::InsufficientRefundableFee,
    }
}

/// Restores entries. It ignores those that are missing or live. Restored entries live as long as new ones.
pub(super) fn restore(soroban: &mut Soroban<'_>) -> RestoreFootprintResult {
    let ledger = soroban.info.sequence_number;
    let declared = &soroban.data.resources;
    let Some(until) = soroban.info.min_live_until_ledger_checked(ContractDataDurability::Persistent) else {
        return RestoreFootprintResult::ResourceLimitExceeded;
    };
    let mut changes = Vec::new();
    // A restored entry is read from disk and written back.
    let mut bytes = 0_u32;
    for key in declared.footprint.read_write.iter() {
        let Found::Archived(stored) = soroban.entries.find(key, ledger) else {
            continue;
        };
        let entry = std::rc::Rc::clone(&stored.entry);
        let entry_size = size(entry.as_ref());
        bytes = bytes.saturating_add(entry_size);
        if soroban.exceeds(READ_EXCEEDED, bytes, declared.disk_read_bytes)
            || !soroban.is_storable(key, entry_size)
            || soroban.exceeds(WRITE_EXCEEDED, bytes, declared.write_bytes)
        {
            return RestoreFootprintResult::ResourceLimitExceeded;
        }
        let Ok(change) = longer_life(&soroban.config.host, key, &entry, 0, until) else {
            return RestoreFootprintResult::ResourceLimitExceeded;
        };
        changes.push(change);
        soroban.entries.set_live_until(key, until);
    }
    let rent = soroban.rent(&changes);
    match soroban.pay(rent, 0) {
        Ok(()) => RestoreFootprintResult::Success,
        Err(_) => RestoreFootprintResult::InsufficientRefundableFee,
    }
}
