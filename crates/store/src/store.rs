//! The store's handle: what callers ask, and how the committer behind it starts and ends.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::thread::JoinHandle;

use paychan_channel::{Amount, ContractId, NetworkId};
use tokio::sync::{oneshot, watch};

use crate::committer::{Committer, Request, WatchedIndex};
use crate::gate::TakesNothing;
use crate::journal::disk::{self, FileJournal};
use crate::lock::{self, Lock};
use crate::start::{self, Started};
use crate::state::State;
use crate::{
    AcceptError, Accepted, Admission, Charge, ChargeError, Charged, Claim, CloseError, Credit, CreditError, Credited,
    Decided, DropError, Gate, Held, Journal, Offer, Options, Outcome, Recovered, SignedTransaction, StoreError,
};

/// Requests that may wait for the committer. Beyond it callers are refused at once ([`StoreError::Busy`]): a queue that
/// is longer than the committer serves in about a second helps nobody.
const LONGEST_QUEUE: usize = 16_384;

/// What came of admitting a channel. Either way it is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdmitAnswer {
    /// It was new.
    Admitted,
    /// It was admitted before; what is held of it is unchanged.
    AlreadyAdmitted(Box<Held>),
}

/// What the committer has done since the start, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Batches made durable, with one sync each.
    pub syncs: u64,
    /// Records in them.
    pub records: u64,
    /// Records of the largest one.
    pub largest_batch: u64,
}

#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) syncs: AtomicU64,
    pub(crate) records: AtomicU64,
    pub(crate) largest_batch: AtomicU64,
}

/// What callers and the committer share.
#[derive(Default)]
pub(crate) struct Shared {
    /// What is durable. The committer has one of its own that may be ahead.
    pub(crate) state: RwLock<State>,
    pub(crate) counters: Counters,
}

#[derive(Debug, Clone)]
enum Ending {
    Running,
    Stopped,
    Failed(StoreError),
}

/// The store, open. Cheap to clone. Its committer ends after [`Store::shutdown`], or with the last clone: dropping that
/// one waits until what was asked is served and the disk is let go of.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    // Dropped before `thread`, which waits for the committer to see that no caller is left.
    requests: SyncSender<Request>,
    ending: watch::Receiver<Ending>,
    #[expect(dead_code, reason = "its last drop is what it is for")]
    thread: Arc<CommitterThread>,
}

/// Waits for the committer when the last store is dropped.
struct CommitterThread(Option<JoinHandle<()>>);

impl Drop for CommitterThread {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take()
            // A gate that holds a store would be dropped by the committer itself.
            && thread.thread().id() != std::thread::current().id()
        {
            // It says by itself how it ended.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("ending", &*self.ending.borrow()).finish_non_exhaustive()
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
        disk::create_directory(dir)?;
        let lock = lock::lock(dir)?;
        let journal = FileJournal::open(&dir.join("journal"))?;
        Self::begin(dir, lock, Box::new(journal), network, options, gate)
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
        Self::begin(dir, lock, journal, network, options, gate)
    }

    fn begin(
        dir: &Path,
        lock: Lock,
        journal: Box<dyn Journal>,
        network: &NetworkId,
        options: Options,
        gate: Arc<dyn Gate>,
    ) -> Result<(Store, Recovered), StoreError> {
        let Started { log, index, state, recovered } = start::start(dir, journal, network)?;
        let shared = Arc::new(Shared { state: RwLock::new(state.clone()), ..Shared::default() });
        let (requests, waiting) = sync_channel(LONGEST_QUEUE);
        let (ended, ending) = watch::channel(Ending::Running);
        let committer = Committer {
            log,
            index: WatchedIndex { index, suspect_mark: start::suspect_mark(dir) },
            state,
            shared: Arc::clone(&shared),
            gate,
            options,
            lock,
        };
        let thread = std::thread::Builder::new()
            .name("committer".to_owned())
            .spawn(move || {
                let run = AssertUnwindSafe(|| committer.run(&waiting));
                let outcome =
                    catch_unwind(run).unwrap_or_else(|_| Err(StoreError::Failed("the committer panicked".into())));
                // Told before the waiting requests are dropped, so that each of them learns why.
                ended.send_replace(match outcome {
                    Ok(()) => Ending::Stopped,
                    Err(failed @ StoreError::Failed(_)) => Ending::Failed(failed),
                    Err(error) => Ending::Failed(StoreError::Failed(error.to_string().into())),
                });
                drop(waiting);
            })
            .map_err(|error| StoreError::io("starting the committer for", dir, &error))?;
        let store = Store { shared, requests, ending, thread: Arc::new(CommitterThread(Some(thread))) };
        Ok((store, recovered))
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
        self.ask(|reply| Request::Admit(Box::new(admission), reply)).await
    }

    /// Accepts a commitment whose signature the caller has verified. On disk when this returns: it is the channel's
    /// highest, or was when it was accepted ([`Accepted::replayed`]).
    ///
    /// # Errors
    /// [`AcceptError`] says what each kind leaves on disk.
    pub async fn accept(&self, offer: Offer) -> Result<Accepted, AcceptError> {
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
    /// [`StoreError::UnknownChannel`]; [`StoreError::Busy`], [`StoreError::Stopping`], [`StoreError::Failed`].
    pub async fn fence(&self, channel: ContractId) -> Result<Option<Claim>, StoreError> {
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
    /// # Errors
    /// [`StoreError::UnknownChannel`], [`StoreError::TooLarge`]; [`StoreError::Busy`], [`StoreError::Stopping`],
    /// [`StoreError::Failed`].
    pub async fn record_signed(&self, transaction: SignedTransaction) -> Result<(), StoreError> {
        self.ask(|reply| Request::Signed(Box::new(transaction), reply)).await
    }

    /// Writes down what became of a signed transaction. On disk when this returns; the transaction is no longer in
    /// flight.
    ///
    /// # Errors
    /// [`StoreError::UnknownTransaction`] when it was never signed or has an outcome; [`StoreError::Busy`],
    /// [`StoreError::Stopping`], [`StoreError::Failed`].
    pub async fn record_outcome(&self, hash: [u8; 32], outcome: Outcome) -> Result<(), StoreError> {
        self.ask(|reply| Request::Decided(hash, outcome, reply)).await
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

    /// Waits until the store fails, and says why. The daemon must then exit: nothing more can be written. Never returns
    /// when the store is shut down.
    pub async fn failed(&self) -> StoreError {
        match self.ended().await {
            Ending::Failed(error) => error,
            Ending::Running | Ending::Stopped => std::future::pending().await,
        }
    }

    /// Serves all that waits, then lets go of the disk: when this returns another process may open the store. Later
    /// requests of any clone get [`StoreError::Stopping`].
    ///
    /// # Errors
    /// [`StoreError::Failed`] when the disk failed, before or meanwhile. All that was acknowledged is on disk even then.
    pub async fn shutdown(self) -> Result<(), StoreError> {
        // May wait for room in the queue, so not on the caller's thread. When it can't be sent, or the runtime is going
        // down, the committer ends by itself: it did already, or does with the last clone.
        let requests = self.requests.clone();
        let _ = tokio::task::spawn_blocking(move || requests.send(Request::Stop).is_ok()).await;
        match self.ended().await {
            Ending::Failed(error) => Err(error),
            Ending::Running | Ending::Stopped => Ok(()),
        }
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        // The committer replaces whole values under this lock and can't leave half of one.
        self.shared.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ended(&self) -> Ending {
        let mut ending = self.ending.clone();
        match ending.wait_for(|ending| !matches!(ending, Ending::Running)).await {
            Ok(ending) => ending.clone(),
            // The thread says how it ended before it drops the sender.
            Err(_) => Ending::Stopped,
        }
    }

    async fn ask<T, E: From<StoreError>>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, E>>) -> Request,
    ) -> Result<T, E> {
        let (reply, answer) = oneshot::channel();
        match self.requests.try_send(request(reply)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                return Err(E::from(StoreError::Busy { waiting: LONGEST_QUEUE }));
            }
            Err(TrySendError::Disconnected(_)) => return Err(E::from(self.why_ended().await)),
        }
        match answer.await {
            Ok(answer) => answer,
            Err(_) => Err(E::from(self.why_ended().await)),
        }
    }

    async fn why_ended(&self) -> StoreError {
        match self.ended().await {
            Ending::Failed(error) => error,
            Ending::Running | Ending::Stopped => StoreError::Stopping,
        }
    }
}
