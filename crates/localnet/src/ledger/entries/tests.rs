#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use stellar_xdr::{ContractDataEntry, ContractId, ExtensionPoint, ScAddress, ScVal};

use super::*;

fn data(n: u32, durability: ContractDataDurability) -> LedgerEntryData {
    LedgerEntryData::ContractData(ContractDataEntry {
        ext: ExtensionPoint::V0,
        contract: ScAddress::Contract(ContractId(Hash([1; 32]))),
        key: ScVal::U32(0),
        durability,
        val: ScVal::U32(n),
    })
}

fn put(entries: &mut Entries, n: u32, durability: ContractDataDurability, live_until: u32) -> LedgerKey {
    let entry = data(n, durability);
    let key = entry.to_key();
    entries.put(entry, LedgerEntryExt::V0, Some(live_until));
    key
}

#[test]
fn a_persistent_entry_is_live_through_its_last_ledger_and_archived_after() {
    let mut entries = Entries::default();
    let key = put(&mut entries, 1, ContractDataDurability::Persistent, 10);
    assert!(matches!(entries.find(&key, 10), Found::Live(_)));
    assert!(matches!(entries.find(&key, 11), Found::Archived(_)));
}

#[test]
fn a_temporary_entry_vanishes_after_its_last_ledger() {
    let mut entries = Entries::default();
    let key = put(&mut entries, 1, ContractDataDurability::Temporary, 10);
    assert!(matches!(entries.find(&key, 10), Found::Live(_)));
    assert_eq!(entries.find(&key, 11), Found::Missing);
    entries.begin_ledger(11);
    entries.drop_expired_temporaries();
    assert_eq!(entries.stored(&key), None);
}

#[test]
fn rolling_back_restores_values_lives_and_absences() {
    let mut entries = Entries::default();
    let key = put(&mut entries, 1, ContractDataDurability::Persistent, 10);
    let before = entries.stored(&key).unwrap().clone();
    let mark = entries.mark();
    put(&mut entries, 2, ContractDataDurability::Persistent, 20);
    entries.set_live_until(&key, 30);
    entries.remove(&key);
    let other = put(&mut entries, 3, ContractDataDurability::Temporary, 20);
    entries.roll_back(mark);
    assert_eq!(entries.stored(&key), Some(&before));
    assert_eq!(entries.stored(&other), None);
    assert!(entries.changes_since(mark).is_empty());
}

proptest! {
    #[test]
    fn any_changes_can_be_undone(steps in prop::collection::vec((0..4_u8, 0..3_u32, 1..50_u32), 0..40)) {
        let mut entries = Entries::default();
        let put = |entries: &mut Entries, key: u32, n: u32| {
            let mut entry = data(n, ContractDataDurability::Persistent);
            if let LedgerEntryData::ContractData(data) = &mut entry {
                data.key = ScVal::U32(key);
            }
            let key = entry.to_key();
            entries.put(entry, LedgerEntryExt::V0, Some(n));
            key
        };
        let first = put(&mut entries, 0, 7);
        let before = entries.map.clone();
        let mark = entries.mark();
        for (kind, key, n) in steps {
            let key = put(&mut entries, key, n);
            match kind {
                0 => { entries.remove(&key); }
                1 => entries.set_live_until(&key, n + 1),
                2 => { entries.remove(&first); }
                _ => {}
            }
        }
        entries.roll_back(mark);
        prop_assert_eq!(&entries.map, &before);
    }
}

#[test]
fn changes_hold_only_the_first_and_the_last_state() {
    let mut entries = Entries::default();
    entries.begin_ledger(5);
    put(&mut entries, 1, ContractDataDurability::Persistent, 10);
    entries.begin_ledger(6);
    let mark = entries.mark();
    put(&mut entries, 2, ContractDataDurability::Persistent, 10);
    put(&mut entries, 3, ContractDataDurability::Persistent, 12);
    let changes = entries.changes_since(mark);
    let [LedgerEntryChange::State(old), LedgerEntryChange::Updated(new), ttl @ ..] = changes.as_slice() else {
        panic!("unexpected {changes:?}")
    };
    assert_eq!((&old.data, old.last_modified_ledger_seq), (&data(1, ContractDataDurability::Persistent), 5));
    assert_eq!((&new.data, new.last_modified_ledger_seq), (&data(3, ContractDataDurability::Persistent), 6));
    assert!(matches!(ttl, [LedgerEntryChange::State(_), LedgerEntryChange::Updated(_)]), "{ttl:?}");
}

#[test]
fn an_archived_entry_that_lives_again_appears_as_restored() {
    let mut entries = Entries::default();
    let key = put(&mut entries, 1, ContractDataDurability::Persistent, 10);
    entries.begin_ledger(20);
    let mark = entries.mark();
    entries.set_live_until(&key, 40);
    let changes = entries.changes_since(mark);
    assert!(
        matches!(changes.as_slice(), [LedgerEntryChange::Restored(_), LedgerEntryChange::Restored(_)]),
        "{changes:?}"
    );
}
