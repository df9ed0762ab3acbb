//! Tests journals of each format so far: every later program must open them.
//!
//! The files in `tests/fixtures` are never written again. A new format adds its own, written by a test like
//! `write_newest_format`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use paychan_channel::{Amount, Ledger, Stroops};
use paychan_store::{
    AcceptError, Admission, Held, IndexStart, Options, Outcome, Purpose, SignedTransaction, Store, WallClock, read_only,
};

use super::{
    Funder, accept, amount, charge, charge_refusal, copy_dir, copy_journal, open, refusal, settlement, small, start,
};

fn fixture(name: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    copy_dir(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name), dir.path());
    dir
}

fn held(store: &Store, number: u8) -> Held {
    store.held(&Funder::number(number).channel).unwrap()
}

/// A checkpoint and two log segments with every kind of record of format 1.
#[tokio::test]
async fn a_journal_of_format_1_opens_and_all_that_it_acknowledged_counts_as_spent() {
    let dir = fixture("format-1");
    let looked = read_only(dir.path()).unwrap();
    let (store, recovered) = start(dir.path(), small()).unwrap();
    assert!(matches!(recovered.index, IndexStart::Built { .. }));
    let mut all = store.all_held();
    all.sort_by_key(Held::channel);
    assert_eq!(all, looked.channels);

    let funders: Vec<Funder> = (1..=4).map(Funder::number).collect();
    for (number, (highest, accepted)) in [(160, 16), (600, 2), (7, 1), (0, 0)].into_iter().enumerate() {
        let held = held(&store, u8::try_from(number + 1).unwrap());
        assert_eq!((held.highest_amount(), held.accepted), (amount(highest), accepted), "channel {}", number + 1);
        assert_eq!(held.spent, amount(highest), "channel {}", number + 1);
        assert_eq!(held.available(), Amount::ZERO);
        assert_eq!(
            held.highest.as_ref().map(|held| held.claim()),
            (highest > 0).then(|| funders[number].claim(highest))
        );
    }
    assert!(held(&store, 3).fence.is_some_and(|fence| fence.agreed.is_none()));
    assert_eq!(held(&store, 3).rollback_confirmed, Some(amount(6)));
    let in_flight = store.in_flight();
    assert_eq!(in_flight.len(), 1);
    assert_eq!(in_flight[0].purpose, Purpose::Settle { channel: funders[1].channel, amount: amount(500) });
    let outcomes = store.outcomes(&funders[0].channel, 9);
    assert!(matches!(&outcomes[0].outcome, Outcome::Failed { why, .. } if why == "txFAILED"));
    assert!(matches!(outcomes[1].outcome, Outcome::Confirmed { .. }));
    // Ids are remembered, also those of the checkpoint, and nothing can be bought with an acknowledged commitment.
    for units in 13..=16 {
        let again = store.accept(funders[0].offer(units * 10, &format!("r{units}"))).await.unwrap();
        assert!(again.replayed, "r{units}");
    }
    assert!(store.accept(funders[2].offer(7, "three-1")).await.unwrap().replayed);
    assert!(matches!(refusal(&store, &funders[0], 160, "other").await, AcceptError::AlreadyHeld { .. }));
    charge_refusal(&store, &funders[0], 1, Some(160), "new").await;
    let charged = charge(&store, &funders[0], 5, Some(165), "new").await;
    assert_eq!((charged.previous, charged.spent), (amount(160), amount(165)));
    let before = all_sorted(&store);
    store.shutdown().await.unwrap();

    // The new records have the newer format and are in a segment of their own.
    let (store, _) = start(dir.path(), small()).unwrap();
    assert_eq!(all_sorted(&store), before);
    for number in 1..=30 {
        charge(&store, &funders[0], 1, Some(165 + number), &format!("more{number}")).await;
    }
    store.shutdown().await.unwrap();
    let (store, _) = start(dir.path(), small()).unwrap();
    assert_eq!(held(&store, 1).spent, amount(195));
    assert_eq!(held(&store, 2).spent, amount(600));
}

fn all_sorted(store: &Store) -> Vec<Held> {
    let mut all = store.all_held();
    all.sort_by_key(Held::channel);
    all
}

#[test]
fn a_damaged_journal_of_format_1_is_repaired() {
    let dir = fixture("format-1");
    let last = super::segments(dir.path()).pop().unwrap();
    let mut bytes = std::fs::read(&last).unwrap();
    bytes[80] ^= 1;
    std::fs::write(&last, &bytes).unwrap();
    let report = paychan_store::repair(dir.path(), &super::network(), &small()).unwrap();
    assert!(matches!(report, paychan_store::RepairReport::Repaired(_)));
    let (store, _) = start(dir.path(), small()).unwrap();
    assert_eq!((held(&store, 1).highest_amount(), held(&store, 1).spent), (amount(160), amount(160)));
    assert!(held(&store, 2).highest_amount() >= amount(500));
}

/// A wall clock that advances by a second each time it is read.
struct Ticking(AtomicU64);

impl WallClock for Ticking {
    fn wall_unix_ms(&self) -> u64 {
        self.0.fetch_add(1_000, Relaxed)
    }
}

/// Wrote the journals that are kept as `tests/fixtures/format-2` and `format-3`: every kind of record of the format, some of
/// them in a checkpoint.
#[tokio::test]
#[ignore = "it writes the journal that is kept: PAYCHAN_WRITE_FIXTURE=DIRECTORY"]
async fn write_newest_format() {
    let to = std::env::var_os("PAYCHAN_WRITE_FIXTURE").expect("PAYCHAN_WRITE_FIXTURE names the directory to write to");
    let dir = tempfile::tempdir().unwrap();
    let options = Options { clock: Arc::new(Ticking(AtomicU64::new(1_795_000_000_000))), ..small() };
    let store = open(dir.path(), options);
    let [one, two, three, four] = [1, 2, 3, 4].map(Funder::number);
    store.admit(Admission { clawback: true, ..one.admission() }).await.unwrap();
    store.admit(Admission { paid_before: amount(40), ..two.admission() }).await.unwrap();
    store.admit(three.admission()).await.unwrap();
    store.admit(four.admission()).await.unwrap();
    accept(&store, &one, 50, "prepaid").await;
    for number in 1..=12 {
        charge(&store, &one, 10, Some(50 + number * 10), &format!("r{number}")).await;
        store.credit(one.credit(1, &format!("r{number}"))).await.unwrap();
    }
    charge(&store, &two, 5, Some(100), "two-1").await;
    store.record_signed(settlement(1, one.channel, 60)).await.unwrap();
    let confirmed = Outcome::Confirmed { ledger: Ledger(2_003), fee_charged: Stroops(40_000) };
    store.record_outcome([1; 32], confirmed).await.unwrap();
    store.record_signed(settlement(2, one.channel, 170)).await.unwrap();
    accept(&store, &three, 70, "three-1").await;
    charge(&store, &three, 20, None, "three-2").await;
    store.fence_for_close(three.channel, three.claim(30), amount(10)).await.unwrap();
    store.confirm_rollback(two.channel, amount(60)).await.unwrap();
    for number in 2..=6 {
        charge(&store, &two, 5, None, &format!("two-{number}")).await;
    }
    store.drop_channel(four.channel, Amount::ZERO).await.unwrap();
    let extend = SignedTransaction {
        purpose: Purpose::Extend { channels: vec![one.channel, two.channel] },
        ..settlement(3, one.channel, 1)
    };
    store.record_signed(extend).await.unwrap();
    store.record_outcome([3; 32], Outcome::Dropped { at: Ledger(2_010), why: "tx_bad_seq".to_owned() }).await.unwrap();
    store.credit(two.credit(2, "two-6")).await.unwrap();
    store.fence(two.channel).await.unwrap();
    store.shutdown().await.unwrap();
    copy_journal(dir.path(), Path::new(&to));
}

#[tokio::test]
async fn a_journal_of_format_2_opens_as_it_was_written() {
    opens_as_it_was_written("format-2").await;
}

#[tokio::test]
async fn a_journal_of_format_3_opens_as_it_was_written() {
    opens_as_it_was_written("format-3").await;
}

async fn opens_as_it_was_written(format: &str) {
    let dir = fixture(format);
    let looked = read_only(dir.path()).unwrap();
    let (store, _) = start(dir.path(), small()).unwrap();
    assert_eq!(all_sorted(&store), looked.channels);
    assert_eq!(looked.channels.len(), 3, "the fourth was dropped");
    let [one, two, three] = [1, 2, 3].map(Funder::number);

    let first = held(&store, 1);
    assert_eq!((first.highest_amount(), first.spent, first.accepted), (amount(170), amount(108), 13));
    assert!(first.admission.clawback);
    assert_eq!(first.ladder.first(), Some(&one.claim(70)), "paid commitments are gone from the ladder");
    assert_eq!(first.ladder.last(), Some(&one.claim(160)));
    let second = held(&store, 2);
    assert_eq!((second.highest_amount(), second.spent, second.accepted), (amount(100), amount(83), 6));
    assert_eq!(second.rollback_confirmed, Some(amount(60)));
    assert_eq!(second.claim(), Some(two.claim(100)));
    let third = held(&store, 3);
    assert_eq!((third.highest_amount(), third.spent), (amount(70), amount(20)));
    assert_eq!(third.claim(), Some(three.claim(30)));

    assert_eq!(store.in_flight().len(), 1);
    let outcomes = store.outcomes(&one.channel, 9);
    assert!(matches!(&outcomes[0].outcome, Outcome::Dropped { why, .. } if why == "tx_bad_seq"));
    assert!(matches!(outcomes[1].outcome, Outcome::Confirmed { .. }));
    for number in 9..=12 {
        let again = store.charge(one.charge(10, Some(50 + number * 10), &format!("r{number}"))).await.unwrap();
        assert_eq!((again.replayed, again.credited, again.highest), (true, amount(1), amount(50 + number * 10)));
    }
    let again = store.charge(two.charge(5, None, "two-6")).await.unwrap();
    assert_eq!((again.replayed, again.credited), (true, amount(2)));
}
