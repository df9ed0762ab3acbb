//! Payment: it moves XLM between accounts, and other assets between trustlines. An issuer has no trustline to its own asset:
//! what it sends is minted, and what it receives is burnt.

use stellar_xdr::{AccountId, Asset, PaymentOp, PaymentResult};

use super::{Classic, asset_events};
use crate::ledger::{
    accounts::{
        add_balance, add_line_balance, available_balance, find_account, find_trustline, is_authorized, is_valid_asset,
        issuer, trustline_asset, unmuxed,
    },
    entries::Entries,
};

pub(super) fn check(op: &PaymentOp) -> Result<(), PaymentResult> {
    if op.amount <= 0 || !is_valid_asset(&op.asset) {
        return Err(PaymentResult::Malformed);
    }
    Ok(())
}

pub(super) fn apply(op: &PaymentOp, classic: &mut Classic<'_>) -> PaymentResult {
    let source = classic.source_id();
    let destination = unmuxed(&op.destination);
    let to_self = source == destination && op.asset == Asset::Native;
    if !to_self {
        if let Err(refusal) = receive(classic.entries, &destination, op) {
            return refusal;
        }
        if let Err(refusal) = send(classic.entries, &source, op) {
            return refusal;
        }
    }
    asset_events::moved(classic, &op.asset, &op.destination, op.amount);
    PaymentResult::Success
}

fn receive(entries: &mut Entries, destination: &AccountId, op: &PaymentOp) -> Result<(), PaymentResult> {
    let by_issuer = issuer(&op.asset) == Some(destination);
    let account = find_account(entries, destination).cloned();
    if op.asset == Asset::Native {
        let mut account = account.ok_or(PaymentResult::NoDestination)?;
        if !add_balance(&mut account, op.amount) {
            return Err(PaymentResult::LineFull);
        }
        entries.put_classic(account);
        return Ok(());
    }
    // An asset returns to its issuer even if the issuer's account is gone (stellar-core, since protocol 13).
    if by_issuer {
        return Ok(());
    }
    if account.is_none() {
        return Err(PaymentResult::NoDestination);
    }
    let mut line =
        find_trustline(entries, destination, &trustline_asset(&op.asset)).cloned().ok_or(PaymentResult::NoTrust)?;
    if !is_authorized(&line) {
        return Err(PaymentResult::NotAuthorized);
    }
    if !add_line_balance(&mut line, op.amount) {
        return Err(PaymentResult::LineFull);
    }
    entries.put_classic(line);
    Ok(())
}

fn send(entries: &mut Entries, source: &AccountId, op: &PaymentOp) -> Result<(), PaymentResult> {
    if op.asset == Asset::Native {
        let mut account = find_account(entries, source).cloned().ok_or(PaymentResult::Underfunded)?;
        if available_balance(&account) < op.amount || !add_balance(&mut account, -op.amount) {
            return Err(PaymentResult::Underfunded);
        }
        entries.put_classic(account);
        return Ok(());
    }
    if issuer(&op.asset) == Some(source) {
        return Ok(());
    }
    let mut line =
        find_trustline(entries, source, &trustline_asset(&op.asset)).cloned().ok_or(PaymentResult::SrcNoTrust)?;
    if !is_authorized(&line) {
        return Err(PaymentResult::SrcNotAuthorized);
    }
    if !add_line_balance(&mut line, -op.amount) {
        return Err(PaymentResult::Underfunded);
    }
    entries.put_classic(line);
    Ok(())
}
