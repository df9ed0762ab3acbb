//! All ledger entries in memory, with their lives and an undo log.
//!
//! Changes are made in place and remembered. A transaction that fails is rolled back to the mark that was taken before
//! it. Transaction meta tells clients the same changes.

use std::{collections::BTreeMap, rc::Rc};

use sha2::{Digest, Sha256};
use soroban_env_host::{
    HostError,
    ledger_info::get_key_durability,
    storage::{EntryWithLiveUntil, SnapshotSource},
};
use stellar_xdr::{
    AccountEntry, ConfigSettingEntry, ContractDataDurability, DataEntry, Hash, LedgerEntry, LedgerEntryChange,
    LedgerEntryChanges, LedgerEntryData, LedgerEntryExt, LedgerKey, Limits, TrustLineEntry, TtlEntry, WriteXdr,
};

/// An entry and, for contract data and code, the last ledger at which it is live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) entry: Rc<LedgerEntry>,
    pub(crate) live_until: Option<u32>,
}

/// What a transaction finds under a key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// Nothing: it was never created, or was removed, or is a temporary entry past its life.
    Missing,
    /// An entry that transactions can use.
    Live(&'a Stored),
    /// A persistent entry past its life: it must be restored before it is used.
    Archived(&'a Stored),
}

/// An entry that belongs to no contract: it has no life.
pub(crate) trait ClassicEntry {
    fn into_data(self) -> LedgerEntryData;
}

impl ClassicEntry for AccountEntry {
    fn into_data(self) -> LedgerEntryData {
        LedgerEntryData::Account(self)
    }
}

impl ClassicEntry for TrustLineEntry {
    fn into_data(self) -> LedgerEntryData {
        LedgerEntryData::Trustline(self)
    }
}

impl ClassicEntry for DataEntry {
    fn into_data(self) -> LedgerEntryData {
        LedgerEntryData::Data(self)
    }
}

impl ClassicEntry for ConfigSettingEntry {
    fn into_data(self) -> LedgerEntryData {
        LedgerEntryData::ConfigSetting(self)
    }
}

/// A point to which changes can be rolled back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark(usize);

/// One step of the undo log: what was stored under the key before.
#[derive(Clone, Debug)]
struct Undo {
    key: LedgerKey,
    before: Option<Stored>,
}

/// The ledger's entries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entries {
    map: BTreeMap<LedgerKey, Stored>,
    undo: Vec<Undo>,
    /// The ledger in which changes are made. Written entries have it as their `lastModifiedLedgerSeq`.
    ledger: u32,
}

impl Entries {
    /// The ledger in which changes are made; between two ledgers, the one that closed last.
    pub(crate) fn ledger(&self) -> u32 {
        self.ledger
    }

    /// Moves to another ledger and forgets the undo log, because changes of closed ledgers can't be undone.
    pub(crate) fn begin_ledger(&mut self, ledger: u32) {
        self.ledger = ledger;
        self.undo.clear();
    }

    /// What is stored under the key, whether it is live or not.
    #[cfg(test)]
    pub(crate) fn stored(&self, key: &LedgerKey) -> Option<&Stored> {
        self.map.get(key)
    }

    /// The entry as a transaction in `ledger` sees it. An entry is live while `ledger <= live_until`.
    pub(crate) fn find(&self, key: &LedgerKey, ledger: u32) -> Found<'_> {
        let Some(stored) = self.map.get(key) else {
            return Found::Missing;
        };
        if stored.live_until.is_none_or(|last| ledger <= last) {
            return Found::Live(stored);
        }
        match get_key_durability(key) {
            Some(ContractDataDurability::Persistent) => Found::Archived(stored),
            _ => Found::Missing,
        }
    }

    /// The data of a classic entry, which has no life.
    pub(crate) fn data(&self, key: &LedgerKey) -> Option<&LedgerEntryData> {
        self.map.get(key).map(|stored| &stored.entry.data)
    }

    /// Writes an entry, stamped with the current ledger. Contract data and code have a `live_until`, other entries don't.
    pub(crate) fn put(&mut self, data: LedgerEntryData, ext: LedgerEntryExt, live_until: Option<u32>) {
        let key = data.to_key();
        let entry = Rc::new(LedgerEntry { last_modified_ledger_seq: self.ledger, data, ext });
        self.replace(key, Some(Stored { entry, live_until }));
    }

    /// Writes an entry that has no life.
    pub(crate) fn put_classic(&mut self, entry: impl ClassicEntry) {
        self.put(entry.into_data(), LedgerEntryExt::V0, None);
    }

    /// Changes how long an entry lives; the entry itself is not modified. Nothing happens when there is no entry.
    pub(crate) fn set_live_until(&mut self, key: &LedgerKey, live_until: u32) {
        if let Some(stored) = self.map.get(key) {
            let entry = Rc::clone(&stored.entry);
            self.replace(key.clone(), Some(Stored { entry, live_until: Some(live_until) }));
        }
    }

    /// Removes an entry and its life. Answers `false` when there was none.
    pub(crate) fn remove(&mut self, key: &LedgerKey) -> bool {
        let there = self.map.contains_key(key);
        if there {
            self.replace(key.clone(), None);
        }
        there
    }

    fn replace(&mut self, key: LedgerKey, after: Option<Stored>) {
        let before = match after {
            Some(stored) => self.map.insert(key.clone(), stored),
            None => self.map.remove(&key),
        };
        self.undo.push(Undo { key, before });
    }

    /// The present point, for a later [`Entries::roll_back`].
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.undo.len())
    }

    /// Undoes everything done since the mark.
    pub(crate) fn roll_back(&mut self, mark: Mark) {
        while self.undo.len() > mark.0 {
            let Some(Undo { key, before }) = self.undo.pop() else {
                return;
            };
            match before {
                Some(stored) => self.map.insert(key, stored),
                None => self.map.remove(&key),
            };
        }
    }

    /// What changed since the mark, in the form of transaction meta. An entry that was archived and is live now appears
    /// as restored (CAP-66).
    pub(crate) fn changes_since(&self, mark: Mark) -> LedgerEntryChanges {
        let mut first: BTreeMap<&LedgerKey, Option<&Stored>> = BTreeMap::new();
        for step in self.undo.iter().skip(mark.0) {
            first.entry(&step.key).or_insert(step.before.as_ref());
        }
        let mut changes = Vec::new();
        for (key, before) in first {
            self.describe(key, before, self.map.get(key), &mut changes);
        }
        LedgerEntryChanges(changes.try_into().expect("fewer changes than 2^32"))
    }

    fn describe(
        &self,
        key: &LedgerKey,
        before: Option<&Stored>,
        after: Option<&Stored>,
        changes: &mut Vec<LedgerEntryChange>,
    ) {
        match (before, after) {
            (None, None) => {}
            (None, Some(new)) => {
                changes.push(LedgerEntryChange::Created(entry(new)));
                changes.extend(self.ttl(key, new.live_until).map(LedgerEntryChange::Created));
            }
            (Some(old), None) => {
                changes.push(LedgerEntryChange::State(entry(old)));
                changes.push(LedgerEntryChange::Removed(key.clone()));
                if let Some(ttl) = self.ttl(key, old.live_until) {
                    let ttl_key = ttl.to_key();
                    changes.push(LedgerEntryChange::State(ttl));
                    changes.push(LedgerEntryChange::Removed(ttl_key));
                }
            }
            (Some(old), Some(new)) => {
                let restored =
                    old.live_until != new.live_until && old.live_until.is_some_and(|last| last < self.ledger);
                if restored {
                    changes.push(LedgerEntryChange::Restored(entry(old)));
                } else if old.entry != new.entry {
                    changes.push(LedgerEntryChange::State(entry(old)));
                }
                if old.entry != new.entry {
                    changes.push(LedgerEntryChange::Updated(entry(new)));
                }
                if old.live_until == new.live_until {
                    return;
                }
                if restored {
                    changes.extend(self.ttl(key, new.live_until).map(LedgerEntryChange::Restored));
                } else {
                    changes.extend(self.ttl(key, old.live_until).map(LedgerEntryChange::State));
                    changes.extend(self.ttl(key, new.live_until).map(LedgerEntryChange::Updated));
                }
            }
        }
    }

    /// The TTL entry that the network keeps beside a contract entry. Here it lives inside [`Stored`] and appears only
    /// in meta.
    fn ttl(&self, key: &LedgerKey, live_until: Option<u32>) -> Option<LedgerEntry> {
        Some(LedgerEntry {
            last_modified_ledger_seq: self.ledger,
            data: LedgerEntryData::Ttl(TtlEntry { key_hash: Hash(hash_of(key)), live_until_ledger_seq: live_until? }),
            ext: LedgerEntryExt::V0,
        })
    }

    /// Drops temporary entries whose life is over, because no transaction can see them any more.
    pub(crate) fn drop_expired_temporaries(&mut self) {
        let ledger = self.ledger;
        self.map.retain(|key, stored| {
            stored.live_until.is_none_or(|last| ledger <= last)
                || get_key_durability(key) == Some(ContractDataDurability::Persistent)
        });
    }

    /// Every live contract entry. The size of the live state is computed from them.
    pub(crate) fn live_contract_entries(&self) -> impl Iterator<Item = &LedgerEntry> {
        let ledger = self.ledger;
        self.map
            .values()
            .filter(move |stored| stored.live_until.is_some_and(|last| ledger <= last))
            .map(|stored| stored.entry.as_ref())
    }
}

fn entry(stored: &Stored) -> LedgerEntry {
    stored.entry.as_ref().clone()
}

/// SHA-256 of a key's XDR: the name of its TTL entry.
pub(crate) fn hash_of(key: &LedgerKey) -> [u8; 32] {
    Sha256::digest(key.to_xdr(Limits::none()).expect("a key in memory encodes")).into()
}

impl SnapshotSource for Entries {
    /// Archived entries come with their old life, as the simulation expects. It treats expired temporary ones as missing.
    fn get(&self, key: &Rc<LedgerKey>) -> Result<Option<EntryWithLiveUntil>, HostError> {
        Ok(self.map.get(key.as_ref()).map(|stored| (Rc::clone(&stored.entry), stored.live_until)))
    }
}

#[cfg(test)]
mod tests;
