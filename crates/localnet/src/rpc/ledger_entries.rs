//! getLedgerEntries: entries by their keys.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use stellar_xdr::LedgerKey;

use super::{
    decode,
    error::RpcError,
    format::{Format, XdrFields},
};
use crate::{ledger::entries::Found, node::Node};

/// The most keys of one request.
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
    #[serde(flatten)]
    xdr: XdrFields,
    last_modified_ledger_seq: u32,
    /// 0 means archived. An entry without a life has no such field.
    #[serde(skip_serializing_if = "Option::is_none")]
    live_until_ledger_seq: Option<u32>,
}

/// Answers the entries in the order of the keys. Entries that don't exist are left out.
pub(super) fn get(node: &Node, request: Request) -> Result<Answer, RpcError> {
    let format = Format::of(request.xdr_format.as_deref())?;
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
        let mut xdr = XdrFields::new(format);
        xdr.put("key", key)?;
        xdr.put_as("xdr", "dataJson", &stored.entry.data)?;
        xdr.put("extXdr", &stored.entry.ext)?;
        entries.push(Entry {
            xdr,
            last_modified_ledger_seq: stored.entry.last_modified_ledger_seq,
            live_until_ledger_seq: live_until,
        });
    }
    Ok(Answer { entries, latest_ledger: latest })
}
