//! Reports trouble with the endpoint when it begins, repeatedly while it lasts, and when it is over.

use std::time::Duration;

use tracing::{debug, info, warn};

use super::{Followed, FollowerParts, NotFollowed, estimate};
use crate::alarm::raise;
use crate::chain::{ChainError, ChainErrorKind};
use crate::config::FreshnessLimits;
use crate::reminder::Reminder;

/// What was reported already.
#[derive(Debug)]
pub(super) struct TroubleReports {
    /// The present trouble with following, so that it is reported once and not at every tick.
    following: Option<&'static str>,
    alarm: Reminder,
    events: Reminder,
    events_failed: bool,
    settings: Reminder,
    /// When the head was last fresh, by the boot clock. At first it is the start of the process.
    visible_at: Duration,
    not_visible: Reminder,
}

impl TroubleReports {
    /// Begins without trouble. `boot` is the boot clock's time of the start.
    pub(super) fn new(boot: Duration) -> Self {
        Self {
            following: None,
            alarm: Reminder::default(),
            events: Reminder::default(),
            events_failed: false,
            settings: Reminder::default(),
            visible_at: boot,
            not_visible: Reminder::default(),
        }
    }

    /// Reports when following begins to fail or works again. Trouble that needs a person is repeated.
    pub(super) fn about_following(&mut self, outcome: &Result<Followed, NotFollowed>, boot: Duration) {
        let now = outcome.as_ref().err().map(name);
        let same = now == self.following;
        match outcome {
            Err(error) if error.is_alarm() => {
                if !same {
                    self.alarm.reset();
                }
                if self.alarm.is_due(boot) {
                    raise!(ChainNotUnderstood, %error, "following fails");
                }
            }
            Err(error) if same => debug!(%error, "the chain still can't be followed"),
            Err(error) => warn!(%error, "the chain can't be followed now; the watcher keeps trying"),
            Ok(_) if same => {}
            Ok(followed) => info!(head = %followed.head.ledger, "the chain is followed again"),
        }
        self.following = now;
    }

    /// Reports when events can't be read, and when they can be read again.
    pub(super) fn about_events(&mut self, trouble: Option<&ChainError>, boot: Duration) {
        let Some(error) = trouble else {
            if self.events_failed {
                info!("events can be read again");
            }
            self.events_failed = false;
            self.events.reset();
            return;
        };
        self.events_failed = true;
        if !self.events.is_due(boot) {
            return;
        }
        if error.kind.is_alarm() {
            raise!(ChainNotUnderstood, %error, "events can't be read; sweeps alone show closes, which takes longer");
        } else {
            warn!(%error, "events can't be read; sweeps alone show closes, which takes longer");
        }
    }

    /// Reports why the network's settings can't be used. `None` means that they can.
    pub(super) fn about_settings(&mut self, trouble: Option<String>, boot: Duration) {
        match trouble {
            None => self.settings.reset(),
            Some(why) if self.settings.is_due(boot) => raise!(
                ChainNotUnderstood,
                why,
                "the network's settings can't be read; the last known ones are used, and settling goes on"
            ),
            Some(_) => {}
        }
    }

    /// Raises an alarm while no fresh state was seen for longer than the freshness limit, by the boot clock. Its text
    /// becomes urgent when a third of the shortest waiting period of a channel with something unsettled may be gone.
    pub(super) fn about_visibility(&mut self, parts: &FollowerParts, limits: &FreshnessLimits) {
        let boot = parts.clock.boot();
        let Err(why) = parts.view.chain_freshness(limits, parts.clock.wall_unix_ms(), boot) else {
            self.visible_at = boot;
            self.not_visible.reset();
            return;
        };
        let unseen = boot.saturating_sub(self.visible_at);
        if unseen <= limits.age || !self.not_visible.is_due(boot) {
            return;
        }
        let target_close_ms = parts.view.network().map(|terms| terms.target_close_ms);
        let unsettled = parts.store.all_held().into_iter().filter(|held| match parts.view.channel(&held.channel()) {
            Some(known) => !known.ended && !known.state.unsettled(held.claim_amount()).is_zero(),
            None => !held.claim_amount().is_zero(),
        });
        let shortest = unsettled.map(|held| held.admission.refund_waiting_period).min();
        let unseen_s = unseen.as_secs();
        match shortest.map(|ledgers| estimate(ledgers, target_close_ms)) {
            Some(wait) if unseen >= wait / 3 => raise!(
                ChainNotVisible, unseen_s, shortest_wait_s = wait.as_secs(), %why,
                "URGENT: the chain was not seen for a third of the shortest waiting period of a channel with something \
                 unsettled; a funder may be taking its money back. Use another endpoint now"
            ),
            wait => raise!(
                ChainNotVisible, unseen_s, shortest_wait_s = wait.map(|wait| wait.as_secs()), %why,
                "the watcher does not see the chain; no commitment is taken, and a close would not be noticed"
            ),
        }
    }
}

/// A name for the trouble that stays the same while it lasts.
fn name(error: &NotFollowed) -> &'static str {
    match error {
        NotFollowed::Chain(error) => match error.kind {
            ChainErrorKind::Behind => "the endpoint is behind",
            ChainErrorKind::Gone => "the endpoint's history is gone",
            ChainErrorKind::Busy { .. } => "the endpoint is busy",
            ChainErrorKind::Refused => "the endpoint refuses",
            ChainErrorKind::Transport => "the endpoint is out of reach",
            ChainErrorKind::Undecodable => "the endpoint's answer is not understood",
            ChainErrorKind::WrongNetwork => "the endpoint serves another network",
        },
        NotFollowed::Behind { .. } => "the endpoint lags",
        NotFollowed::Contradicted { .. } => "the endpoint's answers contradict each other",
    }
}
