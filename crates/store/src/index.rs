//! The index: sled over the journal. It is where request ids are looked up, and a second witness of what the journal held.
//!
//! It is never the truth. It may be deleted, and is built anew from the journal; sled 0.34.7's own `flush` promises
//! nothing after a power cut, so it may also be older than the journal. It is never newer: a record comes here only
//! once it is synced there. So an index that has seen more than the journal holds proves that the journal lost something.
//!
//! One tree, since a batch is atomic within one tree only:
//!
//! | key | value |
//! | --- | --- |
//! | `a` | number u64 of the last record applied |
//! | `k` channel | the channel's number here, u32 |
//! | `r` channel's number u32, request's digest | number of the commitment (6 bytes), amount i128 |
//! | `c` channel | the channel as the last checkpoint had it: the record |
//! | `j` number u64 of its first record, piece u32 | frames as in the journal, those since the last checkpoint |
//!
//! `a`, `k` and `r` are what the store asks; `c` and `j` are what a repair asks when the journal is damaged.
//!
//! The committer waits for all of this, so it is made cheap. sled copies a whole leaf for each insertion: keys and
//! values of at most 22 bytes lie in the leaf itself and are copied as one block, longer ones are counted references.
//! Nothing is removed when it is forgotten: whether a request is still remembered is told by its number, and what is
//! not is swept out after a checkpoint.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use paychan_channel::{Amount, ContractId};
use sha2::{Digest as _, Sha256};

use crate::bytes::{DecodeError, Reader, Writer};
use crate::frame::frame_at;
use crate::record::Record;
use crate::{RequestId, StoreError};

/// Bytes of pages that sled keeps in memory. Its own default is a gigabyte.
const CACHE_BYTES: u64 = 64 << 20;
/// Removals in one of sled's batches.
const SWEEP: usize = 1_000;
/// Bytes of one `j` value: well below sled's segments (512 KiB), beyond which it makes a file of each.
const PIECE: usize = 64 << 10;

/// What sled said, or what is wrong with what it gave.
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

/// Stands for a request id: the first half of its SHA-256. Two ids of one channel with the same digest would take 2^64
/// attempts to find, and gain a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Digest(pub(crate) [u8; 16]);

impl Digest {
    pub(crate) fn of(request_id: &RequestId) -> Self {
        let whole: [u8; 32] = Sha256::digest(request_id.as_str()).into();
        let (half, _) = whole.split_first_chunk().expect("32 bytes begin with 16");
        Digest(*half)
    }
}

/// What is known of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) digest: Digest,
    /// Which of the channel's commitments it is, counted from one.
    pub(crate) number: u64,
    pub(crate) amount: Amount,
}

/// What records change here, in their order.
#[derive(Debug, Default)]
pub(crate) struct Updates {
    channels: Vec<ContractId>,
    requests: Vec<(ContractId, Request)>,
    wholes: Vec<(ContractId, Vec<u8>)>,
    /// The number of the first record in `frames`, and the frames.
    frames: Option<(u64, Vec<u8>)>,
    last: u64,
    records: u64,
}

impl Updates {
    /// What one record changes.
    pub(crate) fn add(&mut self, sequence: u64, record: &Record) {
        let mut request = |channel, digest, number, amount| {
            let request = Request { digest, number, amount };
            self.requests.push((channel, request));
        };
        match record {
            Record::Admitted(admission) => self.channels.push(admission.channel),
            Record::Accepted { channel, number, commitment } => {
                let digest = Digest::of(&commitment.request_id);
                request(*channel, digest, *number, commitment.amount);
            }
            Record::Remembered { channel, number, amount, digest } => request(*channel, *digest, *number, *amount),
            Record::WholeChannel(whole) => {
                let id = whole.held.channel();
                if let Some(highest) = &whole.held.highest {
                    let digest = Digest::of(&highest.request_id);
                    request(id, digest, whole.held.accepted, highest.amount);
                }
                self.channels.push(id);
                self.wholes.push((id, record.encode()));
            }
            _ => {}
        }
        self.last = sequence;
        self.records += 1;
    }

    /// The frames of these records, of which the first has this number.
    pub(crate) fn add_frames(&mut self, first: u64, frames: &[u8]) {
        let (_, all) = self.frames.get_or_insert_with(|| (first, Vec::new()));
        all.extend_from_slice(frames);
    }

    /// All up to this record was seen, and what concerns the index is here.
    pub(crate) fn seen_up_to(&mut self, last: u64) {
        self.last = last;
        self.records = self.records.max(1);
    }

    /// How many records.
    pub(crate) fn records(&self) -> u64 {
        self.records
    }
}

/// The index, open.
#[derive(Debug)]
pub(crate) struct Index {
    db: sled::Db,
    /// The channels' numbers here: the `k` keys.
    numbers: HashMap<ContractId, u32>,
}

impl Index {
    /// Opens or makes it, and reads all of it once: what sled can't read is better known now than when money comes.
    ///
    /// sled 0.34 answers some damage with a panic; that is caught here.
    pub(crate) fn open(dir: &Path) -> Result<Self, IndexError> {
        let doing = "opening it";
        let open = || {
            let db = sled::Config::new()
                .path(dir)
                .cache_capacity(CACHE_BYTES)
                .mode(sled::Mode::HighThroughput)
                // Its flush makes nothing durable; what it is for is done by the journal.
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
            let channel = decoded(doing, &key[1..], |r| r.channel())?;
            numbers.insert(channel, decoded(doing, &value, |r| r.u32())?);
        }
        Ok(Index { db, numbers })
    }

    /// The number of the last record that was applied; zero in a new index.
    pub(crate) fn applied(&self) -> Result<u64, IndexError> {
        let doing = "reading how far it is";
        match self.db.get(b"a").map_err(|error| IndexError::new(doing, error))? {
            None => Ok(0),
            Some(value) => decoded(doing, &value, |r| r.u64()),
        }
    }

    /// What is known of a request, remembered or not yet swept out.
    pub(crate) fn request(&self, channel: ContractId, digest: Digest) -> Result<Option<Request>, IndexError> {
        let doing = "looking up a request id";
        let Some(number) = self.numbers.get(&channel) else {
            return Ok(None);
        };
        self.db
            .get(request_key(*number, digest))
            .map_err(|error| IndexError::new(doing, error))?
            .map(|value| request(doing, digest, &value))
            .transpose()
    }

    /// All that is known of a channel's requests, in no order.
    pub(crate) fn requests(&self, channel: ContractId) -> Result<Vec<Request>, IndexError> {
        let doing = "reading the request ids";
        let Some(number) = self.numbers.get(&channel) else {
            return Ok(Vec::new());
        };
        let prefix = [b"r".as_slice(), &number.to_be_bytes()].concat();
        self.db
            .scan_prefix(&prefix)
            .map(|entry| {
                let (key, value) = entry.map_err(|error| IndexError::new(doing, error))?;
                let digest = decoded(doing, &key[prefix.len()..], |r| r.array())?;
                request(doing, Digest(digest), &value)
            })
            .collect()
    }

    /// The number and amount of the highest commitment of every channel that has one, as seen here.
    pub(crate) fn highest(&self) -> Result<HashMap<ContractId, (u64, Amount)>, IndexError> {
        let mut highest = HashMap::new();
        for channel in self.numbers.keys() {
            let last = self.requests(*channel)?;
            if let Some(last) = last.iter().max_by_key(|request| request.number) {
                highest.insert(*channel, (last.number, last.amount));
            }
        }
        Ok(highest)
    }

    /// Takes in what synced records change, together with the number of the last one: at any moment the index is what it
    /// was after some record.
    pub(crate) fn apply(&mut self, updates: &Updates) -> Result<(), IndexError> {
        let doing = "applying records";
        if updates.records == 0 {
            return Ok(());
        }
        let mut batch = sled::Batch::default();
        for channel in &updates.channels {
            let next =
                u32::try_from(self.numbers.len()).map_err(|_| IndexError::new(doing, "there are too many channels"))?;
            let number = *self.numbers.entry(*channel).or_insert(next);
            let key = Writer::new(b'k').channel(*channel).finish();
            batch.insert(key, &number.to_be_bytes());
        }
        for (channel, request) in &updates.requests {
            let Some(number) = self.numbers.get(channel) else {
                return Err(IndexError::new(doing, "a channel has no number"));
            };
            let (key, value) = (request_key(*number, request.digest), request_fields(doing, request)?);
            batch.insert(&key, &value);
        }
        for (channel, record) in &updates.wholes {
            let key = Writer::new(b'c').channel(*channel).finish();
            batch.insert(key, record.as_slice());
        }
        if let Some((first, frames)) = &updates.frames {
            for (piece, bytes) in (0_u32..).zip(frames.chunks(PIECE)) {
                let key = Writer::new(b'j').u64(*first).u32(piece).finish();
                batch.insert(key, bytes);
            }
        }
        batch.insert(b"a", &updates.last.to_be_bytes());
        self.db.apply_batch(batch).map_err(|error| IndexError::new(doing, error))
    }

    /// Sweeps out a channel's requests up to this number.
    pub(crate) fn forget_requests(&self, channel: ContractId, up_to: u64) -> Result<(), IndexError> {
        let Some(number) = self.numbers.get(&channel) else {
            return Ok(());
        };
        let forgotten = self
            .requests(channel)?
            .into_iter()
            .filter(|request| request.number <= up_to)
            .map(|request| Ok(sled::IVec::from(&request_key(*number, request.digest))));
        self.remove(forgotten)
    }

    /// Sweeps out the frames of records before this one.
    pub(crate) fn forget_frames(&self, before: u64) -> Result<(), IndexError> {
        let doing = "sweeping out frames";
        let end = Writer::new(b'j').u64(before).finish();
        let old =
            self.db.range(b"j".to_vec()..end).keys().map(|key| key.map_err(|error| IndexError::new(doing, error)));
        self.remove(old)
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

    /// All records that are kept here for a repair: channels as the last checkpoint had them, and by number what came
    /// after it.
    pub(crate) fn witness(&self) -> Result<Witness, IndexError> {
        let doing = "reading what it has of the journal";
        let mut witness = Witness { applied: self.applied()?, ..Witness::default() };
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

    /// Gives all to the system, so that the next start has less to catch up with. Not durable, and need not be.
    pub(crate) fn flush(&self) -> Result<(), IndexError> {
        self.db.flush().map(drop).map_err(|error| IndexError::new("flushing it", error))
    }
}

/// What the index can say about a damaged journal.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    /// The last record that it has seen; zero when it can't be read.
    pub(crate) applied: u64,
    pub(crate) wholes: Vec<Record>,
    /// By number: the record and the bytes of its frame.
    pub(crate) records: std::collections::BTreeMap<u64, (Record, u64)>,
}

fn request_key(channel: u32, digest: Digest) -> [u8; 21] {
    let mut key = [b'r'; 21];
    key[1..5].copy_from_slice(&channel.to_be_bytes());
    key[5..].copy_from_slice(&digest.0);
    key
}

fn request_fields(doing: &'static str, request: &Request) -> Result<[u8; 22], IndexError> {
    let [0, 0, number @ ..] = request.number.to_be_bytes() else {
        return Err(IndexError::new(doing, "a channel has too many commitments"));
    };
    let mut value = [0; 22];
    value[..6].copy_from_slice(&number);
    value[6..].copy_from_slice(&request.amount.get().to_be_bytes());
    Ok(value)
}

fn request(doing: &'static str, digest: Digest, value: &[u8]) -> Result<Request, IndexError> {
    decoded(doing, value, |reader| {
        let mut number = [0; 8];
        number[2..].copy_from_slice(reader.take(6)?);
        Ok(Request { digest, number: u64::from_be_bytes(number), amount: reader.amount()? })
    })
}

fn decoded<'a, T>(
    doing: &'static str,
    bytes: &'a [u8],
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, DecodeError>,
) -> Result<T, IndexError> {
    let mut reader = Reader::new(bytes);
    let value = read(&mut reader).map_err(|error| IndexError::new(doing, error))?;
    reader.finish().map_err(|error| IndexError::new(doing, error))?;
    Ok(value)
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("sled panicked: {}", said.unwrap_or("without a message"))
}
