//! The journal: its files as a damaged disk may give them, and its records under checksums that are right.

use std::path::Path;

use paychan_channel::NetworkId;
use paychan_store::{Remains, StoreError, read_only, read_what_is_left};

use crate::pieces::Pieces;

/// The network of the journals that this module makes.
pub const NETWORK: NetworkId = NetworkId([77; 32]);
/// The version of the format that it makes.
const VERSION: u16 = 3;

/// The files of a journal: whole segments. The first is named after the record number in its header where it has one, so
/// that segments fit together. Understood: a start would take it.
pub fn files(bytes: &[u8]) -> bool {
    let files: Vec<&[u8]> = Pieces::of(bytes).take(4).collect();
    let named = files.iter().map(|content| (first_record(content), *content));
    look_at(named)
}

/// Records one after another. Those up to the end of a checkpoint, if they begin with its start, are in a checkpoint; the
/// others are in a log. Understood: a start would take it.
pub fn records(bytes: &[u8]) -> bool {
    let records: Vec<&[u8]> = Pieces::of(bytes).collect();
    let starts = records.first().is_some_and(|record| record.first() == Some(&CHECKPOINT_STARTS));
    let end = records.iter().position(|record| record.first() == Some(&CHECKPOINT_ENDS));
    let (summed_up, logged) = match (starts, end) {
        (true, Some(end)) => records.split_at(end + 1),
        _ => records.split_at(0),
    };
    // A checkpoint has the number of the last record that it sums up, so its own records are counted from there.
    let next = 1 + summed_up.len() as u64;
    let mut files = vec![(next, segment(0, next, logged))];
    if !summed_up.is_empty() {
        files.push((1, segment(1, 1, summed_up)));
    }
    look_at(files.iter().map(|(first, content)| (*first, content.as_slice())))
}

/// The kinds of records that a checkpoint begins and ends with.
const CHECKPOINT_STARTS: u8 = 64;
const CHECKPOINT_ENDS: u8 = 68;

fn segment(kind: u8, first: u64, records: &[&[u8]]) -> Vec<u8> {
    let mut bytes = header(kind, first);
    // The input decides which records were appended together: one of odd length has the next one behind it.
    let mut place = 0;
    for (sequence, record) in (first..).zip(records) {
        frame(&mut bytes, place, sequence, record);
        place = if record.len() % 2 == 1 { place + 1 } else { 0 };
    }
    bytes
}

/// The number of a segment's first record, as its header says it.
fn first_record(content: &[u8]) -> u64 {
    content.get(43..51).map_or(1, |number| u64::from_be_bytes(number.try_into().expect("8 bytes")))
}

/// A segment's header: `kind` is 0 for a log and 1 for a checkpoint.
pub fn header(kind: u8, first: u64) -> Vec<u8> {
    let mut bytes = b"PAYCHANJ".to_vec();
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.push(kind);
    bytes.extend_from_slice(&NETWORK.0);
    bytes.extend_from_slice(&first.to_be_bytes());
    let checksum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&checksum.to_be_bytes());
    bytes
}

/// A frame with the place of its record in an append, in the highest 16 bits of the record's number.
fn frame(log: &mut Vec<u8>, place: u64, sequence: u64, record: &[u8]) {
    let mut bytes = u32::try_from(record.len()).expect("a piece is shorter than 64 KiB").to_be_bytes().to_vec();
    bytes.extend_from_slice(&(place << 48 | sequence).to_be_bytes());
    let checksum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&checksum.to_be_bytes());
    bytes.extend_from_slice(record);
    let checksum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&checksum.to_be_bytes());
    log.extend_from_slice(&bytes);
}

/// Reads the journal strictly, and then what is left of it.
fn look_at<'a>(files: impl IntoIterator<Item = (u64, &'a [u8])>) -> bool {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let journal = folder.path().join("journal");
    std::fs::create_dir(&journal).unwrap();
    for (first, content) in files {
        std::fs::write(journal.join(format!("{first:020}.journal")), content).unwrap();
    }
    let strictly = read_only(folder.path());
    let network = match &strictly {
        Ok(snapshot) => snapshot.network.unwrap_or(NETWORK),
        Err(_) => NETWORK,
    };
    if let Ok(snapshot) = &strictly {
        for held in &snapshot.channels {
            // What the chain paid before the admission, or without a commitment that is held, counts as spent.
            let paid_unseen = held.admission.paid_before.max(held.rollback_confirmed.unwrap_or_default());
            assert!(held.spent <= held.highest_amount().max(paid_unseen), "spent above the highest: {held:?}");
        }
    }
    let left = what_is_left(folder.path(), &network);
    if strictly.is_ok()
        && let Ok(left) = left
    {
        assert_eq!(left.damage, None, "a journal that is read strictly is not damaged");
        return true;
    }
    false
}

fn what_is_left(folder: &Path, network: &NetworkId) -> Result<Remains, StoreError> {
    read_what_is_left(folder, network).inspect_err(|error| assert!(!error.to_string().is_empty()))
}
