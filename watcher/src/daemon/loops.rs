//! The two loops: following the ledger, and settling at each new head.

use std::sync::Arc;
use std::time::Duration;

use paychan_channel::{AccountId, Ledger};
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{info, warn};

use super::error::RunError;
use super::watchdog::Pulse;
use super::{systemd, until};
use crate::alarm::raise;
use crate::chain::NetworkTerms;
use crate::chain::{Asking, Chain, ChainErrorKind, RpcChain};
use crate::clock::Clock;
use crate::config::Config;
use crate::floor::FloorError;
use crate::follower::Follower;
use crate::settler::Settler;
use crate::settler::step::IN_FLIGHT_LEDGERS;
use crate::view::View;
use paychan_store::Store;

/// The pause after a question at start that got no answer.
const PAUSE: Duration = Duration::from_secs(2);

/// The longest that the settling loop waits for a new head before it gives a sign of life.
const BEAT: Duration = Duration::from_secs(5);

/// What the loops work with.
pub(super) struct Work {
    pub(super) config: Arc<Config>,
    pub(super) chain: Arc<RpcChain>,
    pub(super) store: Store,
    pub(super) view: Arc<View>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) follower: Follower,
    pub(super) settler: Settler,
    pub(super) follows: Arc<Pulse>,
    pub(super) settles: Arc<Pulse>,
    pub(super) stopped: watch::Receiver<bool>,
}

impl Work {
    /// Starts, then follows and settles until told to stop.
    pub(super) async fn run(self, lane: AccountId) -> Result<(), RunError> {
        let stopped = self.stopped.clone();
        let (heads, new_head) = watch::channel(Ledger(0));
        let Self { config, chain, store, view, clock, follower, settler, follows, settles, stopped: told } = self;
        let starting = Starting { config: &config, chain: &chain, store: &store, follows: &follows, clock: &clock };
        // Between two questions at start nothing is half done: stopping there just ends it.
        let started = tokio::select! {
            () = until(stopped.clone()) => return Ok(()),
            started = starting.terms() => started?,
        };
        view.set_network(started);
        info!(account = %lane, "fees are paid by this account");
        let poll = Duration::from_millis(config.network.poll_interval_ms.into());
        let following = Following { follower, view, clock: clock.clone(), pulse: follows, poll };
        let settling = Settling { settler, clock, pulse: settles };
        tokio::try_join!(following.run(heads, told.clone()), settling.run(new_head, told))?;
        Ok(())
    }
}

/// What is asked before anything is followed.
struct Starting<'a> {
    config: &'a Config,
    chain: &'a RpcChain,
    store: &'a Store,
    follows: &'a Pulse,
    clock: &'a Arc<dyn Clock>,
}

impl Starting<'_> {
    /// Makes sure of the network and of the terms that the floor is derived from.
    async fn terms(&self) -> Result<NetworkTerms, RunError> {
        let passphrase = self.config.passphrase();
        self.asking("which network the endpoint serves", || Box::pin(self.chain.check_network(passphrase))).await?;
        info!(
            endpoint = %self.chain.endpoint(), passphrase,
            "one endpoint is configured: it is trusted. What it says of the chain is believed, and nobody is asked \
             whether it is true"
        );
        let terms = self.asking("the network's settings", || self.chain.settings()).await?;
        let held = self.store.all_held();
        let channels = u32::try_from(held.len()).unwrap_or(u32::MAX);
        let floor = self.config.floor(terms.target_close_ms, IN_FLIGHT_LEDGERS, channels)?;
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
            // What was promised is settled all the same, however many channels there are by now; admission takes no
            // more of them.
            Err(error @ FloorError::MinimumTooLow { .. }) if !held.is_empty() => raise!(
                WaitingPeriodTooShort, %error,
                "with the channels watched already, the configured minimum is too short"
            ),
            Err(error) => return Err(error.into()),
        }
        for held in held.iter().filter(|held| held.admission.refund_waiting_period < floor.waiting_period) {
            raise!(
                WaitingPeriodTooShort, channel = %held.channel(), floor = floor.waiting_period,
                waiting_period = held.admission.refund_waiting_period,
                "a watched channel's waiting period is below today's floor: its settlement may come too late"
            );
        }
        Ok(terms)
    }

    /// Asks until there is an answer. An endpoint that serves another network is no answer to wait for.
    async fn asking<'q, T>(&self, what: &str, question: impl Fn() -> Asking<'q, T>) -> Result<T, RunError> {
        loop {
            systemd::starting(&format!("asking for {what}"), Duration::from_secs(120));
            self.follows.beat(self.clock.boot());
            match question().await {
                Ok(answer) => return Ok(answer),
                Err(error) if error.kind == ChainErrorKind::WrongNetwork => {
                    return Err(RunError::Chain(error));
                }
                Err(error) if error.kind.is_alarm() => {
                    raise!(ChainNotUnderstood, %error, what, "no answer that can be used; trying on");
                }
                Err(error) => {
                    warn!(%error, what, "no answer; trying on. No commitment is taken meanwhile")
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

struct Following {
    follower: Follower,
    view: Arc<View>,
    clock: Arc<dyn Clock>,
    pulse: Arc<Pulse>,
    poll: Duration,
}

impl Following {
    async fn run(mut self, heads: watch::Sender<Ledger>, stopped: watch::Receiver<bool>) -> Result<(), RunError> {
        let mut ready = false;
        while !*stopped.borrow() {
            self.pulse.beat(self.clock.boot());
            match self.follower.tick().await {
                Ok(followed) => {
                    if !ready {
                        ready = true;
                        info!(head = %followed.head.ledger, "all channels were read; watching");
                        systemd::ready(followed.head.ledger);
                    }
                }
                // The follower said what is wrong. What it learned before that may still be settled on.
                Err(_) if !ready => systemd::starting("reading all channels", Duration::from_secs(120)),
                Err(_) => {}
            }
            if let Some(head) = self.view.head() {
                heads.send_if_modified(|known| std::mem::replace(known, head.ledger) != head.ledger);
            }
            let _ = timeout(self.poll, until(stopped.clone())).await;
        }
        Ok(())
    }
}

struct Settling {
    settler: Settler,
    clock: Arc<dyn Clock>,
    pulse: Arc<Pulse>,
}

impl Settling {
    async fn run(mut self, mut heads: watch::Receiver<Ledger>, stopped: watch::Receiver<bool>) -> Result<(), RunError> {
        while !*stopped.borrow() {
            self.pulse.beat(self.clock.boot());
            tokio::select! {
                () = until(stopped.clone()) => return Ok(()),
                moved = timeout(BEAT, heads.changed()) => match moved {
                    Ok(Ok(())) => self.settler.tick().await?,
                    // The follower ended: so does the daemon.
                    Ok(Err(_)) => return Ok(()),
                    Err(_) => {}
                },
            }
        }
        Ok(())
    }
}
