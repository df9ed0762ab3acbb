//! The rules for commitments, held against the view and the clock: what the store's committer asks.

use std::sync::Arc;

use paychan_channel::Amount;

use crate::commitments::Moment;

use crate::clock::Clock;
use crate::config::Config;
use crate::view::View;
use paychan_store::{Gate, Held, Refusal};

/// Answers for the chain as it is known now. Reads memory and clocks only.
pub struct ViewGate {
    view: Arc<View>,
    clock: Arc<dyn Clock>,
    config: Arc<Config>,
}

impl ViewGate {
    /// A gate over this view.
    pub fn new(view: Arc<View>, clock: Arc<dyn Clock>, config: Arc<Config>) -> Self {
        Self { view, clock, config }
    }

    /// The view that it answers from.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Whether `amount` would be taken on this channel now. Changes nothing.
    ///
    /// # Errors
    /// As [`super::check`].
    pub fn now(&self, held: &Held, amount: Amount) -> Result<(), Refusal> {
        let id = held.channel();
        let limits = self.config.freshness_limits();
        let channel = self.view.channel(&id);
        let moment = Moment {
            stopping: self.view.is_stopping(),
            rolled_back: &self.view.rolled_back_channels(),
            freshness: self.view.freshness(&id, &limits, self.clock.wall_unix_ms(), self.clock.boot()),
            channel: channel.as_ref(),
            payability: self.view.payability(&held.admission.token, &held.admission.to),
            funds: self.view.fee_funds(),
            fees: &self.config.fees,
        };
        super::check(held, amount, &moment)
    }
}

impl Gate for ViewGate {
    fn check(&self, held: &Held, amount: Amount) -> Result<(), Refusal> {
        self.now(held, amount)?;
        // The first unsettled commitment of a channel promises one settlement more, known before the next is asked about.
        let withdrawn = self.view.channel(&held.channel()).map(|known| known.state.withdrawn);
        if withdrawn.is_some_and(|withdrawn| held.highest_amount() <= withdrawn) {
            self.view.promise_one_more();
        }
        Ok(())
    }
}
