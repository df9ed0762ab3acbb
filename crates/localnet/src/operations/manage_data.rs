//! ManageData: names with values that an account keeps in the ledger.

use stellar_xdr::{DataEntry, DataEntryExt, LedgerEntryData, LedgerKey, LedgerKeyData, ManageDataOp, ManageDataResult};

use super::{Classic, Unusual, set_options::is_printable};
use crate::ledger::accounts::{NoSubentry, add_subentry, find_account, remove_subentry};

pub(super) fn check(op: &ManageDataOp) -> Result<(), ManageDataResult> {
    if op.data_name.0.is_empty() || !is_printable(&op.data_name.0) {
        return Err(ManageDataResult::InvalidName);
    }
    Ok(())
}

pub(super) fn apply(op: &ManageDataOp, classic: &mut Classic<'_>) -> Result<ManageDataResult, Unusual> {
    let account_id = classic.source_id();
    let key = LedgerKey::Data(LedgerKeyData { account_id: account_id.clone(), data_name: op.data_name.clone() });
    let exists = matches!(classic.entries.data(&key), Some(LedgerEntryData::Data(_)));
    let mut account = find_account(classic.entries, &account_id).cloned().ok_or(Unusual::NoAccount)?;
    match &op.data_value {
        None if !exists => return Ok(ManageDataResult::NameNotFound),
        None => {
            remove_subentry(&mut account);
            classic.entries.put_classic(account);
            classic.entries.remove(&key);
        }
        Some(value) => {
            if !exists {
                match add_subentry(&mut account) {
                    Ok(()) => classic.entries.put_classic(account),
                    Err(NoSubentry::LowReserve) => return Ok(ManageDataResult::LowReserve),
                    Err(NoSubentry::TooMany) => return Err(Unusual::TooManySubentries),
                }
            }
            classic.entries.put_classic(DataEntry {
                account_id,
                data_name: op.data_name.clone(),
                data_value: value.clone(),
                ext: DataEntryExt::V0,
            });
        }
    }
    Ok(ManageDataResult::Success)
}
