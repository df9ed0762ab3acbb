#![allow(clippy::unwrap_used, reason = "a test that fails here says where")]

use tempfile::TempDir;

use crate::wire::Timestamp;

use super::*;

const CHANNEL: ContractId = ContractId([1; 32]);

fn signed(id: u64, total: u64, raise: u64) -> Record {
    Record::Signed(Signed {
        id,
        at: "2030-01-01T00:00:00.000Z".to_owned(),
        channel: CHANNEL,
        total: total.into(),
        raise: raise.into(),
        price: raise.into(),
        host: "h:1".to_owned(),
        method: "GET".to_owned(),
        url: "http://h:1/x".to_owned(),
    })
}

#[test]
fn written_records_are_there_after_a_restart() {
    let folder = TempDir::new().unwrap();
    let mut store = Store::open(folder.path()).unwrap();
    assert!(matches!(Store::open(folder.path()), Err(StoreError::InUse { .. })));
    store.write(&signed(0, 10, 10), true).unwrap();
    store.write(&signed(1, 25, 15), true).unwrap();
    store.write(&Record::Answered(Answered { id: 1, status: Some(200), receipt: None }), false).unwrap();
    drop(store);
    let mut store = Store::open(folder.path()).unwrap();
    assert_eq!(store.signed(&CHANNEL), Amount::from(25));
    assert_eq!(store.take_id(), 2);
    let day = Timestamp::parse("2030-01-01T12:00:00Z").unwrap().day();
    let away = store.signed_away("h:1", &CHANNEL, day);
    assert_eq!([away.host, away.channel, away.today, away.total], [Amount::from(25); 4]);
    assert_eq!(store.signed_away("other", &CHANNEL, day + 1).today, Amount::ZERO);
    assert_eq!(Store::read(folder.path()).unwrap().len(), 3);
}

/// Tests a crash at every byte of the last write. What was synced before is there, and the torn line, whose voucher was
/// never made, is not.
#[test]
fn a_write_that_was_cut_anywhere_loses_nothing_before_it() {
    let folder = TempDir::new().unwrap();
    let mut store = Store::open(folder.path()).unwrap();
    store.write(&signed(0, 10, 10), true).unwrap();
    let whole = std::fs::read(folder.path().join(FILE)).unwrap();
    store.write(&signed(1, 20, 10), true).unwrap();
    drop(store);
    let both = std::fs::read(folder.path().join(FILE)).unwrap();
    for cut in whole.len()..both.len() {
        std::fs::write(folder.path().join(FILE), &both[..cut]).unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        assert_eq!(store.signed(&CHANNEL), Amount::from(10), "cut at {cut}");
        store.write(&signed(1, 30, 20), true).unwrap();
        drop(store);
        assert_eq!(Store::open(folder.path()).unwrap().signed(&CHANNEL), Amount::from(30), "cut at {cut}");
    }
}

#[test]
fn a_damaged_line_in_the_middle_is_reported_and_nothing_is_signed() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join(FILE), "{}\n{}\n").unwrap();
    assert!(matches!(Store::open(folder.path()), Err(StoreError::Damaged { line: 1, .. })));
}

#[test]
fn a_clock_that_is_set_back_gives_no_second_allowance() {
    let folder = TempDir::new().unwrap();
    let mut store = Store::open(folder.path()).unwrap();
    store.write(&signed(0, 10, 10), true).unwrap();
    let day = Timestamp::parse("2030-01-01T23:59:59.999Z").unwrap().day();
    let today = |store: &Store, day| store.signed_away("h:1", &CHANNEL, day).today;
    assert_eq!(today(&store, day), Amount::from(10));
    assert_eq!(today(&store, day + 1), Amount::ZERO, "a new day begins at midnight UTC");
    assert_eq!(today(&store, day - 1), Amount::from(10));
    assert_eq!(today(&store, 0), Amount::from(10), "a machine that has lost its clock");
    drop(store);
    assert_eq!(today(&Store::open(folder.path()).unwrap(), day - 1), Amount::from(10));
}
