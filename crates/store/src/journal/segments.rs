//! The journal's files: how they are named, and which of them are read.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use paychan_channel::NetworkId;

use super::Journal;
use super::frame::{BadHeader, SegmentHeader, SegmentKind, SegmentReader, VERSION};
use crate::StoreError;
use crate::error::DamageKind;

/// The ending of a segment's name. The number of the first record comes before it, in twenty digits, so that the names
/// sort by it.
const SEGMENT_ENDING: &str = ".journal";
/// The ending of a segment that is still being made. It is never read, and a start removes it.
const UNFINISHED_ENDING: &str = ".unfinished";

/// The name of the segment whose first record has this number.
pub(crate) fn segment_name(first: u64) -> String {
    format!("{first:020}{SEGMENT_ENDING}")
}

/// The segment's name while it is being made.
pub(crate) fn unfinished_name(first: u64) -> String {
    format!("{first:020}{UNFINISHED_ENDING}")
}

fn first_of(name: &str, ending: &str) -> Option<u64> {
    let digits = name.strip_suffix(ending)?;
    (digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok()).flatten()
}

/// The files of a journal.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// All segments by the number of their first record.
    pub(crate) segments: BTreeMap<u64, String>,
    /// What a crash left of segments that were being made.
    pub(crate) unfinished: Vec<String>,
}

pub(crate) fn files(journal: &dyn Journal) -> Result<Files, StoreError> {
    let mut found = Files::default();
    let names =
        journal.list().map_err(|error| StoreError::io("listing the journal in", Path::new("journal"), &error))?;
    for name in names {
        if let Some(first) = first_of(&name, SEGMENT_ENDING) {
            found.segments.insert(first, name);
        } else if first_of(&name, UNFINISHED_ENDING).is_some() {
            found.unfinished.push(name);
        }
    }
    Ok(found)
}

/// A segment that is read.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) name: String,
    pub(crate) header: SegmentHeader,
}

/// Which segments are read: those from the last checkpoint on. Those before it are superseded.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// The segments, in the order of their records.
    pub(crate) segments: Vec<Segment>,
    /// Names of superseded segments that a crash left.
    pub(crate) superseded: Vec<String>,
}

/// Reads the headers, from the last one back to a checkpoint or to the first record.
///
/// If `network` is given, it must be the journal's.
pub(crate) fn survey(journal: &dyn Journal, files: &Files, network: Option<&NetworkId>) -> Result<Survey, StoreError> {
    let mut found = Survey::default();
    let mut names = files.segments.iter().rev();
    for (first, name) in names.by_ref() {
        let header = header_of(journal, name)?;
        if header.first != *first {
            return Err(StoreError::damaged(
                name,
                0,
                DamageKind::Header("it names another first record than the file's name"),
            ));
        }
        let expected =
            network.copied().or_else(|| found.segments.last().map(|segment: &Segment| segment.header.network));
        if let Some(expected) = expected
            && header.network != expected
        {
            return Err(StoreError::WrongNetwork { segment: name.clone(), found: header.network, expected });
        }
        found.segments.push(Segment { name: name.clone(), header });
        if header.kind == SegmentKind::Checkpoint {
            break;
        }
    }
    found.superseded = names.map(|(_, name)| name.clone()).collect();
    found.segments.reverse();
    Ok(found)
}

pub(crate) fn header_of(journal: &dyn Journal, name: &str) -> Result<SegmentHeader, StoreError> {
    let (header, _) = open_segment(journal, name)?;
    header.map_err(|bad| match bad {
        BadHeader::Newer(version) => {
            StoreError::NewerVersion { segment: name.to_owned(), found: version, known: VERSION }
        }
        BadHeader::Unreadable(why) => StoreError::damaged(name, 0, DamageKind::Header(why)),
    })
}

type Opened = (Result<SegmentHeader, BadHeader>, SegmentReader<Box<dyn io::Read>>);

pub(crate) fn open_segment(journal: &dyn Journal, name: &str) -> Result<Opened, StoreError> {
    journal.read(name).and_then(SegmentReader::open).map_err(|error| reading(name, &error))
}

pub(crate) fn reading(name: &str, error: &io::Error) -> StoreError {
    StoreError::io("reading the journal segment", Path::new(name), error)
}
