//! getLedgerEntries.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use stellar_xdr::LedgerKey;

use super::{check_format, decode, encode, error::RpcError};
use crate::{ledger::entries::Found, node::Node};

/// Keys of one request at most.
const MAX_KEYS: usize = 200;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    #[serde(default)]
    keys: Vec<String>,
    xdr_format: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer {
    entries: Vec<Entry>,
    latest_ledger: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    key: String,
    xdr: String,
    last_modified_ledger_seq: u32,
    /// 0: archived. Absent: the entry has no life, it stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    live_until_ledger_seq: Option<u32>,
    ext_xdr: String,
}

/// Entries in the order of the keys; those that don't exist are left out.
pub(super) fn get(node: &Node, request: Request) -> Result<Answer, RpcError> {
    check_format(request.xdr_format.as_deref())?;
    if request.keys.len() > MAX_KEYS {
        return Err(RpcError::invalid_params(format!(
            "key count ({}) exceeds maximum supported ({MAX_KEYS})",
            request.keys.len()
        )));
    }
    let mut keys = Vec::new();
    for (index, text) in request.keys.iter().enumerate() {
        let key: LedgerKey = decode(text)
            .ok_or_else(|| RpcError::invalid_params(format!("cannot unmarshal key value {text} at index {index}")))?;
        if matches!(key, LedgerKey::Ttl(_)) {
            return Err(RpcError::invalid_params("ledger ttl entries cannot be queried directly"));
        }
        keys.push(key);
    }
    let mut seen = BTreeSet::new();
    if !keys.iter().all(|key| seen.insert(key)) {
        return Err(RpcError::internal("could not query captive core: Duplicate keys"));
    }
    let latest = node.history.newest().sequence;
    let mut entries = Vec::new();
    for key in &keys {
        let (stored, live_until) = match node.entries.find(key, latest) {
            Found::Missing => continue,
            Found::Live(stored) => (stored, stored.live_until),
            Found::Archived(stored) => (stored, Some(0)),
        };
        entries.push(Entry {
            key: encode(key)?,
            xdr: encode(&stored.entry.data)?,
            last_modified_ledger_seq: stored.entry.last_modified_ledger_seq,
            live_until_ledger_seq: live_until,
            ext_xdr: encode(&stored.entry.ext)?,
        });
    }
    Ok(Answer { entries, latest_ledger: latest })
}
