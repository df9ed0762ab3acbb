//! SetOptions: flags, thresholds, the master key's weight, ed25519 signers, home domain, inflation destination.

use stellar_xdr::{
    AccountEntry, AccountEntryExt, AccountEntryExtensionV1Ext, AccountFlags, AccountId, DiagnosticEvent, SetOptionsOp,
    SetOptionsResult, Signer, SignerKey, SponsorshipDescriptor, Uint256,
};

use super::{Classic, Unusual};
use crate::{
    ledger::accounts::{NoSubentry, add_subentry, find_account, has_flag, public_key, remove_subentry},
    transaction::{diagnostics::not_implemented, signatures::Threshold},
};

const ALL_FLAGS: u32 = AccountFlags::RequiredFlag as u32
    | AccountFlags::RevocableFlag as u32
    | AccountFlags::ImmutableFlag as u32
    | AccountFlags::ClawbackEnabledFlag as u32;
/// The most signers of one account.
const MAX_SIGNERS: usize = 20;

/// Changing who may sign needs the high threshold.
pub(super) fn threshold(op: &SetOptionsOp) -> Threshold {
    let weights = [op.master_weight, op.low_threshold, op.med_threshold, op.high_threshold];
    if op.signer.is_some() || weights.iter().any(Option::is_some) { Threshold::High } else { Threshold::Medium }
}

pub(super) fn check(
    op: &SetOptionsOp,
    source: &AccountId,
    diagnostics: &mut Vec<DiagnosticEvent>,
) -> Result<(), SetOptionsResult> {
    let (set, clear) = (op.set_flags.unwrap_or(0), op.clear_flags.unwrap_or(0));
    if (set | clear) & !ALL_FLAGS != 0 {
        return Err(SetOptionsResult::UnknownFlag);
    }
    if set & clear != 0 {
        return Err(SetOptionsResult::BadFlags);
    }
    let weights = [op.master_weight, op.low_threshold, op.med_threshold, op.high_threshold];
    if weights.into_iter().flatten().any(|weight| weight > 255) {
        return Err(SetOptionsResult::ThresholdOutOfRange);
    }
    if let Some(signer) = &op.signer {
        let own = SignerKey::Ed25519(Uint256(public_key(source)));
        if signer.key == own || signer.weight > 255 {
            return Err(SetOptionsResult::BadSigner);
        }
        if !matches!(signer.key, SignerKey::Ed25519(_)) {
            diagnostics.push(not_implemented("signers other than ed25519 keys"));
            return Err(SetOptionsResult::BadSigner);
        }
    }
    if op.home_domain.as_ref().is_some_and(|domain| !is_printable(&domain.0)) {
        return Err(SetOptionsResult::InvalidHomeDomain);
    }
    Ok(())
}

/// Whether the text is ASCII without control characters, as the network requires of its strings.
pub(super) fn is_printable(text: &[u8]) -> bool {
    text.iter().all(|byte| byte.is_ascii() && !byte.is_ascii_control())
}

pub(super) fn apply(op: &SetOptionsOp, classic: &mut Classic<'_>) -> Result<SetOptionsResult, Unusual> {
    let source = classic.source_id();
    let mut account = find_account(classic.entries, &source).cloned().ok_or(Unusual::NoAccount)?;
    if let Some(destination) = &op.inflation_dest {
        if find_account(classic.entries, destination).is_none() {
            return Ok(SetOptionsResult::InvalidInflation);
        }
        account.inflation_dest = Some(destination.clone());
    }
    if let Err(refusal) = change_flags(op, &mut account) {
        return Ok(refusal);
    }
    if let Some(domain) = &op.home_domain {
        account.home_domain = domain.clone();
    }
    let weights = [op.master_weight, op.low_threshold, op.med_threshold, op.high_threshold];
    for (place, weight) in account.thresholds.0.iter_mut().zip(weights) {
        if let Some(weight) = weight.and_then(|weight| u8::try_from(weight).ok()) {
            *place = weight;
        }
    }
    if let Some(signer) = &op.signer {
        match change_signer(&mut account, signer) {
            Ok(()) => {}
            Err(Refusal::Options(code)) => return Ok(code),
            Err(Refusal::TooManySubentries) => return Err(Unusual::TooManySubentries),
        }
    }
    classic.entries.put_classic(account);
    Ok(SetOptionsResult::Success)
}

fn change_flags(op: &SetOptionsOp, account: &mut AccountEntry) -> Result<(), SetOptionsResult> {
    let (set, clear) = (op.set_flags.unwrap_or(0), op.clear_flags.unwrap_or(0));
    if (set | clear) == 0 {
        return Ok(());
    }
    if has_flag(account, AccountFlags::ImmutableFlag) {
        return Err(SetOptionsResult::CantChange);
    }
    account.flags = (account.flags & !clear) | set;
    if has_flag(account, AccountFlags::ClawbackEnabledFlag) && !has_flag(account, AccountFlags::RevocableFlag) {
        return Err(SetOptionsResult::AuthRevocableRequired);
    }
    Ok(())
}

enum Refusal {
    Options(SetOptionsResult),
    TooManySubentries,
}

/// Adds a signer or changes its weight; a weight of 0 removes it. Signers are kept in the order of their keys.
fn change_signer(account: &mut AccountEntry, signer: &Signer) -> Result<(), Refusal> {
    let mut signers = account.signers.to_vec();
    match signers.binary_search_by(|held| held.key.cmp(&signer.key)) {
        Ok(at) if signer.weight == 0 => {
            signers.remove(at);
            change_sponsors(account, |sponsors| {
                sponsors.remove(at);
            });
            remove_subentry(account);
        }
        Ok(at) => signers[at].weight = signer.weight,
        Err(_) if signer.weight == 0 => {}
        Err(_) if signers.len() >= MAX_SIGNERS => {
            return Err(Refusal::Options(SetOptionsResult::TooManySigners));
        }
        Err(at) => {
            match add_subentry(account) {
                Ok(()) => {}
                Err(NoSubentry::LowReserve) => {
                    return Err(Refusal::Options(SetOptionsResult::LowReserve));
                }
                Err(NoSubentry::TooMany) => return Err(Refusal::TooManySubentries),
            }
            signers.insert(at, signer.clone());
            change_sponsors(account, |sponsors| sponsors.insert(at, SponsorshipDescriptor(None)));
        }
    }
    account.signers = signers.try_into().expect("20 signers at most");
    Ok(())
}

/// Changes the signers' sponsors. Once the account has that extension, each signer has a place for its sponsor. On this
/// network nobody is sponsored.
fn change_sponsors(account: &mut AccountEntry, change: impl FnOnce(&mut Vec<SponsorshipDescriptor>)) {
    if let AccountEntryExt::V1(v1) = &mut account.ext
        && let AccountEntryExtensionV1Ext::V2(v2) = &mut v1.ext
    {
        let mut sponsors = v2.signer_sponsoring_i_ds.to_vec();
        change(&mut sponsors);
        v2.signer_sponsoring_i_ds = sponsors.try_into().expect("as many as there are signers, 20 at most");
    }
}
