//! What the journal's records add up to. Pure: records go in one by one, each must agree with those before it.

use std::collections::{HashMap, VecDeque};

use paychan_channel::{Amount, ContractId};

use crate::record::Record;
use crate::{Decided, Held, SignedTransaction};

/// Outcomes kept per channel for the operator to read; older ones go.
pub(crate) const KEPT_OUTCOMES: usize = 8;

/// A channel with what only the journal needs to know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Channel {
    pub(crate) held: Held,
    /// The payment in flight, if one is.
    pub(crate) paying: Option<Paying>,
}

/// A commitment that a transaction in flight pays out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paying {
    pub(crate) amount: Amount,
    /// When the first commitment above it came: the oldest unsettled one, once this is confirmed.
    pub(crate) next_since_ms: Option<u64>,
}

/// All channels and transactions. Request ids are not here but in the index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) channels: HashMap<ContractId, Channel>,
    /// In the order in which they were signed.
    pub(crate) in_flight: Vec<SignedTransaction>,
    /// The last [`KEPT_OUTCOMES`] of each channel, oldest first.
    pub(crate) outcomes: HashMap<ContractId, VecDeque<Decided>>,
}

/// Why a record does not fit those before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Contradiction {
    #[error("channel {0} was never admitted")]
    UnknownChannel(ContractId),
    #[error("channel {0} was admitted before")]
    AdmittedTwice(ContractId),
    #[error("the amount of channel {channel} goes from {highest} to {amount}: amounts never go down")]
    NotHigher { channel: ContractId, highest: Amount, amount: Amount },
    #[error("commitment number {number} of channel {channel} follows number {accepted}")]
    Number { channel: ContractId, accepted: u64, number: u64 },
    #[error("channel {0} was fenced and a commitment follows")]
    Fenced(ContractId),
    #[error("transaction {} was signed twice", hex::encode(.0))]
    SignedTwice([u8; 32]),
    #[error("transaction {} was never signed or has an outcome already", hex::encode(.0))]
    UnknownTransaction([u8; 32]),
}

impl State {
    /// Takes one record in.
    ///
    /// On error nothing was changed.
    pub(crate) fn apply(&mut self, record: &Record) -> Result<(), Contradiction> {
        match record {
            Record::Admitted(admission) => {
                self.admit(Channel { held: Held::new(*admission), paying: None })?;
            }
            Record::WholeChannel(channel) => self.admit(channel.as_ref().clone())?,
            Record::Accepted { channel, number, commitment } => {
                let entry = self.channel(*channel)?;
                let held = &mut entry.held;
                let highest = held.highest_amount();
                if held.fence.is_some() {
                    return Err(Contradiction::Fenced(*channel));
                }
                if commitment.amount <= highest {
                    return Err(Contradiction::NotHigher { channel: *channel, highest, amount: commitment.amount });
                }
                if held.accepted.checked_add(1) != Some(*number) {
                    return Err(Contradiction::Number { channel: *channel, accepted: held.accepted, number: *number });
                }
                entry.take(*number, commitment);
            }
            Record::Fenced { channel, fence } => {
                let held = &mut self.channel(*channel)?.held;
                held.fence.get_or_insert(*fence);
            }
            Record::Signed(transaction) => {
                if self.is_in_flight(&transaction.hash) {
                    return Err(Contradiction::SignedTwice(transaction.hash));
                }
                if let Some((channel, amount)) = transaction.purpose.pays() {
                    self.channel(channel)?.pay(amount);
                }
                self.in_flight.push(transaction.clone());
            }
            Record::Decided { hash, outcome, decided_at_ms } => {
                let position = self
                    .in_flight
                    .iter()
                    .position(|transaction| transaction.hash == *hash)
                    .ok_or(Contradiction::UnknownTransaction(*hash))?;
                let transaction = self.in_flight.remove(position);
                let confirmed = matches!(outcome, crate::Outcome::Confirmed { .. });
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
                    decided_at_ms: *decided_at_ms,
                };
                for channel in decided.purpose.channels() {
                    self.keep(*channel, &decided);
                }
            }
            Record::RollbackConfirmed { channel, withdrawn } => {
                let confirmed = &mut self.channel(*channel)?.held.rollback_confirmed;
                *confirmed = Some(confirmed.unwrap_or(Amount::ZERO).max(*withdrawn));
            }
            Record::Remembered { channel, .. } => {
                self.channel(*channel)?;
            }
            Record::WholeDecided { channel, decided } => self.keep(*channel, decided),
            Record::CheckpointStarts | Record::CheckpointEnds { .. } => {}
        }
        Ok(())
    }

    pub(crate) fn is_in_flight(&self, hash: &[u8; 32]) -> bool {
        self.in_flight.iter().any(|transaction| transaction.hash == *hash)
    }

    fn admit(&mut self, channel: Channel) -> Result<(), Contradiction> {
        let id = channel.held.channel();
        if self.channels.contains_key(&id) {
            return Err(Contradiction::AdmittedTwice(id));
        }
        self.channels.insert(id, channel);
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
    /// Makes a commitment the highest.
    pub(crate) fn take(&mut self, number: u64, commitment: &crate::HeldCommitment) {
        let at = commitment.accepted_at_ms;
        self.held.unsettled_since_ms.get_or_insert(at);
        if let Some(paying) = &mut self.paying {
            paying.next_since_ms.get_or_insert(at);
        }
        self.held.highest = Some(commitment.clone());
        self.held.accepted = number;
    }

    /// A payment of `amount` is in flight.
    fn pay(&mut self, amount: Amount) {
        // One of as much that is in flight already, as after a checkpoint, knows more than this one.
        if self.paying.is_some_and(|earlier| earlier.amount >= amount) {
            return;
        }
        // Commitments that came between choosing the amount and signing: when the first of them came is not known, so
        // the earliest time that is. Too early settles sooner.
        let above = self.held.highest_amount() > amount;
        self.paying = Some(Paying { amount, next_since_ms: self.held.unsettled_since_ms.filter(|_| above) });
    }

    /// A payment of `amount` is no longer in flight.
    fn paid(&mut self, amount: Amount, confirmed: bool) {
        let Some(paying) = self.paying else { return };
        if confirmed && amount >= paying.amount {
            self.held.unsettled_since_ms = paying.next_since_ms;
        }
        if amount >= paying.amount {
            self.paying = None;
        }
    }
}
