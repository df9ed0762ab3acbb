//! AccountMerge: an account gives all that it has to another one and ceases to exist.

use stellar_xdr::{AccountFlags, AccountId, AccountMergeResult, Asset, MuxedAccount};

use super::{Classic, asset_events};
use crate::ledger::accounts::{account_key, add_balance, find_account, has_flag, starting_sequence, unmuxed};

pub(super) fn check(destination: &MuxedAccount, source: &AccountId) -> Result<(), AccountMergeResult> {
    if unmuxed(destination) == *source { Err(AccountMergeResult::Malformed) } else { Ok(()) }
}

pub(super) fn apply(destination: &MuxedAccount, classic: &mut Classic<'_>) -> AccountMergeResult {
    let source_id = classic.source_id();
    let Some(mut receiver) = find_account(classic.entries, &unmuxed(destination)).cloned() else {
        return AccountMergeResult::NoAccount;
    };
    let Some(source) = find_account(classic.entries, &source_id) else {
        return AccountMergeResult::NoAccount;
    };
    if has_flag(source, AccountFlags::ImmutableFlag) {
        return AccountMergeResult::ImmutableSet;
    }
    // Signers are removed with the account; trustlines and data entries would be left without an owner.
    if source.num_sub_entries as usize != source.signers.len() {
        return AccountMergeResult::HasSubEntries;
    }
    // Otherwise the account could be created again with a sequence number that it has used before.
    if source.seq_num.0 >= starting_sequence(classic.entries.ledger()) {
        return AccountMergeResult::SeqnumTooFar;
    }
    let balance = source.balance;
    if !add_balance(&mut receiver, balance) {
        return AccountMergeResult::DestFull;
    }
    classic.entries.put_classic(receiver);
    classic.entries.remove(&account_key(&source_id));
    asset_events::moved(classic, &Asset::Native, destination, balance);
    AccountMergeResult::Success(balance)
}
