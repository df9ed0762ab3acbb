//! Reads the journal strictly, from its last checkpoint to its end.

use paychan_channel::{Commitment, CommitmentKey, NetworkId};

use super::Journal;
use super::frame::{Next, SegmentKind, Tail, judge_tail};
use super::record::Record;
use super::segments::{Segment, open_segment, reading};
use crate::error::DamageKind;
use crate::state::State;
use crate::{Claim, Held, StoreError};

/// What a torn append left at the journal's end. It was never acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornEnd {
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
    pub(crate) torn: Option<TornEnd>,
    /// Bytes of the checkpoint at its start, if there is one.
    pub(crate) checkpoint_bytes: u64,
    /// Bytes of all segments after the checkpoint.
    pub(crate) log_bytes: u64,
}

/// Reads the segments strictly: everything that a crash can't leave is [`StoreError::Damaged`]. `each` gets every
/// record with its number and its bytes, after the record was checked against those before it.
pub(crate) fn replay(
    journal: &dyn Journal,
    segments: &[Segment],
    mut each: impl FnMut(u64, &Record, &[u8]) -> Result<(), StoreError>,
) -> Result<Replayed, StoreError> {
    let mut done =
        Replayed { state: State::default(), last: 0, end: None, torn: None, checkpoint_bytes: 0, log_bytes: 0 };
    for (position, segment) in segments.iter().enumerate() {
        let is_last = position + 1 == segments.len();
        let expected = done.last + 1;
        match segment.header.kind {
            // A checkpoint begins again. The survey has put it first.
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

/// Reads one segment, and returns the place where its last whole record ends.
fn replay_segment(
    journal: &dyn Journal,
    segment: &Segment,
    is_last: bool,
    done: &mut Replayed,
    each: &mut impl FnMut(u64, &Record, &[u8]) -> Result<(), StoreError>,
) -> Result<u64, StoreError> {
    let damaged = |offset: u64, what: DamageKind| StoreError::damaged(&segment.name, offset, what);
    let (_, mut reader) = open_segment(journal, &segment.name)?;
    let mut whole = Wholeness::new(segment.header.kind);
    loop {
        match reader.next().map_err(|error| reading(&segment.name, &error))? {
            Next::Frame { sequence, record: bytes, offset } => {
                if sequence != done.last + 1 {
                    return Err(damaged(offset, DamageKind::Sequence { expected: done.last + 1, found: sequence }));
                }
                let record = Record::decode(&bytes)
                    .map_err(|why| damaged(offset, DamageKind::Record { sequence, why: why.to_string() }))?;
                let contradiction = |why: String| damaged(offset, DamageKind::Contradiction { sequence, why });
                whole.take(&record).map_err(|why| contradiction(why.to_owned()))?;
                done.state.apply(&record).map_err(|why| contradiction(why.to_string()))?;
                done.last = sequence;
                each(sequence, &record, &bytes)?;
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
                        done.torn = Some(TornEnd { segment: segment.name.clone(), offset, bytes: rest.len() as u64 });
                        return Ok(offset);
                    }
                };
                return Err(damaged(offset, DamageKind::Frame { after: done.last, why }));
            }
        }
    }
}

/// Checks that a checkpoint is complete, and that no record of one is in a log segment.
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
                | Record::WholeChannelFormat1(_)
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
            _ if self.seen == 1 => Err("the checkpoint's first record is not its start"),
            Record::CheckpointEnds { records } => {
                self.ended = true;
                if *records == self.seen {
                    Ok(())
                } else {
                    Err("the checkpoint does not have as many records as it says")
                }
            }
            _ if of_checkpoint || matches!(record, Record::Signed(_) | Record::LaneUsed { .. }) => Ok(()),
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

/// Verifies again the signature of what would be claimed on each channel, since a damaged one is worth nothing.
pub(crate) fn verify_claims(state: &State, network: &NetworkId, segment: &str, offset: u64) -> Result<(), StoreError> {
    for channel in state.channels.values() {
        if let Some(claim) = badly_signed_claim(&channel.held, network) {
            let what = DamageKind::Signature { channel: channel.held.channel(), amount: claim.amount };
            return Err(StoreError::damaged(segment, offset, what));
        }
    }
    Ok(())
}

/// The highest commitment or the agreed one, if the chain would refuse its signature.
pub(crate) fn badly_signed_claim(held: &Held, network: &NetworkId) -> Option<Claim> {
    let highest = held.highest.as_ref().map(crate::HeldCommitment::claim);
    let agreed = held.fence.and_then(|fence| fence.agreed);
    highest.into_iter().chain(agreed).find(|claim| !is_signed(network, held, claim))
}

/// Whether the chain would take this commitment's signature.
pub(crate) fn is_signed(network: &NetworkId, held: &Held, claim: &Claim) -> bool {
    let signed = Commitment { network: *network, channel: held.channel(), amount: claim.amount };
    CommitmentKey::from_bytes(held.admission.commitment_key)
        .is_ok_and(|key| signed.verify(&key, &claim.signature).is_ok())
}
