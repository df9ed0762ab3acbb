//! Reading a damaged journal for all that can still be read.
//!
//! Every frame has its checksum and every commitment its signature, so what is readable after a damaged place is as true
//! as what is before it. What may be wrong is only what is missing; and of that, the index may have a copy.

use std::collections::{BTreeMap, HashSet};
use std::io::{Cursor, Read};

use paychan_channel::{ContractId, NetworkId};

use crate::HeldCommitment;
use crate::error::StoreError;
use crate::frame::{BadHeader, Next, SegmentKind, SegmentReader, Tail, VERSION, find_frame, judge_tail};
use crate::index::{Updates, Witness};
use crate::journal::Journal;
use crate::record::Record;
use crate::replay::{Files, is_signed, open_segment, reading};
use crate::state::{Channel, State};

/// A place where the journal could not be read, or where records are missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The segment's file name.
    pub segment: String,
    /// Bytes from the segment's start.
    pub offset: u64,
    /// Bytes that could not be read; zero when records are missing between two that can be.
    pub bytes: u64,
    /// The number of the last record before it.
    pub after: u64,
    /// The number of the first record after it; `None` when none could be read.
    pub until: Option<u64>,
    /// How many of the records that are missing here were found in the index.
    pub restored: u64,
    /// What is wrong there.
    pub why: String,
}

/// What there is to read.
pub(crate) struct Sources<'a> {
    pub(crate) journal: &'a dyn Journal,
    pub(crate) network: &'a NetworkId,
    pub(crate) witness: &'a Witness,
    /// Channels of which every signature is verified, not only those after the first gap.
    pub(crate) suspects: &'a HashSet<ContractId>,
}

/// What was read of a damaged journal.
pub(crate) struct Salvaged<'a> {
    sources: &'a Sources<'a>,
    pub(crate) state: State,
    pub(crate) updates: Updates,
    /// The number of the last record read.
    pub(crate) last: u64,
    pub(crate) records: u64,
    pub(crate) gaps: Vec<Gap>,
    /// Records that were read and not taken, and why.
    pub(crate) refused: Vec<String>,
    /// The highest commitment read of each channel whose admission was not read. Its signature can't be verified.
    pub(crate) orphans: BTreeMap<ContractId, HeldCommitment>,
    in_checkpoint: bool,
    /// Whether a gap could not be filled.
    pub(crate) holes: bool,
    /// Channels of which something was read after the last such gap: their highest is certain.
    pub(crate) certain: HashSet<ContractId>,
    /// How many of a channel's commitments are missing below one that was read. Harmless.
    pub(crate) superseded: BTreeMap<ContractId, u64>,
}

/// Reads the journal from its last checkpoint on, or all of it when that checkpoint itself is damaged.
pub(crate) fn salvage<'a>(files: &Files, sources: &'a Sources<'a>) -> Result<Salvaged<'a>, StoreError> {
    let mut checkpoint = None;
    for (first, name) in files.segments.iter().rev() {
        let (header, _) = open_segment(sources.journal, name)?;
        if header.is_ok_and(|header| header.kind == SegmentKind::Checkpoint) {
            checkpoint = Some((*first, name));
            break;
        }
    }
    let all = || files.segments.iter().collect::<Vec<_>>();
    let Some((first, name)) = checkpoint else {
        return salvage_from(&all(), sources);
    };
    let recent: Vec<_> = files.segments.range(first..).collect();
    let found = salvage_from(&recent, sources)?;
    if found.gaps.iter().any(|gap| gap.segment == *name) {
        return salvage_from(&all(), sources);
    }
    Ok(found)
}

fn salvage_from<'a>(segments: &[(&u64, &String)], sources: &'a Sources<'a>) -> Result<Salvaged<'a>, StoreError> {
    let mut found = Salvaged {
        sources,
        state: State::default(),
        updates: Updates::default(),
        last: 0,
        records: 0,
        gaps: Vec::new(),
        refused: Vec::new(),
        orphans: BTreeMap::new(),
        in_checkpoint: false,
        holes: false,
        certain: HashSet::new(),
        superseded: BTreeMap::new(),
    };
    let (journal, network) = (sources.journal, sources.network);
    for (position, (first, name)) in segments.iter().enumerate() {
        let is_last = position + 1 == segments.len();
        let (header, reader) = open_segment(journal, name)?;
        let reader = match header {
            Ok(header) if header.network != *network => {
                return Err(StoreError::WrongNetwork {
                    segment: (*name).clone(),
                    found: header.network,
                    expected: *network,
                });
            }
            Ok(header) => {
                found.in_checkpoint = header.kind == SegmentKind::Checkpoint;
                // What a checkpoint supersedes is not missing.
                if position == 0 && header.kind == SegmentKind::Checkpoint {
                    found.last = first.saturating_sub(1);
                }
                reader
            }
            Err(BadHeader::Newer(version)) => {
                return Err(StoreError::NewerVersion { segment: (*name).clone(), found: version, known: VERSION });
            }
            Err(BadHeader::Unreadable(why)) => {
                found.in_checkpoint = false;
                let bytes = whole(journal, name)?;
                let why = format!("the segment's header is unreadable ({why})");
                match found.skip(name, 0, bytes, 0, why) {
                    Some(rest) => rest,
                    None => continue,
                }
            }
        };
        found.segment(name, is_last, reader)?;
    }
    if sources.witness.applied > found.last {
        let name = segments.last().map_or_else(|| "(none)".to_owned(), |(_, name)| (*name).clone());
        let why = "it ends before what the index has seen".to_owned();
        found.gap(&name, 0, 0, Some(sources.witness.applied + 1), why);
    }
    Ok(found)
}

fn whole(journal: &dyn Journal, name: &str) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    journal.read(name).and_then(|mut input| input.read_to_end(&mut bytes)).map_err(|error| reading(name, &error))?;
    Ok(bytes)
}

type Input = SegmentReader<Box<dyn Read>>;

impl Salvaged<'_> {
    fn segment(&mut self, name: &str, is_last: bool, mut reader: Input) -> Result<(), StoreError> {
        loop {
            match reader.next().map_err(|error| reading(name, &error))? {
                Next::End { .. } => return Ok(()),
                Next::Frame { sequence, record, offset } => {
                    if sequence > self.last + 1 {
                        let why = "records are missing".to_owned();
                        self.gap(name, offset, 0, Some(sequence), why);
                    }
                    match Record::decode(&record) {
                        Ok(record) => self.take(sequence, &record),
                        Err(why) => {
                            let why = format!("record {sequence} can't be understood: {why}");
                            let bytes = record.len() as u64;
                            self.last = sequence.saturating_sub(1);
                            self.gap(name, offset, bytes, Some(sequence + 1), why);
                        }
                    }
                    self.last = self.last.max(sequence);
                }
                Next::Unreadable { offset, rest } => {
                    let why = match judge_tail(&rest, offset, self.last) {
                        // A write that a crash interrupted, never acknowledged.
                        Tail::Torn if is_last => return Ok(()),
                        Tail::Torn => "it is cut, and another segment follows".to_owned(),
                        Tail::Damaged(why) => why,
                    };
                    match self.skip(name, offset, rest, 1, why) {
                        Some(rest) => reader = rest,
                        None => return Ok(()),
                    }
                }
            }
        }
    }

    /// Notes a gap from byte `offset` of the file on, and reads on from the next frame, if there is one at byte `from` of
    /// `rest` or later.
    fn skip(&mut self, name: &str, offset: u64, mut rest: Vec<u8>, from: usize, why: String) -> Option<Input> {
        match find_frame(&rest, from, self.last) {
            None => {
                self.gap(name, offset, rest.len() as u64, None, why);
                None
            }
            Some((at, sequence)) => {
                self.gap(name, offset, at as u64, Some(sequence), why);
                // What is missing is noted: the frame that follows is not one more gap.
                self.last = sequence - 1;
                let rest = rest.split_off(at);
                Some(SegmentReader::at(Box::new(Cursor::new(rest)), offset + at as u64))
            }
        }
    }

    /// Notes a gap after the last record read, and fills it from the index as far as that goes.
    fn gap(&mut self, segment: &str, offset: u64, bytes: u64, until: Option<u64>, why: String) {
        let after = self.last;
        self.gaps.push(Gap { segment: segment.to_owned(), offset, bytes, after, until, restored: 0, why });
        let position = self.gaps.len() - 1;
        let witness = self.sources.witness;
        // A channel's own record may be missing, and what follows hangs on it.
        for whole in &witness.wholes {
            if let Record::WholeChannel(whole) = whole {
                self.merge(whole);
            }
        }
        let end = until.unwrap_or(u64::MAX);
        let mut restored = 0;
        let mut restored_bytes = 0;
        for (sequence, (record, length)) in witness.records.range(after.saturating_add(1)..end) {
            self.last = *sequence;
            self.take(*sequence, record);
            restored += 1;
            restored_bytes += length;
        }
        self.gaps[position].restored = restored;
        let filled = match until {
            // Of a checkpoint the index has the channels, once it has seen that far.
            Some(until) if self.in_checkpoint => witness.applied.saturating_add(1) >= until,
            Some(until) => restored == until.saturating_sub(after + 1),
            // Nothing after it tells how much was there; its bytes do.
            None => restored_bytes == bytes,
        };
        if !filled {
            self.holes = true;
            self.certain.clear();
        }
    }

    fn take(&mut self, sequence: u64, record: &Record) {
        let (network, suspects) = (self.sources.network, self.sources.suspects);
        self.records += 1;
        if let Record::WholeChannel(whole) = record {
            self.certain.insert(whole.held.channel());
            self.merge(whole);
            return;
        }
        let after_gap = !self.gaps.is_empty();
        let taken = match record {
            Record::Accepted { channel, number, commitment } => match self.state.channels.get_mut(channel) {
                None => {
                    let orphan = self.orphans.entry(*channel).or_insert_with(|| commitment.clone());
                    if commitment.amount > orphan.amount {
                        orphan.clone_from(commitment);
                    }
                    Err(format!("its channel {channel} was not admitted before it"))
                }
                Some(entry)
                    if (after_gap || suspects.contains(channel)) && !is_signed(network, &entry.held, commitment) =>
                {
                    Err(format!("the commitment of channel {channel} for {} has a bad signature", commitment.amount))
                }
                Some(entry) => {
                    self.certain.insert(*channel);
                    let missing = number.saturating_sub(entry.held.accepted.saturating_add(1));
                    if missing > 0 {
                        *self.superseded.entry(*channel).or_default() += missing;
                    }
                    if commitment.amount > entry.held.highest_amount() {
                        entry.take((*number).max(entry.held.accepted), commitment);
                    }
                    Ok(())
                }
            },
            Record::Decided { hash, .. } if !self.state.is_in_flight(hash) => {
                Err("its transaction is not known".to_owned())
            }
            Record::Admitted(admission) if self.state.channels.contains_key(&admission.channel) => Ok(()),
            // What a checkpoint says again.
            Record::Signed(transaction)
                if self.state.is_in_flight(&transaction.hash) || self.is_decided(&transaction.hash) =>
            {
                Ok(())
            }
            Record::WholeDecided { decided, .. } if self.is_decided(&decided.hash) => Ok(()),
            other => self.state.apply(other).map_err(|why| why.to_string()),
        };
        match taken {
            Ok(()) => self.updates.add(sequence, record),
            Err(why) => self.refused.push(format!("record {sequence}: {why}")),
        }
    }

    fn is_decided(&self, hash: &[u8; 32]) -> bool {
        self.state.outcomes.values().any(|kept| kept.iter().any(|decided| decided.hash == *hash))
    }

    /// Takes a checkpoint's word on a channel that may be known already. Nothing goes down, no fence is taken back.
    fn merge(&mut self, whole: &Channel) {
        let id = whole.held.channel();
        let after_gap = !self.gaps.is_empty();
        let (network, suspects) = (self.sources.network, self.sources.suspects);
        let mut whole = whole.clone();
        if let Some(commitment) = &whole.held.highest
            && (after_gap || suspects.contains(&id))
            && !is_signed(network, &whole.held, commitment)
        {
            self.refused.push(format!(
                "the checkpoint's commitment of channel {id} for {} has a bad signature",
                commitment.amount
            ));
            whole.held.highest = None;
        }
        let record = Record::WholeChannel(Box::new(whole.clone()));
        self.updates.add(self.last, &record);
        let Some(known) = self.state.channels.get_mut(&id) else {
            self.state.channels.insert(id, whole);
            return;
        };
        known.held.fence = known.held.fence.or(whole.held.fence);
        known.held.rollback_confirmed = known.held.rollback_confirmed.max(whole.held.rollback_confirmed);
        if whole.held.highest_amount() > known.held.highest_amount() {
            known.held.accepted = whole.held.accepted.max(known.held.accepted);
            known.held.highest = whole.held.highest;
            known.held.unsettled_since_ms = known.held.unsettled_since_ms.or(whole.held.unsettled_since_ms);
            known.paying = known.paying.or(whole.paying);
        }
    }
}
