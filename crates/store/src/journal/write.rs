//! Writes the journal: records in batches, new segments, checkpoints.

use std::io;
use std::path::Path;

use paychan_channel::NetworkId;

use super::Journal;
use super::frame::{MAX_RECORD, SEGMENT_HEADER, SegmentHeader, SegmentKind, VERSION, write_frame};
use super::read::Replayed;
use super::record::Record;
use super::segments::{Survey, files, segment_name, unfinished_name};
use crate::StoreError;

/// How many bytes of a checkpoint are gathered before they are appended.
const CHECKPOINT_CHUNK: usize = 1 << 20;

/// The journal's end, where records are added.
pub(crate) struct Log {
    journal: Box<dyn Journal>,
    network: NetworkId,
    /// The number of the last record added.
    last: u64,
    /// Bytes of the last segment.
    segment_bytes: u64,
    /// Bytes of all segments after the last checkpoint.
    log_bytes: u64,
    /// Bytes of that checkpoint.
    checkpoint_bytes: u64,
    /// Frames of records that were added and not yet written.
    waiting: Vec<u8>,
    /// How many they are.
    waiting_records: u16,
    /// Frames that were written last.
    written: Vec<u8>,
}

impl Log {
    /// Continues at the end of a journal. When this returns, all records that were read are durable, and the leftovers
    /// of a crash are removed.
    pub(crate) fn resume(
        mut journal: Box<dyn Journal>,
        network: NetworkId,
        replayed: &Replayed,
        survey: &Survey,
        unfinished: &[String],
    ) -> Result<Self, StoreError> {
        let resumed = match &replayed.end {
            Some((segment, length)) if segment.header.kind == SegmentKind::Log => {
                // What was read may be only in the system's memory, if the process before this one was killed between
                // writing and syncing. Nobody may be told of it before it is durable.
                at(&segment.name, "syncing the journal segment", || {
                    journal.resume(&segment.name, *length)?;
                    journal.sync()?;
                    journal.sync_directory()
                })?;
                // Records of this format may not follow records of an earlier one in the same segment.
                (segment.header.version == VERSION).then_some(*length)
            }
            _ => None,
        };
        let mut log = Log {
            journal,
            network,
            last: replayed.last,
            segment_bytes: resumed.unwrap_or(0),
            log_bytes: replayed.log_bytes,
            checkpoint_bytes: replayed.checkpoint_bytes,
            waiting: Vec::new(),
            waiting_records: 0,
            written: Vec::new(),
        };
        // This comes before a new segment, which may take the name of an unfinished one.
        log.remove(unfinished)?;
        if resumed.is_none() {
            log.rotate()?;
        }
        // This comes after the names of the segments that supersede them are durable.
        log.remove(&survey.superseded)?;
        Ok(log)
    }

    /// A log whose next checkpoint supersedes everything in the journal. A repair writes it.
    pub(crate) fn superseding(journal: Box<dyn Journal>, network: NetworkId, last: u64) -> Self {
        Log {
            journal,
            network,
            last,
            segment_bytes: 0,
            log_bytes: 0,
            checkpoint_bytes: 0,
            waiting: Vec::new(),
            waiting_records: 0,
            written: Vec::new(),
        }
    }

    /// The number of the last record added.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Bytes of the segment that records are added to.
    pub(crate) fn segment_bytes(&self) -> u64 {
        self.segment_bytes
    }

    /// How many bytes the next checkpoint would replace, and how many bytes the last checkpoint has.
    pub(crate) fn since_checkpoint(&self) -> (u64, u64) {
        (self.log_bytes, self.checkpoint_bytes)
    }

    /// Adds a record and returns its number. The record is on disk once [`Log::commit`] has returned.
    pub(crate) fn add(&mut self, record: &Record) -> Result<u64, StoreError> {
        let bytes = record.encode();
        if bytes.len() > MAX_RECORD {
            return Err(StoreError::TooLarge { given: bytes.len(), limit: MAX_RECORD });
        }
        self.last += 1;
        write_frame(&mut self.waiting, self.last, self.waiting_records, &bytes);
        // An append never has so many records. If one had, its end would be taken for a later append: for damage, not for a
        // torn end.
        self.waiting_records = self.waiting_records.saturating_add(1);
        Ok(self.last)
    }

    /// Writes what was added and makes it durable, with one append and one sync. Returns the frames. After an error the
    /// journal must not be used.
    pub(crate) fn commit(&mut self) -> Result<&[u8], StoreError> {
        let name = Path::new("journal");
        self.journal.append(&self.waiting).map_err(|error| StoreError::io("appending to the", name, &error))?;
        self.journal.sync().map_err(|error| StoreError::io("syncing the", name, &error))?;
        self.segment_bytes += self.waiting.len() as u64;
        self.log_bytes += self.waiting.len() as u64;
        std::mem::swap(&mut self.waiting, &mut self.written);
        self.waiting.clear();
        self.waiting_records = 0;
        Ok(&self.written)
    }

    /// Starts a new segment. All earlier records are durable already.
    pub(crate) fn rotate(&mut self) -> Result<(), StoreError> {
        let first = self.last + 1;
        let header = self.begin(first, SegmentKind::Log)?;
        self.finish(first)?;
        self.segment_bytes = header;
        self.log_bytes += header;
        Ok(())
    }

    /// Writes a checkpoint of these records, which are the sum of all earlier ones, and then removes the earlier
    /// segments.
    ///
    /// A crash at any point leaves a readable journal: nothing reads the checkpoint before it has its name, and from
    /// then on it is whole and nothing reads the earlier segments.
    pub(crate) fn checkpoint(
        &mut self,
        records: impl Iterator<Item = Result<Record, StoreError>>,
    ) -> Result<(), StoreError> {
        let first = self.last + 1;
        let mut bytes = self.begin(first, SegmentKind::Checkpoint)?;
        self.add(&Record::CheckpointStarts)?;
        for record in records {
            self.add(&record?)?;
            if self.waiting.len() >= CHECKPOINT_CHUNK {
                bytes += self.append_waiting(first)?;
            }
        }
        self.add(&Record::CheckpointEnds { records: self.last + 2 - first })?;
        bytes += self.append_waiting(first)?;
        self.finish(first)?;
        self.checkpoint_bytes = bytes;
        self.log_bytes = 0;
        self.rotate()?;
        let superseded: Vec<String> =
            files(self.journal.as_ref())?.segments.range(..first).map(|(_, name)| name.clone()).collect();
        self.remove(&superseded)
    }

    fn append_waiting(&mut self, first: u64) -> Result<u64, StoreError> {
        let name = unfinished_name(first);
        at(&name, "appending to the journal segment", || self.journal.append(&self.waiting))?;
        let length = self.waiting.len() as u64;
        self.waiting.clear();
        self.waiting_records = 0;
        Ok(length)
    }

    /// Makes a segment under its unfinished name, and returns how many bytes its header has.
    fn begin(&mut self, first: u64, kind: SegmentKind) -> Result<u64, StoreError> {
        let name = unfinished_name(first);
        let header = SegmentHeader { version: VERSION, kind, network: self.network, first };
        at(&name, "making the journal segment", || {
            self.journal.create(&name)?;
            self.journal.append(&header.encode())
        })?;
        Ok(SEGMENT_HEADER as u64)
    }

    /// Gives the segment its name, once its bytes are durable, and makes the name durable before anything follows.
    fn finish(&mut self, first: u64) -> Result<(), StoreError> {
        let unfinished = unfinished_name(first);
        let name = segment_name(first);
        at(&name, "finishing the journal segment", || {
            self.journal.sync()?;
            self.journal.rename(&unfinished, &name)?;
            self.journal.sync_directory()
        })
    }

    /// Removes files. It does not matter whether a power cut undoes this, since nothing reads them.
    fn remove(&mut self, names: &[String]) -> Result<(), StoreError> {
        for name in names {
            at(name, "removing the superseded journal segment", || self.journal.remove(name))?;
        }
        Ok(())
    }
}

fn at(name: &str, doing: &'static str, work: impl FnOnce() -> io::Result<()>) -> Result<(), StoreError> {
    work().map_err(|error| StoreError::io(doing, Path::new(name), &error))
}
