//! Opens the store: it reads and checks the journal, brings the index up to date, and writes only after that.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use paychan_channel::NetworkId;

use crate::StoreError;
use crate::error::DamageKind;
use crate::index::{Index, IndexError, Updates};
use crate::journal::Journal;
use crate::journal::frame::{SegmentKind, write_frame};
use crate::journal::read::{Replayed, TornEnd, replay, verify_claims};
use crate::journal::record::Record;
use crate::journal::segments::{Survey, files, survey};
use crate::journal::write::Log;
use crate::progress::Progress;
use crate::state::State;

/// How many records are gathered before they go to the index while the journal is read.
const CATCH_UP_CHUNK: u64 = 1_000;

/// What a start found and did, for the log and the operator. Its text has one sentence for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// Records read, from the last checkpoint on.
    pub records: u64,
    /// The number of the last record; zero in a new store.
    pub last_record: u64,
    /// Channels admitted.
    pub channels: usize,
    /// Signed transactions whose outcome is not known.
    pub in_flight: usize,
    /// What was cut off the journal's end: a write that a crash interrupted, and that was never acknowledged.
    pub torn: Option<TornEnd>,
    /// How many leftovers of a crash were removed: superseded and unfinished segments.
    pub removed: usize,
    /// How the index was brought up to date with the journal.
    pub index: IndexStart,
}

/// How the index was brought up to date with the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IndexStart {
    /// The index was sound and lacked this many records.
    CaughtUp {
        /// How many records were applied.
        records: u64,
    },
    /// The index was built again from the journal.
    Built {
        /// Why.
        why: String,
    },
}

impl fmt::Display for Recovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the journal holds {} channels and {} transactions without an outcome, up to record {}; {} records were read.",
            self.channels, self.in_flight, self.last_record, self.records
        )?;
        if let Some(torn) = &self.torn {
            write!(
                f,
                " {} bytes at the end of segment {} were cut off at byte {}: a write that a crash interrupted and that \
                 was never acknowledged.",
                torn.bytes, torn.segment, torn.offset
            )?;
        }
        if self.removed > 0 {
            write!(f, " {} files that a crash had left were removed.", self.removed)?;
        }
        match &self.index {
            IndexStart::CaughtUp { records: 0 } => write!(f, " The index was up to date."),
            IndexStart::CaughtUp { records } => {
                write!(f, " The index lacked {records} records, which were added.")
            }
            IndexStart::Built { why } => write!(f, " The index was built from the journal: {why}."),
        }
    }
}

/// A journal that was read and an index that agrees with it.
pub(crate) struct Started {
    pub(crate) log: Log,
    pub(crate) index: Index,
    pub(crate) state: State,
    pub(crate) recovered: Recovered,
}

/// The file that marks the index as one that failed under the last process.
pub(crate) fn suspect_mark(dir: &Path) -> PathBuf {
    dir.join("index-suspect")
}

/// The index's directory.
pub(crate) fn index_dir(dir: &Path) -> PathBuf {
    dir.join("db")
}

pub(crate) fn start(
    dir: &Path,
    journal: Box<dyn Journal>,
    network: &NetworkId,
    progress: &Progress,
) -> Result<Started, StoreError> {
    let found = files(journal.as_ref())?;
    let survey = survey(journal.as_ref(), &found, Some(network))?;
    let Read { replayed, index, index_start, records } = read(dir, journal.as_ref(), &survey, network, progress)?;
    progress.at("making the journal durable");
    let recovered = Recovered {
        records,
        last_record: replayed.last,
        channels: replayed.state.channels.len(),
        in_flight: replayed.state.in_flight.len(),
        torn: replayed.torn.clone(),
        removed: survey.superseded.len() + found.unfinished.len(),
        index: index_start,
    };
    remove_aside(dir)?;
    let log = Log::resume(journal, *network, &replayed, &survey, &found.unfinished)?;
    Ok(Started { log, index, state: replayed.state, recovered })
}

/// Checks whether a start would accept this journal. Nothing in the journal is changed.
pub(crate) fn is_sound(dir: &Path, journal: &dyn Journal, network: &NetworkId) -> Result<(), StoreError> {
    let survey = survey(journal, &files(journal)?, Some(network))?;
    read(dir, journal, &survey, network, &Progress::default()).map(drop)
}

struct Read {
    replayed: Replayed,
    index: Index,
    index_start: IndexStart,
    records: u64,
}

/// Reads the journal into memory, and adds to the index what it lacks. This writes nothing to the journal.
fn read(
    dir: &Path,
    journal: &dyn Journal,
    survey: &Survey,
    network: &NetworkId,
    progress: &Progress,
) -> Result<Read, StoreError> {
    progress.at("opening the index");
    let first = survey.segments.first().map_or(1, |segment| segment.header.first);
    let unfit = match open_index(dir, first)? {
        Ok((mut index, applied)) => {
            progress.at("reading the journal and bringing the index up to date");
            let mut feed = Feed::new(&mut index, applied, survey);
            let replayed = replay(journal, &survey.segments, |sequence, record, bytes| {
                feed.take(sequence, record, bytes);
                progress.moved();
                Ok(())
            })?;
            let (fed, records, added) = feed.finish();
            verify_end(&replayed, network)?;
            let unfit = match fed {
                Err(error) => Some(error.to_string()),
                Ok(()) => disagreement(&index, applied, &replayed)?,
            };
            match unfit {
                None => {
                    let index_start = if applied == 0 {
                        IndexStart::Built { why: "there was none".to_owned() }
                    } else {
                        IndexStart::CaughtUp { records: added }
                    };
                    return Ok(Read { replayed, index, index_start, records });
                }
                Some(why) => why,
            }
        }
        Err(why) => why,
    };
    // The old index is removed before the new one is made, so that it does not keep the disk full. Nobody needs the old
    // one to repair the journal: a damaged journal would have ended the start above.
    progress.at("removing the old index");
    replay(journal, &survey.segments, |_, _, _| {
        progress.moved();
        Ok(())
    })?;
    remove_index(dir)?;
    progress.at("building the index again from the journal");
    let mut index = Index::open(&index_dir(dir))?;
    let mut feed = Feed::new(&mut index, 0, survey);
    let replayed = replay(journal, &survey.segments, |sequence, record, bytes| {
        feed.take(sequence, record, bytes);
        progress.moved();
        Ok(())
    })?;
    let (fed, records, _) = feed.finish();
    fed?;
    verify_end(&replayed, network)?;
    if let Some(still) = disagreement(&index, 0, &replayed)? {
        return Err(StoreError::Index { doing: "building it again", message: still });
    }
    Ok(Read { replayed, index, index_start: IndexStart::Built { why: unfit }, records })
}

/// Gives records to the index in chunks, and remembers the first failure. The journal is read to its end even after a
/// failure.
struct Feed<'a> {
    index: &'a mut Index,
    applied: u64,
    /// The first record after the checkpoint. The index keeps its frame and those after it.
    log_starts: u64,
    waiting: Updates,
    seen: u64,
    added: u64,
    ended: Result<(), IndexError>,
}

impl<'a> Feed<'a> {
    fn new(index: &'a mut Index, applied: u64, survey: &Survey) -> Self {
        let log = survey.segments.iter().find(|segment| segment.header.kind == SegmentKind::Log);
        Feed {
            index,
            applied,
            log_starts: log.map_or(u64::MAX, |segment| segment.header.first),
            waiting: Updates::default(),
            seen: 0,
            added: 0,
            ended: Ok(()),
        }
    }

    fn take(&mut self, sequence: u64, record: &Record, bytes: &[u8]) {
        self.seen += 1;
        if sequence <= self.applied {
            return;
        }
        self.added += 1;
        self.waiting.add(sequence, record);
        if sequence >= self.log_starts {
            let mut frame = Vec::new();
            write_frame(&mut frame, sequence, 0, bytes);
            self.waiting.add_frames(sequence, &frame);
        }
        if self.waiting.records() >= CATCH_UP_CHUNK {
            self.pass_on();
        }
    }

    fn pass_on(&mut self) {
        if self.ended.is_ok() {
            self.ended = self.index.apply(&self.waiting);
        }
        self.waiting = Updates::default();
    }

    /// Returns the result, how many records were read, and how many of them were new to the index.
    fn finish(mut self) -> (Result<(), IndexError>, u64, u64) {
        self.pass_on();
        (self.ended, self.seen, self.added)
    }
}

/// Opens the index and returns its last record's number, or why it has to be built again.
fn open_index(dir: &Path, first: u64) -> Result<Result<(Index, u64), String>, StoreError> {
    let path = index_dir(dir);
    // Where the disk does not answer, the index is not trusted. It can be built again.
    if suspect_mark(dir).try_exists().unwrap_or(true) {
        return Ok(Err("the process before this one found it failing".to_owned()));
    }
    if let Some(name) = torn_snapshot(&path)? {
        return Ok(Err(format!("a crash left the unfinished snapshot {name} in it")));
    }
    let opened = Index::open(&path).and_then(|index| index.applied().map(|applied| (index, applied)));
    Ok(match opened {
        Err(error) => Err(error.to_string()),
        Ok((index, _)) if !index.is_of_this_version()? => Err("an earlier version wrote it".to_owned()),
        Ok((_, applied)) if applied > 0 && applied.saturating_add(1) < first => {
            Err(format!("it is at record {applied}, and the journal begins with record {first}"))
        }
        Ok(opened) => Ok(opened),
    })
}

/// The name of a snapshot that sled was writing when it was killed. With such a file sled may not open its database.
fn torn_snapshot(path: &Path) -> Result<Option<String>, StoreError> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io("listing the index in", path, &error)),
        Ok(entries) => entries,
    };
    for entry in entries {
        let entry = entry.map_err(|error| StoreError::io("listing the index in", path, &error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".generating") {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// Where a repair puts the old index while it reads it.
fn aside_dir(dir: &Path) -> PathBuf {
    dir.join("db.aside")
}

/// Moves the index to a place that only a repair reads, and returns that place. If an interrupted repair has put one
/// there before, that one stays, since it knows the damaged journal.
pub(crate) fn move_aside(dir: &Path) -> Result<PathBuf, StoreError> {
    let (path, aside) = (index_dir(dir), aside_dir(dir));
    let exists = |path: &Path| path.try_exists().map_err(|error| StoreError::io("looking for the index", path, &error));
    if exists(&aside)? {
        remove_directory(&path)?;
    } else if exists(&path)? {
        fs::rename(&path, &aside).map_err(|error| StoreError::io("moving aside the index", &path, &error))?;
    }
    remove_mark(dir)?;
    Ok(aside)
}

/// Removes the index that a repair put aside.
pub(crate) fn remove_aside(dir: &Path) -> Result<(), StoreError> {
    remove_directory(&aside_dir(dir))
}

/// Removes the index, and the old one that a repair put aside.
fn remove_index(dir: &Path) -> Result<(), StoreError> {
    remove_directory(&index_dir(dir))?;
    remove_aside(dir)?;
    remove_mark(dir)
}

fn remove_directory(path: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StoreError::io("removing the old index", path, &error))
        }
        _ => Ok(()),
    }
}

fn remove_mark(dir: &Path) -> Result<(), StoreError> {
    let mark = suspect_mark(dir);
    match fs::remove_file(&mark) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StoreError::io("removing the mark", &mark, &error))
        }
        _ => Ok(()),
    }
}

fn verify_end(replayed: &Replayed, network: &NetworkId) -> Result<(), StoreError> {
    let (segment, offset) = end_of(replayed);
    verify_claims(&replayed.state, network, &segment, offset)
}

fn end_of(replayed: &Replayed) -> (String, u64) {
    replayed.end.as_ref().map_or_else(|| ("(none)".to_owned(), 0), |(segment, offset)| (segment.name.clone(), *offset))
}

/// Compares the index with the journal. `applied` is the index's last record before the start added any.
///
/// An index that has seen more than the journal holds shows that the journal is damaged. Any other difference (`Some`)
/// shows that the index is.
fn disagreement(index: &Index, applied: u64, replayed: &Replayed) -> Result<Option<String>, StoreError> {
    if applied > replayed.last {
        let (segment, offset) = end_of(replayed);
        return Err(StoreError::damaged(
            &segment,
            offset,
            DamageKind::BehindIndex { journal: replayed.last, index: applied },
        ));
    }
    let seen = match index.last_requests() {
        Ok(seen) => seen,
        Err(error) => return Ok(Some(error.to_string())),
    };
    let held: HashMap<_, _> = replayed
        .state
        .channels
        .values()
        .filter(|channel| channel.held.accepted > 0)
        .map(|channel| {
            let held = &channel.held;
            (held.channel(), (held.accepted, held.highest_amount()))
        })
        .collect();
    Ok((seen != held).then(|| "its last requests are not the journal's".to_owned()))
}
