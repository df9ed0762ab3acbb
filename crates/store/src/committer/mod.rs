//! The committer: the one thread that writes. It takes all waiting requests, checks each against the state and the
//! requests before it in the same batch, appends what is new, syncs once, and only then answers. The index follows when no
//! request waits, or after some hundred records ([`unindexed`]).
//!
//! Any error ends the committer, because only the next start, which reads the disk, knows what a failed write or sync
//! left there. Every request that waits or comes later gets [`StoreError::Failed`].

mod requests;
mod sweep;
mod unindexed;

use std::collections::HashSet;
use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvError, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use paychan_channel::{AccountId, Amount, ContractId};
use tokio::sync::oneshot;

use crate::checkpoint;
use crate::health::Ending;
use crate::index::{Index, IndexError};
use crate::journal::record::Record;
use crate::journal::write::Log;
use crate::lock::Lock;
use crate::release::{Released, let_go};
use crate::shared::Shared;
use crate::space::explained;
use crate::state::State;
use crate::{
    AcceptError, Accepted, Admission, AdmitAnswer, Charge, ChargeError, Charged, Claim, CloseError, Credit,
    CreditError, Credited, DropError, Gate, Offer, Options, Outcome, SignedTransaction, StoreError,
};
use sweep::Sweep;
pub(crate) use unindexed::Unindexed;

/// A batch takes no further request when it has this many. This limits how long the first request waits for the check of the
/// last one, and how many bytes one append has (about 250 for each charge). Several charges that are asked for together count
/// each.
const LARGEST_BATCH: usize = 4_096;
/// After this time without a request, the index gets what it lacks.
const QUIET: Duration = Duration::from_millis(20);

type Reply<T, E = StoreError> = oneshot::Sender<Result<T, E>>;

/// What callers ask.
pub(crate) enum Request {
    Admit(Box<Admission>, Reply<AdmitAnswer>),
    Accept(Offer, Reply<Accepted, AcceptError>),
    Charge(Charge, Reply<Charged, ChargeError>),
    ChargeAll(Vec<Charge>, Reply<Vec<Result<Charged, ChargeError>>>),
    Credit(Credit, Reply<Credited, CreditError>),
    Fence(ContractId, Reply<Option<Claim>>),
    FenceForClose { channel: ContractId, agreed: Claim, withdrawn: Amount, reply: Reply<Claim, CloseError> },
    Drop { channel: ContractId, withdrawn: Amount, reply: Reply<(), DropError> },
    Signed(Box<SignedTransaction>, Reply<()>),
    Decided([u8; 32], Outcome, Reply<()>),
    ConfirmRollback(ContractId, Amount, Reply<()>),
    LaneUsed(AccountId, i64, Reply<()>),
    Ping(Reply<()>),
    Stop,
}

impl Request {
    /// How much it counts in a batch.
    fn size(&self) -> usize {
        match self {
            Self::ChargeAll(charges, _) => charges.len(),
            _ => 1,
        }
    }
}

/// An answer that waits for its batch to be durable.
type Answer = Box<dyn FnOnce()>;

pub(crate) struct Committer {
    pub(crate) log: Log,
    pub(crate) index: WatchedIndex,
    /// What the journal has and the index does not have yet.
    pub(crate) unindexed: Unindexed,
    /// The state after all that was added to the log, durable or not. An error ends everything, so nothing is ever
    /// undone.
    pub(crate) state: State,
    pub(crate) shared: Arc<Shared>,
    pub(crate) gate: Arc<dyn Gate>,
    pub(crate) options: Options,
    pub(crate) dir: PathBuf,
    pub(crate) lock: Lock,
    pub(crate) released: Released,
    /// What the index still has to do after the last checkpoint.
    pub(crate) sweep: Option<Sweep>,
}

/// What a batch changes.
#[derive(Default)]
struct Batch {
    answers: Vec<Answer>,
    /// How many records it has, and the number of the first one.
    records: u64,
    first: u64,
    channels: HashSet<ContractId>,
    transactions: bool,
}

impl Committer {
    /// Serves until asked to stop, until no caller is left, or until something fails.
    pub(crate) fn run(mut self, requests: &Receiver<Request>) {
        let served = self.serve(requests).and_then(|()| self.bring_index_up_to_date());
        self.end(served);
    }

    /// Reports how it ended before it releases the disk, because the release may never end. What the index lacks is added
    /// to it at the next start.
    pub(crate) fn end(self, served: Result<(), StoreError>) {
        let ending = match served {
            Ok(()) => Ending::Stopped,
            Err(failed @ StoreError::Failed(_)) => Ending::Failed(failed),
            Err(error) => {
                let why = explained(&error.to_string(), &self.dir, self.options.free_space_mark);
                Ending::Failed(StoreError::Failed(why.into()))
            }
        };
        if let Ending::Failed(error) = &ending {
            tracing::error!(%error, "the store can't be written");
        }
        self.shared.board.end(ending);
        let Committer { index, lock, released, .. } = self;
        let_go(index.index, lock, released);
    }

    fn serve(&mut self, requests: &Receiver<Request>) -> Result<(), StoreError> {
        while let Ok(first) = self.next(requests) {
            if self.serve_batch(first, requests)? {
                break;
            }
        }
        Ok(())
    }

    /// Serves this request and all that wait, in one batch. Without a request, it does one step of the index's work. Returns
    /// whether it was asked to stop.
    pub(crate) fn serve_batch(
        &mut self,
        first: Option<Request>,
        requests: &Receiver<Request>,
    ) -> Result<bool, StoreError> {
        self.shared.board.begins();
        if let Some(first) = first {
            let mut batch = Batch::default();
            let mut stopping = false;
            let mut taken = 0;
            let mut next = Some(first);
            while let Some(request) = next {
                if matches!(request, Request::Stop) {
                    stopping = true;
                    break;
                }
                taken += request.size();
                self.take(request, &mut batch)?;
                next = if taken < LARGEST_BATCH { requests.try_recv().ok() } else { None };
            }
            self.commit(batch)?;
            if stopping {
                return Ok(true);
            }
            if self.unindexed.is_much() {
                self.bring_index_up_to_date()?;
            }
            self.keep_short()?;
        } else {
            self.bring_index_up_to_date()?;
        }
        self.sweep_some()?;
        self.shared.board.waits();
        Ok(false)
    }

    fn take(&mut self, request: Request, batch: &mut Batch) -> Result<(), StoreError> {
        match request {
            Request::Admit(admission, reply) => {
                let answer = self.admit(&admission, batch)?;
                batch.answer(reply, Ok(answer));
            }
            Request::Accept(offer, reply) => {
                let answer = match self.accept(&offer, batch) {
                    Err(AcceptError::Store(error)) => return Err(error),
                    answer => answer,
                };
                batch.answer(reply, answer);
            }
            Request::Charge(charge, reply) => {
                let answer = match self.charge(&charge, batch) {
                    Err(ChargeError::Store(error)) => return Err(error),
                    answer => answer,
                };
                batch.answer(reply, answer);
            }
            Request::ChargeAll(charges, reply) => {
                let mut answers = Vec::with_capacity(charges.len());
                for charge in &charges {
                    answers.push(match self.charge(charge, batch) {
                        Err(ChargeError::Store(error)) => return Err(error),
                        answer => answer,
                    });
                }
                batch.answer(reply, Ok(answers));
            }
            Request::Credit(credit, reply) => {
                let answer = match self.credit(&credit, batch) {
                    Err(CreditError::Store(error)) => return Err(error),
                    answer => answer,
                };
                batch.answer(reply, answer);
            }
            Request::FenceForClose { channel, agreed, withdrawn, reply } => {
                let answer = match self.fence_for_close(channel, agreed, withdrawn, batch) {
                    Err(CloseError::Store(error)) => return Err(error),
                    answer => answer,
                };
                batch.answer(reply, answer);
            }
            Request::Drop { channel, withdrawn, reply } => {
                let answer = match self.drop_channel(channel, withdrawn, batch) {
                    Err(DropError::Store(error)) => return Err(error),
                    answer => answer,
                };
                batch.answer(reply, answer);
            }
            Request::Ping(reply) => batch.answer(reply, Ok(())),
            Request::Fence(channel, reply) => {
                let answer = self.fence(channel, batch)?;
                batch.answer(reply, answer);
            }
            Request::Signed(transaction, reply) => {
                let answer = self.signed(*transaction, batch)?;
                batch.answer(reply, answer);
            }
            Request::Decided(hash, outcome, reply) => {
                let answer = self.decided(hash, outcome, batch)?;
                batch.answer(reply, answer);
            }
            Request::ConfirmRollback(channel, withdrawn, reply) => {
                let answer = self.confirm_rollback(channel, withdrawn, batch)?;
                batch.answer(reply, answer);
            }
            Request::LaneUsed(lane, sequence, reply) => {
                if self.state.lanes.get(&lane).is_none_or(|last| *last < sequence) {
                    self.add(Record::LaneUsed { lane, sequence }, batch)?;
                    batch.transactions = true;
                }
                batch.answer(reply, Ok(()));
            }
            Request::Stop => {}
        }
        Ok(())
    }

    /// Adds a record to the log and to the state. The record is not durable yet.
    fn add(&mut self, record: Record, batch: &mut Batch) -> Result<(), StoreError> {
        let sequence = self.log.add(&record)?;
        self.state.apply(&record).map_err(|why| {
            // The checks above make this impossible. A start would refuse such a record, so it must not be written.
            StoreError::Failed(format!("a record contradicts the state: {why}").into())
        })?;
        if batch.records == 0 {
            batch.first = sequence;
        }
        batch.records += 1;
        self.unindexed.updates.add(sequence, &record);
        Ok(())
    }

    /// Makes a batch durable, then makes it visible, then answers its requests.
    fn commit(&mut self, batch: Batch) -> Result<(), StoreError> {
        if batch.records > 0 {
            let frames = self.log.commit()?;
            self.unindexed.updates.add_frames(batch.first, frames);
            let counters = &self.shared.counters;
            counters.syncs.fetch_add(1, Relaxed);
            counters.records.fetch_add(batch.records, Relaxed);
            counters.largest_batch.fetch_max(batch.records, Relaxed);
            // Callers were told that the store has failed, and later answers must not contradict that.
            if self.shared.board.has_ended() {
                return Err(StoreError::Failed("the store was given up while it wrote".into()));
            }
            self.publish(&batch);
        }
        for answer in batch.answers {
            answer();
        }
        Ok(())
    }

    /// Applies to the index what the journal has and the index lacks. All of it is durable in the journal.
    fn bring_index_up_to_date(&mut self) -> Result<(), StoreError> {
        let unindexed = std::mem::take(&mut self.unindexed);
        self.index.ask(|index| index.apply(&unindexed.updates))
    }

    fn publish(&self, batch: &Batch) {
        let mut seen = self.shared.state.write().unwrap_or_else(PoisonError::into_inner);
        for id in &batch.channels {
            match self.state.channels.get(id) {
                Some(channel) => {
                    seen.channels.insert(*id, channel.clone());
                }
                None => {
                    seen.channels.remove(id);
                    seen.outcomes.remove(id);
                }
            }
            if batch.transactions
                && let Some(outcomes) = self.state.outcomes.get(id)
            {
                seen.outcomes.insert(*id, outcomes.clone());
            }
        }
        if batch.transactions {
            seen.in_flight.clone_from(&self.state.in_flight);
            seen.lanes.clone_from(&self.state.lanes);
        }
    }

    /// Starts a new segment when this one is long. It writes a checkpoint when the log is at least as long as the last
    /// checkpoint, so that checkpoints at most double what is written.
    fn keep_short(&mut self) -> Result<(), StoreError> {
        if self.log.segment_bytes() < self.options.segment_bytes {
            return Ok(());
        }
        let (log_bytes, checkpoint_bytes) = self.log.since_checkpoint();
        // A checkpoint needs room before it makes room.
        if self.shared.board.space_low().is_some() || log_bytes < self.options.compact_after_bytes.max(checkpoint_bytes)
        {
            return self.log.rotate();
        }
        // The checkpoint takes the requests from the index.
        self.bring_index_up_to_date()?;
        let before = self.log.last() + 1;
        let records = checkpoint::records(&self.state, &self.index.index, self.options.remembered_requests);
        // Each record is a sign of life, so that a long checkpoint does not look like a disk that does not answer.
        let board = &self.shared.board;
        self.log.checkpoint(records.inspect(|_| board.begins()))?;
        self.sweep = Some(Sweep::after_checkpoint(before, self.log.last(), &self.state));
        Ok(())
    }

    /// Does one step of the work that the index still has to do.
    fn sweep_some(&mut self) -> Result<(), StoreError> {
        let Some(mut sweep) = self.sweep.take() else { return Ok(()) };
        let (state, remembered) = (&self.state, self.options.remembered_requests);
        if !self.index.ask(|index| sweep.step(index, state, remembered))? {
            self.sweep = Some(sweep);
        }
        Ok(())
    }

    /// The next request. While the index has work to do, this does not wait for a request, or only [`QUIET`]. `Err` means
    /// that no caller is left.
    fn next(&self, requests: &Receiver<Request>) -> Result<Option<Request>, RecvError> {
        if self.sweep.is_none() && self.unindexed.is_empty() {
            return requests.recv().map(Some);
        }
        if self.sweep.is_none() {
            return match requests.recv_timeout(QUIET) {
                Ok(request) => Ok(Some(request)),
                Err(RecvTimeoutError::Timeout) => Ok(None),
                Err(RecvTimeoutError::Disconnected) => Err(RecvError),
            };
        }
        match requests.try_recv() {
            Ok(request) => Ok(Some(request)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(RecvError),
        }
    }
}

/// The index, and the file that marks it when it fails.
pub(crate) struct WatchedIndex {
    /// It is dropped only by [`let_go`], where nobody waits for it; not even a panic drops it.
    pub(crate) index: ManuallyDrop<Index>,
    /// A file that tells the next start not to trust the index.
    pub(crate) suspect_mark: PathBuf,
}

impl WatchedIndex {
    fn ask<T>(&mut self, question: impl FnOnce(&mut Index) -> Result<T, IndexError>) -> Result<T, StoreError> {
        question(&mut self.index).map_err(|error| {
            if let Err(mark) = std::fs::File::create(&self.suspect_mark) {
                tracing::error!(
                    path = %self.suspect_mark.display(),
                    error = %mark,
                    "could not mark the index as suspect; delete it before the next start"
                );
            }
            error.into()
        })
    }
}

impl Batch {
    /// Keeps an answer until the batch is durable: even a refusal may depend on a request just before it. A caller that
    /// no longer listens does not matter.
    fn answer<T: 'static, E: 'static>(&mut self, reply: Reply<T, E>, answer: Result<T, E>) {
        self.answers.push(Box::new(move || drop(reply.send(answer))));
    }
}
