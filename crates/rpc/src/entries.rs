//! getLedgerEntries: reads ledger entries, which are the truth.

use std::collections::{HashMap, HashSet};

use paychan_channel::Ledger;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stellar_xdr::{LedgerEntryData, LedgerKey, Limits, WriteXdr};

use crate::decoding::{Number, xdr};
use crate::{Client, RpcError};

/// The most keys that the server takes in one call (stellar-rpc, `methods/get_ledger_entries.go`).
pub const MAX_KEYS: usize = 200;

const METHOD: &str = "getLedgerEntries";

/// One ledger entry that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its contents.
    pub data: LedgerEntryData,
    /// The ledger that last changed it.
    pub last_modified: Ledger,
    /// The last ledger at which it is not archived; `Ledger(0)` when it is archived; `None` for entries that live for
    /// ever (accounts, trustlines, settings).
    pub live_until: Option<Ledger>,
    /// The ledger at which it was read.
    pub read_at: Ledger,
}

/// An entry that exists and can't be decoded: a newer protocol wrote it, or the node errs. It says nothing about the other
/// entries of the same answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a ledger entry can't be decoded: {why}")]
pub struct UndecodableEntry {
    /// What is wrong with it.
    pub why: String,
    /// The same as [`Entry::live_until`], where at least that can be read.
    pub live_until: Option<Ledger>,
}

/// The entries that were asked for and exist. An entry that is not here does not exist.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entries {
    /// The ledger of the answer. With more than [`MAX_KEYS`] keys there were several answers, and this is the lowest of
    /// their ledgers; each entry has its own.
    pub latest_ledger: Ledger,
    entries: HashMap<LedgerKey, Entry>,
    undecodable: HashMap<LedgerKey, UndecodableEntry>,
}

impl Entries {
    /// The entry under `key`, if it exists.
    ///
    /// # Errors
    /// [`UndecodableEntry`] for an entry that exists and can't be decoded. Such an entry is not a missing one.
    pub fn get(&self, key: &LedgerKey) -> Result<Option<&Entry>, UndecodableEntry> {
        match self.undecodable.get(key) {
            Some(error) => Err(error.clone()),
            None => Ok(self.entries.get(key)),
        }
    }

    /// The same as [`Entry::live_until`], also for an entry that can't be decoded.
    #[must_use]
    pub fn live_until(&self, key: &LedgerKey) -> Option<Ledger> {
        match self.undecodable.get(key) {
            Some(entry) => entry.live_until,
            None => self.entries.get(key)?.live_until,
        }
    }

    /// All entries that can be decoded, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&LedgerKey, &Entry)> {
        self.entries.iter()
    }

    /// All entries that exist and can't be decoded, in no order.
    pub fn undecodable(&self) -> impl Iterator<Item = (&LedgerKey, &UndecodableEntry)> {
        self.undecodable.iter()
    }

    /// How many entries exist.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len() + self.undecodable.len()
    }

    /// Whether no entry exists.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[derive(Serialize)]
struct Params {
    keys: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    // Older servers write null when they find nothing.
    entries: Option<Vec<RawEntry>>,
    latest_ledger: Number<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawEntry {
    key: String,
    // Each field is read by itself, so that one of another type spoils only its own entry.
    #[serde(default)]
    xdr: Value,
    #[serde(default)]
    last_modified_ledger_seq: Value,
    #[serde(default)]
    live_until_ledger_seq: Value,
}

impl Client {
    /// Reads any number of entries, [`MAX_KEYS`] in each call. A key that is given twice is asked for once.
    ///
    /// The calls may read at different ledgers. Entries that must be of one ledger belong into one call of at most
    /// [`MAX_KEYS`] keys.
    ///
    /// # Errors
    /// Any [`RpcError`]; also when the server answers with an entry that was not asked for. One entry that can't be
    /// decoded is no error of the call: [`Entries::get`] returns that error.
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
                    all.undecodable.extend(read.undecodable);
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
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| self.bad(METHOD, format!("a key has no encoding: {error}")))?;
        let raw: Raw = self.call(METHOD, Some(Params { keys })).await?;
        let read_at = Ledger(raw.latest_ledger.0);
        let asked: HashSet<&LedgerKey> = batch.iter().copied().collect();
        let mut read = Entries { latest_ledger: read_at, ..Entries::default() };
        for raw in raw.entries.unwrap_or_default() {
            let key: LedgerKey = xdr("an entry's key", &raw.key).map_err(|what| self.bad(METHOD, what))?;
            if !asked.contains(&key) {
                return Err(self.bad(METHOD, "it holds an entry that was not asked for"));
            }
            let live_until = optional_ledger(&raw.live_until_ledger_seq);
            let decoded = live_until.clone().and_then(|live_until| decode(&raw, &key, live_until, read_at));
            match decoded {
                Ok(entry) => {
                    read.entries.insert(key, entry);
                }
                Err(why) => {
                    tracing::warn!(
                        endpoint = self.endpoint(),
                        key = key.name(),
                        why,
                        "a ledger entry can't be decoded"
                    );
                    read.undecodable.insert(key, UndecodableEntry { why, live_until: live_until.unwrap_or_default() });
                }
            }
        }
        Ok(read)
    }
}

fn decode(raw: &RawEntry, key: &LedgerKey, live_until: Option<Ledger>, read_at: Ledger) -> Result<Entry, String> {
    let text = raw.xdr.as_str().ok_or("an entry has no XDR")?;
    let data: LedgerEntryData = xdr("an entry", text)?;
    if data.to_key() != *key {
        return Err("an entry does not belong to its key".to_owned());
    }
    // Nothing depends on when the entry was changed last, so a node need not say it.
    let last_modified = optional_ledger(&raw.last_modified_ledger_seq).ok().flatten().unwrap_or_default();
    Ok(Entry { data, last_modified, live_until, read_at })
}

/// A ledger number that may be missing.
fn optional_ledger(value: &Value) -> Result<Option<Ledger>, String> {
    let number: Option<Number<u32>> =
        serde_json::from_value(value.clone()).map_err(|_| "an entry has a malformed ledger number".to_owned())?;
    Ok(number.map(|number| Ledger(number.0)))
}
