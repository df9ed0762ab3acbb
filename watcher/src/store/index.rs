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
//! | `c` channel | the highest commitment, as [`super::record`] writes it |
//! | `i` channel, request id | amount i128, number u64 of the commitment |
//! | `n` channel, number u64 | the request id |

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use paychan_channel::{Amount, ContractId};

use super::bytes::{DecodeError, Reader, Writer};
use super::record::{Record, commitment, commitment_fields};
use super::{HeldCommitment, RequestId, StoreError};

/// Bytes of pages that sled keeps in memory. Its own default is a gigabyte.
const CACHE_BYTES: u64 = 64 << 20;
/// The most updates in one of sled's batches: it is held in memory and in one of sled's segments (512 KiB).
const LARGEST_BATCH: usize = 512;

/// What sled said, or what is wrong with what it gave.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{doing}: {message}")]
pub(super) struct IndexError {
    doing: &'static str,
    message: String,
}

impl IndexError {
    fn new(doing: &'static str, message: impl ToString) -> Self {
        IndexError {
            doing,
            message: message.to_string(),
        }
    }
}

impl From<IndexError> for StoreError {
    fn from(error: IndexError) -> Self {
        StoreError::Index {
            doing: error.doing,
            message: error.message,
        }
    }
}

/// What one record changes here.
#[derive(Debug, Clone)]
pub(super) struct Update {
    sequence: u64,
    change: Change,
}

#[derive(Debug, Clone)]
enum Change {
    Accepted {
        channel: ContractId,
        number: u64,
        commitment: HeldCommitment,
    },
    Highest {
        channel: ContractId,
        commitment: HeldCommitment,
    },
    Remembered {
        channel: ContractId,
        number: u64,
        amount: Amount,
        request_id: RequestId,
    },
    Nothing,
}

impl Update {
    /// All up to this record was applied, and nothing of it concerns the index.
    pub(super) fn nothing(sequence: u64) -> Self {
        Update {
            sequence,
            change: Change::Nothing,
        }
    }

    /// The record's number.
    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    pub(super) fn of(sequence: u64, record: &Record) -> Self {
        let change = match record {
            Record::Accepted {
                channel,
                number,
                commitment,
            } => Change::Accepted {
                channel: *channel,
                number: *number,
                commitment: commitment.clone(),
            },
            Record::WholeChannel(whole) => match &whole.held.highest {
                Some(commitment) => Change::Highest {
                    channel: whole.held.channel(),
                    commitment: commitment.clone(),
                },
                None => Change::Nothing,
            },
            Record::Remembered {
                channel,
                number,
                amount,
                request_id,
            } => Change::Remembered {
                channel: *channel,
                number: *number,
                amount: *amount,
                request_id: request_id.clone(),
            },
            _ => Change::Nothing,
        };
        Update { sequence, change }
    }
}

/// A request that is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remembered {
    pub(super) number: u64,
    pub(super) amount: Amount,
    pub(super) request_id: RequestId,
}

/// The index, open.
#[derive(Debug)]
pub(super) struct Index {
    db: sled::Db,
    /// How many requests of a channel are remembered, at least one: the highest commitment's.
    remembered: u64,
}

impl Index {
    /// Opens or makes it, and reads all of it once: what sled can't read is better known now than when money comes.
    ///
    /// sled 0.34 answers some damage with a panic; that is caught here.
    pub(super) fn open(dir: &Path, remembered: u64) -> Result<Self, IndexError> {
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
        Ok(Index {
            db,
            remembered: remembered.max(1),
        })
    }

    /// The number of the last record that was applied; zero in a new index.
    pub(super) fn applied(&self) -> Result<u64, IndexError> {
        let doing = "reading how far it is";
        match self
            .db
            .get(b"a")
            .map_err(|error| IndexError::new(doing, error))?
        {
            None => Ok(0),
            Some(value) => decoded(doing, &value, Reader::u64),
        }
    }

    /// The amount that was accepted under a request id, if it is remembered. Base units.
    pub(super) fn request(
        &self,
        channel: ContractId,
        request_id: &RequestId,
    ) -> Result<Option<Amount>, IndexError> {
        let doing = "looking up a request id";
        self.db
            .get(request_key(channel, request_id))
            .map_err(|error| IndexError::new(doing, error))?
            .map(|value| decoded(doing, &value, request).map(|(amount, _)| amount))
            .transpose()
    }

    /// The remembered requests of a channel, oldest first.
    pub(super) fn requests(&self, channel: ContractId) -> Result<Vec<Remembered>, IndexError> {
        let doing = "reading the request ids";
        let mut found = Vec::new();
        let prefix = Writer::new(b'n').channel(channel).finish();
        for entry in self.db.scan_prefix(&prefix) {
            let (key, id) = entry.map_err(|error| IndexError::new(doing, error))?;
            let number = decoded(doing, &key[prefix.len()..], Reader::u64)?;
            let text = std::str::from_utf8(&id).map_err(|error| IndexError::new(doing, error))?;
            let request_id = RequestId::new(text).map_err(|error| IndexError::new(doing, error))?;
            let Some(amount) = self.request(channel, &request_id)? else {
                return Err(IndexError::new(doing, "a request id has lost its amount"));
            };
            found.push(Remembered {
                number,
                amount,
                request_id,
            });
        }
        Ok(found)
    }

    /// The highest commitment of every channel, as seen here.
    pub(super) fn highest(&self) -> Result<Vec<(ContractId, HeldCommitment)>, IndexError> {
        let doing = "reading the highest commitments";
        self.db
            .scan_prefix(b"c")
            .map(|entry| {
                let (key, value) = entry.map_err(|error| IndexError::new(doing, error))?;
                Ok((
                    decoded(doing, &key[1..], Reader::channel)?,
                    decoded(doing, &value, commitment)?,
                ))
            })
            .collect()
    }

    /// Takes in what synced records change, in their order, together with the number of the last one: at any moment the
    /// index is what it was after some record.
    pub(super) fn apply(&self, updates: &[Update]) -> Result<(), IndexError> {
        let doing = "applying records";
        // Forgetting looks up what was inserted by an earlier batch, so one batch must not insert and forget one id.
        let size = usize::try_from(self.remembered)
            .unwrap_or(usize::MAX)
            .min(LARGEST_BATCH);
        for chunk in updates.chunks(size) {
            let mut batch = sled::Batch::default();
            for update in chunk {
                self.change(&update.change, &mut batch)?;
            }
            if let Some(last) = chunk.last() {
                batch.insert(b"a", &last.sequence.to_be_bytes());
            }
            self.db
                .apply_batch(batch)
                .map_err(|error| IndexError::new(doing, error))?;
        }
        Ok(())
    }

    fn change(&self, change: &Change, batch: &mut sled::Batch) -> Result<(), IndexError> {
        match change {
            Change::Accepted {
                channel,
                number,
                commitment,
            } => {
                remember(
                    *channel,
                    *number,
                    commitment.amount,
                    &commitment.request_id,
                    batch,
                );
                highest(*channel, commitment, batch);
                if let Some(old) = number.checked_sub(self.remembered) {
                    self.forget(*channel, old, batch)?;
                }
            }
            Change::Highest {
                channel,
                commitment,
            } => highest(*channel, commitment, batch),
            Change::Remembered {
                channel,
                number,
                amount,
                request_id,
            } => remember(*channel, *number, *amount, request_id, batch),
            Change::Nothing => {}
        }
        Ok(())
    }

    fn forget(
        &self,
        channel: ContractId,
        number: u64,
        batch: &mut sled::Batch,
    ) -> Result<(), IndexError> {
        let doing = "forgetting an old request id";
        let key = number_key(channel, number);
        let old = self
            .db
            .get(&key)
            .map_err(|error| IndexError::new(doing, error))?;
        if let Some(id) = old {
            batch.remove(Writer::new(b'i').channel(channel).raw(&id).finish());
            batch.remove(key);
        }
        Ok(())
    }

    /// Gives all to the system, so that the next start has less to catch up with. Not durable, and need not be.
    pub(super) fn flush(&self) -> Result<(), IndexError> {
        self.db
            .flush()
            .map(drop)
            .map_err(|error| IndexError::new("flushing it", error))
    }
}

fn remember(
    channel: ContractId,
    number: u64,
    amount: Amount,
    request_id: &RequestId,
    batch: &mut sled::Batch,
) {
    let value = [amount.get().to_be_bytes().as_slice(), &number.to_be_bytes()].concat();
    batch.insert(request_key(channel, request_id), value);
    batch.insert(number_key(channel, number), request_id.as_str().as_bytes());
}

fn highest(channel: ContractId, commitment: &HeldCommitment, batch: &mut sled::Batch) {
    let key = Writer::new(b'c').channel(channel).finish();
    // A record's kind is no part of it here.
    let value = commitment_fields(Writer::new(0), commitment).finish();
    batch.insert(key, &value[1..]);
}

fn request_key(channel: ContractId, request_id: &RequestId) -> Vec<u8> {
    Writer::new(b'i')
        .channel(channel)
        .raw(request_id.as_str().as_bytes())
        .finish()
}

fn number_key(channel: ContractId, number: u64) -> Vec<u8> {
    Writer::new(b'n').channel(channel).u64(number).finish()
}

fn request(reader: &mut Reader<'_>) -> Result<(Amount, u64), DecodeError> {
    Ok((reader.amount()?, reader.u64()?))
}

fn decoded<'a, T>(
    doing: &'static str,
    bytes: &'a [u8],
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, DecodeError>,
) -> Result<T, IndexError> {
    let mut reader = Reader::new(bytes);
    let value = read(&mut reader).map_err(|error| IndexError::new(doing, error))?;
    reader
        .finish()
        .map_err(|error| IndexError::new(doing, error))?;
    Ok(value)
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let said = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    format!("sled panicked: {}", said.unwrap_or("without a message"))
}
