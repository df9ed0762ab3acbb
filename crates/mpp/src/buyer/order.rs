//! Records a payment before it is signed.

use std::sync::{Arc, Mutex, PoisonError};

use paychan_channel::{Amount, ContractId};

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
    /// It closes the channel with this total, which is above the highest one that was signed.
    Close(Amount),
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

/// A payment that is recorded.
pub(super) struct Written {
    pub(super) id: u64,
    pub(super) total: Amount,
    /// By how much the total is above all that was signed before.
    pub(super) raise: Amount,
    /// `None` for a payment that is made again, which is counted already.
    pub(super) under_way: Option<UnderWay>,
}

/// Counts a payment as under way until it is dropped, also when its caller gives it up.
pub(super) struct UnderWay {
    state: Arc<Mutex<State>>,
    channel: ContractId,
}

impl UnderWay {
    fn begin(state: &Arc<Mutex<State>>, channel: ContractId) -> Self {
        let mut locked = state.lock().unwrap_or_else(PoisonError::into_inner);
        let standing = locked.channels.entry(channel).or_default();
        standing.under_way = standing.under_way.saturating_add(1);
        Self { state: Arc::clone(state), channel }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let standing = state.channels.entry(self.channel).or_default();
        standing.under_way = standing.under_way.saturating_sub(1);
    }
}

impl Order {
    /// Chooses the total, checks the caps, and records the payment, which is on disk when this returns.
    ///
    /// It holds the store's lock all the time, so that no two payments choose the same total.
    pub(super) fn write(self, store: &Mutex<Store>, state: &Arc<Mutex<State>>) -> Result<Written, PayError> {
        let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
        let standing = {
            let state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.channels.get(&self.payable.channel()).copied().unwrap_or_default()
        };
        let (channel, price) = (self.payable.channel(), self.payable.price);
        let signed = store.signed(&channel);
        let (fresh, limit) = match self.purpose {
            Purpose::Pay { fresh } => (fresh, None),
            Purpose::PayAgain(limit) => (true, Some(limit)),
            Purpose::Proof(_) | Purpose::Close(_) => (false, None),
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
            (Purpose::Close(total), _) => total,
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
        let price = if matches!(self.purpose, Purpose::Close(_)) { raise } else { price };
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
        let under_way = limit.is_none().then(|| UnderWay::begin(state, channel));
        Ok(Written { id, total, raise, under_way })
    }
}
