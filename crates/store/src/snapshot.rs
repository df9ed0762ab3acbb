//! Reads a store without locking it, for `status`, whether the daemon is up or down.

use std::io;
use std::path::Path;

use paychan_channel::{ContractId, NetworkId};

use crate::journal::Journal;
use crate::journal::disk::FileJournal;
use crate::journal::read::{TornEnd, replay};
use crate::journal::segments::{files, survey};
use crate::state::State;
use crate::{Decided, Held, SignedTransaction, StoreError};

/// How often reading starts again when the daemon writes a checkpoint meanwhile and removes files.
pub(crate) const ATTEMPTS: u32 = 5;

/// The contents of the journal at some moment. While the daemon runs, the last records may be written and not yet
/// durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The journal's network; `None` in an empty journal.
    pub network: Option<NetworkId>,
    /// All channels, by address.
    pub channels: Vec<Held>,
    /// Signed transactions without an outcome, in the order in which they were signed.
    pub in_flight: Vec<SignedTransaction>,
    /// The last outcomes of each channel that has any, oldest first.
    pub outcomes: Vec<(ContractId, Vec<Decided>)>,
    /// The number of the last record; zero in an empty journal.
    pub last_record: u64,
    /// Bytes at the end that are no record: the daemon writes them at this moment, or a crash tore them.
    pub torn: Option<TornEnd>,
}

/// Reads the journal under `dir`. This writes nothing and takes no lock.
///
/// # Errors
/// [`StoreError::Damaged`] and [`StoreError::NewerVersion`] as at a start, [`StoreError::Io`] when the journal can't be
/// read (kind `NotFound` when there is no store).
pub fn read_only(dir: &Path) -> Result<Snapshot, StoreError> {
    let dir = dir.join("journal");
    let journal = FileJournal::look_at(&dir);
    // This is read first, so that the error names the directory.
    if let Err(error) = std::fs::read_dir(&dir) {
        return Err(StoreError::io("listing the journal in", &dir, &error));
    }
    let mut attempt = 1;
    loop {
        match look(&journal) {
            // The daemon wrote a checkpoint meanwhile, removed files and made others, so what was read belongs to no
            // one moment.
            Err(StoreError::Io { kind: io::ErrorKind::NotFound, .. } | StoreError::Damaged(_))
                if attempt < ATTEMPTS =>
            {
                attempt += 1
            }
            looked => return looked,
        }
    }
}

pub(crate) fn look(journal: &dyn Journal) -> Result<Snapshot, StoreError> {
    let survey = survey(journal, &files(journal)?, None)?;
    let replayed = replay(journal, &survey.segments, |_, _, _| Ok(()))?;
    let (channels, in_flight, outcomes) = shown(replayed.state);
    Ok(Snapshot {
        network: survey.segments.first().map(|segment| segment.header.network),
        channels,
        in_flight,
        outcomes,
        last_record: replayed.last,
        torn: replayed.torn,
    })
}

type Shown = (Vec<Held>, Vec<SignedTransaction>, Vec<(ContractId, Vec<Decided>)>);

/// The public part of a state: channels and outcomes by address, and transactions in flight.
pub(crate) fn shown(state: State) -> Shown {
    let mut channels: Vec<Held> = state.channels.into_values().map(|channel| channel.held).collect();
    channels.sort_by_key(Held::channel);
    let mut outcomes: Vec<_> = state.outcomes.into_iter().map(|(channel, kept)| (channel, Vec::from(kept))).collect();
    outcomes.sort_by_key(|(channel, _)| *channel);
    (channels, state.in_flight, outcomes)
}
