//! Opens a store: starts its committer, and waits for it when the last clone of the store is dropped.

use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, RwLock};

use paychan_channel::NetworkId;
use tracing::warn;

use super::{LONGEST_QUEUE, Store};
use crate::committer::{Committer, Request, Unindexed, WatchedIndex};
use crate::gate::TakesNothing;
use crate::health::{Board, Ending};
use crate::journal::disk::{self, FileJournal};
use crate::lock::{self, Lock};
use crate::monitor::{self, SpaceMonitor};
use crate::release::{self, Released};
use crate::shared::{Counters, Shared};
use crate::start::{self, Started};
use crate::state::State;
use crate::{Gate, Journal, Options, Recovered, StoreError};

/// Waits for the committer when the last store is dropped.
pub(super) struct CommitterThread {
    pub(super) thread: Option<std::thread::Thread>,
    board: Arc<Board>,
    pub(super) released: Released,
}

impl Drop for CommitterThread {
    fn drop(&mut self) {
        // If the gate holds a store, the committer itself drops it here, and must not wait for itself.
        let on_its_own = self.thread.as_ref().is_some_and(|thread| thread.id() == std::thread::current().id());
        if self.thread.is_some() && !on_its_own && !self.board.is_given_up() && !self.released.wait(release::PATIENCE) {
            warn!("the store's index did not close in time; nothing is lost by that");
        }
    }
}

/// A store and its committer, which does not run yet.
struct Begun {
    store: Store,
    committer: Committer,
    waiting: Receiver<Request>,
    recovered: Recovered,
}

/// Serves a store's requests in the caller's thread ([`Store::open_driven`]). When it is dropped, the store takes no more
/// requests.
pub struct Driven {
    /// `None` once the store has ended.
    committer: Option<Committer>,
    waiting: Receiver<Request>,
}

impl Driven {
    /// Serves all requests that wait, in one batch as the committer's thread does. Returns whether there were any.
    pub fn serve(&mut self) -> bool {
        let Some(committer) = &mut self.committer else { return false };
        let first = self.waiting.try_recv().ok();
        let any = first.is_some();
        let served = committer.serve_batch(first, &self.waiting);
        if !matches!(served, Ok(false))
            && let Some(committer) = self.committer.take()
        {
            committer.end(served.map(|_| ()));
        }
        any
    }
}

impl Drop for Driven {
    fn drop(&mut self) {
        if let Some(committer) = self.committer.take() {
            committer.end(Ok(()));
        }
    }
}

impl Store {
    /// Opens the store in `dir`, or makes a new one, durably. When this returns, all that was read from the journal is
    /// durable, and the signature of each channel's highest commitment has been verified again.
    ///
    /// The store asks `gate` about every new commitment and charge.
    ///
    /// # Errors
    /// [`StoreError::HeldByAnotherProcess`], [`StoreError::WrongNetwork`], [`StoreError::NewerVersion`],
    /// [`StoreError::Damaged`]: nothing in the journal was changed. [`StoreError::Io`], [`StoreError::Index`]: the disk or
    /// sled failed; nothing was lost.
    pub fn open(
        dir: &Path,
        network: &NetworkId,
        options: Options,
        gate: Arc<dyn Gate>,
    ) -> Result<(Store, Recovered), StoreError> {
        options.progress.at("creating the directory");
        disk::create_directory(dir)?;
        let lock = lock::lock(dir)?;
        let journal = FileJournal::open(&dir.join("journal"))?;
        Self::begin(dir, lock, Box::new(journal), network, options, gate)
    }

    /// Opens the store as [`Store::open`] does, for the operator's own commands: it takes no commitments and no
    /// charges. To read only, use [`crate::read_only`], which opens no store.
    ///
    /// # Errors
    /// Those of [`Store::open`].
    pub fn open_for_operator(
        dir: &Path,
        network: &NetworkId,
        options: Options,
    ) -> Result<(Store, Recovered), StoreError> {
        Self::open(dir, network, options, Arc::new(TakesNothing))
    }

    /// Opens the store as [`Store::open`] does, on another journal, for tests and the simulator. The lock and the index
    /// are in `dir`.
    ///
    /// # Errors
    /// Those of [`Store::open`].
    pub fn open_on(
        dir: &Path,
        journal: Box<dyn Journal>,
        network: &NetworkId,
        options: Options,
        gate: Arc<dyn Gate>,
    ) -> Result<(Store, Recovered), StoreError> {
        disk::create_directory(dir)?;
        let lock = lock::lock(dir)?;
        Self::begin(dir, lock, journal, network, options, gate)
    }

    /// Opens the store as [`Store::open_on`] does, without a thread: its requests are served when [`Driven::serve`] is called. The
    /// simulator decides with it what happens between a request and its record.
    ///
    /// # Errors
    /// Those of [`Store::open`].
    pub fn open_driven(
        dir: &Path,
        journal: Box<dyn Journal>,
        network: &NetworkId,
        options: Options,
        gate: Arc<dyn Gate>,
    ) -> Result<(Store, Driven, Recovered), StoreError> {
        disk::create_directory(dir)?;
        let lock = lock::lock(dir)?;
        let Begun { store, committer, waiting, recovered } = Self::make(dir, lock, journal, network, options, gate)?;
        Ok((store, Driven { committer: Some(committer), waiting }, recovered))
    }

    fn begin(
        dir: &Path,
        lock: Lock,
        journal: Box<dyn Journal>,
        network: &NetworkId,
        options: Options,
        gate: Arc<dyn Gate>,
    ) -> Result<(Store, Recovered), StoreError> {
        let Begun { mut store, committer, waiting, recovered } =
            Self::make(dir, lock, journal, network, options, gate)?;
        let ended = Arc::clone(&store.shared.board);
        let released = store.thread.released.clone();
        let thread = std::thread::Builder::new()
            .name("committer".to_owned())
            .spawn(move || {
                let run = AssertUnwindSafe(|| committer.run(&waiting));
                if catch_unwind(run).is_err() {
                    ended.end(Ending::Failed(StoreError::Failed("the committer panicked".into())));
                }
                // The ending is noted now, so each of the waiting requests learns why.
                drop(waiting);
            })
            .map_err(|error| StoreError::io("starting the threads for", dir, &error))?;
        let board = Arc::clone(&store.shared.board);
        store.thread = Arc::new(CommitterThread { thread: Some(thread.thread().clone()), board, released });
        Ok((store, recovered))
    }

    /// Makes a store and its committer, which does not run yet.
    fn make(
        dir: &Path,
        lock: Lock,
        journal: Box<dyn Journal>,
        network: &NetworkId,
        options: Options,
        gate: Arc<dyn Gate>,
    ) -> Result<Begun, StoreError> {
        let board = Arc::new(Board::new(options.stalled_after));
        let space = SpaceMonitor::new(&board, dir, &options);
        // On a full disk, removing the reserve may make enough room for a start.
        space.look(&board);
        let started = start::start(dir, journal, network, &options.progress);
        let Started { log, index, state, recovered } =
            started.map_err(|error| error.explained(dir, options.free_space_mark))?;
        let shared = Arc::new(Shared {
            state: RwLock::new(state.clone()),
            counters: Counters::default(),
            board: Arc::clone(&board),
        });
        let (requests, waiting) = sync_channel(LONGEST_QUEUE);
        let (clock, released) = (Arc::clone(&options.clock), Released::default());
        let give_up_after = options.give_up_after;
        let committer = Committer {
            log,
            index: WatchedIndex { index: ManuallyDrop::new(index), suspect_mark: start::suspect_mark(dir) },
            unindexed: Unindexed::default(),
            state,
            shared: Arc::clone(&shared),
            gate,
            options,
            dir: dir.to_path_buf(),
            lock,
            released: released.clone(),
            sweep: None,
        };
        let starting = |error: std::io::Error| StoreError::io("starting the threads for", dir, &error);
        let judged = Arc::downgrade(&board);
        let judge = move || monitor::judge(&judged, give_up_after);
        std::thread::Builder::new().name("store-monitor".to_owned()).spawn(judge).map_err(starting)?;
        std::thread::Builder::new().name("store-space".to_owned()).spawn(move || space.run()).map_err(starting)?;
        let thread = Arc::new(CommitterThread { thread: None, board, released });
        Ok(Begun { store: Store { shared, requests, clock, thread }, committer, waiting, recovered })
    }

    /// A store without a committer, made of what could be read: it takes nothing and settles.
    pub(crate) fn without_committer(state: State, why: &StoreError, options: &Options) -> Store {
        let board = Arc::new(Board::new(options.stalled_after));
        let why = match why {
            StoreError::Failed(why) => Arc::clone(why),
            other => other.to_string().into(),
        };
        board.end(Ending::Failed(StoreError::Failed(why)));
        let thread = CommitterThread { thread: None, board: Arc::clone(&board), released: Released::default() };
        let shared = Arc::new(Shared { state: RwLock::new(state), counters: Counters::default(), board });
        let (requests, _) = sync_channel(1);
        Store { shared, requests, clock: Arc::clone(&options.clock), thread: Arc::new(thread) }
    }
}
