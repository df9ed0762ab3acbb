//! The state that the journal's records add up to. It is pure: records go in one by one, and each must agree with those
//! before it.

use std::collections::{HashMap, VecDeque};

use paychan_channel::{AccountId, Amount, ContractId};

use crate::held::{Channel, Paying};
use crate::journal::record::Record;
use crate::request::Taken;
use crate::{Decided, Fence, Held, HeldCommitment, Outcome, Purpose, SignedTransaction, StoreError, ladder};

/// How many outcomes are kept for each channel, for the operator to read. Older ones are dropped.
pub(crate) const KEPT_OUTCOMES: usize = 8;

/// All channels and transactions. The index has the request ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) channels: HashMap<ContractId, Channel>,
    /// Transactions without an outcome, in the order in which they were signed.
    pub(crate) in_flight: Vec<SignedTransaction>,
    /// The highest sequence number that each lane is known to have used, or to have signed with.
    pub(crate) lanes: HashMap<AccountId, i64>,
    /// The last [`KEPT_OUTCOMES`] of each channel, oldest first.
    pub(crate) outcomes: HashMap<ContractId, VecDeque<Decided>>,
}

/// Why a record does not fit those before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Contradiction {
    #[error("channel {0} was never admitted, or was dropped")]
    UnknownChannel(ContractId),
    #[error("channel {0} was admitted before")]
    AdmittedTwice(ContractId),
    #[error("the amount of channel {channel} goes from {highest} to {amount}: amounts never go down")]
    NotHigher { channel: ContractId, highest: Amount, amount: Amount },
    #[error("request number {number} of channel {channel} follows number {accepted}")]
    Number { channel: ContractId, accepted: u64, number: u64 },
    #[error("channel {channel}: {what} do not add up")]
    Sum { channel: ContractId, what: &'static str },
    #[error("channel {0} was fenced and a request follows")]
    Fenced(ContractId),
    #[error("channel {0} was dropped while something was owed on it or in flight")]
    DroppedTooEarly(ContractId),
    #[error("transaction {} was signed twice", hex::encode(.0))]
    SignedTwice([u8; 32]),
    #[error("transaction {} was never signed or has an outcome already", hex::encode(.0))]
    UnknownTransaction([u8; 32]),
}

impl State {
    /// Applies one record.
    ///
    /// After an error, nothing was changed.
    pub(crate) fn apply(&mut self, record: &Record) -> Result<(), Contradiction> {
        match record {
            Record::Admitted(admission) => self.admit(Channel { held: Held::new(*admission), paying: None })?,
            Record::WholeChannel(channel) | Record::WholeChannelFormat1(channel) => {
                channel.was_paid_for()?;
                self.admit(channel.as_ref().clone())?;
            }
            Record::AcceptedFormat1 { channel, number, commitment } => {
                let entry = self.channel(*channel)?;
                entry.next_request(*number)?;
                let highest = entry.held.highest_amount();
                if commitment.amount <= highest {
                    return Err(Contradiction::NotHigher { channel: *channel, highest, amount: commitment.amount });
                }
                entry.accept_format_1(*number, commitment);
            }
            Record::Taken(taken) => {
                let entry = self.channel(taken.channel)?;
                entry.next_request(taken.number)?;
                entry.adds_up(taken)?;
                entry.take(taken);
            }
            Record::Credited(credit) => {
                let held = &mut self.channel(credit.channel)?.held;
                if held.spent.checked_sub(credit.amount) != Some(credit.spent) {
                    return Err(Contradiction::Sum { channel: credit.channel, what: "spent and the credit" });
                }
                held.spent = credit.spent;
            }
            Record::Fenced { channel, fence } => self.channel(*channel)?.fence(*fence)?,
            Record::Signed(transaction) => {
                if self.is_in_flight(&transaction.hash) {
                    return Err(Contradiction::SignedTwice(transaction.hash));
                }
                if let Some((channel, amount)) = transaction.purpose.pays() {
                    self.channel(channel)?.pay(amount);
                }
                self.use_lane(transaction.lane, transaction.sequence);
                self.in_flight.push(transaction.clone());
            }
            Record::Decided { hash, outcome, decided_at_ms } => self.decide(hash, outcome, *decided_at_ms)?,
            Record::RollbackConfirmed { channel, withdrawn } => {
                let held = &mut self.channel(*channel)?.held;
                let confirmed = held.rollback_confirmed.unwrap_or(Amount::ZERO).max(*withdrawn);
                held.rollback_confirmed = Some(confirmed);
                // What the chain paid was sold, though the store has lost the records of it.
                held.spent = held.spent.max(confirmed);
            }
            Record::Dropped { channel, withdrawn, .. } => self.drop_channel(*channel, *withdrawn)?,
            Record::Remembered { channel, .. } => {
                self.channel(*channel)?;
            }
            Record::WholeDecided { channel, decided } => self.keep(*channel, decided),
            Record::LaneUsed { lane, sequence } => self.use_lane(*lane, *sequence),
            Record::CheckpointStarts | Record::CheckpointEnds { .. } => {}
        }
        Ok(())
    }

    fn use_lane(&mut self, lane: AccountId, sequence: i64) {
        let last = self.lanes.entry(lane).or_insert(sequence);
        *last = sequence.max(*last);
    }

    pub(crate) fn is_in_flight(&self, hash: &[u8; 32]) -> bool {
        self.in_flight.iter().any(|transaction| transaction.hash == *hash)
    }

    /// Checks that a transaction for this purpose pays out no more than was agreed for the channel's close.
    pub(crate) fn may_pay(&self, purpose: &Purpose) -> Result<(), StoreError> {
        let Some((channel, amount)) = purpose.pays() else { return Ok(()) };
        match self.channels.get(&channel) {
            Some(entry) if !entry.held.may_pay(amount) => {
                Err(StoreError::AboveAgreed { channel, agreed: entry.held.claim_amount(), amount })
            }
            _ => Ok(()),
        }
    }

    /// Whether a transaction in flight concerns this channel.
    pub(crate) fn has_in_flight(&self, channel: &ContractId) -> bool {
        self.in_flight.iter().any(|transaction| transaction.purpose.channels().contains(channel))
    }

    fn admit(&mut self, channel: Channel) -> Result<(), Contradiction> {
        let id = channel.held.channel();
        if self.channels.contains_key(&id) {
            return Err(Contradiction::AdmittedTwice(id));
        }
        self.channels.insert(id, channel);
        Ok(())
    }

    fn drop_channel(&mut self, id: ContractId, withdrawn: Amount) -> Result<(), Contradiction> {
        let owed = self.channel(id)?.held.claim_amount() > withdrawn;
        if owed || self.has_in_flight(&id) {
            return Err(Contradiction::DroppedTooEarly(id));
        }
        self.channels.remove(&id);
        self.outcomes.remove(&id);
        Ok(())
    }

    fn decide(&mut self, hash: &[u8; 32], outcome: &Outcome, decided_at_ms: u64) -> Result<(), Contradiction> {
        let position = self
            .in_flight
            .iter()
            .position(|transaction| transaction.hash == *hash)
            .ok_or(Contradiction::UnknownTransaction(*hash))?;
        let transaction = self.in_flight.remove(position);
        let confirmed = matches!(outcome, Outcome::Confirmed { .. });
        if let Some((channel, amount)) = transaction.purpose.pays()
            && let Some(entry) = self.channels.get_mut(&channel)
        {
            entry.paid(amount, confirmed);
        }
        let decided = Decided {
            hash: *hash,
            lane: transaction.lane,
            purpose: transaction.purpose,
            outcome: outcome.clone(),
            decided_at_ms,
        };
        for channel in decided.purpose.channels() {
            self.keep(*channel, &decided);
        }
        Ok(())
    }

    fn channel(&mut self, id: ContractId) -> Result<&mut Channel, Contradiction> {
        self.channels.get_mut(&id).ok_or(Contradiction::UnknownChannel(id))
    }

    fn keep(&mut self, channel: ContractId, decided: &Decided) {
        let kept = self.outcomes.entry(channel).or_default();
        if kept.len() == KEPT_OUTCOMES {
            kept.pop_front();
        }
        kept.push_back(decided.clone());
    }
}

impl Channel {
    fn next_request(&self, number: u64) -> Result<(), Contradiction> {
        let (channel, accepted) = (self.held.channel(), self.held.accepted);
        if self.held.fence.is_some() {
            return Err(Contradiction::Fenced(channel));
        }
        if accepted.checked_add(1) != Some(number) {
            return Err(Contradiction::Number { channel, accepted, number });
        }
        Ok(())
    }

    /// Checks a request's own figures against those of the channel.
    fn adds_up(&self, taken: &Taken) -> Result<(), Contradiction> {
        let (channel, held) = (taken.channel, &self.held);
        let highest = held.highest_amount();
        if taken.highest < highest {
            return Err(Contradiction::NotHigher { channel, highest, amount: taken.highest });
        }
        let taken_for = match taken.signature {
            Some(_) => taken.offered == Some(taken.highest) && taken.highest > highest,
            None => taken.price.is_some() && taken.highest == highest,
        };
        if taken.previous != highest || !taken_for {
            return Err(Contradiction::Sum { channel, what: "the commitment and the highest" });
        }
        let spent = held.spent.checked_add(taken.price.unwrap_or(Amount::ZERO));
        if spent != Some(taken.spent) || (taken.price.is_some() && taken.spent > taken.highest) {
            return Err(Contradiction::Sum { channel, what: "spent and the price" });
        }
        Ok(())
    }

    /// Checks that no more was spent than was signed away, or than the chain had paid before the store knew of it.
    fn was_paid_for(&self) -> Result<(), Contradiction> {
        let held = &self.held;
        let paid_unseen = held.admission.paid_before.max(held.rollback_confirmed.unwrap_or(Amount::ZERO));
        if held.spent > held.highest_amount().max(paid_unseen) {
            return Err(Contradiction::Sum { channel: held.channel(), what: "spent and the highest" });
        }
        Ok(())
    }

    /// Applies a request: its commitment, if it brought one, and its price.
    pub(crate) fn take(&mut self, taken: &Taken) {
        if let Some(signature) = taken.signature {
            let commitment = HeldCommitment {
                amount: taken.highest,
                signature,
                request_id: taken.request_id.clone(),
                accepted_at_ms: taken.taken_at_ms,
            };
            self.accept(&commitment);
        }
        self.held.spent = taken.spent;
        self.held.accepted = taken.number;
    }

    /// Applies a commitment as format 1 wrote it.
    pub(crate) fn accept_format_1(&mut self, number: u64, commitment: &HeldCommitment) {
        self.accept(commitment);
        self.held.spent = self.held.spent.max(commitment.amount);
        self.held.accepted = number;
    }

    /// Makes a commitment the highest.
    pub(crate) fn accept(&mut self, commitment: &HeldCommitment) {
        let at = commitment.accepted_at_ms;
        self.held.unsettled_since_ms.get_or_insert(at);
        if let Some(paying) = &mut self.paying {
            paying.next_since_ms.get_or_insert(at);
        }
        let former = self.held.highest.replace(commitment.clone());
        if let Some(former) = former.filter(|_| self.held.admission.clawback) {
            ladder::add(&mut self.held.ladder, former.claim(), commitment.amount);
        }
    }

    fn fence(&mut self, fence: Fence) -> Result<(), Contradiction> {
        if let Some(agreed) = fence.agreed
            && (agreed.amount < self.held.spent || agreed.amount > self.held.highest_amount())
        {
            let channel = self.held.channel();
            return Err(Contradiction::Sum { channel, what: "the agreed amount and what is held" });
        }
        self.held.fence.get_or_insert(fence);
        Ok(())
    }

    /// Notes that a payment of `amount` is in flight.
    fn pay(&mut self, amount: Amount) {
        // If a payment of at least this amount is in flight already, as after a checkpoint, its figures are kept.
        if self.paying.is_some_and(|earlier| earlier.amount >= amount) {
            return;
        }
        // Commitments may have come between choosing the amount and signing, and the time of the first of them is not
        // known. So the earliest known time is used, which can only make the watcher settle sooner.
        let above = self.held.highest_amount() > amount;
        self.paying = Some(Paying { amount, next_since_ms: self.held.unsettled_since_ms.filter(|_| above) });
    }

    /// Notes that a payment of `amount` is no longer in flight.
    fn paid(&mut self, amount: Amount, confirmed: bool) {
        if confirmed {
            ladder::settle(&mut self.held.ladder, amount);
        }
        let Some(paying) = self.paying else { return };
        if confirmed && amount >= paying.amount {
            self.held.unsettled_since_ms = paying.next_since_ms;
        }
        if amount >= paying.amount {
            self.paying = None;
        }
    }
}

#[cfg(test)]
mod tests;
