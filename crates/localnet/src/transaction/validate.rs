//! Checks whether a transaction is valid: when it is submitted, when a ledger is put together, and when it is applied.
//!
//! The order of the checks is stellar-core's, because the first check that fails names the result.

use stellar_xdr::{
    AccountEntry, DiagnosticEvent, OperationResult, SignerKey, TransactionResult, TransactionResultResult,
};

use super::{
    envelope::{FeeBump, Submitted, is_soroban},
    fees, results,
    signatures::{SignatureChecker, Threshold},
    soroban_limits,
};
use crate::{
    ledger::{
        accounts::{available_balance, find_account, last_sequence_use, starting_sequence, unmuxed},
        entries::Entries,
    },
    operations,
    settings::{BASE_FEE, Config},
};

/// The moment for which a transaction is checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// The ledger in which it would be applied.
    pub(crate) ledger: u32,
    /// The close time with which its time bounds are compared, in Unix seconds.
    pub(crate) close_time: u64,
    /// Seconds after the close time until which the transaction must stay valid. Submission asks for some, so that
    /// nothing is accepted that expires before it can be applied.
    pub(crate) margin: u64,
    /// Whether the fee is charged already and the operations are about to run.
    pub(crate) applying: bool,
}

/// Why a transaction is not valid.
#[derive(Debug)]
pub(crate) struct Invalid {
    pub(crate) result: TransactionResult,
    pub(crate) diagnostics: Vec<DiagnosticEvent>,
    /// Whether the transaction uses up its sequence number nevertheless, when it is being applied.
    pub(crate) uses_sequence: bool,
}

/// Checks a transaction against the entries.
///
/// # Errors
/// The result that the public networks give.
pub(crate) fn check(tx: &Submitted, entries: &Entries, config: &Config, moment: Moment) -> Result<(), Invalid> {
    if let Some(bump) = tx.fee_bump().filter(|_| !moment.applying) {
        check_fee_bump(tx, bump, entries)?;
    }
    let invalid = |result, uses_sequence| Invalid {
        result: results::of_inner(tx, fees::required_fee(tx), result),
        diagnostics: Vec::new(),
        uses_sequence,
    };
    check_form(tx).map_err(|result| invalid(result, false))?;
    if tx.is_soroban() {
        soroban_limits::check(tx, config).map_err(|reason| Invalid {
            diagnostics: vec![reason.event()],
            ..invalid(TransactionResultResult::TxSorobanInvalid, false)
        })?;
    }
    check_bounds(tx, moment).map_err(|result| invalid(result, false))?;
    if tx.fee_bump().is_none() && tx.inclusion_fee() < fees::inclusion_cost(tx, BASE_FEE) {
        return Err(invalid(TransactionResultResult::TxInsufficientFee, false));
    }
    let source =
        find_account(entries, &tx.source()).ok_or_else(|| invalid(TransactionResultResult::TxNoAccount, false))?;
    if is_bad_sequence(tx, source.seq_num.0, moment.ledger) {
        return Err(invalid(TransactionResultResult::TxBadSeq, false));
    }
    if is_too_soon_after_last(tx, source, moment) {
        return Err(invalid(TransactionResultResult::TxBadMinSeqAgeOrGap, true));
    }

    let mut signatures = SignatureChecker::new(tx.inner_hash(), tx.signatures());
    let extra = tx.conditions().map_or(&[][..], |conditions| conditions.extra_signers.as_slice());
    if !signatures.account_signed(source, Threshold::Low.of(source)) || !signatures.extra_signed(extra) {
        return Err(invalid(TransactionResultResult::TxBadAuth, true));
    }
    let due = if moment.applying || tx.fee_bump().is_some() { 0 } else { tx.full_fee() };
    if available_balance(source) < due {
        return Err(invalid(TransactionResultResult::TxInsufficientBalance, true));
    }
    let mut diagnostics = Vec::new();
    check_operations(tx, entries, config, &mut signatures, &mut diagnostics)
        .map_err(|result| Invalid { diagnostics, ..invalid(result, true) })?;
    if !signatures.all_used() {
        return Err(invalid(TransactionResultResult::TxBadAuthExtra, true));
    }
    Ok(())
}

/// A fee bump bids at least the least fee, and for one operation at least what the transaction inside of it bids. Its
/// source exists, has signed and can pay (CAP-15).
fn check_fee_bump(tx: &Submitted, bump: &FeeBump, entries: &Entries) -> Result<(), Invalid> {
    let invalid = |fee, result| Invalid {
        result: results::transaction(fee, result),
        diagnostics: Vec::new(),
        uses_sequence: false,
    };
    let least = fees::required_fee(tx);
    let bid = fees::Bid::of(tx);
    if tx.inclusion_fee() < fees::inclusion_cost(tx, BASE_FEE) {
        return Err(invalid(least, TransactionResultResult::TxInsufficientFee));
    }
    let inner = fees::Bid {
        stroops: tx.inner_full_fee().saturating_sub(tx.resource_fee()),
        operations: bid.operations.saturating_sub(1).max(1),
    };
    if bid < inner {
        let due = inner.matched_by(bid.operations).saturating_add(tx.resource_fee());
        return Err(invalid(due, TransactionResultResult::TxInsufficientFee));
    }
    let source =
        find_account(entries, &bump.fee_source).ok_or_else(|| invalid(least, TransactionResultResult::TxNoAccount))?;
    let mut signatures = SignatureChecker::new(tx.hash(), &bump.signatures);
    if !signatures.account_signed(source, Threshold::Low.of(source)) {
        return Err(invalid(least, TransactionResultResult::TxBadAuth));
    }
    if available_balance(source) < tx.full_fee() {
        return Err(invalid(least, TransactionResultResult::TxInsufficientBalance));
    }
    if !signatures.all_used() {
        return Err(invalid(least, TransactionResultResult::TxBadAuthExtra));
    }
    Ok(())
}

/// Checks that there is an operation, and that a Soroban operation is alone in its transaction.
fn check_form(tx: &Submitted) -> Result<(), TransactionResultResult> {
    let operations = tx.operations();
    if let Some(conditions) = tx.conditions()
        && let [first, second] = conditions.extra_signers.as_slice()
        && first == second
    {
        return Err(TransactionResultResult::TxMalformed);
    }
    // Other kinds of signers exist on the public networks; this network does not implement them.
    let is_ed25519 = |key: &SignerKey| matches!(key, SignerKey::Ed25519(_));
    if tx.conditions().is_some_and(|conditions| !conditions.extra_signers.iter().all(is_ed25519)) {
        return Err(TransactionResultResult::TxNotSupported);
    }
    if operations.is_empty() {
        return Err(TransactionResultResult::TxMissingOperation);
    }
    let soroban = operations.iter().filter(|operation| is_soroban(operation)).count();
    let mixed = soroban > 0 && operations.len() > 1;
    let data_without_use = soroban == 0 && tx.soroban_data().is_some();
    if mixed || data_without_use {
        return Err(TransactionResultResult::TxMalformed);
    }
    Ok(())
}

/// Checks the bounds. Both time bounds are inclusive. The lower ledger bound is inclusive and the upper one exclusive.
/// An upper bound of 0 means that there is none (CAP-21).
fn check_bounds(tx: &Submitted, moment: Moment) -> Result<(), TransactionResultResult> {
    let time = tx.time_bounds();
    let ledgers = tx.ledger_bounds();
    if time.is_some_and(|bounds| bounds.min_time.0 > moment.close_time)
        || ledgers.is_some_and(|bounds| bounds.min_ledger > moment.ledger)
    {
        return Err(TransactionResultResult::TxTooEarly);
    }
    let latest = moment.close_time.saturating_add(moment.margin);
    if time.is_some_and(|bounds| bounds.max_time.0 != 0 && bounds.max_time.0 < latest)
        || ledgers.is_some_and(|bounds| bounds.max_ledger != 0 && bounds.max_ledger <= moment.ledger)
    {
        return Err(TransactionResultResult::TxTooLate);
    }
    Ok(())
}

/// A transaction must have the number after the account's. If it names the least number that the account may have, it
/// may have any number above the account's (CAP-21). The first number of the current ledger's range is never used, so
/// that it can't clash with accounts that are created in this ledger.
fn is_bad_sequence(tx: &Submitted, used: i64, ledger: u32) -> bool {
    let sequence = tx.tx().seq_num.0;
    if sequence == starting_sequence(ledger) {
        return true;
    }
    match tx.conditions().and_then(|conditions| conditions.min_seq_num.as_ref()) {
        Some(least) => used < least.0 || used >= sequence,
        None => used.checked_add(1) != Some(sequence),
    }
}

fn is_too_soon_after_last(tx: &Submitted, source: &AccountEntry, moment: Moment) -> bool {
    let Some(conditions) = tx.conditions() else {
        return false;
    };
    let (last_ledger, last_time) = last_sequence_use(source);
    moment.close_time.checked_sub(conditions.min_seq_age.0).is_none_or(|time| time < last_time)
        || moment.ledger.checked_sub(conditions.min_seq_ledger_gap).is_none_or(|ledger| ledger < last_ledger)
}

fn check_operations(
    tx: &Submitted,
    entries: &Entries,
    config: &Config,
    signatures: &mut SignatureChecker<'_>,
    diagnostics: &mut Vec<DiagnosticEvent>,
) -> Result<(), TransactionResultResult> {
    let mut codes: Vec<OperationResult> = tx.operations().iter().map(results::untouched).collect();
    for (operation, code) in tx.operations().iter().zip(&mut codes) {
        let source = unmuxed(tx.operation_source(operation));
        let refusal = match find_account(entries, &source) {
            Some(account) => {
                let needed = operations::threshold(operation).of(account);
                (!signatures.account_signed(account, needed)).then_some(OperationResult::OpBadAuth)
            }
            // An earlier operation may create the account, so its key must have signed.
            None if operation.source_account.is_none() => Some(OperationResult::OpNoAccount),
            None => (!signatures.key_signed(&source)).then_some(OperationResult::OpBadAuth),
        };
        if let Some(refusal) = refusal.or_else(|| operations::check(tx, operation, &source, config, diagnostics)) {
            *code = refusal;
            return Err(results::failed(codes));
        }
    }
    Ok(())
}
