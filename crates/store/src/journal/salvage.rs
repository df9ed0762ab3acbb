//! Reads all that can still be read of a damaged journal.
//!
//! Every frame has its checksum and every commitment its signature, so what is readable after a damaged place is as
//! true as what is before it. Only missing records can make the result wrong, and the index may have a copy of those.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};
use std::io::{Cursor, Read};

use paychan_channel::{ContractId, NetworkId};

use super::Journal;
use super::frame::{BadHeader, Next, SegmentKind, SegmentReader, Tail, VERSION, find_frame, judge_tail};
use super::read::is_signed;
use super::record::Record;
use super::segments::{Files, open_segment, reading};
use crate::held::Channel;
use crate::index::{Updates, Witness};
use crate::request::Taken;
use crate::state::State;
use crate::{Claim, Fence, Held, HeldCommitment, StoreError};

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

/// What a salvage reads.
pub(crate) struct Sources<'a> {
    pub(crate) journal: &'a dyn Journal,
    pub(crate) network: &'a NetworkId,
    pub(crate) witness: &'a Witness,
    /// Channels whose signatures are all verified, not only those after the first gap.
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
    /// Why some records were read and not taken, one text for each.
    pub(crate) refused: Vec<String>,
    /// The highest commitment read of each channel whose admission was not read. Its signature can't be verified.
    pub(crate) orphans: BTreeMap<ContractId, HeldCommitment>,
    /// Channels whose state comes from the index, and is later than the records read so far.
    ahead: HashSet<ContractId>,
    in_checkpoint: bool,
    /// Whether a gap could not be filled.
    pub(crate) holes: bool,
    /// Channels of which something was read after the last gap that could not be filled: their highest commitment is
    /// certain.
    pub(crate) certain: HashSet<ContractId>,
    /// How many of a channel's commitments are missing below one that was read. This loses no money.
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
        ahead: HashSet::new(),
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
                // Records that the checkpoint supersedes are not missing.
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
                        // A crash interrupted this write, so it was never acknowledged.
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
                // The missing records are noted already, so the frame that follows is no further gap.
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
        // The channel's own record may be missing, and later records need it.
        for record in &witness.wholes {
            if let Record::WholeChannel(whole) | Record::WholeChannelFormat1(whole) = record {
                self.merge(record, whole);
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
            // The index can fill a gap in a checkpoint once it has kept all channels of it.
            Some(until) if self.in_checkpoint => witness.summed.saturating_add(1) >= until,
            Some(until) => restored == until.saturating_sub(after + 1),
            // No later record shows how many records are missing; only unread bytes do.
            None => restored_bytes == bytes,
        };
        if !filled {
            self.holes = true;
            self.certain.clear();
        }
    }

    fn take(&mut self, sequence: u64, record: &Record) {
        self.records += 1;
        if let Record::WholeChannel(whole) | Record::WholeChannelFormat1(whole) = record {
            self.certain.insert(whole.held.channel());
            self.merge(record, whole);
            self.ahead.remove(&whole.held.channel());
            return;
        }
        let taken = match record {
            Record::AcceptedFormat1 { channel, number, commitment } => {
                self.take_commitment(*channel, *number, commitment).map(|entry| {
                    entry.held.spent = entry.held.spent.max(commitment.amount);
                    entry.held.accepted = entry.held.accepted.max(*number);
                })
            }
            Record::Taken(taken) => self.take_request(taken),
            Record::Credited(credit) => match self.state.channels.get_mut(&credit.channel) {
                None => Err(format!("its channel {} was not admitted before it", credit.channel)),
                // The known state is later than this record and includes this credit.
                Some(_) if self.ahead.contains(&credit.channel) => Ok(()),
                Some(entry) => {
                    entry.held.spent = credit.spent;
                    Ok(())
                }
            },
            Record::Fenced { channel, fence } => self.take_fence(*channel, *fence),
            Record::Decided { hash, .. } if !self.state.is_in_flight(hash) => {
                Err("its transaction is not known".to_owned())
            }
            Record::Admitted(admission) if self.state.channels.contains_key(&admission.channel) => Ok(()),
            Record::Dropped { channel, .. } if !self.state.channels.contains_key(channel) => Ok(()),
            // A checkpoint may repeat a transaction that is known.
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

    /// Takes what was spent and what was the highest from the request itself, because records before it may be missing.
    fn take_request(&mut self, taken: &Taken) -> Result<(), String> {
        if let Some(signature) = taken.signature {
            let commitment = HeldCommitment {
                amount: taken.highest,
                signature,
                request_id: taken.request_id.clone(),
                accepted_at_ms: taken.taken_at_ms,
            };
            self.take_commitment(taken.channel, taken.number, &commitment)?;
        }
        let Some(entry) = self.state.channels.get_mut(&taken.channel) else {
            return Err(format!("its channel {} was not admitted before it", taken.channel));
        };
        if taken.signature.is_none() {
            note_missing(&mut self.superseded, entry, taken.channel, taken.number);
        }
        if taken.number > entry.held.accepted {
            entry.held.spent = taken.spent;
            entry.held.accepted = taken.number;
            self.ahead.remove(&taken.channel);
        }
        if entry.held.highest_amount() >= taken.highest {
            self.certain.insert(taken.channel);
        }
        Ok(())
    }

    /// Makes a commitment the highest, if its amount is the highest and its signature is right where it is verified.
    fn take_commitment(
        &mut self,
        channel: ContractId,
        number: u64,
        commitment: &HeldCommitment,
    ) -> Result<&mut Channel, String> {
        let verify = self.verifies(&channel);
        let network = self.sources.network;
        let Some(entry) = self.state.channels.get_mut(&channel) else {
            let orphan = self.orphans.entry(channel).or_insert_with(|| commitment.clone());
            if commitment.amount > orphan.amount {
                orphan.clone_from(commitment);
            }
            return Err(format!("its channel {channel} was not admitted before it"));
        };
        if verify && !is_signed(network, &entry.held, &commitment.claim()) {
            return Err(format!("the commitment of channel {channel} for {} has a bad signature", commitment.amount));
        }
        self.certain.insert(channel);
        note_missing(&mut self.superseded, entry, channel, number);
        if commitment.amount > entry.held.highest_amount() {
            entry.accept(commitment);
        }
        Ok(entry)
    }

    /// Takes a fence, even if the signature of the agreed amount is wrong: a fence is never taken back.
    fn take_fence(&mut self, channel: ContractId, mut fence: Fence) -> Result<(), String> {
        let verify = self.verifies(&channel);
        let network = self.sources.network;
        let Some(entry) = self.state.channels.get_mut(&channel) else {
            return Err(format!("its channel {channel} was not admitted before it"));
        };
        if let Some(agreed) = fence.agreed
            && verify
            && !is_signed(network, &entry.held, &agreed)
        {
            self.refused
                .push(format!("the agreed amount of channel {channel}, {}, has a bad signature", agreed.amount));
            fence.agreed = None;
        }
        entry.held.fence.get_or_insert(fence);
        Ok(())
    }

    /// Whether the signatures of this channel are verified. After the first gap, those of all channels are.
    fn verifies(&self, channel: &ContractId) -> bool {
        !self.gaps.is_empty() || self.sources.suspects.contains(channel)
    }

    fn is_decided(&self, hash: &[u8; 32]) -> bool {
        self.state.outcomes.values().any(|kept| kept.iter().any(|decided| decided.hash == *hash))
    }

    /// Merges a checkpoint's record of a channel that may be known already. No amount goes down, and no fence is taken
    /// back.
    fn merge(&mut self, record: &Record, whole: &Channel) {
        let id = whole.held.channel();
        let verify = self.verifies(&id);
        let network = self.sources.network;
        let mut whole = whole.clone();
        if verify {
            for claim in drop_badly_signed(&mut whole.held, network) {
                self.refused.push(format!(
                    "the checkpoint's commitment of channel {id} for {} has a bad signature",
                    claim.amount
                ));
            }
        }
        let checked = match record {
            Record::WholeChannelFormat1(_) => Record::WholeChannelFormat1(Box::new(whole.clone())),
            _ => Record::WholeChannel(Box::new(whole.clone())),
        };
        self.updates.add(self.last, &checked);
        let Some(known) = self.state.channels.get_mut(&id) else {
            self.ahead.insert(id);
            self.state.channels.insert(id, whole);
            return;
        };
        if whole.held.accepted > known.held.accepted {
            self.ahead.insert(id);
        }
        let (held, other) = (&mut known.held, whole.held);
        held.fence = held.fence.or(other.fence);
        held.rollback_confirmed = held.rollback_confirmed.max(other.rollback_confirmed);
        held.spent = match other.accepted.cmp(&held.accepted) {
            Ordering::Greater => other.spent,
            // Between two requests, only credits change what is spent.
            Ordering::Equal => held.spent.min(other.spent),
            Ordering::Less => held.spent,
        };
        held.accepted = held.accepted.max(other.accepted);
        if other.highest_amount() > held.highest_amount() {
            held.highest = other.highest;
            held.ladder = other.ladder;
            held.unsettled_since_ms = held.unsettled_since_ms.or(other.unsettled_since_ms);
            known.paying = known.paying.or(whole.paying);
        }
    }
}

/// Notes how many requests are missing before this one. This one's own figures include what was spent in them.
fn note_missing(superseded: &mut BTreeMap<ContractId, u64>, entry: &Channel, channel: ContractId, number: u64) {
    let missing = number.saturating_sub(entry.held.accepted.saturating_add(1));
    if missing > 0 {
        *superseded.entry(channel).or_default() += missing;
    }
}

/// Removes the commitments whose signatures the chain would refuse, and returns them.
fn drop_badly_signed(held: &mut Held, network: &NetworkId) -> Vec<Claim> {
    let good = |held: &Held, claim: &Claim| is_signed(network, held, claim);
    let mut bad = Vec::new();
    if let Some(claim) = held.highest.as_ref().map(HeldCommitment::claim)
        && !good(held, &claim)
    {
        held.highest = None;
        bad.push(claim);
    }
    if let Some(fence) = held.fence
        && let Some(agreed) = fence.agreed
        && !good(held, &agreed)
    {
        held.fence = Some(Fence { agreed: None, ..fence });
        bad.push(agreed);
    }
    let (kept, bad_rungs): (Vec<_>, Vec<_>) = held.ladder.iter().copied().partition(|rung| good(held, rung));
    held.ladder = kept;
    bad.extend(bad_rungs);
    bad
}
