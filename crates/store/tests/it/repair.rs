//! Tests the repair of a damaged journal: it keeps all that can be read, and reports what is lost.

use std::fs;
use std::path::Path;

use paychan_store::{Options, RepairReport, Repaired, StoreError, repair};

use super::{Funder, accept, amount, highest, network, open, refusal, segments, settlement, small, start};

fn one() -> Funder {
    Funder::number(1)
}

fn two() -> Funder {
    Funder::number(2)
}

/// Fills a new store with one segment, and returns where each of its records begins, and where the last one ends.
async fn filled(dir: &Path) -> Vec<u64> {
    let store = open(dir, Options::default());
    let file = segments(dir).remove(0);
    let length = || fs::metadata(&file).unwrap().len();
    let mut starts = vec![length()];
    store.admit(one().admission()).await.unwrap();
    starts.push(length());
    store.admit(two().admission()).await.unwrap();
    starts.push(length());
    for (funder, units) in [(one(), 5), (two(), 50), (one(), 6), (two(), 60), (one(), 7)] {
        accept(&store, &funder, units, &format!("r{units}")).await;
        starts.push(length());
    }
    store.shutdown().await.unwrap();
    starts
}

fn flip(dir: &Path, at: u64) -> Vec<u8> {
    let file = segments(dir).remove(0);
    let mut bytes = fs::read(&file).unwrap();
    bytes[usize::try_from(at).unwrap()] ^= 0x10;
    fs::write(&file, &bytes).unwrap();
    bytes
}

fn refused(dir: &Path) {
    assert!(matches!(start(dir, Options::default()), Err(StoreError::Damaged(_))));
}

fn repaired(dir: &Path) -> Repaired {
    match repair(dir, &network(), &Options::default()).unwrap() {
        RepairReport::Repaired(repaired) => *repaired,
        RepairReport::Sound => panic!("the journal is damaged"),
    }
}

fn without_index(dir: &Path) {
    fs::remove_dir_all(dir.join("db")).unwrap();
}

#[tokio::test]
async fn a_sound_journal_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path()).await;
    let before = fs::read(&segments(dir.path())[0]).unwrap();
    assert_eq!(repair(dir.path(), &network(), &Options::default()), Ok(RepairReport::Sound));
    assert_eq!(segments(dir.path()).len(), 1);
    assert_eq!(fs::read(&segments(dir.path())[0]).unwrap(), before);
}

#[tokio::test]
async fn a_commitment_lost_below_a_higher_one_is_reported_as_harmless() {
    let dir = tempfile::tempdir().unwrap();
    let starts = filled(dir.path()).await;
    without_index(dir.path());
    let damaged = flip(dir.path(), starts[2] + 60);
    refused(dir.path());

    let report = repaired(dir.path());
    let copy = report.copied_to.join(format!("{:020}.journal", 1));
    assert_eq!(fs::read(copy).unwrap(), damaged, "the copy is the damaged file");
    assert_eq!(report.gaps.len(), 1);
    let gap = &report.gaps[0];
    assert_eq!((gap.offset, gap.after, gap.until), (starts[2], 2, Some(4)));
    assert_eq!(gap.bytes, starts[3] - starts[2]);
    assert_eq!(report.kept, 6);
    assert_eq!(report.superseded, [(one().channel, 1)]);
    assert_eq!(report.uncertain, []);

    let store = open(dir.path(), Options::default());
    assert_eq!((highest(&store, &one()), highest(&store, &two())), (7, 60));
    assert!(store.accept(one().offer(6, "r6")).await.unwrap().replayed);
    accept(&store, &one(), 8, "r8").await;
    store.shutdown().await.unwrap();
    assert_eq!(highest(&open(dir.path(), Options::default()), &one()), 8);
}

#[tokio::test]
async fn a_lost_highest_commitment_is_reported_as_uncertain_without_an_index() {
    let dir = tempfile::tempdir().unwrap();
    let starts = filled(dir.path()).await;
    without_index(dir.path());
    flip(dir.path(), starts[6] + 60);
    refused(dir.path());
    let report = repaired(dir.path());
    assert_eq!(report.gaps[0].until, None);
    assert_eq!(report.uncertain, [(one().channel, amount(6)), (two().channel, amount(60))]);
    let text = RepairReport::Repaired(Box::new(report)).to_string();
    assert!(text.contains(&one().channel.to_string()), "{text}");
    let store = open(dir.path(), Options::default());
    assert_eq!(highest(&store, &one()), 6);
}

#[tokio::test]
async fn the_index_gives_back_a_commitment_that_the_journal_lost() {
    let dir = tempfile::tempdir().unwrap();
    let starts = filled(dir.path()).await;
    flip(dir.path(), starts[6] + 60);
    refused(dir.path());
    let report = repaired(dir.path());
    assert_eq!((report.gaps[0].until, report.gaps[0].restored), (None, 1));
    assert_eq!(report.uncertain, [], "the restored record has all bytes of the gap");
    let store = open(dir.path(), Options::default());
    assert_eq!((highest(&store, &one()), highest(&store, &two())), (7, 60));
    let held = store.held(&one().channel).unwrap().highest.unwrap();
    assert_eq!(held.signature, one().sign(7));
    assert!(store.accept(one().offer(7, "r7")).await.unwrap().replayed);
    assert!(store.accept(two().offer(60, "r60")).await.unwrap().replayed);
    accept(&store, &one(), 8, "r8").await;
}

#[tokio::test]
async fn a_journal_that_ends_before_the_index_is_completed_from_it() {
    let dir = tempfile::tempdir().unwrap();
    let starts = filled(dir.path()).await;
    let file = segments(dir.path()).remove(0);
    let cut = fs::File::options().write(true).open(&file).unwrap();
    cut.set_len(starts[4]).unwrap();
    refused(dir.path());
    let report = repaired(dir.path());
    let gap = &report.gaps[0];
    assert_eq!((gap.after, gap.until, gap.restored), (4, Some(8), 3));
    assert_eq!(report.uncertain, []);
    let store = open(dir.path(), Options::default());
    assert_eq!((highest(&store, &one()), highest(&store, &two())), (7, 60));
    store.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_admission_that_is_lost_everywhere_is_asked_for_again_with_what_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let starts = filled(dir.path()).await;
    without_index(dir.path());
    flip(dir.path(), starts[1] + 60);
    refused(dir.path());
    let report = repaired(dir.path());
    let (channel, commitment) = &report.not_admitted[0];
    assert_eq!((*channel, commitment.amount), (two().channel, amount(60)));
    assert_eq!(commitment.signature, two().sign(60));
    assert_eq!(report.not_admitted.len(), 1);
    assert_eq!(report.refused.len(), 2, "{:?}", report.refused);
    let store = open(dir.path(), Options::default());
    assert_eq!(highest(&store, &one()), 7);
    assert_eq!(store.held(&two().channel), None);
    store.admit(two().admission()).await.unwrap();
    accept(&store, &two(), 60, commitment.request_id.as_str()).await;
}

#[tokio::test]
async fn a_journal_that_is_gone_is_restored_from_the_index() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path()).await;
    fs::remove_file(&segments(dir.path())[0]).unwrap();
    refused(dir.path());
    let report = repaired(dir.path());
    assert_eq!((report.gaps[0].until, report.gaps[0].restored), (Some(8), 7));
    assert_eq!((report.uncertain, report.not_admitted), (vec![], vec![]));
    let store = open(dir.path(), Options::default());
    assert_eq!((highest(&store, &one()), highest(&store, &two())), (7, 60));
    assert!(store.accept(one().offer(6, "r6")).await.unwrap().replayed);
}

#[tokio::test]
async fn with_the_index_any_changed_byte_of_a_journal_loses_nothing() {
    let original = tempfile::tempdir().unwrap();
    let store = open(original.path(), small());
    store.admit(one().admission()).await.unwrap();
    store.admit(two().admission()).await.unwrap();
    for units in 1..=23 {
        accept(&store, &one(), units, &format!("r{units}")).await;
    }
    accept(&store, &two(), 5, "two").await;
    store.shutdown().await.unwrap();
    let count = segments(original.path()).len();
    for segment in 0..count {
        let length = fs::metadata(&segments(original.path())[segment]).unwrap().len();
        for at in (0..length).step_by(61) {
            let dir = tempfile::tempdir().unwrap();
            super::copy_dir(original.path(), dir.path());
            let file = &segments(dir.path())[segment];
            let mut bytes = fs::read(file).unwrap();
            bytes[usize::try_from(at).unwrap()] ^= 0x10;
            fs::write(file, &bytes).unwrap();
            refused(dir.path());
            let report = repaired(dir.path());
            assert_eq!(report.uncertain, [], "segment {segment}, byte {at}: {report}");
            assert_eq!(report.not_admitted, [], "segment {segment}, byte {at}");
            let store = open(dir.path(), small());
            assert_eq!((highest(&store, &one()), highest(&store, &two())), (23, 5));
            store.shutdown().await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_unreadable_header_loses_no_record() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path()).await;
    flip(dir.path(), 20);
    refused(dir.path());
    let report = repaired(dir.path());
    assert_eq!(report.kept, 7);
    let store = open(dir.path(), Options::default());
    assert_eq!((highest(&store, &one()), highest(&store, &two())), (7, 60));
}

#[tokio::test]
async fn any_changed_byte_of_a_journal_with_segments_and_checkpoints_can_be_repaired() {
    let original = tempfile::tempdir().unwrap();
    let store = open(original.path(), small());
    store.admit(one().admission()).await.unwrap();
    store.admit(two().admission()).await.unwrap();
    for units in 1..=23 {
        accept(&store, &one(), units, &format!("r{units}")).await;
    }
    accept(&store, &two(), 5, "two").await;
    store.fence(two().channel).await.unwrap();
    store.record_signed(settlement(1, two().channel, 5)).await.unwrap();
    store.shutdown().await.unwrap();
    let count = segments(original.path()).len();
    assert!(count >= 2);
    for segment in 0..count {
        let length = fs::metadata(&segments(original.path())[segment]).unwrap().len();
        for at in (0..length).step_by(37) {
            let dir = tempfile::tempdir().unwrap();
            super::copy_journal(original.path(), dir.path());
            let file = &segments(dir.path())[segment];
            let mut bytes = fs::read(file).unwrap();
            bytes[usize::try_from(at).unwrap()] ^= 0x10;
            fs::write(file, &bytes).unwrap();
            refused(dir.path());
            let report = repaired(dir.path());
            let store = open(dir.path(), small());
            // The report names every channel whose amount is lower than it was.
            let said = RepairReport::Repaired(Box::new(report)).to_string();
            for (funder, was) in [(one(), 23), (two(), 5)] {
                let held = store.held(&funder.channel);
                let is = held.map_or(0, |held| held.highest_amount().get());
                assert!(
                    is == was || said.contains("is not known") || said.contains("Lost"),
                    "segment {segment}, byte {at}: {is} of {was}\n{said}"
                );
                if is != was && is > 0 {
                    assert!(said.contains(&funder.channel.to_string()), "{said}");
                }
            }
            store.shutdown().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_repair_needs_the_lock_and_makes_no_new_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Options::default());
    assert!(matches!(
        repair(dir.path(), &network(), &Options::default()),
        Err(StoreError::HeldByAnotherProcess { .. })
    ));
    store.shutdown().await.unwrap();
    let nothing = dir.path().join("mistyped");
    assert!(matches!(
        repair(&nothing, &network(), &Options::default()),
        Err(StoreError::Io { kind: std::io::ErrorKind::NotFound, .. })
    ));
    assert!(!nothing.exists());
}

#[tokio::test]
async fn a_fence_survives_a_repair() {
    let dir = tempfile::tempdir().unwrap();
    let starts = filled(dir.path()).await;
    let store = open(dir.path(), Options::default());
    store.fence(one().channel).await.unwrap();
    store.shutdown().await.unwrap();
    flip(dir.path(), starts[3] + 60);
    refused(dir.path());
    repaired(dir.path());
    let store = open(dir.path(), Options::default());
    assert!(store.held(&one().channel).unwrap().fence.is_some());
    refusal(&store, &one(), 9, "r9").await;
}
