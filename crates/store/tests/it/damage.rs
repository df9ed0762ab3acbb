//! Tests journals that are cut, changed or out of order: a start recovers from everything that a crash can leave, and
//! refuses everything else.

use std::fs;
use std::path::{Path, PathBuf};

use paychan_channel::{Ledger, NetworkId, Stroops};
use paychan_store::{
    Damage, DamageKind, Held, Options, Outcome, REPAIR_COMMAND, Recovered, SignedTransaction, Store, StoreError,
    read_only,
};

use super::{Funder, accept, amount, charge, copy_journal, network, open, segments, settlement, small};

/// Everything that a store shows.
#[derive(Debug, Clone, PartialEq)]
struct Shown {
    held: Vec<Held>,
    in_flight: Vec<SignedTransaction>,
}

fn shown(store: &Store) -> Shown {
    let mut held = store.all_held();
    held.sort_by_key(Held::channel);
    Shown { held, in_flight: store.in_flight() }
}

/// A store with one segment, and what it showed after each acknowledgement, with the length of the journal then.
struct Sample {
    dir: tempfile::TempDir,
    file: PathBuf,
    bytes: Vec<u8>,
    milestones: Vec<(usize, Shown)>,
}

async fn sample() -> Sample {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Funder::number(1), Funder::number(2));
    let store = open(dir.path(), Options::default());
    let file = segments(dir.path()).remove(0);
    let mut milestones = Vec::new();
    let mut milestone = |store: &Store| {
        let length = fs::metadata(&file).unwrap().len();
        milestones.push((usize::try_from(length).unwrap(), shown(store)));
    };
    milestone(&store);
    store.admit(one.admission()).await.unwrap();
    milestone(&store);
    store.admit(two.admission()).await.unwrap();
    milestone(&store);
    accept(&store, &one, 5, "a").await;
    milestone(&store);
    store.record_signed(settlement(1, one.channel, 5)).await.unwrap();
    milestone(&store);
    accept(&store, &two, 1_000, "b").await;
    milestone(&store);
    charge(&store, &one, 3, Some(6), "charge").await;
    milestone(&store);
    store.credit(one.credit(2, "charge")).await.unwrap();
    milestone(&store);
    let outcome = Outcome::Confirmed { ledger: Ledger(2_002), fee_charged: Stroops(3) };
    store.record_outcome([1; 32], outcome).await.unwrap();
    milestone(&store);
    store.fence_for_close(two.channel, two.claim(900), amount(0)).await.unwrap();
    milestone(&store);
    store.confirm_rollback(one.channel, amount(3)).await.unwrap();
    milestone(&store);
    accept(&store, &one, 7, "c").await;
    milestone(&store);
    store.shutdown().await.unwrap();
    let bytes = fs::read(&file).unwrap();
    Sample { dir, file, bytes, milestones }
}

impl Sample {
    /// A new store's directory with this journal and no index.
    fn journal(&self, bytes: &[u8]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("journal")).unwrap();
        fs::write(self.file_in(dir.path()), bytes).unwrap();
        dir
    }

    fn file_in(&self, dir: &Path) -> PathBuf {
        dir.join("journal").join(self.file.file_name().unwrap())
    }
}

fn start(dir: &Path) -> Result<(Store, Recovered), StoreError> {
    super::start(dir, Options::default())
}

fn refused(dir: &Path) -> Damage {
    match start(dir) {
        Err(StoreError::Damaged(damage)) => *damage,
        Err(other) => panic!("it should be damaged, and is: {other}"),
        Ok((store, recovered)) => panic!("a start took it: {recovered} {:?}", shown(&store)),
    }
}

#[tokio::test]
async fn a_journal_cut_at_any_byte_holds_all_that_was_acknowledged_before_that_byte() {
    let sample = sample().await;
    let header = sample.milestones[0].0;
    let (last_three, _) = sample.milestones[sample.milestones.len() - 4];
    for cut in header..=sample.bytes.len() {
        let (whole, expected) = sample.milestones.iter().rfind(|(length, _)| *length <= cut).unwrap();
        let dir = sample.journal(&sample.bytes[..cut]);
        let looked = read_only(dir.path()).unwrap();
        assert_eq!(looked.channels, expected.held, "cut at byte {cut}");
        assert_eq!(
            looked.torn.map(|torn| (torn.offset, torn.bytes)),
            (cut > *whole).then_some((*whole as u64, (cut - whole) as u64)),
            "cut at byte {cut}"
        );
        // A start reads as `read_only` does, and takes longer, so this tries every byte of the last three records and
        // some of the others.
        if cut < last_three && cut % 8 != 0 {
            continue;
        }
        let (store, recovered) = start(dir.path()).unwrap();
        assert_eq!(shown(&store), *expected, "cut at byte {cut}");
        assert_eq!(
            recovered.torn.map(|torn| (torn.offset, torn.bytes)),
            (cut > *whole).then_some((*whole as u64, (cut - whole) as u64)),
            "cut at byte {cut}"
        );
        store.shutdown().await.unwrap();
        let after = fs::read(sample.file_in(dir.path())).unwrap();
        assert_eq!(after, sample.bytes[..*whole], "the torn end is gone");
    }
}

#[tokio::test]
async fn after_a_torn_end_the_store_works_on_and_forgets_nothing() {
    let sample = sample().await;
    let one = Funder::number(1);
    let (before_last, _) = sample.milestones[sample.milestones.len() - 2];
    for cut in [before_last + 1, before_last + 16, sample.bytes.len() - 1] {
        let dir = sample.journal(&sample.bytes[..cut]);
        let store = open(dir.path(), Options::default());
        accept(&store, &one, 8, "d").await;
        let before = shown(&store);
        store.shutdown().await.unwrap();
        let (store, recovered) = start(dir.path()).unwrap();
        assert_eq!(recovered.torn, None);
        assert_eq!(shown(&store), before);
        store.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_cut_that_removes_a_record_that_the_index_has_seen_is_refused() {
    let sample = sample().await;
    let (before_last, _) = sample.milestones[sample.milestones.len() - 2];
    let file = &sample.file;
    for cut in [before_last, before_last + 1, sample.bytes.len() - 1] {
        fs::write(file, &sample.bytes[..cut]).unwrap();
        assert_eq!(
            refused(sample.dir.path()).what,
            DamageKind::BehindIndex { journal: 10, index: 11 },
            "cut at byte {cut}"
        );
        assert_eq!(fs::read(file).unwrap(), sample.bytes[..cut], "nothing was changed");
    }
}

#[tokio::test]
async fn a_cut_header_is_refused() {
    let sample = sample().await;
    let header = sample.milestones[0].0;
    for cut in 0..header {
        let dir = sample.journal(&sample.bytes[..cut]);
        assert!(matches!(refused(dir.path()).what, DamageKind::Header(_)));
    }
}

#[tokio::test]
async fn a_journal_with_any_changed_byte_is_refused_and_left_unchanged() {
    let sample = sample().await;
    let full = &sample.milestones.last().unwrap().1;
    let (before_last, _) = sample.milestones[sample.milestones.len() - 2];
    let looked_at = sample.journal(&[]);
    for at in 0..sample.bytes.len() {
        for mask in [0x01, 0x80, 0xff, sample.bytes[at]] {
            if mask == 0 {
                continue;
            }
            let mut bytes = sample.bytes.clone();
            bytes[at] ^= mask;
            fs::write(sample.file_in(looked_at.path()), &bytes).unwrap();
            if let Ok(looked) = read_only(looked_at.path()) {
                panic!("byte {at} was flipped by {mask:#x} and this was shown: {looked:?}");
            }
            // A start reads as `read_only` does, and takes longer, so some bytes are enough.
            if mask == 0xff && (at >= before_last || at % 8 == 0) {
                let dir = sample.journal(&bytes);
                match start(dir.path()) {
                    Err(StoreError::Damaged(_) | StoreError::NewerVersion { .. } | StoreError::WrongNetwork { .. }) => {
                    }
                    Err(other) => panic!("byte {at}: {other}"),
                    Ok((store, _)) => assert_eq!(shown(&store), *full, "byte {at}"),
                }
                assert_eq!(fs::read(sample.file_in(dir.path())).unwrap(), bytes);
            }
        }
    }
}

#[tokio::test]
async fn zeros_at_the_end_are_a_torn_write_and_anything_else_is_damage() {
    let sample = sample().await;
    let full = &sample.milestones.last().unwrap().1;
    for zeros in [1, 15, 16, 17, 4_096] {
        let bytes = [sample.bytes.as_slice(), &vec![0; zeros]].concat();
        let dir = sample.journal(&bytes);
        let (store, recovered) = start(dir.path()).unwrap();
        assert_eq!(shown(&store), *full);
        assert_eq!(recovered.torn.unwrap().bytes, zeros as u64);
        store.shutdown().await.unwrap();
    }
    let (before_last, _) = sample.milestones[sample.milestones.len() - 2];
    let last_again = [&sample.bytes, &sample.bytes[before_last..]].concat();
    let noise = [sample.bytes.as_slice(), &[0x5a; 64]].concat();
    for bytes in [last_again, noise] {
        refused(sample.journal(&bytes).path());
    }
}

#[tokio::test]
async fn a_journal_with_a_missing_or_a_repeated_record_is_refused() {
    let sample = sample().await;
    let ends: Vec<usize> = sample.milestones.iter().map(|(length, _)| *length).collect();
    for pair in ends.windows(2).take(ends.len() - 2) {
        let (from, to) = (pair[0], pair[1]);
        let without = [&sample.bytes[..from], &sample.bytes[to..]].concat();
        let damage = refused(sample.journal(&without).path());
        assert!(matches!(damage.what, DamageKind::Sequence { .. }), "{damage}");
        let twice = [&sample.bytes[..to], &sample.bytes[from..]].concat();
        let damage = refused(sample.journal(&twice).path());
        assert!(matches!(damage.what, DamageKind::Sequence { .. }), "{damage}");
    }
}

/// A store of several log segments and no checkpoint.
async fn many_segments() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let one = Funder::number(1);
    let options = Options { compact_after_bytes: u64::MAX, ..small() };
    let store = open(dir.path(), options);
    store.admit(one.admission()).await.unwrap();
    for units in 1..=17 {
        accept(&store, &one, units, &format!("r{units}")).await;
    }
    store.shutdown().await.unwrap();
    let files = segments(dir.path());
    assert!(files.len() >= 4);
    let last = fs::metadata(files.last().unwrap()).unwrap().len();
    assert!(last > 100, "the last segment holds a record");
    dir
}

#[tokio::test]
async fn a_cut_in_a_segment_that_is_not_the_last_is_refused_at_every_byte() {
    let original = many_segments().await;
    let files = segments(original.path());
    let name = files[1].file_name().unwrap();
    let bytes = fs::read(&files[1]).unwrap();
    for cut in 0..bytes.len() {
        let dir = tempfile::tempdir().unwrap();
        copy_journal(original.path(), dir.path());
        fs::write(dir.path().join("journal").join(name), &bytes[..cut]).unwrap();
        assert!(matches!(read_only(dir.path()), Err(StoreError::Damaged(_))), "cut at byte {cut}");
        if cut % 16 == 0 {
            refused(dir.path());
        }
    }
}

#[tokio::test]
async fn a_missing_segment_is_refused() {
    let original = many_segments().await;
    let count = segments(original.path()).len();
    for missing in 0..count - 1 {
        let dir = tempfile::tempdir().unwrap();
        copy_journal(original.path(), dir.path());
        fs::remove_file(&segments(dir.path())[missing]).unwrap();
        let damage = refused(dir.path());
        assert!(matches!(damage.what, DamageKind::Sequence { .. }), "{damage}");
    }
    // Only the index knows that there was a last one.
    fs::remove_file(&segments(original.path())[count - 1]).unwrap();
    let damage = refused(original.path());
    assert!(matches!(damage.what, DamageKind::BehindIndex { .. }), "{damage}");
}

#[tokio::test]
async fn a_refusal_names_the_segment_the_byte_and_the_repair_command() {
    let sample = sample().await;
    let mut bytes = sample.bytes.clone();
    let (at, _) = sample.milestones[3];
    bytes[at + 40] ^= 1;
    let damage = refused(sample.journal(&bytes).path());
    assert_eq!(damage.segment, sample.file.file_name().unwrap().to_str().unwrap());
    assert_eq!(damage.offset, at as u64);
    assert!(damage.to_string().contains(REPAIR_COMMAND));
    assert!(damage.to_string().contains(&damage.segment));
}

#[tokio::test]
async fn a_journal_of_another_network_is_refused() {
    let sample = sample().await;
    let other = NetworkId::of("Another Network");
    assert_eq!(
        Store::open_for_operator(sample.dir.path(), &other, Options::default()).unwrap_err(),
        StoreError::WrongNetwork {
            segment: sample.file.file_name().unwrap().to_str().unwrap().to_owned(),
            found: network(),
            expected: other,
        }
    );
}
