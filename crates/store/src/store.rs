//! The store's handle: what callers ask, and how the committer behind it starts and ends.

use std::fmt;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use paychan_channel::{AccountId, Amount, ContractId, NetworkId};
use tokio::sync::{oneshot, watch};
use tracing::warn;

use crate::committer::{Committer, Request, WatchedIndex};
use crate::gate::TakesNothing;
use crate::health::{Board, Ending, Health};
use crate::journal::disk::{self, FileJournal};
use crate::journal::record::Record;
use crate::lock::{self, Lock};
use crate::monitor::{self, SpaceMonitor};
use crate::progress::Progress;
use crate::release::{self, Released};
use crate::shared::{Counters, Counts, Shared};
use crate::start::{self, Started};
use crate::state::State;
use crate::{
    AcceptError, Accepted, Admission, AdmitAnswer, Charge, ChargeError, Charged, Claim, CloseError, Credit,
    CreditError, Credited, Decided, DropError, Gate, Held, Journal, Offer, Options, Outcome, Recovered,
    SignedTransaction, StoreError, WallClock,
};

/// Requests that may wait for the committer. Beyond it callers are refused at once ([`StoreError::Busy`]): a queue that
/// is longer than the committer serves in about a second helps nobody.
const LONGEST_QUEUE: usize = 16_384;

/// The store, open. Cheap to clone. Its committer ends after [`Store::shutdown`], or with the last clone: dropping that
/// one waits until what was asked is served and the disk is let go of.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    // Dropped before `thread`, which waits for the committer to see that no caller is left.
    requests: SyncSender<Request>,
    clock: Arc<dyn WallClock>,
    thread: Arc<CommitterThread>,
}

/// Waits for the committer when the last store is dropped.
struct CommitterThread {
    thread: Option<std::thread::Thread>,
    board: Arc<Board>,
    released: Released,
}

impl Drop for CommitterThread {
    fn drop(&mut self) {
        // A gate that holds a store is dropped by the committer itself.
        let on_its_own = self.thread.as_ref().is_some_and(|thread| thread.id() == std::thread::current().id());
        if self.thread.is_some() && !on_its_own && !self.board.is_given_up() && !self.released.wait(release::PATIENCE) {
            warn!("the store's index did not close in time; nothing is lost by that");
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("health", &self.health()).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store in `dir`, or makes a new one, durably. What is read from the journal is durable when this returns,
    /// and the signature of each channel's highest commitment has been verified again.
    ///
    /// `gate` is asked for every new commitment and charge.
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
        Self::open_telling(dir, network, options, gate, &Progress::default())
    }

    pub(crate) fn open_telling(
        dir: &Path,
        network: &NetworkId,
        options: Options,
        gate: Arc<dyn Gate>,
        progress: &Progress,
    ) -> Result<(Store, Recovered), StoreError> {
        progress.at("creating the directory");
        disk::create_directory(dir)?;
        let lock = lock::lock(dir)?;
        let journal = FileJournal::open(&dir.join("journal"))?;
        Self::begin(dir, lock, Box::new(journal), network, options, gate, progress)
    }

    /// As [`Store::open`], for the operator's own commands: it takes no commitments and no charges. Who only wants to read
    /// needs no store at all: [`crate::read_only`].
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_for_operator(
        dir: &Path,
        network: &NetworkId,
        options: Options,
    ) -> Result<(Store, Recovered), StoreError> {
        Self::open(dir, network, options, Arc::new(TakesNothing))
    }

    /// As [`Store::open`], on another journal: the seam for tests and the simulator. Lock and index are in `dir`.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_on(
        dir: &Path,
        journal: Box<dyn Journal>,
        network: &NetworkId,
        options: Options,
        gate: Arc<dyn Gate>,
    ) -> Result<(Store, Recovered), StoreError> {
        disk::create_directory(dir)?;
        let lock = lock::lock(dir)?;
        Self::begin(dir, lock, journal, network, options, gate, &Progress::default())
    }

    fn begin(
        dir: &Path,
        lock: Lock,
        journal: Box<dyn Journal>,
        network: &NetworkId,
        options: Options,
        gate: Arc<dyn Gate>,
        progress: &Progress,
    ) -> Result<(Store, Recovered), StoreError> {
        let board = Arc::new(Board::new(options.stalled_after));
        let space = SpaceMonitor::new(&board, dir, &options);
        // A disk that is full may have room for what a start needs once the reserve is given up.
        space.look(&board);
        let started = start::start(dir, journal, network, progress);
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
        let ended = Arc::clone(&board);
        let thread = std::thread::Builder::new()
            .name("committer".to_owned())
            .spawn(move || {
                let run = AssertUnwindSafe(|| committer.run(&waiting));
                if catch_unwind(run).is_err() {
                    ended.end(Ending::Failed(StoreError::Failed("the committer panicked".into())));
                }
                // By now everybody can know how it ended, so each of the waiting requests learns why.
                drop(waiting);
            })
            .map_err(starting)?;
        let store = Store {
            shared,
            requests,
            clock,
            thread: Arc::new(CommitterThread { thread: Some(thread.thread().clone()), board, released }),
        };
        Ok((store, recovered))
    }

    /// A store without a committer, of what could be read: it takes nothing and settles.
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

    /// How the store is now. Never waits.
    pub fn health(&self) -> Health {
        self.shared.board.health()
    }

    /// Tells each change of [`Store::health`], within a second of it.
    pub fn watch_health(&self) -> watch::Receiver<Health> {
        self.shared.board.watch()
    }

    /// What is held of a channel. All of it is on disk.
    pub fn held(&self, channel: &ContractId) -> Option<Held> {
        self.state().channels.get(channel).map(|channel| channel.held.clone())
    }

    /// What is held of all channels, in no order. All of it is on disk.
    pub fn all_held(&self) -> Vec<Held> {
        self.state().channels.values().map(|channel| channel.held.clone()).collect()
    }

    /// Signed transactions without an outcome, in the order in which they were signed. All of them are on disk.
    pub fn in_flight(&self) -> Vec<SignedTransaction> {
        self.state().in_flight.clone()
    }

    /// The last outcomes of a channel's transactions, newest first, at most `last` and at most eight. All of them are on
    /// disk.
    pub fn outcomes(&self, channel: &ContractId, last: usize) -> Vec<Decided> {
        self.state()
            .outcomes
            .get(channel)
            .map(|kept| kept.iter().rev().take(last).cloned().collect())
            .unwrap_or_default()
    }

    /// What the committer has done since the start.
    pub fn counts(&self) -> Counts {
        let counters = &self.shared.counters;
        Counts {
            syncs: counters.syncs.load(Relaxed),
            records: counters.records.load(Relaxed),
            largest_batch: counters.largest_batch.load(Relaxed),
        }
    }

    /// Admits a channel. On disk when this returns.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Stopping`], [`StoreError::Failed`].
    pub async fn admit(&self, admission: Admission) -> Result<AdmitAnswer, StoreError> {
        self.has_room()?;
        self.ask(|reply| Request::Admit(Box::new(admission), reply)).await
    }

    /// Accepts a commitment whose signature the caller has verified. On disk when this returns: it is the channel's
    /// highest, or was when it was accepted ([`Accepted::replayed`]).
    ///
    /// # Errors
    /// [`AcceptError`] says what each kind leaves on disk.
    pub async fn accept(&self, offer: Offer) -> Result<Accepted, AcceptError> {
        self.has_room()?;
        self.ask(|reply| Request::Accept(offer, reply)).await
    }

    /// Takes a price once, and the commitment that came with it, both in one record. The caller has verified the
    /// commitment's signature. On disk when this returns.
    ///
    /// The same request id with the same price and commitment gets the same answer and takes nothing
    /// ([`Charged::replayed`]), as long as the id is remembered ([`Options::remembered_requests`]).
    ///
    /// # Errors
    /// [`ChargeError`]: nothing was taken. [`ChargeError::Insufficient`] says for which total a commitment is needed.
    pub async fn charge(&self, charge: Charge) -> Result<Charged, ChargeError> {
        self.has_room()?;
        self.ask(|reply| Request::Charge(charge, reply)).await
    }

    /// Gives a part of a charge back, once. On disk when this returns. The same credit again gets the same answer and
    /// gives nothing back ([`Credited::replayed`]).
    ///
    /// # Errors
    /// [`CreditError`]: nothing was given back.
    pub async fn credit(&self, credit: Credit) -> Result<Credited, CreditError> {
        self.ask(|reply| Request::Credit(credit, reply)).await
    }

    /// Refuses all later commitments and charges of a channel, for good, and gives what a close may carry: the highest
    /// commitment, or the one that was agreed ([`Store::fence_for_close`]). On disk when this returns; doing it again
    /// changes nothing.
    ///
    /// # Errors
    /// [`StoreError::UnknownChannel`]; [`StoreError::Busy`], [`StoreError::Stopping`]. [`StoreError::Failed`]: the store only
    /// settles and can't promise to refuse commitments after a new start, so the channel must be settled, not closed.
    pub async fn fence(&self, channel: ContractId) -> Result<Option<Claim>, StoreError> {
        // A fence that is on disk can be told by a store that only settles.
        if let Some(held) = self.held(&channel).filter(|held| held.fence.is_some()) {
            return Ok(held.claim());
        }
        self.ask(|reply| Request::Fence(channel, reply)).await
    }

    /// Refuses all later commitments and charges of a channel, for good, and has it end with `agreed`, whose signature the
    /// caller has verified. It may be below the highest commitment: what the payer has not spent is then not claimed. From
    /// now on this is [`Held::claim`], for a close and for every settlement. On disk when this returns; doing it again
    /// changes nothing.
    ///
    /// `withdrawn` is what the chain has paid. The agreed amount must be at least that and at least what is spent. Base
    /// units.
    ///
    /// # Errors
    /// [`CloseError`]: nothing was written.
    pub async fn fence_for_close(
        &self,
        channel: ContractId,
        agreed: Claim,
        withdrawn: Amount,
    ) -> Result<Claim, CloseError> {
        self.ask(|reply| Request::FenceForClose { channel, agreed, withdrawn, reply }).await
    }

    /// Forgets a channel on which nothing is owed: the chain has paid (`withdrawn`, base units) all that is held, and no
    /// transaction is in flight. It may be admitted again; all that the chain has paid counts as spent then, so what its
    /// payer had not spent is gone.
    ///
    /// # Errors
    /// [`DropError`]: nothing was written.
    pub async fn drop_channel(&self, channel: ContractId, withdrawn: Amount) -> Result<(), DropError> {
        self.ask(|reply| Request::Drop { channel, withdrawn, reply }).await
    }

    /// Asks the committer for a sign of life. Nothing is written. Returns once all that was asked before is on disk.
    ///
    /// # Errors
    /// [`StoreError::Busy`]: it has much to do. [`StoreError::Stopping`], [`StoreError::Failed`]: it has ended.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.ask(Request::Ping).await
    }

    /// Writes down a signed transaction. Only once this returned may its bytes go to the network. Doing it again changes
    /// nothing.
    ///
    /// When the store only settles ([`Health::SettleOnly`]) it is kept in memory: after a new start nobody knows of it, and
    /// settling twice is harmless.
    ///
    /// # Errors
    /// [`StoreError::AboveAgreed`]: the transaction must not be sent. [`StoreError::UnknownChannel`],
    /// [`StoreError::TooLarge`]; [`StoreError::Busy`], [`StoreError::Stopping`].
    pub async fn record_signed(&self, transaction: SignedTransaction) -> Result<(), StoreError> {
        let kept = transaction.clone();
        match self.ask(|reply| Request::Signed(Box::new(transaction), reply)).await {
            Err(StoreError::Failed(why)) => self.keep_signed(kept, &why),
            answer => answer,
        }
    }

    /// Writes down what became of a signed transaction. On disk when this returns, or in memory as with
    /// [`Store::record_signed`]; the transaction is no longer in flight.
    ///
    /// # Errors
    /// [`StoreError::UnknownTransaction`] when it was never signed or has an outcome; [`StoreError::Busy`],
    /// [`StoreError::Stopping`].
    pub async fn record_outcome(&self, hash: [u8; 32], outcome: Outcome) -> Result<(), StoreError> {
        let kept = outcome.clone();
        match self.ask(|reply| Request::Decided(hash, outcome, reply)).await {
            Err(StoreError::Failed(why)) => self.keep_outcome(hash, kept, &why),
            answer => answer,
        }
    }

    /// The committer is gone or given up, so the shared state is changed here. Nothing of it reaches the disk.
    fn keep_signed(&self, transaction: SignedTransaction, why: &str) -> Result<(), StoreError> {
        let mut state = self.shared.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.is_in_flight(&transaction.hash) {
            return Ok(());
        }
        let unknown = transaction.purpose.channels().iter().find(|channel| !state.channels.contains_key(channel));
        if let Some(unknown) = unknown {
            return Err(StoreError::UnknownChannel(*unknown));
        }
        state.may_pay(&transaction.purpose)?;
        warn!(why, hash = %hex::encode(transaction.hash), "a signed transaction is kept in memory only");
        // The checks above make a contradiction impossible.
        state.apply(&Record::Signed(transaction)).map_err(|why| StoreError::Failed(why.to_string().into()))
    }

    fn keep_outcome(&self, hash: [u8; 32], outcome: Outcome, why: &str) -> Result<(), StoreError> {
        let mut state = self.shared.state.write().unwrap_or_else(PoisonError::into_inner);
        if !state.is_in_flight(&hash) {
            return Err(StoreError::UnknownTransaction(hash));
        }
        warn!(why, hash = %hex::encode(hash), "an outcome is kept in memory only");
        let record = Record::Decided { hash, outcome: outcome.bounded(), decided_at_ms: self.clock.wall_unix_ms() };
        state.apply(&record).map_err(|why| StoreError::Failed(why.to_string().into()))
    }

    /// Writes down that the operator knows that the chain has paid `withdrawn` on this channel though no commitment for
    /// as much is held. On disk when this returns: [`Held::rollback_confirmed`] is at least this much from now on. Base
    /// units.
    ///
    /// # Errors
    /// [`StoreError::UnknownChannel`]; [`StoreError::Busy`], [`StoreError::Stopping`], [`StoreError::Failed`].
    pub async fn confirm_rollback(&self, channel: ContractId, withdrawn: Amount) -> Result<(), StoreError> {
        self.ask(|reply| Request::ConfirmRollback(channel, withdrawn, reply)).await
    }

    /// The highest sequence number that the lane is known to have used, or to have signed with; `None` when it never did.
    /// An account whose number on chain is higher was used by whoever had a newer copy of this store, or by somebody else
    /// who has its key.
    pub fn last_sequence(&self, lane: &AccountId) -> Option<i64> {
        self.state().lanes.get(lane).copied()
    }

    /// All lanes that have signed, with [`Store::last_sequence`], in no order.
    pub fn lanes(&self) -> Vec<(AccountId, i64)> {
        self.state().lanes.iter().map(|(lane, sequence)| (*lane, *sequence)).collect()
    }

    /// Writes down that the lane's account has used this sequence number: the operator knows how, or it was seen while the
    /// watcher ran. On disk when this returns. A lower number than is known changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Stopping`], [`StoreError::Failed`].
    pub async fn lane_used(&self, lane: AccountId, sequence: i64) -> Result<(), StoreError> {
        self.ask(|reply| Request::LaneUsed(lane, sequence, reply)).await
    }

    /// Waits until the store only settles ([`Health::SettleOnly`]), and says why. Never returns when the store is shut down.
    pub async fn failed(&self) -> StoreError {
        match self.ended().await {
            Ending::Failed(error) => error,
            Ending::Running | Ending::Stopped => std::future::pending().await,
        }
    }

    /// Serves all that waits, then lets go of the disk: when this returns another process may open the store. Later
    /// requests of any clone get [`StoreError::Stopping`]. A disk that does not answer is waited for a few seconds only.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when the disk failed, before or meanwhile. All that was acknowledged is on disk even then.
    pub async fn shutdown(self) -> Result<(), StoreError> {
        // Waits for room in the queue and for the disk, so not on the caller's thread. When it can't be sent, or the runtime
        // is going down, the committer ends by itself: it did already, or does with the last clone.
        let (requests, board) = (self.requests.clone(), Arc::clone(&self.shared.board));
        let released = self.thread.thread.as_ref().map(|_| self.thread.released.clone());
        let waited = tokio::task::spawn_blocking(move || {
            if !board.has_ended() {
                let _ = requests.send(Request::Stop);
            }
        });
        let _ = waited.await;
        let ended = self.ended().await;
        if let Some(released) = released.filter(|_| !self.shared.board.is_given_up()) {
            let let_go = tokio::task::spawn_blocking(move || released.wait(release::PATIENCE)).await;
            if !matches!(let_go, Ok(true)) {
                warn!("the store's index did not close in time; nothing is lost by that");
            }
        }
        match ended {
            Ending::Failed(error) => Err(error),
            Ending::Running | Ending::Stopped => Ok(()),
        }
    }

    /// What is taken needs room; what settling needs is written as long as it can be.
    fn has_room(&self) -> Result<(), StoreError> {
        self.shared.board.space_low().map_or(Ok(()), |space| Err(StoreError::SpaceLow(Box::new(space))))
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        // The committer replaces whole values under this lock and can't leave half of one.
        self.shared.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ended(&self) -> Ending {
        let mut ending = self.shared.board.ending();
        match ending.wait_for(|ending| !matches!(ending, Ending::Running)).await {
            Ok(ending) => ending.clone(),
            // The sender lives as long as this store.
            Err(_) => Ending::Stopped,
        }
    }

    async fn ask<T, E: From<StoreError>>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, E>>) -> Request,
    ) -> Result<T, E> {
        // Nothing is put into the queue of a committer that hangs, or the queue would fill up.
        if self.shared.board.has_ended() {
            return Err(E::from(self.why_ended().await));
        }
        let (reply, answer) = oneshot::channel();
        match self.requests.try_send(request(reply)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                return Err(E::from(StoreError::Busy { waiting: LONGEST_QUEUE }));
            }
            Err(TrySendError::Disconnected(_)) => return Err(E::from(self.why_ended().await)),
        }
        // Whatever the committer is at, the end of the store is told at once: nobody waits for a disk that does not answer.
        tokio::select! {
            biased;
            answer = answer => match answer {
                Ok(answer) => answer,
                Err(_) => Err(E::from(self.why_ended().await)),
            },
            error = self.why_ended() => Err(E::from(error)),
        }
    }

    async fn why_ended(&self) -> StoreError {
        match self.ended().await {
            Ending::Failed(error) => error,
            Ending::Running | Ending::Stopped => StoreError::Stopping,
        }
    }
}
