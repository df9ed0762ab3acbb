//! InvokeHostFunction: it uploads code, creates contracts, and calls them. The host runs it. This module prepares the
//! host's inputs, compares what the host used with what the transaction declared, and writes the changes.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

use soroban_env_host::{
    HostError,
    budget::Budget,
    e2e_invoke::{
        InvokeHostFunctionResult as HostOutput, TtlLedgerEntryMeta, extract_rent_changes, invoke_host_function,
    },
};
use stellar_xdr::{
    AccountId, ContractDataDurability, ContractEvent, ContractIdPreimage, DiagnosticEvent, Hash, HostFunction,
    InvokeHostFunctionOp, InvokeHostFunctionResult, InvokeHostFunctionSuccessPreImage, LedgerEntry, LedgerKey, Limits,
    Operation, OperationResult, OperationResultTr, ReadXdr, ScErrorCode, ScErrorType, ScVal, WriteXdr,
};

use super::soroban::{Done, READ_EXCEEDED, Soroban, WRITE_EXCEEDED, size_for_rent};
use crate::{
    ledger::{
        accounts::{is_valid_asset, unmuxed},
        entries::{Found, Stored},
        header::sha256,
    },
    settings::Config,
    transaction::{
        diagnostics::{Part, error, exceeded},
        fees::is_contract_key,
    },
};

pub(super) fn check(
    op: &InvokeHostFunctionOp,
    config: &Config,
    diagnostics: &mut Vec<DiagnosticEvent>,
) -> Result<(), InvokeHostFunctionResult> {
    match &op.host_function {
        HostFunction::UploadContractWasm(wasm) if wasm.len() > config.max_contract_bytes as usize => {
            let reason = "uploaded Wasm size exceeds network config maximum contract size";
            let allowed = u64::from(config.max_contract_bytes);
            diagnostics.push(exceeded(Part::Budget, reason, wasm.len() as u64, allowed).event());
            Err(InvokeHostFunctionResult::Malformed)
        }
        HostFunction::CreateContract(create) => match &create.contract_id_preimage {
            ContractIdPreimage::Asset(asset) if !is_valid_asset(asset) => {
                let reason = "invalid asset to create contract from";
                diagnostics.push(error(Part::Value, ScErrorCode::InvalidInput, reason).event());
                Err(InvokeHostFunctionResult::Malformed)
            }
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

pub(super) fn apply(operation: &Operation, op: &InvokeHostFunctionOp, soroban: &mut Soroban<'_>) -> Done {
    match invoke(operation, op, soroban) {
        Ok(success) => {
            let hash = Hash(sha256(&success));
            Done {
                result: OperationResult::OpInner(OperationResultTr::InvokeHostFunction(
                    InvokeHostFunctionResult::Success(hash),
                )),
                events: success.events.to_vec(),
                return_value: Some(success.return_value),
            }
        }
        Err(code) => Done::of(OperationResultTr::InvokeHostFunction(code)),
    }
}

type HostInput = (Option<Vec<u8>>, Option<TtlLedgerEntryMeta>);

fn invoke(
    operation: &Operation,
    op: &InvokeHostFunctionOp,
    soroban: &mut Soroban<'_>,
) -> Result<InvokeHostFunctionSuccessPreImage, InvokeHostFunctionResult> {
    let inputs = read_footprint(soroban)?;
    let source = unmuxed(soroban.tx.operation_source(operation));
    let output = run(op, &source, inputs, soroban)?;
    write_changes(&output, soroban)?;
    let return_value = output.encoded_invoke_result.as_ref().map_err(|_| InvokeHostFunctionResult::Trapped)?;
    collect(return_value, &output.encoded_contract_events)
}

/// The footprint's entries, as the host takes them.
struct Inputs {
    /// The read-only entries, then the read-write ones.
    entries: Vec<HostInput>,
    /// The places, in the read-write footprint, of the entries that are restored.
    restored: Vec<u32>,
}

/// Reads the footprint. Archived entries that the transaction marks are restored (CAP-66).
fn read_footprint(soroban: &mut Soroban<'_>) -> Result<Inputs, InvokeHostFunctionResult> {
    let resources = &soroban.data.resources;
    let ledger = soroban.info.sequence_number;
    let restored_until = soroban.info.min_live_until_ledger_checked(ContractDataDurability::Persistent);
    let mut inputs = Inputs { entries: Vec::new(), restored: Vec::new() };
    let mut disk_read = 0_u32;
    let read_only = resources.footprint.read_only.iter().map(|key| (None, key));
    let read_write = (0_u32..).zip(resources.footprint.read_write.iter()).map(|(place, key)| (Some(place), key));
    for (place, key) in read_only.chain(read_write) {
        let is_marked = place.is_some_and(|place| soroban.tx.marked_archived().binary_search(&place).is_ok());
        let stored = match soroban.entries.find(key, ledger) {
            Found::Missing => None,
            Found::Live(stored) => Some((stored.clone(), false)),
            Found::Archived(stored) if is_marked => {
                inputs.restored.extend(place);
                Some((Stored { entry: Rc::clone(&stored.entry), live_until: restored_until }, true))
            }
            Found::Archived(_) => {
                let reason = "trying to access an archived contract entry";
                soroban.diagnostics.push(error(Part::Value, ScErrorCode::InvalidInput, reason).event());
                return Err(InvokeHostFunctionResult::EntryArchived);
            }
        };
        let Some((stored, is_restored)) = stored else {
            inputs.entries.push((None, None));
            continue;
        };
        let bytes = stored.entry.to_xdr(Limits::none()).map_err(|_| InvokeHostFunctionResult::Trapped)?;
        let bytes_len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        if !soroban.is_storable(key, bytes_len) {
            return Err(InvokeHostFunctionResult::ResourceLimitExceeded);
        }
        // Live contract entries are in the memory of every node; classic and archived ones are read from disk (CAP-62).
        if is_restored || !is_contract_key(key) {
            disk_read = disk_read.saturating_add(bytes_len);
            if soroban.exceeds(READ_EXCEEDED, disk_read, resources.disk_read_bytes) {
                return Err(InvokeHostFunctionResult::ResourceLimitExceeded);
            }
        }
        let life = match stored.live_until {
            None => None,
            Some(live_until_ledger) => Some(TtlLedgerEntryMeta {
                live_until_ledger,
                entry_size_for_rent: size_for_rent(&soroban.config.host, &stored.entry, bytes_len)
                    .map_err(|_| InvokeHostFunctionResult::Trapped)?,
            }),
        };
        inputs.entries.push((Some(bytes), life));
    }
    Ok(inputs)
}

/// Runs the host with the declared instructions as its limit.
fn run(
    op: &InvokeHostFunctionOp,
    source: &AccountId,
    inputs: Inputs,
    soroban: &mut Soroban<'_>,
) -> Result<HostOutput, InvokeHostFunctionResult> {
    let declared = &soroban.data.resources;
    let config = &soroban.config.host;
    let budget = Budget::try_from_configs(
        u64::from(declared.instructions),
        u64::from(config.tx_memory_limit),
        config.cpu_cost_params.clone(),
        config.memory_cost_params.clone(),
    )
    .map_err(|_| InvokeHostFunctionResult::Trapped)?;
    let encode = |bytes: Result<Vec<u8>, stellar_xdr::Error>| bytes.map_err(|_| InvokeHostFunctionResult::Trapped);
    let function = encode(op.host_function.to_xdr(Limits::none()))?;
    let resources = encode(declared.to_xdr(Limits::none()))?;
    let account = encode(source.to_xdr(Limits::none()))?;
    let auth = op.auth.iter().map(|entry| encode(entry.to_xdr(Limits::none()))).collect::<Result<Vec<_>, _>>()?;
    let mut diagnostics = Vec::new();
    // As on the network's nodes, a panic in the host fails the transaction and does not stop the ledger.
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        invoke_host_function(
            &budget,
            true,
            function,
            resources,
            &inputs.restored,
            account,
            auth.into_iter(),
            soroban.info.clone(),
            inputs.entries.into_iter(),
            soroban.seed.to_vec(),
            &mut diagnostics,
            None,
            Some(soroban.modules.clone()),
        )
    }));
    soroban.diagnostics.append(&mut diagnostics);
    let output: Result<HostOutput, HostError> = outcome.unwrap_or_else(|_| {
        Err(HostError::from(soroban_env_host::Error::from_type_and_code(
            ScErrorType::Context,
            ScErrorCode::InternalError,
        )))
    });
    match output {
        Ok(output) if output.encoded_invoke_result.is_ok() => Ok(output),
        _ => Err(why_failed(&budget, soroban)),
    }
}

/// Decides whether a call exceeded a limit or failed within its limits.
fn why_failed(budget: &Budget, soroban: &mut Soroban<'_>) -> InvokeHostFunctionResult {
    let used = budget.get_cpu_insns_consumed().unwrap_or(0);
    let declared = u64::from(soroban.data.resources.instructions);
    if used > declared {
        let reason = "operation instructions exceeds amount specified";
        soroban.diagnostics.push(exceeded(Part::Budget, reason, used, declared).event());
        return InvokeHostFunctionResult::ResourceLimitExceeded;
    }
    let memory = budget.get_mem_bytes_consumed().unwrap_or(0);
    let allowed = u64::from(soroban.config.compute.tx_memory_limit);
    if memory > allowed {
        let reason = "operation memory usage exceeds network config limit";
        soroban.diagnostics.push(exceeded(Part::Budget, reason, memory, allowed).event());
        return InvokeHostFunctionResult::ResourceLimitExceeded;
    }
    InvokeHostFunctionResult::Trapped
}

/// Writes what the host changed, if it is within the declared bytes, and pays for rent and events.
fn write_changes(output: &HostOutput, soroban: &mut Soroban<'_>) -> Result<(), InvokeHostFunctionResult> {
    let internal = InvokeHostFunctionResult::Trapped;
    let declared = soroban.data.resources.write_bytes;
    let mut written = 0_u32;
    for change in &output.ledger_changes {
        let key = LedgerKey::from_xdr(&change.encoded_key, Limits::none()).map_err(|_| internal.clone())?;
        let lives = change.ttl_change.as_ref();
        if change.read_only {
            if let Some(life) = lives.filter(|life| life.new_live_until_ledger > life.old_live_until_ledger) {
                soroban.entries.set_live_until(&key, life.new_live_until_ledger);
            }
            continue;
        }
        let Some(bytes) = &change.encoded_new_value else {
            soroban.entries.remove(&key);
            continue;
        };
        let bytes_len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        if !soroban.is_storable(&key, bytes_len) {
            return Err(InvokeHostFunctionResult::ResourceLimitExceeded);
        }
        written = written.saturating_add(bytes_len);
        if soroban.exceeds(WRITE_EXCEEDED, written, declared) {
            return Err(InvokeHostFunctionResult::ResourceLimitExceeded);
        }
        let entry = LedgerEntry::from_xdr(bytes, Limits::none()).map_err(|_| internal.clone())?;
        soroban.entries.put(entry.data, entry.ext, lives.map(|life| life.new_live_until_ledger));
    }
    let events_size = output
        .encoded_contract_events
        .iter()
        .fold(0_u32, |sum, event| sum.saturating_add(u32::try_from(event.len()).unwrap_or(u32::MAX)));
    let allowed = soroban.config.events.tx_max_contract_events_size_bytes;
    if soroban.exceeds("total events size exceeds network config maximum", events_size, allowed) {
        return Err(InvokeHostFunctionResult::ResourceLimitExceeded);
    }
    // The return value counts as an event.
    let returned = output.encoded_invoke_result.as_ref().map_or(0, |value| value.len());
    let events_size = events_size.saturating_add(u32::try_from(returned).unwrap_or(u32::MAX));
    let reason = "return value pushes events size above network config maximum";
    if soroban.exceeds(reason, events_size, allowed) {
        return Err(InvokeHostFunctionResult::ResourceLimitExceeded);
    }
    let rent = soroban.rent(&extract_rent_changes(&output.ledger_changes));
    soroban.pay(rent, events_size).map_err(|_| InvokeHostFunctionResult::InsufficientRefundableFee)
}

/// The value and the events whose hash is the operation's result.
fn collect(
    return_value: &[u8],
    events: &[Vec<u8>],
) -> Result<InvokeHostFunctionSuccessPreImage, InvokeHostFunctionResult> {
    let internal = InvokeHostFunctionResult::Trapped;
    let events = events
        .iter()
        .map(|bytes| ContractEvent::from_xdr(bytes, Limits::none()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| internal.clone())?;
    Ok(InvokeHostFunctionSuccessPreImage {
        return_value: ScVal::from_xdr(return_value, Limits::none()).map_err(|_| internal.clone())?,
        events: events.try_into().map_err(|_| internal.clone())?,
    })
}
