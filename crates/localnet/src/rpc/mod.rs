//! The JSON-RPC of the public server (stellar-rpc v28), with the same methods, fields, limits and error texts.

pub(crate) mod error;
mod event_filter;
mod events;
mod fee_stats;
mod format;
mod history;
mod ledger_entries;
mod network;
pub(crate) mod server;
pub(crate) mod simulate;
mod transactions;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use stellar_xdr::{Limits, ReadXdr, WriteXdr};

use self::error::RpcError;
use crate::node::Node;

/// The deepest nesting of XDR that is read from clients (stellar-rpc and the host have the same limit).
const MAX_DEPTH: u32 = 500;

/// Answers one call.
///
/// # Errors
/// The errors have the codes and texts of the public server.
pub(crate) fn call(node: &mut Node, method: &str, params: Value) -> Result<Value, RpcError> {
    match method {
        "getHealth" => answer(network::health(node)?),
        "getNetwork" => answer(network::network(node)),
        "getVersionInfo" => answer(network::version()),
        "getLatestLedger" => answer(network::latest_ledger(node)?),
        "getLedgerEntries" => answer(ledger_entries::get(node, parse(params)?)?),
        "getFeeStats" => answer(fee_stats::get(node)),
        "getEvents" => answer(events::get(node, parse(params)?)?),
        "simulateTransaction" => answer(simulate::simulate(node, parse(params)?)?),
        "sendTransaction" => answer(transactions::send(node, parse(params)?)?),
        "getTransaction" => answer(transactions::get(node, parse(params)?)?),
        "getTransactions" => answer(history::transactions(node, parse(params)?)?),
        "getLedgers" => answer(history::ledgers(node, parse(params)?)?),
        other => Err(RpcError::method_not_found(other)),
    }
}

fn answer(value: impl Serialize) -> Result<Value, RpcError> {
    serde_json::to_value(value).map_err(|error| RpcError::internal(error.to_string()))
}

/// Reads parameters: an object, or nothing if all of its fields are optional. As for the public server, `null` is the same
/// as absent.
fn parse<T: DeserializeOwned>(mut params: Value) -> Result<T, RpcError> {
    if params.is_null() {
        params = Value::Object(serde_json::Map::new());
    }
    drop_nulls(&mut params);
    if params.is_array() {
        return Err(RpcError::invalid_params("array parameters are not accepted; give an object"));
    }
    T::deserialize(params).map_err(|error| RpcError::invalid_params(format!("invalid parameters: {error}")))
}

/// Removes the members of objects that are `null`, at any depth.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// Reads base64 XDR from a client.
fn decode<T: ReadXdr>(base64: &str) -> Option<T> {
    let limits = Limits { depth: MAX_DEPTH, len: base64.len() };
    T::from_xdr_base64(base64, limits).ok()
}

/// Writes base64 XDR.
fn encode(value: &impl WriteXdr) -> Result<String, RpcError> {
    value.to_xdr_base64(Limits::none()).map_err(|error| RpcError::internal(error.to_string()))
}
