//! Checks what a Soroban transaction declares: resources within the network's limits per transaction, a footprint of
//! keys that contracts can touch, and a resource fee that covers the declared resources.

use std::collections::BTreeSet;

use soroban_env_host::ledger_info::get_key_durability;
use stellar_xdr::{
    Asset, ContractDataDurability, LedgerKey, Limits, Memo, MuxedAccount, OperationBody, ScErrorCode,
    SorobanTransactionData, TrustLineAsset, WriteXdr,
};

use super::{
    diagnostics::{Part, Reason, error, exceeded},
    envelope::Submitted,
    fees,
};
use crate::{ledger::accounts, settings::Config};

/// Checks all rules that don't depend on the accounts and contracts in the ledger.
///
/// # Errors
/// The error says what was asked for and what is allowed.
pub(crate) fn check(tx: &Submitted, config: &Config) -> Result<(), Reason> {
    let Some(data) = tx.soroban_data() else {
        return Err(error(Part::Value, ScErrorCode::MissingValue, "transaction has no Soroban data"));
    };
    check_memo(tx)?;
    check_resources(tx, data, config)?;
    check_keys(data, config)?;
    check_size(tx, config)?;
    check_fee(tx, data, config)?;
    check_duplicates(data)?;
    check_marks(tx, data)
}

/// Refuses a memo and a muxed source: only the arguments of an invocation say who is paid (CAP-67; a rule of validity
/// since protocol 25).
fn check_memo(tx: &Submitted) -> Result<(), Reason> {
    let Some(operation) = tx.operations().first() else {
        return Ok(());
    };
    if !matches!(operation.body, OperationBody::InvokeHostFunction(_)) {
        return Ok(());
    }
    let muxed = |account: &MuxedAccount| matches!(account, MuxedAccount::MuxedEd25519(_));
    let with_muxed = muxed(&tx.tx().source_account) || operation.source_account.as_ref().is_some_and(muxed);
    if with_muxed || tx.tx().memo != Memo::None {
        let reason = "Soroban transactions are not allowed to use memo or muxed source account";
        return Err(error(Part::Value, ScErrorCode::InvalidInput, reason));
    }
    Ok(())
}

fn check_resources(tx: &Submitted, data: &SorobanTransactionData, config: &Config) -> Result<(), Reason> {
    let resources = &data.resources;
    let footprint = &resources.footprint;
    let writes = footprint.read_write.len() as u64;
    let keys = writes + footprint.read_only.len() as u64;
    let max_instructions = u64::try_from(config.compute.tx_max_instructions).unwrap_or(0);
    let limits = [
        (
            Part::Budget,
            "transaction instructions resources exceed network config limit",
            u64::from(resources.instructions),
            max_instructions,
        ),
        (
            Part::Storage,
            "transaction byte-read resources exceed network config limit",
            u64::from(resources.disk_read_bytes),
            u64::from(config.cost.tx_max_disk_read_bytes),
        ),
        (
            Part::Storage,
            "transaction byte-write resources exceed network config limit",
            u64::from(resources.write_bytes),
            u64::from(config.cost.tx_max_write_bytes),
        ),
        (
            Part::Storage,
            "the number of entries in transaction footprint exceeds the network config limit",
            keys,
            u64::from(config.cost_ext.tx_max_footprint_entries),
        ),
        (
            Part::Storage,
            "transaction entry-disk-read resources exceed network config limit",
            u64::from(fees::disk_read_entries(tx, data)),
            u64::from(config.cost.tx_max_disk_read_entries),
        ),
        (
            Part::Storage,
            "transaction entry-write resources exceed network config limit",
            writes,
            u64::from(config.cost.tx_max_write_ledger_entries),
        ),
    ];
    for (part, reason, asked, allowed) in limits {
        if asked > allowed {
            return Err(exceeded(part, reason, asked, allowed));
        }
    }
    Ok(())
}

fn check_keys(data: &SorobanTransactionData, config: &Config) -> Result<(), Reason> {
    let footprint = &data.resources.footprint;
    for key in footprint.read_only.iter().chain(footprint.read_write.iter()) {
        match key {
            LedgerKey::Account(_) | LedgerKey::ContractData(_) | LedgerKey::ContractCode(_) => {}
            LedgerKey::Trustline(line) if can_be_held(&line.account_id, &line.asset) => {}
            LedgerKey::Trustline(_) => {
                let reason = "transaction footprint contains invalid trustline asset";
                return Err(error(Part::Storage, ScErrorCode::InvalidInput, reason));
            }
            _ => {
                let reason = "transaction footprint contains unsupported ledger key type";
                return Err(error(Part::Storage, ScErrorCode::UnexpectedType, reason));
            }
        }
        let size = key.to_xdr(Limits::none()).map_or(u64::MAX, |bytes| bytes.len() as u64);
        let allowed = u64::from(config.max_key_bytes);
        if size > allowed {
            let reason = "transaction footprint key exceeds network config limit";
            return Err(exceeded(Part::Storage, reason, size, allowed));
        }
    }
    Ok(())
}

fn can_be_held(holder: &stellar_xdr::AccountId, asset: &TrustLineAsset) -> bool {
    let asset = match asset {
        TrustLineAsset::CreditAlphanum4(a) => Asset::CreditAlphanum4(a.clone()),
        TrustLineAsset::CreditAlphanum12(a) => Asset::CreditAlphanum12(a.clone()),
        TrustLineAsset::Native => return false,
        TrustLineAsset::PoolShare(_) => return true,
    };
    accounts::is_valid_asset(&asset) && accounts::issuer(&asset) != Some(holder)
}

fn check_size(tx: &Submitted, config: &Config) -> Result<(), Reason> {
    if tx.size() > config.bandwidth.tx_max_size_bytes {
        let reason = "total transaction size exceeds network config limit";
        return Err(exceeded(
            Part::Budget,
            reason,
            u64::from(tx.size()),
            u64::from(config.bandwidth.tx_max_size_bytes),
        ));
    }
    Ok(())
}

fn check_fee(tx: &Submitted, data: &SorobanTransactionData, config: &Config) -> Result<(), Reason> {
    let stroops = |fee: i64| u64::try_from(fee).unwrap_or(0);
    if data.resource_fee > tx.inner_full_fee() {
        let reason = "transaction `sorobanData.resourceFee` is higher than the full transaction fee";
        return Err(exceeded(Part::Value, reason, stroops(data.resource_fee), stroops(tx.inner_full_fee())));
    }
    let (fixed, refundable) = fees::resource_fees(tx, data, 0, &config.host.fee_configuration);
    let due = fixed.saturating_add(refundable);
    if data.resource_fee < due {
        let reason = "transaction `sorobanData.resourceFee` is lower than the actual Soroban resource fee";
        return Err(exceeded(Part::Value, reason, stroops(data.resource_fee), stroops(due)));
    }
    Ok(())
}

fn check_duplicates(data: &SorobanTransactionData) -> Result<(), Reason> {
    let footprint = &data.resources.footprint;
    let mut seen = BTreeSet::new();
    if footprint.read_only.iter().chain(footprint.read_write.iter()).all(|key| seen.insert(key)) {
        return Ok(());
    }
    let reason = "Found duplicate key in the Soroban footprint; every key across read-only and read-write footprints has \
                  to be unique.";
    Err(error(Part::Storage, ScErrorCode::InvalidInput, reason))
}

/// Checks the marks of archived entries. They name persistent contract entries of the read-write footprint, in
/// ascending order and each of them once. Only invocations restore marked entries (CAP-66).
fn check_marks(tx: &Submitted, data: &SorobanTransactionData) -> Result<(), Reason> {
    let marks = tx.marked_archived();
    if marks.is_empty() {
        return Ok(());
    }
    let invalid = |reason| error(Part::Storage, ScErrorCode::InvalidInput, reason);
    if !matches!(tx.operations().first().map(|op| &op.body), Some(OperationBody::InvokeHostFunction(_))) {
        return Err(invalid("only InvokeHostFunction can restore the entries that `archivedSorobanEntries` marks"));
    }
    if !marks.is_sorted_by(|one, next| one < next) {
        return Err(invalid("`archivedSorobanEntries` must be sorted and without duplicates"));
    }
    let read_write = &data.resources.footprint.read_write;
    for mark in marks {
        let key = usize::try_from(*mark).ok().and_then(|at| read_write.get(at));
        let Some(key) = key else {
            return Err(invalid("`archivedSorobanEntries` has an index outside of the read-write footprint"));
        };
        if get_key_durability(key) != Some(ContractDataDurability::Persistent) {
            return Err(invalid("`archivedSorobanEntries` marks an entry that is not a persistent contract entry"));
        }
    }
    Ok(())
}
