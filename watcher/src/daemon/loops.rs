//! The two loops of the daemon: one follows the ledger, and one settles at each new head.

use std::sync::Arc;
use std::time::Duration;

use paychan_channel::Ledger;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::info;

use super::error::RunError;
use super::start::Starting;
use super::{systemd, until};
use crate::caught::{caught, report};
use crate::clock::Clock;
use crate::follower::Follower;
use crate::liveness::Liveness;
use crate::settler::Settler;
use crate::view::View;

/// The longest time for which the settling loop waits for a new head before it reports progress.
const BEAT: Duration = Duration::from_secs(5);

/// The parts with which the loops work.
pub(super) struct Work {
    pub(super) starting: Starting,
    pub(super) follower: Follower,
    pub(super) settler: Settler,
    pub(super) settles: Arc<Liveness>,
    pub(super) stopped: watch::Receiver<bool>,
}

impl Work {
    /// Checks the network, then follows and settles until it is told to stop. Settling waits for nothing else.
    ///
    /// # Errors
    /// The endpoint or the configuration is wrong, and nothing is unsettled.
    pub(super) async fn run(self) -> Result<(), RunError> {
        let Self { starting, follower, settler, settles, stopped } = self;
        // The questions change nothing, so they can be cut off at any time.
        tokio::select! {
            () = until(stopped.clone()) => return Ok(()),
            asked = starting.network() => asked?,
        }
        let (heads, new_head) = watch::channel(Ledger(0));
        let (view, clock, config) = (starting.view.clone(), starting.clock.clone(), starting.config.clone());
        let poll = Duration::from_millis(config.network.poll_interval_ms.into());
        let following = Following { follower, view, clock: clock.clone(), liveness: starting.follows.clone(), poll };
        let settling = Settling { settler, clock, liveness: settles };
        let terms = async {
            let view = starting.view.clone();
            loop {
                tokio::select! {
                    () = until(stopped.clone()) => return Ok(()),
                    asked = caught(starting.terms()) => match asked {
                        Ok(asked) => return asked,
                        Err(panicked) => report("deriving the floor", &panicked, &view),
                    },
                }
                let _ = timeout(BEAT, until(stopped.clone())).await;
            }
        };
        tokio::try_join!(terms, following.run(heads, stopped.clone()), settling.run(new_head, stopped.clone()),)?;
        Ok(())
    }
}

struct Following {
    follower: Follower,
    view: Arc<View>,
    clock: Arc<dyn Clock>,
    liveness: Arc<Liveness>,
    poll: Duration,
}

impl Following {
    async fn run(mut self, heads: watch::Sender<Ledger>, stopped: watch::Receiver<bool>) -> Result<(), RunError> {
        let mut ready = false;
        while !*stopped.borrow() {
            self.liveness.beat(self.clock.boot());
            match self.follower.tick().await {
                Ok(followed) => {
                    if !ready {
                        ready = true;
                        info!(head = %followed.head.ledger, "all channels were read; the watcher watches");
                        systemd::ready(followed.head.ledger);
                    }
                }
                // The follower has logged the error. Settling uses what it learned before.
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
    liveness: Arc<Liveness>,
}

impl Settling {
    async fn run(mut self, mut heads: watch::Receiver<Ledger>, stopped: watch::Receiver<bool>) -> Result<(), RunError> {
        while !*stopped.borrow() {
            self.liveness.beat(self.clock.boot());
            tokio::select! {
                () = until(stopped.clone()) => return Ok(()),
                moved = timeout(BEAT, heads.changed()) => match moved {
                    Ok(Ok(())) => self.settler.tick().await,
                    // The follower has ended, so the daemon ends too.
                    Ok(Err(_)) => return Ok(()),
                    Err(_) => {}
                },
            }
        }
        Ok(())
    }
}
