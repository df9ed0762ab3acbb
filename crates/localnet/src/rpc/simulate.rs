//! simulateTransaction. If the transaction would fail, the answer's `error` says why. That is no JSON-RPC error.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use soroban_simulation::simulation::LedgerEntryDiff;
use stellar_xdr::{Memo, Operation, OperationBody, TransactionEnvelope};

use super::{
    decode,
    error::RpcError,
    format::{Format, XdrFields},
};
use crate::{
    ledger::accounts::unmuxed,
    node::Node,
    simulate::{self, AuthMode, Simulation, Snapshot},
    transaction::envelope::Submitted,
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    #[serde(default)]
    transaction: String,
    resource_config: Option<ResourceConfig>,
    #[serde(default)]
    auth_mode: String,
    #[serde(default)]
    use_upgraded_auth: bool,
    xdr_format: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceConfig {
    #[serde(default)]
    instruction_leeway: u64,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer {
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// The transaction data and the diagnostic events.
    #[serde(flatten)]
    xdr: XdrFields,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_resource_fee: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    results: Vec<CallResult>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    state_changes: Vec<StateChange>,
    latest_ledger: u32,
}

#[derive(Debug, Serialize)]
struct CallResult {
    /// The authorization and the return value.
    #[serde(flatten)]
    xdr: XdrFields,
}

#[derive(Debug, Serialize)]
struct StateChange {
    #[serde(rename = "type")]
    kind: &'static str,
    /// The key, and the entry before and after.
    #[serde(flatten)]
    xdr: XdrFields,
}

pub(super) fn simulate(node: &Node, request: Request) -> Result<Answer, RpcError> {
    let refused = |error: &str| Answer { error: Some(error.to_owned()), ..Answer::default() };
    let format = match Format::of(request.xdr_format.as_deref()) {
        Ok(format) => format,
        Err(error) => return Ok(refused(&error.message)),
    };
    let Some(envelope) = decode::<TransactionEnvelope>(&request.transaction) else {
        return Ok(refused("Could not unmarshal transaction"));
    };
    let auth = |operation: &Operation| auth_mode(&request, operation);
    match judge(node, envelope, auth, request.resource_config.as_ref()) {
        Ok(simulation) => answer(simulation, node.history.newest().sequence, format),
        Err(error) => Ok(refused(&error)),
    }
}

/// Simulates in the way that [`crate::Localnet::simulate`] documents.
///
/// # Errors
/// The errors have the public server's texts.
pub(crate) fn record_or_enforce(node: &Node, envelope: TransactionEnvelope) -> Result<Simulation, String> {
    let auth = |operation: &Operation| match &operation.body {
        OperationBody::InvokeHostFunction(op) if op.auth.is_empty() => {
            Ok(AuthMode::Record { allow_nonroot: true, address_v2: false })
        }
        OperationBody::InvokeHostFunction(_)
        | OperationBody::ExtendFootprintTtl(_)
        | OperationBody::RestoreFootprint(_) => Ok(AuthMode::Enforce),
        other => Err(unsupported(other)),
    };
    judge(node, envelope, auth, None)
}

/// Simulates a transaction of one operation and no memo.
fn judge(
    node: &Node,
    envelope: TransactionEnvelope,
    auth: impl FnOnce(&Operation) -> Result<AuthMode, String>,
    resources: Option<&ResourceConfig>,
) -> Result<Simulation, String> {
    let tx = Submitted::new(envelope, node.network_id).map_err(|unencodable| unencodable.to_string())?;
    let [operation] = tx.operations() else {
        return Err("Transaction contains more than one operation".to_owned());
    };
    if tx.tx().memo != Memo::None {
        return Err("Transaction contains a memo. Soroban transactions do not support memos.".to_owned());
    }
    let auth = auth(operation)?;
    run(node, &tx, operation, auth, resources).map_err(str::to_owned)
}

fn unsupported(body: &OperationBody) -> String {
    format!("transaction contains unsupported operation type: OperationType{}", body.name())
}

/// By default, the operation's authorization is enforced; if it has none, what it needs is recorded.
fn auth_mode(request: &Request, operation: &Operation) -> Result<AuthMode, String> {
    let record = |allow_nonroot| AuthMode::Record { allow_nonroot, address_v2: request.use_upgraded_auth };
    let mode = request.auth_mode.as_str();
    if !matches!(mode, "" | "enforce" | "record" | "record_allow_nonroot") {
        return Err("optional 'authMode' must be one of enforce,record,record_allow_nonroot when included".to_owned());
    }
    match &operation.body {
        OperationBody::InvokeHostFunction(op) => match (mode, op.auth.is_empty()) {
            ("", true) | ("record", true) => Ok(record(false)),
            ("record_allow_nonroot", true) => Ok(record(true)),
            ("" | "enforce", _) => Ok(AuthMode::Enforce),
            (mode, _) => Err(format!("cannot set authMode to '{mode}' with an auth footprint")),
        },
        OperationBody::ExtendFootprintTtl(_) | OperationBody::RestoreFootprint(_) if mode.is_empty() => {
            Ok(AuthMode::Enforce)
        }
        OperationBody::ExtendFootprintTtl(_) | OperationBody::RestoreFootprint(_) => {
            Err("cannot set authMode with non-InvokeHostFunction operations".to_owned())
        }
        other => Err(unsupported(other)),
    }
}

fn run(
    node: &Node,
    tx: &Submitted,
    operation: &Operation,
    auth: AuthMode,
    resources: Option<&ResourceConfig>,
) -> Result<Simulation, &'static str> {
    let latest = node.history.latest();
    let info = node.ledger_info(latest.header.header.ledger_seq, latest.header.close_time());
    let snapshot = Snapshot { entries: std::rc::Rc::clone(&node.entries), config: &node.config.host, info };
    let footprint = tx.soroban_data().map(|data| &data.resources.footprint).ok_or(
        "To perform a SimulateTransaction for ExtendFootprintTtl or RestoreFootprint operations, \
         SorobanTransactionData must be provided",
    );
    match &operation.body {
        OperationBody::InvokeHostFunction(op) => {
            let source = unmuxed(tx.operation_source(operation));
            let leeway = resources.map_or(0, |resources| resources.instruction_leeway);
            let leeway = u32::try_from(leeway).map_err(|_| "instructionLeeway is above 4294967295 instructions")?;
            Ok(simulate::invoke(&snapshot, op.clone(), &source, auth, leeway, latest.header.hash))
        }
        OperationBody::ExtendFootprintTtl(op) => Ok(simulate::extend(&snapshot, op, &footprint?.read_only)),
        _ => Ok(simulate::restore(&snapshot, &footprint?.read_write)),
    }
}

fn answer(simulation: Simulation, latest_ledger: u32, format: Format) -> Result<Answer, RpcError> {
    let Simulation { error, data, result, auth, events, changes } = simulation;
    let results = match result {
        Some(value) => {
            let mut xdr = XdrFields::new(format);
            xdr.insert("auth", format.write_all(&auth)?);
            xdr.put_as("xdr", "returnValueJson", &value)?;
            vec![CallResult { xdr }]
        }
        None => Vec::new(),
    };
    let mut xdr = XdrFields::new(format);
    if let Some(data) = &data {
        xdr.put("transactionData", data)?;
    }
    xdr.put_all("events", &events)?;
    let state_changes: Result<Vec<_>, _> = changes.iter().map(|change| state_change(change, format)).collect();
    Ok(Answer {
        error,
        xdr,
        min_resource_fee: data.map(|data| data.resource_fee.to_string()),
        results,
        state_changes: state_changes?.into_iter().flatten().collect(),
        latest_ledger,
    })
}

/// Answers `None` when there was no entry before and there is none after.
fn state_change(diff: &LedgerEntryDiff, format: Format) -> Result<Option<StateChange>, RpcError> {
    let (kind, key) = match (&diff.state_before, &diff.state_after) {
        (Some(before), Some(_)) => ("updated", before.to_key()),
        (Some(before), None) => ("deleted", before.to_key()),
        (None, Some(after)) => ("created", after.to_key()),
        (None, None) => return Ok(None),
    };
    let mut xdr = XdrFields::new(format);
    xdr.put("key", &key)?;
    for (name, entry) in [("before", &diff.state_before), ("after", &diff.state_after)] {
        match entry {
            Some(entry) => xdr.put(name, entry)?,
            None => xdr.insert(name, Value::Null),
        }
    }
    Ok(Some(StateChange { kind, xdr }))
}
