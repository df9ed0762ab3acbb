#![allow(clippy::unwrap_used, reason = "a test that fails here says where")]
//! Tests journals whose checksums are right, but which no store would write.

use std::fs;
use std::path::Path;

use paychan_channel::{Amount, ContractId, NetworkId, Signature};

use crate::digest::Digest;
use crate::fixtures::{NETWORK, admission, commitment};
use crate::held::Channel;
use crate::journal::frame::{SegmentHeader, SegmentKind, VERSION, write_frame};
use crate::journal::record::Record;
use crate::journal::segments::segment_name;
use crate::request::{Remembered, Taken};
use crate::state::State;
use crate::{Admission, DamageKind, Fence, Held, HeldCommitment, Options, RepairReport, Store, StoreError, repair};

const ONE: ContractId = ContractId([1; 32]);

fn segment(dir: &Path, network: NetworkId, kind: SegmentKind, first: u64, records: &[Record]) {
    let header = SegmentHeader { version: VERSION, kind, network, first };
    let mut bytes = header.encode().to_vec();
    for (sequence, record) in (first..).zip(records) {
        write_frame(&mut bytes, sequence, 0, &record.encode());
    }
    fs::create_dir_all(dir.join("journal")).unwrap();
    fs::write(dir.join("journal").join(segment_name(first)), bytes).unwrap();
}

/// A commitment without a charge, after one for `previous` units.
fn accepted(number: u64, previous: i128, commitment: HeldCommitment) -> Record {
    Record::Taken(Taken {
        channel: ONE,
        number,
        taken_at_ms: commitment.accepted_at_ms,
        request_id: commitment.request_id,
        price: None,
        offered: Some(commitment.amount),
        signature: Some(commitment.signature),
        previous: Amount::new(previous).unwrap(),
        highest: commitment.amount,
        spent: Amount::ZERO,
    })
}

fn log(records: &[Record]) -> Result<Vec<Held>, StoreError> {
    let dir = tempfile::tempdir().unwrap();
    segment(dir.path(), NETWORK, SegmentKind::Log, 1, records);
    start(dir.path())
}

fn start(dir: &Path) -> Result<Vec<Held>, StoreError> {
    Store::open_for_operator(dir, &NETWORK, Options::default()).map(|(store, _)| store.all_held())
}

fn damage(started: Result<Vec<Held>, StoreError>) -> DamageKind {
    match started {
        Err(StoreError::Damaged(damage)) => damage.what,
        other => panic!("it should be damaged: {other:?}"),
    }
}

#[test]
fn an_amount_that_goes_down_or_stays_is_damage() {
    for second in [4, 5] {
        let records = [
            Record::Admitted(admission(ONE)),
            accepted(1, 0, commitment(ONE, 5)),
            accepted(2, 5, commitment(ONE, second)),
        ];
        assert!(matches!(damage(log(&records)), DamageKind::Contradiction { sequence: 3, .. }));
    }
}

#[test]
fn commitments_must_be_numbered_without_a_gap_and_belong_to_an_admitted_open_channel() {
    let admitted = Record::Admitted(admission(ONE));
    let fenced = Record::Fenced { channel: ONE, fence: Fence { fenced_at_ms: 1, agreed: None } };
    for records in [
        vec![admitted.clone(), accepted(2, 0, commitment(ONE, 5))],
        vec![accepted(1, 0, commitment(ONE, 5))],
        vec![admitted.clone(), fenced, accepted(1, 0, commitment(ONE, 5))],
        vec![admitted.clone(), admitted],
    ] {
        assert!(matches!(damage(log(&records)), DamageKind::Contradiction { .. }));
    }
}

#[test]
fn a_highest_commitment_with_a_bad_signature_or_under_a_bad_key_is_damage() {
    let bad = HeldCommitment { signature: Signature([9; 64]), ..commitment(ONE, 5) };
    let expected = DamageKind::Signature { channel: ONE, amount: Amount::new(5).unwrap() };
    let records = [Record::Admitted(admission(ONE)), accepted(1, 0, bad.clone())];
    assert_eq!(damage(log(&records)), expected);
    let mut no_key = admission(ONE);
    no_key.commitment_key = [0; 32];
    let records = [Record::Admitted(no_key), accepted(1, 0, commitment(ONE, 5))];
    assert_eq!(damage(log(&records)), expected);
    // Only the highest must have a right signature; nobody will ever need a lower one.
    let records = [Record::Admitted(admission(ONE)), accepted(1, 0, bad), accepted(2, 5, commitment(ONE, 6))];
    assert_eq!(log(&records).unwrap()[0].highest_amount().get(), 6);
}

#[test]
fn a_repair_falls_back_to_the_highest_commitment_that_is_signed() {
    let dir = tempfile::tempdir().unwrap();
    let bad = HeldCommitment { signature: Signature([9; 64]), ..commitment(ONE, 6) };
    let records = [Record::Admitted(admission(ONE)), accepted(1, 0, commitment(ONE, 5)), accepted(2, 5, bad)];
    segment(dir.path(), NETWORK, SegmentKind::Log, 1, &records);
    damage(start(dir.path()));
    let report = repair(dir.path(), &NETWORK, &Options::default()).unwrap();
    let RepairReport::Repaired(repaired) = report else {
        panic!("the journal should be damaged");
    };
    assert_eq!(repaired.refused.len(), 1);
    assert_eq!(repaired.uncertain, [(ONE, Amount::new(5).unwrap())]);
    assert_eq!(start(dir.path()).unwrap()[0].highest_amount().get(), 5);
}

#[test]
fn a_checkpoint_must_be_whole_and_alone() {
    let whole = || {
        Record::WholeChannel(Box::new(Channel {
            held: Held { accepted: 9, highest: Some(commitment(ONE, 50)), ..Held::new(admission(ONE)) },
            paying: None,
        }))
    };
    let last = || Record::Remembered {
        channel: ONE,
        request: Remembered::of_format_1(Digest([1; 16]), 9, Amount::new(50).unwrap()),
    };
    let ends = |records| Record::CheckpointEnds { records };
    let checkpoint = |records: &[Record]| {
        let dir = tempfile::tempdir().unwrap();
        segment(dir.path(), NETWORK, SegmentKind::Checkpoint, 40, records);
        start(dir.path())
    };
    let good = [Record::CheckpointStarts, whole(), last(), ends(4)];
    assert_eq!(checkpoint(&good).unwrap()[0].accepted, 9);
    for bad in [
        vec![],
        vec![Record::CheckpointStarts, whole()],
        vec![whole(), ends(2)],
        vec![Record::CheckpointStarts, whole(), ends(4)],
        vec![Record::CheckpointStarts, Record::CheckpointStarts, ends(3)],
        vec![Record::CheckpointStarts, ends(2), whole()],
        vec![Record::CheckpointStarts, Record::Admitted(admission(ONE)), ends(3)],
    ] {
        damage(checkpoint(&bad));
    }
    assert!(matches!(damage(log(&[whole()])), DamageKind::Contradiction { .. }));
}

#[test]
fn a_checkpoint_in_which_more_was_spent_than_signed_is_refused() {
    let checkpoint = |spent, paid_before, rollback_confirmed: Option<i128>| {
        let dir = tempfile::tempdir().unwrap();
        let admission = Admission { paid_before: Amount::new(paid_before).unwrap(), ..admission(ONE) };
        let held = Held {
            accepted: 9,
            highest: Some(commitment(ONE, 50)),
            spent: Amount::new(spent).unwrap(),
            rollback_confirmed: rollback_confirmed.map(|amount| Amount::new(amount).unwrap()),
            ..Held::new(admission)
        };
        let records = [
            Record::CheckpointStarts,
            Record::WholeChannel(Box::new(Channel { held, paying: None })),
            Record::Remembered {
                channel: ONE,
                request: Remembered::of_format_1(Digest([1; 16]), 9, Amount::new(50).unwrap()),
            },
            Record::CheckpointEnds { records: 4 },
        ];
        segment(dir.path(), NETWORK, SegmentKind::Checkpoint, 40, &records);
        start(dir.path())
    };
    assert_eq!(checkpoint(50, 0, None).unwrap()[0].spent.get(), 50);
    // What the chain had paid counts as spent.
    assert_eq!(checkpoint(60, 60, None).unwrap()[0].spent.get(), 60);
    assert_eq!(checkpoint(60, 0, Some(60)).unwrap()[0].spent.get(), 60);
    for (spent, paid_before, confirmed) in [(51, 0, None), (61, 60, Some(60)), (61, 0, Some(60))] {
        assert!(matches!(damage(checkpoint(spent, paid_before, confirmed)), DamageKind::Contradiction { .. }));
    }
}

#[test]
fn segments_before_a_checkpoint_are_removed_unread() {
    let dir = tempfile::tempdir().unwrap();
    let checkpoint = [
        Record::CheckpointStarts,
        Record::WholeChannel(Box::new(Channel {
            held: Held { accepted: 9, highest: Some(commitment(ONE, 50)), ..Held::new(admission(ONE)) },
            paying: None,
        })),
        Record::Remembered {
            channel: ONE,
            request: Remembered::of_format_1(Digest([1; 16]), 9, Amount::new(50).unwrap()),
        },
        Record::CheckpointEnds { records: 4 },
    ];
    segment(dir.path(), NETWORK, SegmentKind::Checkpoint, 40, &checkpoint);
    fs::write(dir.path().join("journal").join(segment_name(3)), b"rot").unwrap();
    fs::write(dir.path().join("journal").join(format!("{:020}.unfinished", 44)), b"").unwrap();
    fs::write(dir.path().join("journal").join("notes.txt"), b"mine").unwrap();
    assert_eq!(start(dir.path()).unwrap()[0].highest_amount().get(), 50);
    let mut names: Vec<_> = fs::read_dir(dir.path().join("journal"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, [segment_name(40), segment_name(44), "notes.txt".to_owned()]);
}

#[test]
fn a_segment_under_another_name_or_of_another_network_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    segment(dir.path(), NETWORK, SegmentKind::Log, 1, &[]);
    let journal = dir.path().join("journal");
    fs::rename(journal.join(segment_name(1)), journal.join(segment_name(2))).unwrap();
    assert!(matches!(damage(start(dir.path())), DamageKind::Header(_)));

    let dir = tempfile::tempdir().unwrap();
    let first = [Record::Admitted(admission(ONE))];
    segment(dir.path(), NETWORK, SegmentKind::Log, 1, &first);
    segment(dir.path(), NetworkId([1; 32]), SegmentKind::Log, 2, &[]);
    assert!(matches!(start(dir.path()), Err(StoreError::WrongNetwork { .. })));
}

#[test]
fn a_checkpoint_adds_up_to_the_same_state_as_the_log() {
    let mut state = State::default();
    for record in
        [Record::Admitted(admission(ONE)), accepted(1, 0, commitment(ONE, 5)), accepted(2, 5, commitment(ONE, 8))]
    {
        state.apply(&record).unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    let index = crate::index::Index::open(dir.path()).unwrap();
    let mut again = State::default();
    for record in crate::checkpoint::records(&state, &index, 4) {
        again.apply(&record.unwrap()).unwrap();
    }
    assert_eq!(again, state);
}
