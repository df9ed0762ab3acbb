//! What the committer does for each request: checks it, asks the gate, adds the record.

use paychan_channel::{Amount, ContractId};

use super::{Batch, Committer, Unindexed, WatchedIndex};
use crate::checkpoint;
use crate::digest::Digest;
use crate::journal::record::{CreditTaken, Record};
use crate::request::{Remembered, Taken, Wanted};
use crate::rules::{Change, Judgement, judge_charge, judge_close, judge_offer};
use crate::{
    AcceptError, Accepted, Admission, AdmitAnswer, Charge, ChargeError, Charged, Claim, CloseError, Credit,
    CreditError, Credited, DropError, Fence, Offer, Options, Outcome, RequestId, SignedTransaction, StoreError,
};

impl Committer {
    pub(super) fn admit(&mut self, admission: &Admission, batch: &mut Batch) -> Result<AdmitAnswer, StoreError> {
        if let Some(channel) = self.state.channels.get(&admission.channel) {
            return Ok(AdmitAnswer::AlreadyAdmitted(Box::new(channel.held.clone())));
        }
        self.add(Record::Admitted(*admission), batch)?;
        batch.channels.insert(admission.channel);
        Ok(AdmitAnswer::Admitted)
    }

    pub(super) fn accept(&mut self, offer: &Offer, batch: &mut Batch) -> Result<Accepted, AcceptError> {
        let channel = offer.channel;
        let Some(entry) = self.state.channels.get(&channel) else {
            return Err(AcceptError::UnknownChannel(channel));
        };
        let held = &entry.held;
        let remembered =
            self.index.remembered(channel, &offer.request_id, held.accepted, &self.options, &self.unindexed)?;
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

    pub(super) fn charge(&mut self, charge: &Charge, batch: &mut Batch) -> Result<Charged, ChargeError> {
        let channel = charge.channel;
        let Some(entry) = self.state.channels.get(&channel) else {
            return Err(ChargeError::UnknownChannel(channel));
        };
        let held = &entry.held;
        let wanted = Wanted { price: Some(charge.price), commitment: charge.commitment };
        let remembered =
            self.index.remembered(channel, &charge.request_id, held.accepted, &self.options, &self.unindexed)?;
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
        self.unindexed.requests.insert((channel, remembered.digest), remembered);
        Ok(previous)
    }

    pub(super) fn credit(&mut self, credit: &Credit, batch: &mut Batch) -> Result<Credited, CreditError> {
        let channel = credit.channel;
        let Some(entry) = self.state.channels.get(&channel) else {
            return Err(CreditError::UnknownChannel(channel));
        };
        let held = &entry.held;
        let remembered =
            self.index.remembered(channel, &credit.request_id, held.accepted, &self.options, &self.unindexed)?;
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
        // The sum of what is spent includes every charge that was not credited, so the credit can be subtracted.
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
        self.unindexed.requests.insert((channel, request.digest), credited);
        Ok(Credited { amount: credit.amount, spent, replayed: false })
    }

    pub(super) fn fence(
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

    pub(super) fn fence_for_close(
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
        // A close with the highest amount carries the signature that is held.
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

    pub(super) fn drop_channel(
        &mut self,
        channel: ContractId,
        withdrawn: Amount,
        batch: &mut Batch,
    ) -> Result<(), DropError> {
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
        // The channel's request ids are forgotten. The index is not asked for them any more, because a channel that is
        // admitted again counts its requests from one.
        self.unindexed.requests.retain(|(of, _), _| *of != channel);
        self.unindexed.dropped.insert(channel);
        Ok(())
    }

    pub(super) fn signed(
        &mut self,
        transaction: SignedTransaction,
        batch: &mut Batch,
    ) -> Result<Result<(), StoreError>, StoreError> {
        // The transaction is written already: the same hash means the same bytes.
        if self.state.is_in_flight(&transaction.hash) {
            return Ok(Ok(()));
        }
        if let Some(unknown) =
            transaction.purpose.channels().iter().find(|channel| !self.state.channels.contains_key(channel))
        {
            return Ok(Err(StoreError::UnknownChannel(*unknown)));
        }
        // A lower amount may have been agreed while the transaction was prepared.
        if let Err(above) = self.state.may_pay(&transaction.purpose) {
            return Ok(Err(above));
        }
        batch.channels.extend(transaction.purpose.channels().iter().copied());
        match self.add(Record::Signed(transaction), batch) {
            Err(too_large @ StoreError::TooLarge { .. }) => return Ok(Err(too_large)),
            added => added?,
        }
        batch.transactions = true;
        Ok(Ok(()))
    }

    pub(super) fn decided(
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

    pub(super) fn confirm_rollback(
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
}

impl WatchedIndex {
    /// What is known of a channel's request. `accepted` is how many the channel has.
    fn remembered(
        &mut self,
        channel: ContractId,
        request_id: &RequestId,
        accepted: u64,
        options: &Options,
        unindexed: &Unindexed,
    ) -> Result<Option<Remembered>, StoreError> {
        let digest = Digest::of(request_id);
        let found = match unindexed.requests.get(&(channel, digest)) {
            Some(request) => Some(*request),
            None if unindexed.dropped.contains(&channel) => None,
            None => self.ask(|index| index.request(channel, digest))?,
        };
        let forgotten = checkpoint::forgotten(accepted, options.remembered_requests);
        Ok(found.filter(|request| request.number > forgotten))
    }
}
