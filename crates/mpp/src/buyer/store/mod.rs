//! Keeps on disk what was signed, before it is sent, so that a crash can't make the buyer sign the same credit twice.
//!
//! The store is one file of JSON lines, `payments.jsonl`, that only grows. A payment's line is written and synced
//! before its voucher is made; a line with its answer follows. Only one process at a time can use the file.

mod record;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use paychan_channel::{Amount, ContractId};

pub use record::{Answered, Left, Opening, Record, Resynced, Signed};

use super::caps::SignedAway;
use crate::wire::Timestamp;

/// The file's name.
const FILE: &str = "payments.jsonl";
/// The largest file that is read, in bytes. It holds some millions of payments.
const LARGEST: u64 = 4 * 1024 * 1024 * 1024;

/// The payments of one folder. A store holds the folder's lock.
pub struct Store {
    file: File,
    path: PathBuf,
    sums: Sums,
    next_id: u64,
    /// Why nothing can be written any more.
    broken: Option<String>,
}

/// The sums of the records.
#[derive(Debug, Default)]
struct Sums {
    signed: HashMap<ContractId, Amount>,
    /// What was spent on each channel, by the receipt with the highest total.
    spent: HashMap<ContractId, (Amount, Amount)>,
    left: HashMap<ContractId, String>,
    openings: Vec<Opening>,
    by_host: HashMap<String, Amount>,
    by_channel: HashMap<ContractId, Amount>,
    by_day: BTreeMap<i64, Amount>,
    total: Amount,
}

/// Why the store can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The file can't be read or written.
    #[error("the payments in {path} can't be {what}: {why}; nothing is signed without them")]
    Io {
        /// The file.
        path: PathBuf,
        /// What failed: read, written, locked.
        what: &'static str,
        /// The system's error.
        why: String,
    },
    /// Another process uses the folder.
    #[error("another process is paying with {path}; wait for it, or give this one a folder and a channel of its own")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// A line that is not the last one is not understood.
    #[error(
        "line {line} of {path} is not understood ({why}); restore the file from a copy, since it says what was signed"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The number of the line, from one.
        line: usize,
        /// What is wrong.
        why: String,
    },
}

impl Store {
    /// Opens the folder, and creates it if it does not exist.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(FILE);
        let io = |what| {
            let path = path.clone();
            move |error: std::io::Error| StoreError::Io { path, what, why: error.to_string() }
        };
        std::fs::create_dir_all(folder).map_err(io("written"))?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io("opened"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(StoreError::InUse { path }),
            Err(std::fs::TryLockError::Error(error)) => return Err(io("locked")(error)),
        }
        let text = read_all(&mut file).map_err(io("read"))?;
        if text.is_empty() {
            // The names of the file and of its folder have to survive a power cut too. The folder may be older and in one that
            // can't be opened.
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(io("written"))?;
            let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
            let _ = File::open(parent.unwrap_or(Path::new("."))).and_then(|parent| parent.sync_all());
        }
        let (records, whole) = parse(&path, &text)?;
        if whole < text.len() {
            // The process died while it wrote the last line, so its voucher was never sent.
            file.set_len(whole as u64).and_then(|()| file.sync_all()).map_err(io("written"))?;
        }
        file.seek(SeekFrom::End(0)).map_err(io("read"))?;
        let mut sums = Sums::default();
        let mut next_id = 0;
        for record in &records {
            sums.add(record);
            if let Record::Signed(signed) = record {
                next_id = signed.id.saturating_add(1).max(next_id);
            }
        }
        Ok(Self { file, path, sums, next_id, broken: None })
    }

    /// Reads the payments without holding the lock, for a report.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn read(folder: &Path) -> Result<Vec<Record>, StoreError> {
        let path = folder.join(FILE);
        let io = |error: std::io::Error| StoreError::Io { path: path.clone(), what: "read", why: error.to_string() };
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(io(error)),
        };
        let text = read_all(&mut file).map_err(io)?;
        Ok(parse(&path, &text)?.0)
    }

    /// The highest total that was signed on a channel.
    #[must_use]
    pub fn signed(&self, channel: &ContractId) -> Amount {
        self.sums.signed.get(channel).copied().unwrap_or(Amount::ZERO)
    }

    /// What was spent on a channel, by the newest receipt that says it.
    #[must_use]
    pub fn spent(&self, channel: &ContractId) -> Option<Amount> {
        self.sums.spent.get(channel).map(|(_, spent)| *spent)
    }

    /// Why a channel is no longer used; `None` when it is.
    #[must_use]
    pub fn left(&self, channel: &ContractId) -> Option<&str> {
        self.sums.left.get(channel).map(String::as_str)
    }

    /// The channels that were opened or were about to be opened for a server, the newest first, without those that are
    /// no longer used.
    #[must_use]
    pub fn openings_for(&self, host: &str) -> Vec<Opening> {
        let usable = |opening: &&Opening| opening.host == host && self.left(&opening.channel).is_none();
        self.sums.openings.iter().rev().filter(usable).cloned().collect()
    }

    /// What was signed so far. `day` is counted from the Unix epoch. What is recorded for a later day counts as today's: the clock
    /// was set back since then, which must not give a second allowance.
    #[must_use]
    pub fn signed_away(&self, host: &str, channel: &ContractId, day: i64) -> SignedAway {
        let of = |amount: Option<&Amount>| amount.copied().unwrap_or(Amount::ZERO);
        SignedAway {
            host: of(self.sums.by_host.get(host)),
            channel: of(self.sums.by_channel.get(channel)),
            today: self.sums.by_day.range(day..).map(|(_, amount)| *amount).fold(Amount::ZERO, Amount::saturating_add),
            total: self.sums.total,
        }
    }

    /// The number of the next payment.
    pub fn take_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id = id.saturating_add(1);
        id
    }

    /// Records durably that this total counts as signed from now on, since the store had lost its own.
    ///
    /// # Errors
    /// Those of [`Store::write`].
    pub fn resync(&mut self, channel: ContractId, total: Amount) -> Result<(), StoreError> {
        let at = Timestamp::now().to_text();
        self.write(&Record::Resynced(Resynced { at, channel, total, proven_by: None, learnt: Amount::ZERO }), true)
    }

    /// Records durably that this total was signed before, as the server `host` has proven. Returns by how much it is above what
    /// was known, which caps count. A total that is known is not recorded.
    ///
    /// # Errors
    /// Those of [`Store::write`].
    pub(super) fn learn(&mut self, host: &str, channel: ContractId, total: Amount) -> Result<Amount, StoreError> {
        let learnt = total.saturating_sub(self.signed(&channel));
        if !learnt.is_zero() {
            let (at, proven_by) = (Timestamp::now().to_text(), Some(host.to_owned()));
            self.write(&Record::Resynced(Resynced { at, channel, total, proven_by, learnt }), true)?;
        }
        Ok(learnt)
    }

    /// Writes a record. If `durable` is set, it is on disk when this returns.
    ///
    /// # Errors
    /// [`StoreError::Io`]. After such an error nothing is written any more, since it is not known what is on disk.
    pub fn write(&mut self, record: &Record, durable: bool) -> Result<(), StoreError> {
        let path = self.path.clone();
        let failed = |why: String| StoreError::Io { path: path.clone(), what: "written", why };
        if let Some(why) = &self.broken {
            return Err(failed(format!("an earlier write failed ({why}); start the program again")));
        }
        let mut line = serde_json::to_vec(record).map_err(|error| failed(error.to_string()))?;
        line.push(b'\n');
        let written = self.file.write_all(&line).and_then(|()| if durable { self.file.sync_data() } else { Ok(()) });
        if let Err(error) = written {
            self.broken = Some(error.to_string());
            return Err(failed(error.to_string()));
        }
        self.sums.add(record);
        Ok(())
    }
}

fn read_all(file: &mut File) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    file.take(LARGEST).read_to_end(&mut text)?;
    Ok(text)
}

/// Reads the records, and the length of the text that they take, which is shorter than the text when the last line is
/// torn.
fn parse(path: &Path, text: &[u8]) -> Result<(Vec<Record>, usize), StoreError> {
    let mut records = Vec::new();
    let mut whole = 0;
    for (index, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let last = whole + line.len() == text.len();
        match (serde_json::from_slice(line), line.ends_with(b"\n")) {
            (Ok(record), true) => records.push(record),
            (_, false) if last => break,
            (Err(error), _) => {
                let why = error.to_string();
                return Err(StoreError::Damaged { path: path.to_owned(), line: index + 1, why });
            }
            (Ok(_), false) => break,
        }
        whole += line.len();
    }
    Ok((records, whole))
}

impl Sums {
    /// Counts an amount for the caps.
    fn count(&mut self, host: &str, channel: ContractId, at: &str, amount: Amount) {
        let sums = [
            self.by_host.entry(host.to_owned()).or_default(),
            self.by_channel.entry(channel).or_default(),
            self.by_day.entry(record::day(at)).or_default(),
            &mut self.total,
        ];
        for sum in sums {
            *sum = sum.saturating_add(amount);
        }
    }

    fn add(&mut self, record: &Record) {
        match record {
            Record::Signed(signed) => {
                let highest = self.signed.entry(signed.channel).or_default();
                *highest = (*highest).max(signed.total);
                self.count(&signed.host, signed.channel, &signed.at, signed.raise);
            }
            Record::Resynced(resynced) => {
                let highest = self.signed.entry(resynced.channel).or_default();
                *highest = (*highest).max(resynced.total);
                if let Some(host) = &resynced.proven_by {
                    self.count(host, resynced.channel, &resynced.at, resynced.learnt);
                }
            }
            Record::Left(left) => {
                self.left.insert(left.channel, left.why.clone());
            }
            Record::Opening(opening) => self.openings.push(opening.clone()),
            Record::Answered(Answered { receipt: Some(receipt), .. }) => {
                let known = (receipt.channel, receipt.accepted_cumulative, receipt.spent);
                let (Some(channel), Some(accepted), Some(spent)) = known else { return };
                let newest = self.spent.entry(channel).or_default();
                if accepted >= newest.0 {
                    *newest = (accepted, spent);
                }
            }
            Record::Answered(_) => {}
        }
    }
}
