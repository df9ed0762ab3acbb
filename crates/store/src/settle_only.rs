//! Opens a store in any state: one that can't be written, or not be read whole, can still settle.

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use paychan_channel::{Amount, ContractId, NetworkId};

use crate::index::Witness;
use crate::journal::disk::FileJournal;
use crate::journal::read::{TornEnd, replay, verify_claims};
use crate::journal::salvage::{Gap, Sources, salvage};
use crate::journal::segments::{files, survey};
use crate::repair::{badly_signed, uncertain};
use crate::snapshot::{ATTEMPTS, read_only, shown};
use crate::state::State;
use crate::{Decided, Gate, Held, Options, Recovered, SignedTransaction, Store, StoreError};

/// How a store was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// The store takes requests and settles.
    Whole(Recovered),
    /// The store only settles ([`crate::Health::SettleOnly`]).
    SettleOnly(SettleOnly),
}

/// Why a store only settles, and what of it could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettleOnly {
    /// Why the store did not open.
    pub why: StoreError,
    /// Channels that can be settled.
    pub channels: usize,
    /// Where the journal could not be read. Empty when all of it could.
    pub gaps: Vec<Gap>,
    /// Channels whose highest commitment may be missing, with the highest that was read. Base units.
    pub uncertain: Vec<(ContractId, Amount)>,
}

impl fmt::Display for SettleOnly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store takes nothing and settles {} channels: {}", self.channels, self.why)?;
        if !self.gaps.is_empty() {
            write!(
                f,
                ". The journal could not be read in {} places, and the highest commitment of {} channels may be missing",
                self.gaps.len(),
                self.uncertain.len()
            )?;
        }
        Ok(())
    }
}

impl Store {
    /// Opens the store as [`Store::open`] does; if that fails, or makes no progress for [`Options::start_patience`],
    /// this reads what there is into memory, so that it can be settled. Such a store takes nothing: every request but those
    /// of settling gets [`StoreError::Failed`]. Nothing on disk is changed then.
    ///
    /// # Errors
    /// [`StoreError::HeldByAnotherProcess`], [`StoreError::WrongNetwork`], [`StoreError::NewerVersion`]; any error of
    /// [`Store::open`] when there is no journal that can be read.
    pub fn open_or_settle(
        dir: &Path,
        network: &NetworkId,
        options: Options,
        gate: Arc<dyn Gate>,
    ) -> Result<(Store, Opened), StoreError> {
        let (tell, opened) = channel();
        let start = {
            let (dir, network, options) = (dir.to_path_buf(), *network, options.clone());
            move || {
                // If nobody waits any more, the failed send drops the store here.
                let _ = tell.send(Store::open(&dir, &network, options, gate));
            }
        };
        std::thread::Builder::new()
            .name("store-start".to_owned())
            .spawn(start)
            .map_err(|error| StoreError::io("starting the threads for", dir, &error))?;
        let why = match wait(&opened, &options) {
            Ok(Ok((store, recovered))) => return Ok((store, Opened::Whole(recovered))),
            Ok(Err(error)) => error,
            Err(Unopened::Panicked) => StoreError::Failed("the start panicked".into()),
            Err(Unopened::Hangs { seconds }) => {
                StoreError::StartHangs { dir: dir.to_path_buf(), waiting_for: options.progress.what(), seconds }
            }
        };
        options.progress.at("reading the journal once more, to settle what it holds");
        settle(dir, network, &options, why)
    }
}

/// Why a start has opened no store.
enum Unopened {
    /// Its thread panicked.
    Panicked,
    /// It made no progress for too long, or took too long altogether.
    Hangs {
        /// How long the caller has waited.
        seconds: u64,
    },
}

/// The time between two looks at the progress of the start.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Waits for the start while it makes progress, but no longer than [`Options::longest_start`].
fn wait<T>(opened: &Receiver<T>, options: &Options) -> Result<T, Unopened> {
    let (began, mut moved_at, mut steps) = (Instant::now(), Instant::now(), options.progress.steps());
    loop {
        match opened.recv_timeout(LOOK_EVERY) {
            Ok(opened) => return Ok(opened),
            Err(RecvTimeoutError::Disconnected) => return Err(Unopened::Panicked),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if std::mem::replace(&mut steps, options.progress.steps()) != steps {
            moved_at = Instant::now();
        }
        if moved_at.elapsed() >= options.start_patience || began.elapsed() >= options.longest_start {
            return Err(Unopened::Hangs { seconds: began.elapsed().as_secs() });
        }
    }
}

fn settle(dir: &Path, network: &NetworkId, options: &Options, why: StoreError) -> Result<(Store, Opened), StoreError> {
    if matches!(
        why,
        StoreError::HeldByAnotherProcess { .. } | StoreError::WrongNetwork { .. } | StoreError::NewerVersion { .. }
    ) {
        return Err(why);
    }
    let Ok(Read { state, gaps, uncertain }) = read(dir, network) else {
        return Err(why);
    };
    let store = Store::without_committer(state, &why, options);
    let channels = store.all_held().len();
    Ok((store, Opened::SettleOnly(SettleOnly { why, channels, gaps, uncertain })))
}

/// What could be read of a store, whole or damaged ([`read_what_is_left`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remains {
    /// All channels that could be read, by address. Every highest commitment's signature has been verified.
    pub channels: Vec<Held>,
    /// Signed transactions without an outcome, in the order in which they were signed.
    pub in_flight: Vec<SignedTransaction>,
    /// The last outcomes of each channel that has any, oldest first.
    pub outcomes: Vec<(ContractId, Vec<Decided>)>,
    /// Bytes at the end that are no record: the daemon writes them at this moment, or a crash tore them.
    pub torn: Option<TornEnd>,
    /// Why a start would refuse the journal; `None` when it is whole.
    pub damage: Option<StoreError>,
    /// Where the journal could not be read.
    pub gaps: Vec<Gap>,
    /// Channels whose highest commitment may be missing, with the highest that was read. Base units.
    pub uncertain: Vec<(ContractId, Amount)>,
}

/// Reads what can be read of the journal under `dir`, as [`Store::open_or_settle`] does with a damaged one. It writes
/// nothing and takes no lock, so it works while the daemon runs and while it is down.
///
/// # Errors
/// [`StoreError::WrongNetwork`], [`StoreError::NewerVersion`]; [`StoreError::Io`] when the journal can't be read at all (kind
/// `NotFound` when there is no store).
pub fn read_what_is_left(dir: &Path, network: &NetworkId) -> Result<Remains, StoreError> {
    let (torn, damage) = match read_only(dir) {
        Ok(snapshot) => (snapshot.torn, None),
        Err(error @ StoreError::Damaged(_)) => (None, Some(error)),
        Err(error) => return Err(error),
    };
    let mut attempt = 1;
    let Read { state, gaps, uncertain } = loop {
        match read(dir, network) {
            // The daemon wrote a checkpoint meanwhile and removed files.
            Err(StoreError::Io { kind: io::ErrorKind::NotFound, .. }) if attempt < ATTEMPTS => attempt += 1,
            read => break read?,
        }
    };
    let (channels, in_flight, outcomes) = shown(state);
    Ok(Remains { channels, in_flight, outcomes, torn, damage, gaps, uncertain })
}

struct Read {
    state: State,
    gaps: Vec<Gap>,
    uncertain: Vec<(ContractId, Amount)>,
}

/// Reads the journal into memory: all of it, or what is left of a damaged one. It does not read the index, since
/// opening that writes.
fn read(dir: &Path, network: &NetworkId) -> Result<Read, StoreError> {
    let journal = FileJournal::look_at(&dir.join("journal"));
    let found = files(&journal)?;
    let strictly = survey(&journal, &found, Some(network)).and_then(|survey| {
        let replayed = replay(&journal, &survey.segments, |_, _, _| Ok(()))?;
        verify_claims(&replayed.state, network, "", 0)?;
        Ok(replayed.state)
    });
    match strictly {
        Ok(state) => return Ok(Read { state, gaps: Vec::new(), uncertain: Vec::new() }),
        Err(StoreError::Damaged(_)) => {}
        Err(error) => return Err(error),
    }
    let (witness, nobody) = (Witness::default(), HashSet::new());
    let sources = Sources { journal: &journal, network, witness: &witness, suspects: &nobody };
    let mut salvaged = salvage(&found, &sources)?;
    let suspects = badly_signed(&salvaged, network);
    let sources = Sources { suspects: &suspects, ..sources };
    if !suspects.is_empty() {
        salvaged = salvage(&found, &sources)?;
    }
    let uncertain = uncertain(&salvaged, &suspects);
    Ok(Read { state: salvaged.state, gaps: salvaged.gaps, uncertain })
}
