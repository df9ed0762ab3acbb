//! Asks the endpoint at the start which network it serves, and for the network's settings.

use std::sync::Arc;
use std::time::Duration;

use paychan_store::Store;
use tracing::{info, warn};

use super::error::RunError;
use super::owed::owes_nothing;
use super::systemd;
use crate::alarm::raise;
use crate::chain::{Asking, Chain, ChainErrorKind, NetworkTerms, SeveralEndpoints};
use crate::clock::Clock;
use crate::config::Config;
use crate::floor::FloorError;
use crate::liveness::Liveness;
use crate::reminder::Reminder;
use crate::settler::step::BOUNDS_LEDGERS;
use crate::view::View;

/// The pause after a question without an answer.
const PAUSE: Duration = Duration::from_secs(2);

/// The parts with which the start works.
pub(super) struct Starting {
    pub(super) config: Arc<Config>,
    pub(super) chain: Arc<SeveralEndpoints>,
    pub(super) store: Store,
    pub(super) view: Arc<View>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) follows: Arc<Liveness>,
}

impl Starting {
    /// Checks that an endpoint serves the configured network, since answers of another network must not be believed.
    ///
    /// # Errors
    /// The endpoint serves another network, and nothing is unsettled. If something is unsettled, the question is
    /// repeated until the answer is right.
    pub(super) async fn network(&self) -> Result<(), RunError> {
        let passphrase = self.config.passphrase();
        let mut reminder = Reminder::default();
        let question = "which network the endpoints serve";
        self.ask(question, &mut reminder, || Box::pin(self.chain.check_network())).await?;
        match self.chain.agreement().configured {
            1 => info!(
                endpoint = %self.chain.names(), passphrase,
                "only one endpoint is configured, so the watcher trusts what it says about the chain"
            ),
            configured => info!(
                endpoints = %self.chain.names(), configured, needed = self.chain.agreement().needed, passphrase,
                "the watcher believes in danger from any one endpoint, and in safety from more than half of them"
            ),
        }
        Ok(())
    }

    /// Reads the network's settings, derives the floor from them, and logs it. Settling does not wait for this, but no
    /// channel is admitted before it is done.
    ///
    /// # Errors
    /// The settings and the configuration contradict each other, and the store has no channel yet.
    pub(super) async fn terms(&self) -> Result<(), RunError> {
        let mut reminder = Reminder::default();
        loop {
            let terms = self.ask("the network's settings", &mut reminder, || self.chain.settings()).await?;
            match self.check(&terms) {
                Ok(()) => {
                    self.view.set_network(terms);
                    return Ok(());
                }
                Err(error) if self.store.all_held().is_empty() => return Err(error.into()),
                Err(error) => {
                    if reminder.is_due(self.clock.boot()) {
                        raise!(
                            WaitingPeriodTooShort, %error,
                            "the network's settings and the configuration contradict each other; no channel is admitted, \
                             and settling goes on"
                        );
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Derives the floor and prints it.
    fn check(&self, terms: &NetworkTerms) -> Result<(), FloorError> {
        let held = self.store.all_held();
        let channels = u32::try_from(held.len()).unwrap_or(u32::MAX);
        let floor = self.config.floor(terms.target_close_ms, BOUNDS_LEDGERS, channels)?;
        info!("{floor}");
        info!(
            reaction = floor.reaction,
            floor = floor.waiting_period,
            minimum = self.config.minimum_refund_waiting_period,
            target_close_ms = terms.target_close_ms,
            "the shortest waiting period that is safe, in ledgers, and the shortest that is admitted"
        );
        match self.config.check_floor(&floor) {
            Ok(()) => {}
            // What was promised is still settled, however many channels there are. Admission checks the floor again and
            // takes no more channels.
            Err(error @ FloorError::MinimumTooLow { .. }) if !held.is_empty() => {
                raise!(
                    WaitingPeriodTooShort, %error,
                    "with the channels that are watched already, the configured minimum is too short"
                );
            }
            Err(error) => return Err(error),
        }
        for held in held.iter().filter(|held| held.admission.refund_waiting_period < floor.waiting_period) {
            raise!(
                WaitingPeriodTooShort, channel = %held.channel(), floor = floor.waiting_period,
                waiting_period = held.admission.refund_waiting_period,
                "a watched channel's waiting period is below today's floor: its settlement may come too late"
            );
        }
        Ok(())
    }

    /// Repeats the question until there is an answer.
    async fn ask<'q, T>(
        &self,
        what: &str,
        reminder: &mut Reminder,
        question: impl Fn() -> Asking<'q, T>,
    ) -> Result<T, RunError> {
        let began = self.clock.boot();
        let fresh_for = Duration::from_secs(self.config.fresh.seconds.into());
        loop {
            systemd::starting(&format!("asking for {what}"), Duration::from_secs(120));
            self.follows.beat(self.clock.boot());
            match question().await {
                Ok(answer) => return Ok(answer),
                Err(error) if error.kind == ChainErrorKind::WrongNetwork && owes_nothing(&self.store) => {
                    return Err(RunError::Chain(error));
                }
                Err(error) if error.kind.is_alarm() => {
                    if reminder.is_due(self.clock.boot()) {
                        raise!(ChainNotUnderstood, %error, what, "the answer can't be used; the question is repeated");
                    }
                }
                // Later the follower raises this alarm, but it starts only after the first of these questions.
                Err(error) if self.clock.boot().saturating_sub(began) > fresh_for => {
                    if reminder.is_due(self.clock.boot()) {
                        raise!(
                            ChainNotVisible, %error, what,
                            "the watcher has not seen the chain since its start; no close would be noticed, and nothing is settled"
                        );
                    }
                }
                Err(error) => warn!(%error, what, "there is no answer; the question is repeated"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
