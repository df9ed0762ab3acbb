//! getHealth, getNetwork, getVersionInfo, getLatestLedger.

use serde::Serialize;

use super::{encode, error::RpcError};
use crate::{ledger::history::RETENTION, node::Node, settings};

/// A node is not healthy when its last ledger is more seconds old than this (stellar-rpc: `max-healthy-ledger-latency`).
const MAX_LATENCY: u64 = 30;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Health {
    status: &'static str,
    latest_ledger: u32,
    latest_ledger_close_time: u64,
    oldest_ledger: u32,
    oldest_ledger_close_time: u64,
    ledger_retention_window: u32,
}

/// The node is healthy, unless ledgers should close by themselves and don't.
pub(super) fn health(node: &Node) -> Result<Health, RpcError> {
    let (newest, oldest) = (node.history.newest(), node.history.oldest());
    let interval = u64::from(node.options.ledger_ms) / 1_000;
    let limit = MAX_LATENCY.max(2 * interval);
    let latency = node.now().saturating_sub(newest.close_time);
    if !node.options.manual && latency > limit {
        return Err(RpcError::internal(format!(
            "latency ({latency}s) since last known ledger closed is too high (>{limit}s)"
        )));
    }
    Ok(Health {
        status: "healthy",
        latest_ledger: newest.sequence,
        latest_ledger_close_time: newest.close_time,
        oldest_ledger: oldest.sequence,
        oldest_ledger_close_time: oldest.close_time,
        ledger_retention_window: RETENTION,
    })
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Network {
    friendbot_url: String,
    passphrase: String,
    protocol_version: u32,
}

pub(super) fn network(node: &Node) -> Network {
    Network {
        friendbot_url: node.friendbot_url.clone(),
        passphrase: node.options.passphrase.clone(),
        protocol_version: settings::PROTOCOL,
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Version {
    version: String,
    commit_hash: String,
    build_timestamp: String,
    captive_core_version: String,
    protocol_version: u32,
}

/// Says what this is, so that nobody takes it for the public server.
pub(super) fn version() -> Version {
    Version {
        version: format!("paychan-localnet {}", env!("CARGO_PKG_VERSION")),
        commit_hash: String::new(),
        build_timestamp: String::new(),
        captive_core_version: "none; soroban-env-host 28.0.2".to_owned(),
        protocol_version: settings::PROTOCOL,
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LatestLedger {
    id: String,
    protocol_version: u32,
    sequence: u32,
    close_time: String,
    header_xdr: String,
    metadata_xdr: String,
}

pub(super) fn latest_ledger(node: &Node) -> Result<LatestLedger, RpcError> {
    let latest = node.history.latest();
    Ok(LatestLedger {
        id: hex::encode(latest.header.hash),
        protocol_version: settings::PROTOCOL,
        sequence: latest.header.header.ledger_seq,
        close_time: latest.header.close_time().to_string(),
        header_xdr: encode(&latest.header.header)?,
        metadata_xdr: encode(&latest.meta())?,
    })
}
