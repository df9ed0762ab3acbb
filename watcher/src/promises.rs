//! Counts what was promised and what keeping the promises may cost. Nothing else counts promises.
//!
//! A promise is the part of a channel's highest commitment, or of an agreed lower one, that the chain has not paid yet.
//! Keeping it costs fees: the resources of its settlement, and the highest bid that is worth paying for it. An amount
//! below the token's dust limit is not settled, so it reserves nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use paychan_channel::{Address, Amount, ContractId, Stroops};

use crate::config::Config;
use crate::policy;
use crate::view::{ChannelView, View};
use paychan_store::Held;

/// The count of all promises. The API, the follower and the status share it.
pub struct Promises {
    config: Arc<Config>,
    counted: Mutex<Counted>,
}

/// What is promised in total, and to one recipient in one token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// How many settlements are promised.
    pub settlements: usize,
    /// What all of them together may cost, in stroops.
    pub fees: Stroops,
    /// What the recipient is still owed in the token, over all channels. Base units.
    pub owed: Amount,
}

#[derive(Default)]
struct Counted {
    /// Whether every channel in the store was counted at least once.
    complete: bool,
    /// A settlement's resource fee as it was known at the last count.
    resource_fee: Stroops,
    promises: HashMap<ContractId, Promise>,
    settlements: usize,
    fees: Stroops,
    owed: HashMap<Payee, Amount>,
}

/// A token, and who is paid in it.
type Payee = (ContractId, Address);

#[derive(Debug, Clone, Copy)]
struct Promise {
    payee: Payee,
    unsettled: Amount,
    /// Zero when the promise is not worth a settlement.
    fees: Stroops,
    /// The highest amount that was handed to the store and not answered yet.
    reserved: Amount,
    /// How many offers of this channel the store has not answered yet.
    pending: u32,
}

/// A promise that the store has not answered yet. It counts at least until this value is dropped.
#[must_use]
pub struct Reservation<'a> {
    promises: &'a Promises,
    channel: ContractId,
}

impl Promises {
    /// Makes an empty count. Before the first [`Self::count`] no promise may be given.
    pub fn new(config: Arc<Config>) -> Self {
        Self { config, counted: Mutex::default() }
    }

    /// Counts everything again: the highest commitments, less what the chain has paid.
    ///
    /// A channel that was never read counts with its whole highest commitment.
    pub fn count(&self, held: &[Held], view: &View) {
        let resource_fee = view.settle_resource_fee().unwrap_or(self.config.fees.assumed_resource_fee);
        let mut counted = self.lock();
        let before = std::mem::take(&mut counted.promises);
        *counted = Counted { complete: true, resource_fee, ..Counted::default() };
        for held in held {
            let channel = held.channel();
            let pending = before.get(&channel).filter(|promise| promise.pending > 0);
            let reserved = pending.map_or(Amount::ZERO, |promise| promise.reserved);
            let highest = held.claim_amount().max(reserved);
            let mut promise = self.promise(held, view.channel(&channel).as_ref(), highest, resource_fee);
            promise.reserved = reserved;
            promise.pending = pending.map_or(0, |promise| promise.pending);
            counted.put(channel, promise);
        }
    }

    /// The totals for the channel's recipient; `None` before the first count.
    pub fn totals(&self, held: &Held) -> Option<Totals> {
        self.lock().totals(&payee(held))
    }

    /// The number of promised settlements, and what they may cost in fees; `None` before the first count.
    pub fn fees(&self) -> Option<(usize, Stroops)> {
        let counted = self.lock();
        counted.complete.then_some((counted.settlements, counted.fees))
    }

    /// What one more settlement may cost at most, in stroops: the resources and the highest bid.
    pub fn dearest_settlement(&self) -> Stroops {
        let counted = self.lock();
        let resource_fee = match counted.complete {
            true => counted.resource_fee,
            false => self.config.fees.assumed_resource_fee,
        };
        resource_fee.saturating_add(self.config.fees.max_inclusion_fee)
    }

    /// What a recipient is owed in a token, over all channels. Base units.
    pub fn owed(&self, token: &ContractId, to: &Address) -> Amount {
        self.lock().owed.get(&(*token, *to)).copied().unwrap_or(Amount::ZERO)
    }

    /// The totals as if the channel's highest commitment were `amount`; `None` before the first count. Changes nothing.
    pub fn with(&self, held: &Held, known: Option<&ChannelView>, amount: Amount) -> Option<Totals> {
        let counted = self.lock();
        let promise = self.promise(held, known, amount, counted.resource_fee);
        counted.with(held.channel(), &promise)
    }

    /// Counts `amount` as promised if `allowed` accepts the resulting totals. No other promise can be counted between
    /// the question and the count.
    ///
    /// # Errors
    /// The error of `allowed`. Nothing is counted then.
    pub fn reserve<E>(
        &self,
        held: &Held,
        known: Option<&ChannelView>,
        amount: Amount,
        allowed: impl FnOnce(Option<Totals>) -> Result<(), E>,
    ) -> Result<Reservation<'_>, E> {
        let channel = held.channel();
        let mut counted = self.lock();
        let mut promise = self.promise(held, known, amount, counted.resource_fee);
        allowed(counted.with(channel, &promise))?;
        let before = counted.promises.get(&channel).copied();
        promise.reserved = before.map_or(amount, |before| before.reserved.max(amount));
        promise.pending = before.map_or(0, |before| before.pending).saturating_add(1);
        match before {
            // The store has a higher offer of the same channel, whose promise stays.
            Some(higher) if higher.unsettled >= promise.unsettled => {
                let kept = Promise { reserved: promise.reserved, pending: promise.pending, ..higher };
                counted.promises.insert(channel, kept);
            }
            _ => {
                counted.remove(&channel);
                counted.put(channel, promise);
            }
        }
        drop(counted);
        Ok(Reservation { promises: self, channel })
    }

    fn promise(&self, held: &Held, known: Option<&ChannelView>, highest: Amount, resource_fee: Stroops) -> Promise {
        let unsettled = match known {
            // A channel that has ended pays nothing more.
            Some(known) if known.ended => Amount::ZERO,
            Some(known) => known.state.unsettled(highest),
            None => highest,
        };
        let fees = self.fees_of(&held.admission.token, unsettled, resource_fee);
        Promise { payee: payee(held), unsettled, fees, reserved: Amount::ZERO, pending: 0 }
    }

    /// What settling this amount may cost: the resources, and the highest bid that is worth paying.
    fn fees_of(&self, token: &ContractId, unsettled: Amount, resource_fee: Stroops) -> Stroops {
        let token = self.config.token(token);
        let dust = token.map_or(Amount::ZERO, |token| token.dust);
        if unsettled.is_zero() || unsettled < dust {
            return Stroops(0);
        }
        let value = token.map(|token| token.value(unsettled));
        resource_fee.saturating_add(policy::highest_bid(value, resource_fee, self.config.fees.max_inclusion_fee))
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        // After a panic under the lock the count may be wrong; the next count replaces it.
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if let Some(promise) = self.promises.lock().promises.get_mut(&self.channel) {
            promise.pending = promise.pending.saturating_sub(1);
        }
    }
}

impl Counted {
    fn put(&mut self, channel: ContractId, promise: Promise) {
        self.settlements = self.settlements.saturating_add(usize::from(promise.fees > Stroops(0)));
        self.fees = self.fees.saturating_add(promise.fees);
        let owed = self.owed.entry(promise.payee).or_default();
        *owed = owed.saturating_add(promise.unsettled);
        self.promises.insert(channel, promise);
    }

    fn remove(&mut self, channel: &ContractId) {
        let Some(promise) = self.promises.remove(channel) else {
            return;
        };
        self.settlements = self.settlements.saturating_sub(usize::from(promise.fees > Stroops(0)));
        self.fees = Stroops(self.fees.get().saturating_sub(promise.fees.get()));
        if let Some(owed) = self.owed.get_mut(&promise.payee) {
            *owed = owed.saturating_sub(promise.unsettled);
        }
    }

    fn totals(&self, payee: &Payee) -> Option<Totals> {
        let owed = self.owed.get(payee).copied().unwrap_or(Amount::ZERO);
        self.complete.then_some(Totals { settlements: self.settlements, fees: self.fees, owed })
    }

    /// The totals with this promise in place of the channel's own, unless the channel's own is higher.
    fn with(&self, channel: ContractId, promise: &Promise) -> Option<Totals> {
        let totals = self.totals(&promise.payee)?;
        let before = self.promises.get(&channel);
        let (unsettled, fees) = before.map_or((Amount::ZERO, Stroops(0)), |before| (before.unsettled, before.fees));
        if unsettled >= promise.unsettled {
            return Some(totals);
        }
        let added = usize::from(promise.fees > Stroops(0)).saturating_sub(usize::from(fees > Stroops(0)));
        Some(Totals {
            settlements: totals.settlements.saturating_add(added),
            fees: Stroops(totals.fees.get().saturating_sub(fees.get())).saturating_add(promise.fees),
            owed: totals.owed.saturating_sub(unsettled).saturating_add(promise.unsettled),
        })
    }
}

fn payee(held: &Held) -> Payee {
    (held.admission.token, held.admission.to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{CHANNEL, RECIPIENT, TOKEN, channel_view, config, held, state, units, view};
    use paychan_channel::ChannelState;

    fn promises() -> Promises {
        Promises::new(Arc::new(config()))
    }

    fn fees_of(amount: u64) -> Stroops {
        let promises = promises();
        promises.count(&[held(amount)], &view());
        promises.fees().expect("they were counted").1
    }

    #[test]
    fn before_the_first_count_there_are_no_totals() {
        assert_eq!(promises().totals(&held(5)), None);
        assert_eq!(promises().with(&held(5), None, units(9)), None);
    }

    #[test]
    fn a_promise_reserves_its_settlement_and_no_more_than_what_is_at_stake() {
        // The fixture's token has a dust limit of 100,000 base units and 7 decimals, and one whole token is worth
        // 40,000,000 stroops.
        assert_eq!(fees_of(99_999), Stroops(0), "dust is not settled");
        let at_dust = 400_000;
        assert_eq!(fees_of(100_000), Stroops(at_dust), "the resources, and what is left of the value");
        let most = config().fees;
        let most = most.assumed_resource_fee.saturating_add(most.max_inclusion_fee);
        assert_eq!(fees_of(1_000_000_000), most);
    }

    #[test]
    fn paid_amounts_and_ended_channels_are_no_promises() {
        let view = view();
        let promises = promises();
        view.merge_channel(ChannelState {
            withdrawn: units(600_000),
            read_at: state().read_at.saturating_add(1),
            ..state()
        });
        promises.count(&[held(1_000_000)], &view);
        assert_eq!(promises.owed(&TOKEN, &RECIPIENT), units(400_000));
        view.merge_channel(ChannelState { refunded: true, read_at: state().read_at.saturating_add(2), ..state() });
        promises.count(&[held(1_000_000)], &view);
        assert_eq!(promises.totals(&held(1)), Some(Totals { settlements: 0, fees: Stroops(0), owed: Amount::ZERO }));
    }

    #[test]
    fn a_question_changes_nothing_and_a_reservation_counts_until_a_later_count() {
        let (view, promises) = (view(), promises());
        promises.count(&[held(0)], &view);
        let known = channel_view(state());
        let asked = promises.with(&held(0), Some(&known), units(1_000_000)).expect("they were counted");
        assert_eq!((asked.settlements, asked.owed), (1, units(1_000_000)));
        assert_eq!(promises.owed(&TOKEN, &RECIPIENT), Amount::ZERO);

        let reservation = promises.reserve(&held(0), Some(&known), units(1_000_000), |_| Ok::<(), ()>(())).ok();
        assert_eq!(promises.owed(&TOKEN, &RECIPIENT), units(1_000_000));
        promises.count(&[held(0)], &view);
        assert_eq!(promises.owed(&TOKEN, &RECIPIENT), units(1_000_000), "the store has not answered yet");
        drop(reservation);
        promises.count(&[held(0)], &view);
        assert_eq!(promises.owed(&TOKEN, &RECIPIENT), Amount::ZERO, "the store did not take it");
    }

    #[test]
    fn a_reservation_that_is_refused_counts_nothing() {
        let promises = promises();
        promises.count(&[held(0)], &view());
        let refused = promises.reserve(&held(0), Some(&channel_view(state())), units(1_000_000), |_| Err("no"));
        assert_eq!(refused.err(), Some("no"));
        assert_eq!(promises.fees(), Some((0, Stroops(0))));
        assert!(!promises.lock().promises.contains_key(&CHANNEL) || promises.owed(&TOKEN, &RECIPIENT).is_zero());
    }
}
