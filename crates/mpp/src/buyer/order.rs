//! Records a payment before it is signed.

use std::sync::{Mutex, PoisonError};

use paychan_channel::Amount;

use super::caps::Caps;
use super::error::PayError;
use super::offer::Payable;
use super::standing::State;
use super::store::{Record, Signed, Store};
use super::total::{self, Known};
use crate::wire::Timestamp;

/// What a voucher is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It pays. `fresh` is set when its challenge is new.
    Pay { fresh: bool },
    /// It pays again for what was paid before, with no higher total than this.
    PayAgain(Amount),
    /// It asks the server for the highest commitment. It is for this total, which was the highest one when the server claimed
    /// more, or for one base unit. A payment beside it has another total, since it is above the server's.
    Proof(Amount),
}

/// A payment that is to be recorded.
pub(super) struct Order {
    pub(super) host: String,
    pub(super) method: String,
    pub(super) url: String,
    pub(super) payable: Payable,
    pub(super) purpose: Purpose,
    pub(super) caps: Caps,
    pub(super) resync_up_to: Option<Amount>,
}

impl Order {
    /// Chooses the total, checks the caps, and records the payment, which is on disk when this returns.
    ///
    /// It holds the store's lock all the time, so that no two payments choose the same total.
    pub(super) fn write(self, store: &Mutex<Store>, state: &Mutex<State>) -> Result<(u64, Amount, Amount), PayError> {
        let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
        let state = || state.lock().unwrap_or_else(PoisonError::into_inner);
        let standing = state().channels.get(&self.payable.channel()).copied().unwrap_or_default();
        let (channel, price) = (self.payable.channel(), self.payable.price);
        let signed = store.signed(&channel);
        let (fresh, limit) = match self.purpose {
            Purpose::Pay { fresh } => (fresh, None),
            Purpose::PayAgain(limit) => (true, Some(limit)),
            Purpose::Proof(_) => (false, None),
        };
        let fresh = fresh && !standing.is_newer_than(&self.payable);
        let server = match (fresh, standing.spent, standing.accepted) {
            (true, ..) => self.payable.base,
            // The server computes it in the same way: at least one base unit above the highest.
            (false, Some(spent), Some(accepted)) => {
                Some(spent.max(accepted.saturating_add(Amount::from(1)).saturating_sub(price)))
            }
            (false, ..) => None,
        };
        // A retry with a limit is this payment itself, so it does not count as another payment under way.
        let under_way = standing.under_way > u32::from(limit.is_some());
        let mut known = Known { signed, server, under_way };
        let total = match (self.purpose, total::to_sign(known, price)) {
            (Purpose::Proof(signed), _) => signed.max(Amount::from(1)),
            (_, Ok(total)) => total,
            (_, Err(total::Ahead(says))) if self.resync_up_to.is_some_and(|most| says <= most) => {
                store.resync(channel, says)?;
                known.signed = says;
                says.saturating_add(price)
            }
            (_, Err(total::Ahead(says))) => {
                return Err(PayError::ServerAhead { host: self.host, channel, says, known: signed });
            }
        };
        if limit.is_some_and(|limit| total > limit) {
            return Err(PayError::AskedTwice { host: self.host, why: String::new(), problem: None });
        }
        let raise = total.saturating_sub(known.signed);
        let now = Timestamp::now();
        let so_far = store.signed_away(&self.host, &channel, now.day());
        self.caps.check(price, raise, &self.host, &channel, &so_far)?;
        let id = store.take_id();
        let signed = Signed {
            id,
            at: now.to_text(),
            channel,
            total,
            raise,
            price,
            host: self.host,
            method: self.method,
            url: self.url,
        };
        store.write(&Record::Signed(signed), true)?;
        if limit.is_none() {
            let mut state = state();
            let standing = state.channels.entry(channel).or_default();
            standing.under_way = standing.under_way.saturating_add(1);
        }
        Ok((id, total, raise))
    }
}
