//! Reading the journal from its last checkpoint to its end.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use paychan_channel::{Commitment, CommitmentKey, NetworkId};

use crate::error::DamageKind;
use crate::frame::{BadHeader, Next, SegmentHeader, SegmentKind, SegmentReader, Tail, VERSION, judge_tail};
use crate::journal::Journal;
use crate::record::Record;
use crate::state::State;
use crate::{HeldCommitment, StoreError};

/// The ending of a segment's name. Before it, the number of the first record in twenty digits: names sort by it.
const SEGMENT_ENDING: &str = ".journal";
/// The ending of a segment that is still being made. Never read; removed at start.
const UNFINISHED_ENDING: &str = ".unfinished";

/// The name of the segment whose first record has this number.
pub(crate) fn segment_name(first: u64) -> String {
    format!("{first:020}{SEGMENT_ENDING}")
}

/// Its name while it is being made.
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

/// A segment that counts.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) name: String,
    pub(crate) header: SegmentHeader,
}

/// Which segments count: those from the last checkpoint on. Those before it are superseded.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// In order.
    pub(crate) segments: Vec<Segment>,
    /// Names of superseded segments that a crash left.
    pub(crate) superseded: Vec<String>,
}

/// Reads the headers, from the last one back to a checkpoint or to the first record.
///
/// `network`, when given, must be the journal's.
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

/// What a torn append left at the journal's end. It was never acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// The last segment's file name.
    pub segment: String,
    /// Where the last whole record ends, bytes from the segment's start.
    pub offset: u64,
    /// How many bytes follow.
    pub bytes: u64,
}

/// A journal that was read to its end.
#[derive(Debug)]
pub(crate) struct Replayed {
    pub(crate) state: State,
    /// The number of the last record; zero in an empty journal.
    pub(crate) last: u64,
    /// The last segment and where its last whole record ends.
    pub(crate) end: Option<(Segment, u64)>,
    pub(crate) torn: Option<Torn>,
    /// Bytes of the checkpoint at its start, if there is one.
    pub(crate) checkpoint_bytes: u64,
    /// Bytes of all segments after that.
    pub(crate) log_bytes: u64,
}

/// Reads the segments, strictly: whatever a crash does not leave is [`StoreError::Damaged`]. `each` gets every record
/// with its number, after it agreed with those before it.
pub(crate) fn replay(
    journal: &dyn Journal,
    segments: &[Segment],
    mut each: impl FnMut(u64, &Record) -> Result<(), StoreError>,
) -> Result<Replayed, StoreError> {
    let mut done =
        Replayed { state: State::default(), last: 0, end: None, torn: None, checkpoint_bytes: 0, log_bytes: 0 };
    for (position, segment) in segments.iter().enumerate() {
        let is_last = position + 1 == segments.len();
        let expected = done.last + 1;
        match segment.header.kind {
            // It begins anew. The survey put it first.
            SegmentKind::Checkpoint => done.last = segment.header.first.saturating_sub(1),
            SegmentKind::Log if segment.header.first == expected => {}
            SegmentKind::Log => {
                return Err(StoreError::damaged(
                    &segment.name,
                    0,
                    DamageKind::Sequence { expected, found: segment.header.first },
                ));
            }
        }
        let end = replay_segment(journal, segment, is_last, &mut done, &mut each)?;
        match segment.header.kind {
            SegmentKind::Checkpoint => done.checkpoint_bytes = end,
            SegmentKind::Log => done.log_bytes += end,
        }
        done.end = Some((segment.clone(), end));
    }
    Ok(done)
}

/// Reads one segment; gives the place where its last whole record ends.
fn replay_segment(
    journal: &dyn Journal,
    segment: &Segment,
    is_last: bool,
    done: &mut Replayed,
    each: &mut impl FnMut(u64, &Record) -> Result<(), StoreError>,
) -> Result<u64, StoreError> {
    let damaged = |offset: u64, what: DamageKind| StoreError::damaged(&segment.name, offset, what);
    let (_, mut reader) = open_segment(journal, &segment.name)?;
    let mut whole = Wholeness::new(segment.header.kind);
    loop {
        match reader.next().map_err(|error| reading(&segment.name, &error))? {
            Next::Frame { sequence, record, offset } => {
                if sequence != done.last + 1 {
                    return Err(damaged(offset, DamageKind::Sequence { expected: done.last + 1, found: sequence }));
                }
                let record = Record::decode(&record)
                    .map_err(|why| damaged(offset, DamageKind::Record { sequence, why: why.to_string() }))?;
                let contradiction = |why: String| damaged(offset, DamageKind::Contradiction { sequence, why });
                whole.take(&record).map_err(|why| contradiction(why.to_owned()))?;
                done.state.apply(&record).map_err(|why| contradiction(why.to_string()))?;
                done.last = sequence;
                each(sequence, &record)?;
            }
            Next::End { offset } => {
                whole
                    .end()
                    .map_err(|why| damaged(offset, DamageKind::Frame { after: done.last, why: why.to_owned() }))?;
                return Ok(offset);
            }
            Next::Unreadable { offset, rest } => {
                let why = match judge_tail(&rest, offset, done.last) {
                    Tail::Damaged(why) => why,
                    Tail::Torn if segment.header.kind == SegmentKind::Checkpoint => {
                        "the checkpoint is cut, and it was whole when it got its name".to_owned()
                    }
                    Tail::Torn if !is_last => "it is cut, and another segment follows".to_owned(),
                    Tail::Torn => {
                        done.torn = Some(Torn { segment: segment.name.clone(), offset, bytes: rest.len() as u64 });
                        return Ok(offset);
                    }
                };
                return Err(damaged(offset, DamageKind::Frame { after: done.last, why }));
            }
        }
    }
}

/// Whether a checkpoint is all there, and nothing of one is elsewhere.
struct Wholeness {
    kind: SegmentKind,
    seen: u64,
    ended: bool,
}

impl Wholeness {
    fn new(kind: SegmentKind) -> Self {
        Wholeness { kind, seen: 0, ended: false }
    }

    fn take(&mut self, record: &Record) -> Result<(), &'static str> {
        let of_checkpoint = matches!(
            record,
            Record::CheckpointStarts
                | Record::WholeChannel(_)
                | Record::Remembered { .. }
                | Record::WholeDecided { .. }
                | Record::CheckpointEnds { .. }
        );
        if self.kind == SegmentKind::Log {
            return if of_checkpoint { Err("a checkpoint's record is in a log segment") } else { Ok(()) };
        }
        self.seen += 1;
        match record {
            _ if self.ended => Err("a record follows the checkpoint's end"),
            Record::CheckpointStarts if self.seen == 1 => Ok(()),
            Record::CheckpointStarts => Err("the checkpoint starts twice"),
            _ if self.seen == 1 => Err("the checkpoint does not start with its start"),
            Record::CheckpointEnds { records } => {
                self.ended = true;
                if *records == self.seen { Ok(()) } else { Err("the checkpoint has not as many records as it says") }
            }
            _ if of_checkpoint || matches!(record, Record::Signed(_)) => Ok(()),
            _ => Err("a log's record is in a checkpoint"),
        }
    }

    fn end(&self) -> Result<(), &'static str> {
        if self.kind == SegmentKind::Log || self.ended {
            Ok(())
        } else {
            Err("the checkpoint is cut, and it was whole when it got its name")
        }
    }
}

/// Verifies the signature of each channel's highest commitment again: what is on disk must still be worth money.
pub(crate) fn verify_highest(state: &State, network: &NetworkId, segment: &str, offset: u64) -> Result<(), StoreError> {
    for channel in state.channels.values() {
        let held = &channel.held;
        if let Some(highest) = &held.highest
            && !is_signed(network, held, highest)
        {
            return Err(StoreError::damaged(
                segment,
                offset,
                DamageKind::Signature { channel: held.channel(), amount: highest.amount },
            ));
        }
    }
    Ok(())
}

/// Whether the chain would take this commitment's signature.
pub(crate) fn is_signed(network: &NetworkId, held: &crate::Held, commitment: &HeldCommitment) -> bool {
    let signed = Commitment { network: *network, channel: held.channel(), amount: commitment.amount };
    CommitmentKey::from_bytes(held.admission.commitment_key)
        .is_ok_and(|key| signed.verify(&key, &commitment.signature).is_ok())
}
