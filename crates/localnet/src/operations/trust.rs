//! ChangeTrust: it opens, changes and closes trustlines.

use stellar_xdr::{
    AccountFlags, AccountId, Asset, ChangeTrustAsset, ChangeTrustOp, ChangeTrustResult, TrustLineEntry,
    TrustLineEntryExt, TrustLineFlags,
};

use super::{Classic, Unusual};
use crate::ledger::accounts::{
    NoSubentry, add_subentry, find_account, find_trustline, has_flag, is_valid_asset, issuer, line_liabilities,
    remove_subentry, trustline_asset, trustline_key,
};

pub(super) fn check(op: &ChangeTrustOp, source: &AccountId) -> Result<(), ChangeTrustResult> {
    match credit_asset(op) {
        Some(asset) if op.limit >= 0 && is_valid_asset(&asset) && issuer(&asset) != Some(source) => Ok(()),
        _ => Err(ChangeTrustResult::Malformed),
    }
}

/// The asset, unless it is the native one or a pool's shares. Pools are not implemented, so none exists.
fn credit_asset(op: &ChangeTrustOp) -> Option<Asset> {
    match &op.line {
        ChangeTrustAsset::CreditAlphanum4(a) => Some(Asset::CreditAlphanum4(a.clone())),
        ChangeTrustAsset::CreditAlphanum12(a) => Some(Asset::CreditAlphanum12(a.clone())),
        ChangeTrustAsset::Native | ChangeTrustAsset::PoolShare(_) => None,
    }
}

pub(super) fn apply(op: &ChangeTrustOp, classic: &mut Classic<'_>) -> Result<ChangeTrustResult, Unusual> {
    let Some(asset) = credit_asset(op) else {
        return Ok(ChangeTrustResult::Malformed);
    };
    let source = classic.source_id();
    let line = find_trustline(classic.entries, &source, &trustline_asset(&asset)).cloned();
    match line {
        Some(line) => Ok(change(op, classic, &asset, line)),
        None => open(op, classic, &asset),
    }
}

fn change(op: &ChangeTrustOp, classic: &mut Classic<'_>, asset: &Asset, mut line: TrustLineEntry) -> ChangeTrustResult {
    if op.limit < line.balance.saturating_add(line_liabilities(&line).buying) {
        return ChangeTrustResult::InvalidLimit;
    }
    if op.limit == 0 {
        let source = classic.source_id();
        if let Some(mut account) = find_account(classic.entries, &source).cloned() {
            remove_subentry(&mut account);
            classic.entries.put_classic(account);
        }
        classic.entries.remove(&trustline_key(&source, &line.asset));
        return ChangeTrustResult::Success;
    }
    if issuer(asset).is_none_or(|issuer| find_account(classic.entries, issuer).is_none()) {
        return ChangeTrustResult::NoIssuer;
    }
    line.limit = op.limit;
    classic.entries.put_classic(line);
    ChangeTrustResult::Success
}

fn open(op: &ChangeTrustOp, classic: &mut Classic<'_>, asset: &Asset) -> Result<ChangeTrustResult, Unusual> {
    if op.limit == 0 {
        return Ok(ChangeTrustResult::InvalidLimit);
    }
    let Some(issuer) = issuer(asset).and_then(|issuer| find_account(classic.entries, issuer)) else {
        return Ok(ChangeTrustResult::NoIssuer);
    };
    let mut flags = 0;
    if !has_flag(issuer, AccountFlags::RequiredFlag) {
        flags |= TrustLineFlags::AuthorizedFlag as u32;
    }
    if has_flag(issuer, AccountFlags::ClawbackEnabledFlag) {
        flags |= TrustLineFlags::TrustlineClawbackEnabledFlag as u32;
    }
    let source = classic.source_id();
    let mut account = find_account(classic.entries, &source).cloned().ok_or(Unusual::NoAccount)?;
    match add_subentry(&mut account) {
        Ok(()) => {}
        Err(NoSubentry::LowReserve) => return Ok(ChangeTrustResult::LowReserve),
        Err(NoSubentry::TooMany) => return Err(Unusual::TooManySubentries),
    }
    classic.entries.put_classic(account);
    classic.entries.put_classic(TrustLineEntry {
        account_id: source,
        asset: trustline_asset(asset),
        balance: 0,
        limit: op.limit,
        flags,
        ext: TrustLineEntryExt::V0,
    });
    Ok(ChangeTrustResult::Success)
}
