//! The store's handle: what its callers ask.
//!
//! `opening` starts the committer behind it, and waits for its end.

mod opening;

use std::fmt;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, PoisonError, RwLockReadGuard};

use paychan_channel::{AccountId, Amount, ContractId};
use tokio::sync::{oneshot, watch};
use tracing::warn;

use self::opening::CommitterThread;
pub use self::opening::Driven;
use crate::committer::Request;
use crate::health::{Ending, Health};
use crate::journal::record::Record;
use crate::release;
use crate::shared::{Counts, Shared};
use crate::state::State;
use crate::{
    AcceptError, Accepted, Admission, AdmitAnswer, Charge, ChargeError, Charged, Claim, CloseError, Credit,
    CreditError, Credited, Decided, DropError, Held, Offer, Outcome, SignedTransaction, StoreError, WallClock,
};

/// How many requests may wait for the committer. When that many wait, callers are refused at once
/// ([`StoreError::Busy`]): a queue that is longer than the committer serves in about a second helps nobody.
const LONGEST_QUEUE: usize = 16_384;

/// An open store. Cloning is cheap. Its committer ends after [`Store::shutdown`], or with the last clone: dropping that
/// one waits until all requests are served and the disk is released.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    // This is dropped before `thread`, which waits for the committer to see that no caller is left.
    requests: SyncSender<Request>,
    clock: Arc<dyn WallClock>,
    thread: Arc<CommitterThread>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("health", &self.health()).finish_non_exhaustive()
    }
}

impl Store {
    /// The store's health now. This never waits.
    pub fn health(&self) -> Health {
        self.shared.board.health()
    }

    /// Reports each change of [`Store::health`] within a second.
    pub fn watch_health(&self) -> watch::Receiver<Health> {
        self.shared.board.watch()
    }

    /// What the store holds of a channel. All of it is on disk.
    pub fn held(&self, channel: &ContractId) -> Option<Held> {
        self.state().channels.get(channel).map(|channel| channel.held.clone())
    }

    /// What the store holds of all channels, in no order. All of it is on disk.
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

    /// Admits a channel. It is on disk when this returns.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Stopping`], [`StoreError::Failed`].
    pub async fn admit(&self, admission: Admission) -> Result<AdmitAnswer, StoreError> {
        self.has_room()?;
        self.ask(|reply| Request::Admit(Box::new(admission), reply)).await
    }

    /// Accepts a commitment whose signature the caller has verified. When this returns, the commitment is on disk and
    /// is the channel's highest, or was the highest when it was accepted ([`Accepted::replayed`]).
    ///
    /// # Errors
    /// [`AcceptError`] says what each kind leaves on disk.
    pub async fn accept(&self, offer: Offer) -> Result<Accepted, AcceptError> {
        self.has_room()?;
        self.ask(|reply| Request::Accept(offer, reply)).await
    }

    /// Takes a price once, and the commitment that came with it, both in one record. The caller has verified the
    /// commitment's signature. The record is on disk when this returns.
    ///
    /// The same request id with the same price and commitment gets the same answer and takes nothing
    /// ([`Charged::replayed`]), as long as the id is remembered ([`crate::Options::remembered_requests`]).
    ///
    /// # Errors
    /// [`ChargeError`]: nothing was taken. [`ChargeError::Insufficient`] says for which total a commitment is needed.
    pub async fn charge(&self, charge: Charge) -> Result<Charged, ChargeError> {
        self.has_room()?;
        self.ask(|reply| Request::Charge(charge, reply)).await
    }

    /// Takes several charges, each for itself as [`Store::charge`] does. They are in one batch, with one sync. The answers have
    /// the order of the charges.
    pub async fn charge_all(&self, charges: Vec<Charge>) -> Vec<Result<Charged, ChargeError>> {
        let number = charges.len();
        let answers = match self.has_room() {
            Ok(()) if number == 0 => return Vec::new(),
            Ok(()) => self.ask(|reply| Request::ChargeAll(charges, reply)).await,
            Err(error) => Err(error),
        };
        answers.unwrap_or_else(|error: StoreError| vec![Err(error.into()); number])
    }

    /// Gives a part of a charge back, once. The credit is on disk when this returns. The same credit again gets the
    /// same answer and gives nothing back ([`Credited::replayed`]).
    ///
    /// # Errors
    /// [`CreditError`]: nothing was given back.
    pub async fn credit(&self, credit: Credit) -> Result<Credited, CreditError> {
        self.ask(|reply| Request::Credit(credit, reply)).await
    }

    /// Refuses all later commitments and charges of a channel, for ever, and returns what a close may carry: the
    /// highest commitment, or the one that was agreed ([`Store::fence_for_close`]). The fence is on disk when this
    /// returns. A second call changes nothing.
    ///
    /// # Errors
    /// [`StoreError::UnknownChannel`]; [`StoreError::Busy`], [`StoreError::Stopping`]. [`StoreError::Failed`]: the store only
    /// settles and can't promise to refuse commitments after a new start, so the channel must be settled, not closed.
    pub async fn fence(&self, channel: ContractId) -> Result<Option<Claim>, StoreError> {
        // A store that only settles can still report a fence that is on disk.
        if let Some(held) = self.held(&channel).filter(|held| held.fence.is_some()) {
            return Ok(held.claim());
        }
        self.ask(|reply| Request::Fence(channel, reply)).await
    }

    /// Refuses all later commitments and charges of a channel, for ever, and fixes `agreed` as the amount of its close.
    /// The caller has verified its signature. It may be below the highest commitment: then the part that the payer has
    /// not spent is not claimed. From now on this is [`Held::claim`], for a close and for every settlement. It is on
    /// disk when this returns. A second call changes nothing.
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

    /// Forgets a channel on which nothing is owed: the chain has paid (`withdrawn`, base units) all that is held, and
    /// no transaction is in flight. The channel may be admitted again; then all that the chain has paid counts as
    /// spent, so the payer loses what it had not spent.
    ///
    /// # Errors
    /// [`DropError`]: nothing was written.
    pub async fn drop_channel(&self, channel: ContractId, withdrawn: Amount) -> Result<(), DropError> {
        self.ask(|reply| Request::Drop { channel, withdrawn, reply }).await
    }

    /// Asks the committer for a sign of life. Nothing is written. This returns once all earlier requests are on disk.
    ///
    /// # Errors
    /// [`StoreError::Busy`]: the committer has much to do. [`StoreError::Stopping`], [`StoreError::Failed`]: it has
    /// ended.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.ask(Request::Ping).await
    }

    /// Writes a signed transaction down. Its bytes may go to the network only after this has returned. A second call
    /// changes nothing.
    ///
    /// When the store only settles ([`Health::SettleOnly`]), the transaction is kept in memory. After a new start
    /// nobody knows of it, and settling twice is harmless.
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

    /// Writes the outcome of a signed transaction down. When this returns, the outcome is on disk, or in memory as with
    /// [`Store::record_signed`], and the transaction is no longer in flight.
    ///
    /// # Errors
    /// [`StoreError::UnknownTransaction`] when the transaction was never signed or has an outcome;
    /// [`StoreError::Busy`], [`StoreError::Stopping`].
    pub async fn record_outcome(&self, hash: [u8; 32], outcome: Outcome) -> Result<(), StoreError> {
        let kept = outcome.clone();
        match self.ask(|reply| Request::Decided(hash, outcome, reply)).await {
            Err(StoreError::Failed(why)) => self.keep_outcome(hash, kept, &why),
            answer => answer,
        }
    }

    /// Notes a signed transaction in the shared state, since the committer has ended. Nothing of it reaches the disk.
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

    /// Writes down that the operator knows that the chain has paid `withdrawn` (base units) on this channel though no
    /// commitment for as much is held. It is on disk when this returns: from now on [`Held::rollback_confirmed`] is at
    /// least this much.
    ///
    /// # Errors
    /// [`StoreError::UnknownChannel`]; [`StoreError::Busy`], [`StoreError::Stopping`], [`StoreError::Failed`].
    pub async fn confirm_rollback(&self, channel: ContractId, withdrawn: Amount) -> Result<(), StoreError> {
        self.ask(|reply| Request::ConfirmRollback(channel, withdrawn, reply)).await
    }

    /// The highest sequence number that the lane is known to have used, or to have signed with; `None` when it never
    /// did. If the account's number on chain is higher, somebody with a newer copy of this store has used the account,
    /// or somebody else who has its key.
    pub fn last_sequence(&self, lane: &AccountId) -> Option<i64> {
        self.state().lanes.get(lane).copied()
    }

    /// All lanes that have signed, with [`Store::last_sequence`], in no order.
    pub fn lanes(&self) -> Vec<(AccountId, i64)> {
        self.state().lanes.iter().map(|(lane, sequence)| (*lane, *sequence)).collect()
    }

    /// Writes down that the lane's account has used this sequence number: the operator has confirmed it, or the running
    /// watcher has seen it. It is on disk when this returns. A number below the known one changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Stopping`], [`StoreError::Failed`].
    pub async fn lane_used(&self, lane: AccountId, sequence: i64) -> Result<(), StoreError> {
        self.ask(|reply| Request::LaneUsed(lane, sequence, reply)).await
    }

    /// Waits until the store only settles ([`Health::SettleOnly`]), and returns why. This never returns when the store
    /// is shut down.
    pub async fn failed(&self) -> StoreError {
        match self.ended().await {
            Ending::Failed(error) => error,
            Ending::Running | Ending::Stopped => std::future::pending().await,
        }
    }

    /// Serves all waiting requests, then releases the disk: when this returns, another process may open the store.
    /// Later requests of any clone get [`StoreError::Stopping`]. If the disk does not answer, this waits only a few
    /// seconds for it.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when the disk has failed. All that was acknowledged is on disk even then.
    pub async fn shutdown(self) -> Result<(), StoreError> {
        // This waits for room in the queue and for the disk, so it does not run on the caller's thread. When the
        // request can't be sent, or the runtime is ending, the committer has ended already, or ends with the last
        // clone.
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

    /// Refuses what is new while too little room is free. What settling needs is written as long as possible.
    fn has_room(&self) -> Result<(), StoreError> {
        self.shared.board.space_low().map_or(Ok(()), |space| Err(StoreError::SpaceLow(Box::new(space))))
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        // The committer replaces whole values under this lock, so it can't leave one half-written.
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
        // A request to a committer that hangs would only fill the queue.
        if self.shared.board.has_ended() {
            return Err(E::from(self.why_ended().await));
        }
        let (reply, answer) = oneshot::channel();
        match self.requests.try_send(request(reply)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(E::from(StoreError::Busy { waiting: LONGEST_QUEUE })),
            Err(TrySendError::Disconnected(_)) => return Err(E::from(self.why_ended().await)),
        }
        // Callers learn at once that the store has ended, even while the committer hangs: nobody waits for a disk that
        // does not answer.
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
