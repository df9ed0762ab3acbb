//! CreateAccount: it makes a new account and gives it its first XLM.

use stellar_xdr::{AccountId, Asset, CreateAccountOp, CreateAccountResult, MuxedAccount, Uint256};

use super::{Classic, asset_events};
use crate::ledger::accounts::{add_balance, available_balance, find_account, minimum_balance, new_account, public_key};

pub(super) fn check(op: &CreateAccountOp, source: &AccountId) -> Result<(), CreateAccountResult> {
    if op.starting_balance < 0 || op.destination == *source {
        return Err(CreateAccountResult::Malformed);
    }
    Ok(())
}

pub(super) fn apply(op: &CreateAccountOp, classic: &mut Classic<'_>) -> CreateAccountResult {
    if find_account(classic.entries, &op.destination).is_some() {
        return CreateAccountResult::AlreadyExist;
    }
    let created = new_account(op.destination.clone(), op.starting_balance, classic.entries.ledger());
    if op.starting_balance < minimum_balance(&created) {
        return CreateAccountResult::LowReserve;
    }
    let source_id = classic.source_id();
    let Some(mut source) = find_account(classic.entries, &source_id).cloned() else {
        return CreateAccountResult::Underfunded;
    };
    if available_balance(&source) < op.starting_balance || !add_balance(&mut source, -op.starting_balance) {
        return CreateAccountResult::Underfunded;
    }
    classic.entries.put_classic(source);
    classic.entries.put_classic(created);
    let destination = MuxedAccount::Ed25519(Uint256(public_key(&op.destination)));
    asset_events::moved(classic, &Asset::Native, &destination, op.starting_balance);
    CreateAccountResult::Success
}
