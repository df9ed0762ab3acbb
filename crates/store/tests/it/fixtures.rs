//! Journals that were written by each format that ever was: a later program must open them.
//!
//! The files in `tests/fixtures` are never written again. A new format adds its own.

use std::path::Path;

use paychan_channel::Amount;
use paychan_store::{AcceptError, Held, IndexStart, Outcome, Purpose, Store, read_only};

use super::{Funder, amount, charge, charge_refusal, copy_dir, refusal, small, start};

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
async fn format_1_is_opened_and_all_that_was_acknowledged_in_it_counts_as_spent() {
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
    // Ids are remembered, those of the checkpoint too, and nothing can be bought with what was acknowledged.
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

    // What was added is of the newer format, in a segment of its own.
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
