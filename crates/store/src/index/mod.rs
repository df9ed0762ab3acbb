//! The index: sled over the journal. The store looks up request ids here, and a repair finds a second copy of what the
//! journal held.
//!
//! The index is never the truth. It may be deleted, and is then built again from the journal. sled 0.34.7's own `flush`
//! promises nothing after a power cut, so the index may be older than the journal. It is never newer: a record comes
//! into the index only after the journal has synced it. So an index that has seen more than the journal holds proves
//! that the journal lost something. It proves nothing about the last records before a crash, which the index may lack.
//!
//! There is one tree, since a batch of sled is atomic only within one tree:
//!
//! | key | value |
//! | --- | --- |
//! | `a` | number u64 of the last record applied |
//! | `v` | [`VERSION`] of this table, one byte |
//! | `w` | number u64 of the last record of the checkpoint since which every channel is kept under `c` |
//! | `k` channel | the channel's number here, u32 |
//! | `r` channel's number u32, request id's digest | the request, as [`values::put_request`] has it |
//! | `x` channel's number u32, request id's digest | what was credited: number of the request (6 bytes), amount i128 |
//! | `c` channel | the channel as it was at the last checkpoint or after it: the record |
//! | `j` number u64 of its first record, piece u32 | frames as in the journal, those since the last checkpoint |
//!
//! The store reads `a`, `k`, `r` and `x`; a repair reads `c` and `j` when the journal is damaged.
//!
//! The committer brings the index up to date when no request waits, or after some hundred records, and its next requests wait
//! for that, so changes are cheap. A request is not removed when it is forgotten: its number tells whether it is still
//! remembered, and forgotten requests are removed after a checkpoint, in small steps.

mod values;

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use paychan_channel::{Amount, ContractId};

use crate::StoreError;
use crate::digest::Digest;
use crate::journal::frame::frame_at;
use crate::journal::record::Record;
use crate::request::Remembered;
use values::{bytes_of, credit, decoded, digest_in, key, prefix, put_credit, put_request, request};

/// The version of the table above. An index of another version is built again.
const VERSION: u8 = 2;
/// Bytes of pages that sled keeps in memory. Its own default is a gigabyte.
const CACHE_BYTES: u64 = 64 << 20;
/// The most removals in one batch of sled.
const SWEEP: usize = 1_000;
/// Bytes of one `j` value: well below sled's segments (512 KiB), since sled makes a file of each value that is larger.
const PIECE: usize = 64 << 10;

/// An error of sled, or what is wrong with a value that it returned.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{doing}: {message}")]
pub(crate) struct IndexError {
    doing: &'static str,
    message: String,
}

impl IndexError {
    fn new(doing: &'static str, message: impl ToString) -> Self {
        IndexError { doing, message: message.to_string() }
    }
}

impl From<IndexError> for StoreError {
    fn from(error: IndexError) -> Self {
        StoreError::Index { doing: error.doing, message: error.message }
    }
}

/// What a record changes in the index.
#[derive(Debug)]
enum Change {
    Channel(ContractId),
    Request(ContractId, Remembered),
    Credit { channel: ContractId, digest: Digest, number: u64, amount: Amount },
    Whole(ContractId, Vec<u8>),
    Drop(ContractId),
}

/// What records change in the index, in their order.
#[derive(Debug, Default)]
pub(crate) struct Updates {
    changes: Vec<Change>,
    /// The number of the first record in `frames`, and the frames.
    frames: Option<(u64, Vec<u8>)>,
    last: u64,
    records: u64,
    /// The last record of a checkpoint, if these updates include it whole.
    summed: Option<u64>,
}

impl Updates {
    /// Adds what one record changes.
    pub(crate) fn add(&mut self, sequence: u64, record: &Record) {
        match record {
            Record::Admitted(admission) => self.changes.push(Change::Channel(admission.channel)),
            Record::Taken(taken) => self.changes.push(Change::Request(taken.channel, taken.remembered())),
            Record::AcceptedFormat1 { channel, number, commitment } => {
                let digest = Digest::of(&commitment.request_id);
                let request = Remembered::of_format_1(digest, *number, commitment.amount);
                self.changes.push(Change::Request(*channel, request));
            }
            Record::Credited(credit) => self.changes.push(Change::Credit {
                channel: credit.channel,
                digest: Digest::of(&credit.request_id),
                number: credit.number,
                amount: credit.amount,
            }),
            Record::Remembered { channel, request } => self.changes.push(Change::Request(*channel, *request)),
            Record::WholeChannel(whole) => {
                let id = whole.held.channel();
                self.changes.extend([Change::Channel(id), Change::Whole(id, record.encode())]);
            }
            Record::WholeChannelFormat1(whole) => {
                let id = whole.held.channel();
                let today = Record::WholeChannel(whole.clone());
                self.changes.extend([Change::Channel(id), Change::Whole(id, today.encode())]);
                // In format 1, only the channel's own record has the id of the highest commitment.
                if let Some(highest) = &whole.held.highest {
                    let digest = Digest::of(&highest.request_id);
                    let request = Remembered::of_format_1(digest, whole.held.accepted, highest.amount);
                    self.changes.push(Change::Request(id, request));
                }
            }
            Record::Dropped { channel, .. } => self.changes.push(Change::Drop(*channel)),
            Record::Fenced { .. }
            | Record::Signed(_)
            | Record::Decided { .. }
            | Record::RollbackConfirmed { .. }
            | Record::LaneUsed { .. }
            | Record::CheckpointStarts
            | Record::WholeDecided { .. } => {}
            Record::CheckpointEnds { .. } => self.summed = Some(sequence),
        }
        self.last = sequence;
        self.records += 1;
    }

    /// Adds the frames of these records. `first` is the number of the first one.
    pub(crate) fn add_frames(&mut self, first: u64, frames: &[u8]) {
        let (_, all) = self.frames.get_or_insert_with(|| (first, Vec::new()));
        all.extend_from_slice(frames);
    }

    /// The number of records.
    pub(crate) fn records(&self) -> u64 {
        self.records
    }

    /// The position at which each channel is dropped for the last time. Changes of the channel before it need not be
    /// made.
    fn drops(&self) -> HashMap<ContractId, usize> {
        let dropped = |(position, change): (usize, &Change)| match change {
            Change::Drop(channel) => Some((*channel, position)),
            _ => None,
        };
        self.changes.iter().enumerate().filter_map(dropped).collect()
    }
}

impl Change {
    fn channel(&self) -> ContractId {
        match self {
            Change::Channel(channel)
            | Change::Request(channel, _)
            | Change::Credit { channel, .. }
            | Change::Whole(channel, _)
            | Change::Drop(channel) => *channel,
        }
    }
}

/// The index, open.
#[derive(Debug)]
pub(crate) struct Index {
    db: sled::Db,
    /// The channels' numbers in the index: the `k` keys.
    numbers: HashMap<ContractId, u32>,
    /// It is above all numbers that were ever given. No number is given twice, so entries that are left under an old
    /// number mean nothing.
    next_number: u32,
}

impl Index {
    /// Opens or makes the index, and reads all of it once, so that a damaged index is found now and not when a request
    /// comes.
    ///
    /// sled 0.34 panics at some kinds of damage; this function catches the panic.
    pub(crate) fn open(dir: &Path) -> Result<Self, IndexError> {
        let doing = "opening it";
        let open = || {
            let db = sled::Config::new()
                .path(dir)
                .cache_capacity(CACHE_BYTES)
                .mode(sled::Mode::HighThroughput)
                // sled's flush makes nothing durable; the journal does that.
                .flush_every_ms(None)
                .open()?;
            for entry in db.iter() {
                entry?;
            }
            Ok::<_, sled::Error>(db)
        };
        let db = catch_unwind(AssertUnwindSafe(open))
            .map_err(|panic| IndexError::new(doing, panic_message(panic.as_ref())))?
            .map_err(|error| IndexError::new(doing, error))?;
        let mut numbers = HashMap::new();
        for entry in db.scan_prefix(b"k") {
            let (key, value) = entry.map_err(|error| IndexError::new(doing, error))?;
            numbers.insert(decoded(doing, &key[1..])?, decoded(doing, &value)?);
        }
        let next_number = next_number(&db, &numbers)?;
        Ok(Index { db, numbers, next_number })
    }

    /// The number of the last applied record; zero in a new index.
    pub(crate) fn applied(&self) -> Result<u64, IndexError> {
        let doing = "reading how far it is";
        match self.db.get(b"a").map_err(|error| IndexError::new(doing, error))? {
            None => Ok(0),
            Some(value) => decoded(doing, &value),
        }
    }

    /// Whether the index has the table that this program writes. A new index has none yet, and counts.
    pub(crate) fn is_of_this_version(&self) -> Result<bool, IndexError> {
        let doing = "reading its version";
        let version = self.db.get(b"v").map_err(|error| IndexError::new(doing, error))?;
        Ok(version.is_some_and(|version| *version == [VERSION]) || self.applied()? == 0)
    }

    /// What the index knows of a request, which may be forgotten and not yet removed.
    pub(crate) fn request(&self, channel: ContractId, digest: Digest) -> Result<Option<Remembered>, IndexError> {
        let doing = "looking up a request id";
        let Some(number) = self.numbers.get(&channel) else {
            return Ok(None);
        };
        let get = |kind| self.db.get(key(kind, *number, digest)).map_err(|error| IndexError::new(doing, error));
        let Some(value) = get(b'r')? else {
            return Ok(None);
        };
        let mut found = request(doing, digest, &value)?;
        if found.price.is_some()
            && let Some(value) = get(b'x')?
        {
            found.credit(credit(doing, &value)?);
        }
        Ok(Some(found))
    }

    /// All that the index knows of a channel's requests, in no order.
    pub(crate) fn requests(&self, channel: ContractId) -> Result<Vec<Remembered>, IndexError> {
        let doing = "reading the request ids";
        let Some(number) = self.numbers.get(&channel) else {
            return Ok(Vec::new());
        };
        let mut credits = HashMap::new();
        for entry in self.db.scan_prefix(prefix(b'x', *number)) {
            let (key, value) = entry.map_err(|error| IndexError::new(doing, error))?;
            credits.insert(digest_in(doing, &key)?, credit(doing, &value)?);
        }
        self.db
            .scan_prefix(prefix(b'r', *number))
            .map(|entry| {
                let (key, value) = entry.map_err(|error| IndexError::new(doing, error))?;
                let digest = digest_in(doing, &key)?;
                let mut found = request(doing, digest, &value)?;
                if let Some(credit) = credits.get(&digest) {
                    found.credit(*credit);
                }
                Ok(found)
            })
            .collect()
    }

    /// The number of the last request of every channel that has one, and the highest commitment after it, as the index
    /// has seen them.
    pub(crate) fn last_requests(&self) -> Result<HashMap<ContractId, (u64, Amount)>, IndexError> {
        let mut found = HashMap::new();
        for channel in self.numbers.keys() {
            let requests = self.requests(*channel)?;
            if let Some(last) = requests.iter().max_by_key(|request| request.number) {
                found.insert(*channel, (last.number, last.highest));
            }
        }
        Ok(found)
    }

    /// Applies what synced records change, together with the number of the last one, in one atomic batch. So at any
    /// moment the index is as it was after some record.
    pub(crate) fn apply(&mut self, updates: &Updates) -> Result<(), IndexError> {
        let doing = "applying records";
        if updates.records == 0 {
            return Ok(());
        }
        let mut batch = sled::Batch::default();
        let drops = updates.drops();
        for (position, change) in updates.changes.iter().enumerate() {
            if drops.get(&change.channel()).is_some_and(|drop| position < *drop) {
                continue;
            }
            self.change(change, &mut batch)?;
        }
        if let Some((first, frames)) = &updates.frames {
            for (piece, bytes) in (0_u32..).zip(frames.chunks(PIECE)) {
                batch.insert(bytes_of(&(b'j', *first, piece)), bytes);
            }
        }
        batch.insert(b"a", &updates.last.to_be_bytes());
        batch.insert(b"v", &[VERSION]);
        if let Some(summed) = updates.summed {
            batch.insert(b"w", &summed.to_be_bytes());
        }
        self.db.apply_batch(batch).map_err(|error| IndexError::new(doing, error))
    }

    fn change(&mut self, change: &Change, batch: &mut sled::Batch) -> Result<(), IndexError> {
        let doing = "applying records";
        let numbers = &self.numbers;
        let number = |channel: &ContractId| {
            numbers.get(channel).copied().ok_or_else(|| IndexError::new(doing, "a channel has no number"))
        };
        match change {
            Change::Channel(channel) => {
                if !self.numbers.contains_key(channel) {
                    let new = self.next_number;
                    self.next_number =
                        new.checked_add(1).ok_or_else(|| IndexError::new(doing, "there were too many channels"))?;
                    self.numbers.insert(*channel, new);
                    batch.insert(bytes_of(&(b'k', *channel)), &new.to_be_bytes());
                }
            }
            Change::Request(channel, request) => {
                batch.insert(key(b'r', number(channel)?, request.digest).as_slice(), put_request(doing, request)?);
                if let Some(credited) = request.credited {
                    let value = put_credit(doing, request.number, credited)?;
                    batch.insert(key(b'x', number(channel)?, request.digest).as_slice(), value);
                }
            }
            Change::Credit { channel, digest, number: request, amount } => {
                let value = put_credit(doing, *request, *amount)?;
                batch.insert(key(b'x', number(channel)?, *digest).as_slice(), value);
            }
            Change::Whole(channel, record) => batch.insert(bytes_of(&(b'c', *channel)), record.as_slice()),
            Change::Drop(channel) => {
                let Some(number) = self.numbers.remove(channel) else {
                    return Ok(());
                };
                for kind in [b'r', b'x'] {
                    for key in self.db.scan_prefix(prefix(kind, number)).keys() {
                        batch.remove(key.map_err(|error| IndexError::new(doing, error))?);
                    }
                }
                batch.remove(bytes_of(&(b'k', *channel)));
                batch.remove(bytes_of(&(b'c', *channel)));
            }
        }
        Ok(())
    }

    /// Removes a channel's requests up to this number.
    pub(crate) fn forget_requests(&self, channel: ContractId, up_to: u64) -> Result<(), IndexError> {
        let Some(number) = self.numbers.get(&channel) else {
            return Ok(());
        };
        let old = self.requests(channel)?.into_iter().filter(|request| request.number <= up_to);
        let keys = old.flat_map(|request| {
            let credited = request.credited.map(|_| Ok(sled::IVec::from(&key(b'x', *number, request.digest))));
            std::iter::once(Ok(sled::IVec::from(&key(b'r', *number, request.digest)))).chain(credited)
        });
        self.remove(keys)
    }

    /// Removes some of the frames of records before this one. `Ok(true)` means that none is left.
    pub(crate) fn forget_some_frames(&self, before: u64) -> Result<bool, IndexError> {
        let doing = "sweeping out frames";
        let end = bytes_of(&(b'j', before));
        let old = self.db.range(b"j".to_vec()..end).keys().take(SWEEP);
        let old: Vec<_> = old.map(|key| key.map_err(|error| IndexError::new(doing, error))).collect();
        let is_last = old.len() < SWEEP;
        self.remove(old.into_iter())?;
        Ok(is_last)
    }

    /// Notes that every channel is kept as it was at the checkpoint whose last record is `checkpoint`, or after it.
    pub(crate) fn keeps_all_since(&self, checkpoint: u64) -> Result<(), IndexError> {
        let kept = self.db.insert(b"w", &checkpoint.to_be_bytes());
        kept.map(drop).map_err(|error| IndexError::new("keeping the channels", error))
    }

    /// Keeps the whole state of a channel for a repair.
    pub(crate) fn keep_whole(&self, channel: ContractId, record: &Record) -> Result<(), IndexError> {
        let kept = self.db.insert(bytes_of(&(b'c', channel)), record.encode());
        kept.map(drop).map_err(|error| IndexError::new("keeping a channel", error))
    }

    fn remove(&self, keys: impl Iterator<Item = Result<sled::IVec, IndexError>>) -> Result<(), IndexError> {
        let doing = "sweeping out";
        let mut batch = sled::Batch::default();
        let mut size = 0;
        for key in keys {
            batch.remove(key?);
            size += 1;
            if size == SWEEP {
                self.db.apply_batch(std::mem::take(&mut batch)).map_err(|error| IndexError::new(doing, error))?;
                size = 0;
            }
        }
        self.db.apply_batch(batch).map_err(|error| IndexError::new(doing, error))
    }

    /// All records that are kept for a repair: the channels as the last checkpoint had them, and the later records by
    /// number.
    pub(crate) fn witness(&self) -> Result<Witness, IndexError> {
        let doing = "reading what it has of the journal";
        let summed = self.db.get(b"w").map_err(|error| IndexError::new(doing, error))?;
        let summed = summed.map_or(Ok(0), |value| decoded(doing, &value))?;
        let mut witness = Witness { applied: self.applied()?, summed, ..Witness::default() };
        for entry in self.db.scan_prefix(b"c") {
            let (_, value) = entry.map_err(|error| IndexError::new(doing, error))?;
            let record = Record::decode(&value).map_err(|error| IndexError::new(doing, error))?;
            witness.wholes.push(record);
        }
        let mut frames = Vec::new();
        for entry in self.db.scan_prefix(b"j") {
            let (_, value) = entry.map_err(|error| IndexError::new(doing, error))?;
            frames.extend_from_slice(&value);
        }
        let mut rest = frames.as_slice();
        while let Some((sequence, record, length)) = frame_at(rest) {
            let decoded = Record::decode(record).map_err(|error| IndexError::new(doing, error))?;
            witness.records.insert(sequence, (decoded, length as u64));
            rest = &rest[length..];
        }
        Ok(witness)
    }

    /// Writes everything to the system, so that the next start has less to catch up with. This makes nothing durable,
    /// and need not.
    pub(crate) fn flush(&self) -> Result<(), IndexError> {
        self.db.flush().map(drop).map_err(|error| IndexError::new("flushing it", error))
    }
}

/// What the index can say about a damaged journal.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    /// The last record that it has seen; zero when it can't be read.
    pub(crate) applied: u64,
    /// The last record of the checkpoint since which every channel is among `wholes`; zero when none is known.
    pub(crate) summed: u64,
    pub(crate) wholes: Vec<Record>,
    /// By number: the record, and how many bytes its frame has.
    pub(crate) records: BTreeMap<u64, (Record, u64)>,
}

/// A number above all under which anything is left, so that entries of a dropped channel never count for another
/// channel.
fn next_number(db: &sled::Db, numbers: &HashMap<ContractId, u32>) -> Result<u32, IndexError> {
    let doing = "reading the channels' numbers";
    let mut last = numbers.values().max().copied();
    for kind in [b'r', b'x'] {
        if let Some(entry) = db.scan_prefix([kind]).next_back() {
            let (key, _) = entry.map_err(|error| IndexError::new(doing, error))?;
            let number: u32 = decoded(doing, key.get(1..5).unwrap_or_default())?;
            last = last.max(Some(number));
        }
    }
    match last {
        None => Ok(0),
        Some(last) => last.checked_add(1).ok_or_else(|| IndexError::new(doing, "there were too many channels")),
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("sled panicked: {}", said.unwrap_or("without a message"))
}
