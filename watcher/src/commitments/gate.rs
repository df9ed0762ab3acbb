//! Applies the rules for commitments to the view, the count of promises and the clock.

use std::sync::Arc;

use paychan_channel::Amount;

use super::rules::{Conditions, check, check_charge};
use crate::clock::Clock;
use crate::config::Config;
use crate::promises::{Promises, Reservation, Totals};
use crate::view::{ChannelView, View};
use paychan_store::{Gate, Held, Refusal};

/// Judges commitments by the chain as it is known now. It reads memory and clocks only.
pub struct ViewGate {
    view: Arc<View>,
    promises: Arc<Promises>,
    clock: Arc<dyn Clock>,
    config: Arc<Config>,
}

impl ViewGate {
    /// A gate over this view and this count of promises.
    pub fn new(view: Arc<View>, promises: Arc<Promises>, clock: Arc<dyn Clock>, config: Arc<Config>) -> Self {
        Self { view, promises, clock, config }
    }

    /// The view by which it judges.
    pub(super) fn view(&self) -> &View {
        &self.view
    }

    /// Counts `amount` as promised if it would be taken on this channel now. The promise counts until the reservation
    /// is dropped after the store has answered; from then on it counts only if the store holds it.
    ///
    /// # Errors
    /// The errors of [`check`]. Nothing is counted then.
    pub(super) fn reserve(&self, held: &Held, amount: Amount) -> Result<Reservation<'_>, Refusal> {
        let known = self.view.channel(&held.channel());
        self.promises.reserve(held, known.as_ref(), amount, |totals| self.judge(held, amount, known.as_ref(), totals))
    }

    fn judge(
        &self,
        held: &Held,
        amount: Amount,
        known: Option<&ChannelView>,
        totals: Option<Totals>,
    ) -> Result<(), Refusal> {
        check(held, amount, &self.conditions(held, known, totals))
    }

    fn conditions<'a>(&'a self, held: &Held, known: Option<&'a ChannelView>, totals: Option<Totals>) -> Conditions<'a> {
        let id = held.channel();
        let admission = &held.admission;
        let limits = self.config.freshness_limits();
        Conditions {
            stopping: self.view.is_stopping(),
            panicked: self.view.has_stopped_taking(),
            paused: self.view.is_paused(),
            rolled_back: self.view.is_rolled_back(&id),
            lane_ahead: self.view.lanes_ahead().first().copied(),
            freshness: self.view.freshness(&id, &limits, self.clock.wall_unix_ms(), self.clock.boot()),
            head: self.view.head().map(|head| head.ledger),
            channel: known,
            payability: self.view.payability(&admission.token, &admission.to),
            token: self.view.token(&admission.token),
            listed: self.config.token(&admission.token),
            spendable: self.view.spendable(),
            totals,
            unread_ledgers: limits.unread_ledgers,
        }
    }
}

impl Gate for ViewGate {
    /// Whether `amount` would be taken on this channel now, and whether `price` could be sold for it. Changes nothing.
    fn check(&self, held: &Held, amount: Amount, price: Amount) -> Result<(), Refusal> {
        let known = self.view.channel(&held.channel());
        // A charge on a commitment that the store has already makes no new promise.
        if amount <= held.highest_amount() {
            return check_charge(held, price, &self.conditions(held, known.as_ref(), None));
        }
        let totals = self.promises.with(held, known.as_ref(), amount);
        self.judge(held, amount, known.as_ref(), totals)
    }
}
