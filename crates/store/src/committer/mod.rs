//! The committer: the one thread that writes. It takes all that waits, checks each against what is held and what came
//! before it in the same batch, appends what is new, syncs once, updates the index, and only then answers.
//!
//! Any error ends it: what a failed write or sync left on disk is known only to the next start, which reads it. Every
//! request that waits or comes later is answered with [`StoreError::Failed`].

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, PoisonError};

use paychan_channel::{Amount, ContractId};
use tokio::sync::oneshot;

use crate::checkpoint;
use crate::digest::Digest;
use crate::index::{Index, IndexError, Updates};
use crate::journal::record::{CreditTaken, Record};
use crate::journal::write::Log;
use crate::lock::Lock;
use crate::request::{Remembered, Taken, Wanted};
use crate::rules::{Change, Judgement, judge_charge, judge_close, judge_offer};
use crate::state::State;
use crate::store::Shared;
use crate::{
    AcceptError, Accepted, Admission, AdmitAnswer, Charge, ChargeError, Charged, Claim, CloseError, Credit,
    CreditError, Credited, DropError, Fence, Gate, Offer, Options, Outcome, RequestId, SignedTransaction, StoreError,
};

/// The most requests in one batch: bounds how long the first one waits for the last one's check, and the bytes of one
/// append (about 250 a charge).
const LARGEST_BATCH: usize = 4_096;

type Reply<T, E = StoreError> = oneshot::Sender<Result<T, E>>;

/// What callers ask.
pub(crate) enum Request {
    Admit(Box<Admission>, Reply<AdmitAnswer>),
    Accept(Offer, Reply<Accepted, AcceptError>),
    Charge(Charge, Reply<Charged, ChargeError>),
    Credit(Credit, Reply<Credited, CreditError>),
    Fence(ContractId, Reply<Option<Claim>>),
    FenceForClose { channel: ContractId, agreed: Claim, withdrawn: Amount, reply: Reply<Claim, CloseError> },
    Drop { channel: ContractId, withdrawn: Amount, reply: Reply<(), DropError> },
    Signed(Box<SignedTransaction>, Reply<()>),
    Decided([u8; 32], Outcome, Reply<()>),
    ConfirmRollback(ContractId, Amount, Reply<()>),
    Ping(Reply<()>),
    Stop,
}

/// An answer that waits for its batch to be durable.
type Answer = Box<dyn FnOnce()>;

pub(crate) struct Committer {
    pub(crate) log: Log,
    pub(crate) index: WatchedIndex,
    /// With all that was added to the log, durable or not: an error ends everything, so nothing is ever undone.
    pub(crate) state: State,
    pub(crate) shared: Arc<Shared>,
    pub(crate) gate: Arc<dyn Gate>,
    pub(crate) options: Options,
    pub(crate) lock: Lock,
}

/// What a batch changed.
#[derive(Default)]
struct Batch {
    answers: Vec<Answer>,
    updates: Updates,
    /// The number of its first record.
    first: u64,
    channels: HashSet<ContractId>,
    transactions: bool,
    /// Requests that this batch took or credited, which the index does not know yet.
    requests: HashMap<(ContractId, Digest), Remembered>,
    /// Channels that this batch dropped, of which the index still has the requests.
    dropped: HashSet<ContractId>,
}

impl Committer {
    /// Serves until asked to stop, until no caller is left, or until something fails.
    pub(crate) fn run(mut self, requests: &Receiver<Request>) -> Result<(), StoreError> {
        let ended = self.serve(requests);
        // The index goes before the lock: sled has a lock of its own.
        let Committer { index, lock, .. } = self;
        drop(index);
        drop(lock);
        ended
    }

    fn serve(&mut self, requests: &Receiver<Request>) -> Result<(), StoreError> {
        while let Ok(first) = requests.recv() {
            let mut batch = Batch::default();
            let mut stopping = false;
            let waiting = std::iter::once(first).chain(requests.try_iter());
            for request in waiting.take(LARGEST_BATCH) {
                if matches!(request, Request::Stop) {
                    stopping = true;
                    break;
                }
                self.take(request, &mut batch)?;
            }
            self.commit(batch)?;
            if stopping {
                break;
            }
            self.keep_short()?;
        }
        self.index.ask(|index| index.flush())
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
            Request::Stop => {}
        }
        Ok(())
    }

    fn admit(&mut self, admission: &Admission, batch: &mut Batch) -> Result<AdmitAnswer, StoreError> {
        if let Some(channel) = self.state.channels.get(&admission.channel) {
            return Ok(AdmitAnswer::AlreadyAdmitted(Box::new(channel.held.clone())));
        }
        self.add(Record::Admitted(*admission), batch)?;
        batch.channels.insert(admission.channel);
        Ok(AdmitAnswer::Admitted)
    }

    fn accept(&mut self, offer: &Offer, batch: &mut Batch) -> Result<Accepted, AcceptError> {
        let channel = offer.channel;
        let Some(entry) = self.state.channels.get(&channel) else {
            return Err(AcceptError::UnknownChannel(channel));
        };
        let held = &entry.held;
        let remembered = self.index.remembered(channel, &offer.request_id, held.accepted, &self.options, batch)?;
        let change = match judge_offer(held, remembered, &offer.request_id, offer.amount)? {
            Judgement::Again(remembered) => return Ok(remembered.accepted_again()),
            Judgement::New(change) => change,
        };
        self.gate.check(held, change.highest, Amount::ZERO)?;
        let claim = Claim { amount: offer.amount, signature: offer.signature };
        let wanted = Wanted { price: None, commitment: Some(claim) };
        let previous = self.take_request(channel, &offer.request_id, wanted, change, batch)?;
        Ok(Accepted { previous, highest: change.highest, spent: change.spent, replayed: false })
    }

    fn charge(&mut self, charge: &Charge, batch: &mut Batch) -> Result<Charged, ChargeError> {
        let channel = charge.channel;
        let Some(entry) = self.state.channels.get(&channel) else {
            return Err(ChargeError::UnknownChannel(channel));
        };
        let held = &entry.held;
        let wanted = Wanted { price: Some(charge.price), commitment: charge.commitment };
        let remembered = self.index.remembered(channel, &charge.request_id, held.accepted, &self.options, batch)?;
        let change = match judge_charge(held, remembered, &charge.request_id, charge.price, wanted.offered())? {
            Judgement::Again(remembered) => return Ok(remembered.charged_again()),
            Judgement::New(change) => change,
        };
        self.gate.check(held, change.highest, charge.price)?;
        let previous = self.take_request(channel, &charge.request_id, wanted, change, batch)?;
        Ok(Charged {
            price: charge.price,
            previous,
            highest: change.highest,
            spent: change.spent,
            credited: Amount::ZERO,
            replayed: false,
        })
    }

    /// Writes a request that was judged and let through. Gives the highest commitment before it.
    fn take_request(
        &mut self,
        channel: ContractId,
        request_id: &RequestId,
        wanted: Wanted,
        change: Change,
        batch: &mut Batch,
    ) -> Result<Amount, StoreError> {
        let held = self.state.channels.get(&channel).map(|entry| &entry.held);
        let (previous, accepted) = held.map_or((Amount::ZERO, 0), |held| (held.highest_amount(), held.accepted));
        let taken = Taken {
            channel,
            number: accepted + 1,
            taken_at_ms: self.options.clock.wall_unix_ms(),
            request_id: request_id.clone(),
            price: wanted.price,
            offered: wanted.offered(),
            signature: wanted.commitment.filter(|claim| claim.amount > previous).map(|claim| claim.signature),
            previous,
            highest: change.highest,
            spent: change.spent,
        };
        let remembered = taken.remembered();
        self.add(Record::Taken(taken), batch)?;
        batch.channels.insert(channel);
        batch.requests.insert((channel, remembered.digest), remembered);
        Ok(previous)
    }

    fn credit(&mut self, credit: &Credit, batch: &mut Batch) -> Result<Credited, CreditError> {
        let channel = credit.channel;
        let Some(entry) = self.state.channels.get(&channel) else {
            return Err(CreditError::UnknownChannel(channel));
        };
        let held = &entry.held;
        let remembered = self.index.remembered(channel, &credit.request_id, held.accepted, &self.options, batch)?;
        let charged = remembered.and_then(|request| request.price.map(|price| (request, price)));
        let Some((request, price)) = charged else {
            return Err(CreditError::UnknownCharge { request_id: credit.request_id.clone() });
        };
        match request.credited {
            Some(amount) if amount == credit.amount => {
                return Ok(Credited { amount, spent: held.spent, replayed: true });
            }
            Some(credited) => {
                return Err(CreditError::AlreadyCredited { request_id: credit.request_id.clone(), credited });
            }
            None => {}
        }
        let out_of_range = CreditError::OutOfRange { offered: credit.amount, price };
        if credit.amount.is_zero() || credit.amount > price {
            return Err(out_of_range);
        }
        // What is spent includes every charge that was not credited, so this one's part can be taken off it.
        let spent = held.spent.checked_sub(credit.amount).ok_or(out_of_range)?;
        let record = CreditTaken {
            channel,
            request_id: credit.request_id.clone(),
            number: request.number,
            amount: credit.amount,
            spent,
            credited_at_ms: self.options.clock.wall_unix_ms(),
        };
        self.add(Record::Credited(record), batch)?;
        batch.channels.insert(channel);
        let credited = Remembered { credited: Some(credit.amount), ..request };
        batch.requests.insert((channel, request.digest), credited);
        Ok(Credited { amount: credit.amount, spent, replayed: false })
    }

    fn fence(
        &mut self,
        channel: ContractId,
        batch: &mut Batch,
    ) -> Result<Result<Option<Claim>, StoreError>, StoreError> {
        let Some(entry) = self.state.channels.get(&channel) else {
            return Ok(Err(StoreError::UnknownChannel(channel)));
        };
        let claim = entry.held.claim();
        if entry.held.fence.is_none() {
            let fence = Fence { fenced_at_ms: self.options.clock.wall_unix_ms(), agreed: None };
            self.add(Record::Fenced { channel, fence }, batch)?;
            batch.channels.insert(channel);
        }
        Ok(Ok(claim))
    }

    fn fence_for_close(
        &mut self,
        channel: ContractId,
        agreed: Claim,
        withdrawn: Amount,
        batch: &mut Batch,
    ) -> Result<Claim, CloseError> {
        let Some(entry) = self.state.channels.get(&channel) else {
            return Err(CloseError::UnknownChannel(channel));
        };
        let held = &entry.held;
        // With the highest one, the close carries the signature that is held.
        let is_highest = agreed.amount == held.highest_amount();
        let claim = held.claim().filter(|claim| claim.amount == agreed.amount).unwrap_or(agreed);
        let paying = entry.paying.map(|paying| paying.amount);
        if judge_close(held, paying, agreed.amount, withdrawn)? {
            let agreed = (!is_highest).then_some(agreed);
            let fence = Fence { fenced_at_ms: self.options.clock.wall_unix_ms(), agreed };
            self.add(Record::Fenced { channel, fence }, batch)?;
            batch.channels.insert(channel);
        }
        Ok(claim)
    }

    fn drop_channel(&mut self, channel: ContractId, withdrawn: Amount, batch: &mut Batch) -> Result<(), DropError> {
        let Some(entry) = self.state.channels.get(&channel) else {
            return Err(DropError::UnknownChannel(channel));
        };
        let owed = entry.held.claim_amount();
        if owed > withdrawn {
            return Err(DropError::StillOwed { owed, withdrawn });
        }
        if self.state.has_in_flight(&channel) {
            return Err(DropError::InFlight);
        }
        let dropped_at_ms = self.options.clock.wall_unix_ms();
        self.add(Record::Dropped { channel, withdrawn, dropped_at_ms }, batch)?;
        batch.channels.insert(channel);
        // Its ids are forgotten: those in the index are not asked any more, since a channel that is admitted again counts
        // its requests from one.
        batch.requests.retain(|(of, _), _| *of != channel);
        batch.dropped.insert(channel);
        Ok(())
    }

    fn signed(
        &mut self,
        transaction: SignedTransaction,
        batch: &mut Batch,
    ) -> Result<Result<(), StoreError>, StoreError> {
        // Written twice is written: the same bytes under the same hash.
        if self.state.is_in_flight(&transaction.hash) {
            return Ok(Ok(()));
        }
        if let Some(unknown) =
            transaction.purpose.channels().iter().find(|channel| !self.state.channels.contains_key(channel))
        {
            return Ok(Err(StoreError::UnknownChannel(*unknown)));
        }
        batch.channels.extend(transaction.purpose.channels().iter().copied());
        match self.add(Record::Signed(transaction), batch) {
            Err(too_large @ StoreError::TooLarge { .. }) => return Ok(Err(too_large)),
            added => added?,
        }
        batch.transactions = true;
        Ok(Ok(()))
    }

    fn decided(
        &mut self,
        hash: [u8; 32],
        outcome: Outcome,
        batch: &mut Batch,
    ) -> Result<Result<(), StoreError>, StoreError> {
        let Some(transaction) = self.state.in_flight.iter().find(|transaction| transaction.hash == hash) else {
            return Ok(Err(StoreError::UnknownTransaction(hash)));
        };
        batch.channels.extend(transaction.purpose.channels().iter().copied());
        let record =
            Record::Decided { hash, outcome: outcome.bounded(), decided_at_ms: self.options.clock.wall_unix_ms() };
        self.add(record, batch)?;
        batch.transactions = true;
        Ok(Ok(()))
    }

    fn confirm_rollback(
        &mut self,
        channel: ContractId,
        withdrawn: Amount,
        batch: &mut Batch,
    ) -> Result<Result<(), StoreError>, StoreError> {
        if !self.state.channels.contains_key(&channel) {
            return Ok(Err(StoreError::UnknownChannel(channel)));
        }
        self.add(Record::RollbackConfirmed { channel, withdrawn }, batch)?;
        batch.channels.insert(channel);
        Ok(Ok(()))
    }

    /// Adds a record to the log and to the state. Not durable yet.
    fn add(&mut self, record: Record, batch: &mut Batch) -> Result<(), StoreError> {
        let sequence = self.log.add(&record)?;
        self.state.apply(&record).map_err(|why| {
            // The checks above make this impossible. Were it not, a start would refuse the record: so it must not be
            // written.
            StoreError::Failed(format!("a record contradicts the state: {why}").into())
        })?;
        if batch.updates.records() == 0 {
            batch.first = sequence;
        }
        batch.updates.add(sequence, &record);
        Ok(())
    }

    /// Makes a batch durable, then visible, then answers.
    fn commit(&mut self, mut batch: Batch) -> Result<(), StoreError> {
        if batch.updates.records() > 0 {
            let frames = self.log.commit()?;
            batch.updates.add_frames(batch.first, frames);
            self.index.ask(|index| index.apply(&batch.updates))?;
            let counters = &self.shared.counters;
            let records = batch.updates.records();
            counters.syncs.fetch_add(1, Relaxed);
            counters.records.fetch_add(records, Relaxed);
            counters.largest_batch.fetch_max(records, Relaxed);
            self.publish(&batch);
        }
        for answer in batch.answers {
            answer();
        }
        Ok(())
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
        }
    }

    /// Starts a new segment when this one is long, and sums up the old ones when they are longer than what the sum would
    /// save: so a checkpoint at most doubles what is written.
    fn keep_short(&mut self) -> Result<(), StoreError> {
        if self.log.segment_bytes() < self.options.segment_bytes {
            return Ok(());
        }
        let (log_bytes, checkpoint_bytes) = self.log.since_checkpoint();
        if log_bytes < self.options.compact_after_bytes.max(checkpoint_bytes) {
            return self.log.rotate();
        }
        let remembered = self.options.remembered_requests;
        let before = self.log.last() + 1;
        let mut updates = Updates::default();
        let records = checkpoint::records(&self.state, &self.index.index, remembered);
        self.log.checkpoint(records.inspect(|record| {
            // The requests are there already.
            if let Ok(whole @ Record::WholeChannel(_)) = record {
                updates.add(before, whole);
            }
        }))?;
        updates.seen_up_to(self.log.last());
        self.index.ask(|index| {
            index.apply(&updates)?;
            index.forget_frames(before)?;
            for channel in self.state.channels.values() {
                let forgotten = checkpoint::forgotten(channel.held.accepted, remembered);
                index.forget_requests(channel.held.channel(), forgotten)?;
            }
            index.flush()
        })
    }
}

/// The index, and what to leave behind when it fails.
pub(crate) struct WatchedIndex {
    pub(crate) index: Index,
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

impl WatchedIndex {
    /// What is known of a channel's request, from this batch or from the index. `accepted` is how many the channel has.
    fn remembered(
        &mut self,
        channel: ContractId,
        request_id: &RequestId,
        accepted: u64,
        options: &Options,
        batch: &Batch,
    ) -> Result<Option<Remembered>, StoreError> {
        let digest = Digest::of(request_id);
        let found = match batch.requests.get(&(channel, digest)) {
            Some(request) => Some(*request),
            None if batch.dropped.contains(&channel) => None,
            None => self.ask(|index| index.request(channel, digest))?,
        };
        let forgotten = checkpoint::forgotten(accepted, options.remembered_requests);
        Ok(found.filter(|request| request.number > forgotten))
    }
}

impl Batch {
    /// An answer to give once the batch is durable: even a refusal may rest on what came just before it. Who no longer
    /// listens does not matter.
    fn answer<T: 'static, E: 'static>(&mut self, reply: Reply<T, E>, answer: Result<T, E>) {
        self.answers.push(Box::new(move || drop(reply.send(answer))));
    }
}
