//! getLedgerEntries: the truth, entry by entry.

use std::collections::{HashMap, HashSet};

use paychan_channel::Ledger;
use serde::{Deserialize, Serialize};
use stellar_xdr::{LedgerEntryData, LedgerKey, Limits, WriteXdr};

use crate::decoding::{Number, xdr};
use crate::{Client, RpcError};

/// The most keys that the server takes in one call (stellar-rpc, `methods/get_ledger_entries.go`).
pub const MAX_KEYS: usize = 200;

const METHOD: &str = "getLedgerEntries";

/// One ledger entry that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub data: LedgerEntryData,
    /// The ledger that last changed it.
    pub last_modified: Ledger,
    /// The last ledger at which it is not archived; `Ledger(0)` when it is archived; `None` for entries that live for
    /// ever (accounts, trustlines, settings).
    pub live_until: Option<Ledger>,
    /// The ledger that this is its state at.
    pub read_at: Ledger,
}

/// The entries that were asked for and exist. One that is not here does not exist.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entries {
    /// The ledger of the answer. With more than [`MAX_KEYS`] keys there were several answers, and this is the lowest; each
    /// entry has its own.
    pub latest_ledger: Ledger,
    entries: HashMap<LedgerKey, Entry>,
}

impl Entries {
    /// The entry under `key`, if it exists.
    #[must_use]
    pub fn get(&self, key: &LedgerKey) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&LedgerKey, &Entry)> {
        self.entries.iter()
    }

    /// How many exist.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none exists.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[derive(Serialize)]
struct Params {
    keys: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    // A null where nothing was found: older servers write that.
    entries: Option<Vec<RawEntry>>,
    latest_ledger: Number<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawEntry {
    key: String,
    xdr: String,
    last_modified_ledger_seq: Number<u32>,
    #[serde(default)]
    live_until_ledger_seq: Option<Number<u32>>,
}

impl Client {
    /// Reads any number of entries, [`MAX_KEYS`] a call. A key given twice is asked for once.
    ///
    /// Calls may fall into different ledgers: what must be of one ledger belongs into one call of at most [`MAX_KEYS`]
    /// keys.
    ///
    /// # Errors
    /// Any [`RpcError`]; also when the server answers with an entry that was not asked for.
    pub async fn get_ledger_entries(&self, keys: &[LedgerKey]) -> Result<Entries, RpcError> {
        let mut seen = HashSet::with_capacity(keys.len());
        let unique: Vec<&LedgerKey> = keys.iter().filter(|key| seen.insert(*key)).collect();
        let mut all: Option<Entries> = None;
        for batch in unique.chunks(MAX_KEYS) {
            let read = self.read_batch(batch).await?;
            all = Some(match all {
                None => read,
                Some(mut all) => {
                    all.latest_ledger = all.latest_ledger.min(read.latest_ledger);
                    all.entries.extend(read.entries);
                    all
                }
            });
        }
        match all {
            Some(all) => Ok(all),
            // Nothing was asked for, so nothing is known of the ledger.
            None => Ok(Entries::default()),
        }
    }

    async fn read_batch(&self, batch: &[&LedgerKey]) -> Result<Entries, RpcError> {
        let keys = batch
            .iter()
            .map(|key| key.to_xdr_base64(Limits::none()))
            .collect::<Result<_, _>>()
            .map_err(|error| self.bad(METHOD, format!("a key has no encoding: {error}")))?;
        let raw: Raw = self.call(METHOD, Some(Params { keys })).await?;
        let read_at = Ledger(raw.latest_ledger.0);
        let mut entries = HashMap::with_capacity(batch.len());
        for raw in raw.entries.unwrap_or_default() {
            let (key, entry) = decode(&raw, read_at).map_err(|what| self.bad(METHOD, what))?;
            if !batch.contains(&&key) {
                return Err(self.bad(METHOD, "it holds an entry that was not asked for"));
            }
            entries.insert(key, entry);
        }
        Ok(Entries { latest_ledger: read_at, entries })
    }
}

fn decode(raw: &RawEntry, read_at: Ledger) -> Result<(LedgerKey, Entry), String> {
    let key: LedgerKey = xdr("an entry's key", &raw.key)?;
    let data: LedgerEntryData = xdr("an entry", &raw.xdr)?;
    if data.to_key() != key {
        return Err("an entry is not what its key says".to_owned());
    }
    let entry = Entry {
        data,
        last_modified: Ledger(raw.last_modified_ledger_seq.0),
        live_until: raw.live_until_ledger_seq.map(|until| Ledger(until.0)),
        read_at,
    };
    Ok((key, entry))
}
