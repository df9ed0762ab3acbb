//! The operations of issuers on other accounts' trustlines: SetTrustLineFlags and Clawback.

use stellar_xdr::{
    AccountFlags, AccountId, Asset, ClawbackOp, ClawbackResult, SetTrustLineFlagsOp, SetTrustLineFlagsResult,
    TrustLineFlags,
};

use super::{Classic, asset_events};
use crate::ledger::accounts::{
    add_line_balance, find_account, find_trustline, has_flag, is_clawback_enabled, is_valid_asset, issuer,
    trustline_asset, unmuxed,
};

const AUTHORIZED: u32 = TrustLineFlags::AuthorizedFlag as u32;
const MAINTAIN: u32 = TrustLineFlags::AuthorizedToMaintainLiabilitiesFlag as u32;
const CLAWBACK: u32 = TrustLineFlags::TrustlineClawbackEnabledFlag as u32;

/// What the holder may do: 0 nothing, 1 keep offers that exist, 2 everything.
fn level(flags: u32) -> u8 {
    if flags & AUTHORIZED != 0 { 2 } else { u8::from(flags & MAINTAIN != 0) }
}

fn is_issued_by(asset: &Asset, source: &AccountId) -> bool {
    is_valid_asset(asset) && issuer(asset) == Some(source)
}

pub(super) fn check_flags(op: &SetTrustLineFlagsOp, source: &AccountId) -> Result<(), SetTrustLineFlagsResult> {
    let known = AUTHORIZED | MAINTAIN | CLAWBACK;
    let both_levels = AUTHORIZED | MAINTAIN;
    let well_formed = is_issued_by(&op.asset, source)
        && op.trustor != *source
        && op.set_flags & op.clear_flags == 0
        && op.set_flags & !(AUTHORIZED | MAINTAIN) == 0
        && op.set_flags & both_levels != both_levels
        && op.clear_flags & !known == 0;
    if well_formed { Ok(()) } else { Err(SetTrustLineFlagsResult::Malformed) }
}

pub(super) fn apply_flags(op: &SetTrustLineFlagsOp, classic: &mut Classic<'_>) -> SetTrustLineFlagsResult {
    let source = classic.source_id();
    let revocable =
        find_account(classic.entries, &source).is_some_and(|issuer| has_flag(issuer, AccountFlags::RevocableFlag));
    let Some(mut line) = find_trustline(classic.entries, &op.trustor, &trustline_asset(&op.asset)).cloned() else {
        return SetTrustLineFlagsResult::NoTrustLine;
    };
    let flags = (line.flags & !op.clear_flags) | op.set_flags;
    // An issuer without the right to revoke can only extend an authorization.
    if level(flags) < level(line.flags) && !revocable {
        return SetTrustLineFlagsResult::CantRevoke;
    }
    if flags & (AUTHORIZED | MAINTAIN) == AUTHORIZED | MAINTAIN {
        return SetTrustLineFlagsResult::InvalidState;
    }
    line.flags = flags;
    classic.entries.put_classic(line);
    asset_events::authorized(classic, &op.asset, &op.trustor, flags & AUTHORIZED != 0);
    SetTrustLineFlagsResult::Success
}

pub(super) fn check_clawback(op: &ClawbackOp, source: &AccountId) -> Result<(), ClawbackResult> {
    if op.amount <= 0 || !is_issued_by(&op.asset, source) || unmuxed(&op.from) == *source {
        return Err(ClawbackResult::Malformed);
    }
    Ok(())
}

pub(super) fn apply_clawback(op: &ClawbackOp, classic: &mut Classic<'_>) -> ClawbackResult {
    let holder = unmuxed(&op.from);
    let Some(mut line) = find_trustline(classic.entries, &holder, &trustline_asset(&op.asset)).cloned() else {
        return ClawbackResult::NoTrust;
    };
    if !is_clawback_enabled(&line) {
        return ClawbackResult::NotClawbackEnabled;
    }
    if !add_line_balance(&mut line, -op.amount) {
        return ClawbackResult::Underfunded;
    }
    classic.entries.put_classic(line);
    asset_events::clawed_back(classic, &op.asset, &holder, op.amount);
    ClawbackResult::Success
}
