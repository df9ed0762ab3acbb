//! Applies one transaction to the ledger: its sequence number, its operations, its meta and events.

use sha2::{Digest, Sha256};
use soroban_env_host::{LedgerInfo, ModuleCache};
use stellar_xdr::{
    ContractCodeEntry, ContractEvent, DiagnosticEvent, ExtensionPoint, LedgerEntryChange, LedgerEntryChanges,
    LedgerEntryData, OperationMetaV2, OperationResult, ScVal, SorobanTransactionMetaExt, SorobanTransactionMetaExtV1,
    SorobanTransactionMetaV2, TransactionMetaV4, TransactionResult, VecM,
};

use crate::{
    ledger::{
        accounts::{find_account, unmuxed, use_sequence},
        entries::Entries,
    },
    operations::{
        self, Classic,
        soroban::{Done, Refundable, Soroban},
    },
    settings::Config,
    transaction::{
        envelope::Submitted,
        results,
        validate::{Moment, check},
    },
};

/// The ledger in which transactions are applied.
pub(crate) struct Environment<'a> {
    pub(crate) network_id: [u8; 32],
    pub(crate) config: &'a Config,
    pub(crate) modules: &'a ModuleCache,
    pub(crate) info: LedgerInfo,
    /// The seed of the contracts' random numbers in this ledger.
    pub(crate) seed: [u8; 32],
}

/// The effect of a transaction. Its refund is given back later, after all transactions.
pub(crate) struct Applied {
    pub(crate) result: TransactionResult,
    /// The events of fees are added after the refund.
    pub(crate) meta: TransactionMetaV4,
    /// Stroops to give back.
    pub(crate) refund: i64,
    /// The code that the transaction uploaded.
    pub(crate) code: Vec<ContractCodeEntry>,
    pub(crate) successful: bool,
}

/// The effects of all operations together.
struct Operations {
    results: Vec<OperationResult>,
    metas: Vec<OperationMetaV2>,
    diagnostics: Vec<DiagnosticEvent>,
    return_value: Option<ScVal>,
    refundable: Option<Refundable>,
}

/// Applies a transaction whose fee was charged. `index` is its place in the ledger.
pub(crate) fn apply(
    entries: &mut Entries,
    tx: &Submitted,
    environment: &Environment<'_>,
    index: u64,
    fee_charged: i64,
) -> Applied {
    let unused =
        tx.soroban_data().filter(|_| tx.is_soroban()).map(|data| Refundable::new(tx, data, environment.config));
    let before = entries.mark();
    let moment = Moment {
        ledger: environment.info.sequence_number,
        close_time: environment.info.timestamp,
        margin: 0,
        applying: true,
    };
    let checked = check(tx, entries, environment.config, moment);
    if checked.as_ref().err().is_none_or(|invalid| invalid.uses_sequence) {
        consume_sequence(entries, tx, moment);
    }
    let changes_before = entries.changes_since(before);
    if let Err(invalid) = checked {
        let meta = meta(changes_before, Vec::new(), invalid.diagnostics, None, unused);
        let result = TransactionResult { fee_charged, ..invalid.result };
        return Applied {
            result,
            meta,
            refund: unused.map_or(0, |it| it.refund()),
            code: Vec::new(),
            successful: false,
        };
    }

    let mark = entries.mark();
    let done = apply_operations(entries, tx, environment, index, unused);
    let successful = done.results.iter().all(results::is_success);
    let (result, code, metas, return_value, refundable) = if successful {
        let code = uploaded(&entries.changes_since(mark));
        (results::succeeded(done.results), code, done.metas, done.return_value, done.refundable)
    } else {
        entries.roll_back(mark);
        (results::failed(done.results), Vec::new(), Vec::new(), None, unused)
    };
    Applied {
        result: results::of_inner(tx, fee_charged, result),
        meta: meta(changes_before, metas, done.diagnostics, return_value, refundable),
        refund: refundable.map_or(0, |it| it.refund()),
        code,
        successful,
    }
}

fn consume_sequence(entries: &mut Entries, tx: &Submitted, moment: Moment) {
    if let Some(mut account) = find_account(entries, &tx.source()).cloned() {
        use_sequence(&mut account, tx.tx().seq_num.0, moment.ledger, moment.close_time);
        entries.put_classic(account);
    }
}

/// All operations run, even after one has failed, because the result has a code for each.
fn apply_operations(
    entries: &mut Entries,
    tx: &Submitted,
    environment: &Environment<'_>,
    index: u64,
    refundable: Option<Refundable>,
) -> Operations {
    let mut all =
        Operations { results: Vec::new(), metas: Vec::new(), diagnostics: Vec::new(), return_value: None, refundable };
    for operation in tx.operations() {
        let mark = entries.mark();
        let source = tx.operation_source(operation);
        let mut events: Vec<ContractEvent> = Vec::new();
        let result = if find_account(entries, &unmuxed(source)).is_none() {
            OperationResult::OpNoAccount
        } else if let (Some(data), Some(refundable)) = (tx.soroban_data(), refundable) {
            let mut soroban = Soroban {
                entries,
                tx,
                data,
                config: environment.config,
                modules: environment.modules,
                info: environment.info.clone(),
                seed: seed(environment.seed, index),
                refundable,
                diagnostics: Vec::new(),
            };
            let Done { result, events: emitted, return_value } = operations::apply_soroban(operation, &mut soroban);
            all.refundable = Some(soroban.refundable);
            all.diagnostics.append(&mut soroban.diagnostics);
            all.return_value = return_value;
            events = emitted;
            result
        } else {
            let mut classic = Classic {
                entries,
                tx,
                source,
                network_id: environment.network_id,
                close_time: environment.info.timestamp,
                events: &mut events,
            };
            operations::apply_classic(operation, &mut classic)
        };
        if results::is_success(&result) {
            all.metas.push(OperationMetaV2 {
                ext: ExtensionPoint::V0,
                changes: entries.changes_since(mark),
                events: events.try_into().expect("fewer events than 2^32"),
            });
        } else {
            entries.roll_back(mark);
        }
        all.results.push(result);
    }
    all
}

/// The seed of one transaction's random numbers.
fn seed(ledger: [u8; 32], index: u64) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(ledger);
    hash.update(index.to_be_bytes());
    hash.finalize().into()
}

fn uploaded(changes: &LedgerEntryChanges) -> Vec<ContractCodeEntry> {
    changes
        .iter()
        .filter_map(|change| match change {
            LedgerEntryChange::Created(entry) => match &entry.data {
                LedgerEntryData::ContractCode(code) => Some(code.clone()),
                _ => None,
            },
            _ => None,
        })
        .collect()
}

fn meta(
    changes_before: LedgerEntryChanges,
    operations: Vec<OperationMetaV2>,
    diagnostics: Vec<DiagnosticEvent>,
    return_value: Option<ScVal>,
    refundable: Option<Refundable>,
) -> TransactionMetaV4 {
    let soroban_meta = refundable.map(|fee| SorobanTransactionMetaV2 {
        ext: SorobanTransactionMetaExt::V1(SorobanTransactionMetaExtV1 {
            ext: ExtensionPoint::V0,
            total_non_refundable_resource_fee_charged: fee.fixed,
            total_refundable_resource_fee_charged: fee.used(),
            rent_fee_charged: fee.rent,
        }),
        return_value,
    });
    TransactionMetaV4 {
        ext: ExtensionPoint::V0,
        tx_changes_before: changes_before,
        operations: operations.try_into().expect("100 operations at most"),
        tx_changes_after: LedgerEntryChanges(VecM::default()),
        soroban_meta,
        events: VecM::default(),
        diagnostic_events: diagnostics.try_into().expect("fewer events than 2^32"),
    }
}
