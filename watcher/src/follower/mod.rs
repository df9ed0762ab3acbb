//! Follows the ledger. One tick asks for the newest ledger, reads the `close` events since the last tick, and sweeps
//! all channels' entries when that is due. Events are hints; entries are the truth.
//!
//! Except for sweeps, the number of a tick's questions does not grow with the number of channels. When events can't be
//! read, channels are read more often instead, which is slower, and the log says so.
//!
//! When a part of a tick fails, the other parts are still done.

mod deadlines;
mod events;
mod history;
mod lanes;
mod lives;
mod recipients;
mod trouble;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use paychan_channel::{AccountId, ContractId, Ledger};
use tracing::debug;

use crate::alarm::raise;
use crate::caught::{caught, guarded, report};
use crate::chain::{Chain, ChainError, Head};
use crate::clock::Clock;
use crate::config::Config;
use crate::config::FreshnessLimits;
use crate::policy;
use crate::promises::Promises;
use crate::reader::ChannelReader;
use crate::reminder::Reminder;
use crate::view::View;
use paychan_store::{Outcome, Store};

use deadlines::Deadlines;
use events::Events;
use history::{History, Limits, Now, Verdict};
use lives::Lives;
use trouble::TroubleReports;

/// The follower's settings from the configuration.
#[derive(Debug, Clone)]
pub struct FollowerSettings {
    /// S: ledgers between two sweeps.
    pub sweep_interval: u32,
    /// A channel whose history is known without a gap only up to this many ledgers behind the head is read on its own.
    pub reread_behind: u32,
    /// How old the known state may be while commitments are taken.
    pub fresh: FreshnessLimits,
    /// The accounts that pay fees.
    pub lanes: Vec<AccountId>,
}

impl FollowerSettings {
    /// The settings of a configuration, with the accounts that pay fees.
    pub fn of(config: &Config, lanes: Vec<AccountId>) -> Self {
        Self {
            sweep_interval: config.reaction.sweep_interval_ledgers,
            // Half of the freshness limit, so that a channel is read before it is stale, and not at every ledger.
            reread_behind: config.fresh.ledgers.div_ceil(2),
            fresh: config.freshness_limits(),
            lanes,
        }
    }
}

/// The parts of which the follower is made.
pub struct FollowerParts {
    /// The network.
    pub chain: Arc<dyn Chain>,
    /// The store, which keeps what must not be lost.
    pub store: Store,
    /// What is known of the chain.
    pub view: Arc<View>,
    /// What was promised.
    pub promises: Arc<Promises>,
    /// The clock, which shows whether the known state is recent.
    pub clock: Arc<dyn Clock>,
    /// The operator's list of tokens.
    pub config: Arc<Config>,
}

/// Follows the ledger and writes the view.
pub struct Follower {
    parts: FollowerParts,
    reader: ChannelReader,
    settings: FollowerSettings,
    history: History,
    events: Events,
    /// When the last complete sweep began.
    swept_at: Option<Ledger>,
    /// Whether the network's settings must be read, because a sweep has ended since.
    settings_due: bool,
    /// Whether recipients and issuers must be read, because a sweep has ended since.
    recipients_due: bool,
    deadlines: Deadlines,
    lives: Lives,
    /// The fee accounts that were read since the start.
    seen_lanes: HashSet<AccountId>,
    fees_low: Reminder,
    trouble: TroubleReports,
}

/// The result of one tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Followed {
    /// The newest ledger.
    pub head: Head,
    /// Whether it is newer than at the tick before.
    pub moved: bool,
    /// Whether all channels' entries were read.
    pub swept: bool,
}

/// Why a tick could not be completed. The next one tries again. Meanwhile the view ages, and money is refused when it
/// is too old.
#[derive(Debug, thiserror::Error)]
pub enum NotFollowed {
    /// The endpoint gave no usable answer.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The endpoint's newest ledger is older than a ledger that is known already.
    #[error(
        "the endpoint is at ledger {at}, but ledger {known} was seen already; waiting for the endpoint to catch up"
    )]
    Behind {
        /// Its newest ledger.
        at: Ledger,
        /// The newest ledger that is known.
        known: Ledger,
    },
    /// The endpoint's answers can't belong to one history.
    #[error(
        "the endpoint says that the newest ledger is {at}, which can't follow ledger {known} that was seen before: it \
         serves two networks, one of the two answers is wrong, or the network's history has started again. The watcher will \
         follow the ledgers on which later answers agree; `paychan-watcher status` shows what is unsettled"
    )]
    Contradicted {
        /// Its newest ledger.
        at: Ledger,
        /// The newest ledger that is known.
        known: Ledger,
    },
}

impl NotFollowed {
    /// Whether a person has to act, since waiting is not enough.
    pub fn is_alarm(&self) -> bool {
        match self {
            Self::Chain(error) => error.kind.is_alarm(),
            Self::Behind { .. } => false,
            Self::Contradicted { .. } => true,
        }
    }
}

impl Follower {
    /// A follower that knows nothing of the chain yet. Its first tick sweeps.
    pub fn new(parts: FollowerParts, settings: FollowerSettings) -> Self {
        let reader = ChannelReader::new(parts.chain.clone(), parts.store.clone(), parts.view.clone());
        Self {
            reader,
            settings,
            history: History::new(highest_ledger(&parts.store)),
            events: Events::default(),
            swept_at: None,
            settings_due: true,
            recipients_due: true,
            deadlines: Deadlines::default(),
            lives: Lives::default(),
            seen_lanes: HashSet::new(),
            fees_low: Reminder::default(),
            trouble: TroubleReports::new(parts.clock.boot()),
            parts,
        }
    }

    /// A reader for other parts, which fills the same view and raises the same alarms.
    pub fn reader(&self) -> ChannelReader {
        self.reader.clone()
    }

    /// Looks at the chain once.
    ///
    /// # Errors
    /// [`NotFollowed`]. What was learned before the error is in the view.
    pub async fn tick(&mut self) -> Result<Followed, NotFollowed> {
        let outcome = caught(self.look()).await.unwrap_or_else(|panicked| {
            report("following", &panicked, &self.parts.view);
            Err(panicked.as_chain_error("following").into())
        });
        self.trouble.about_following(&outcome, self.parts.clock.boot());
        self.trouble.about_visibility(&self.parts, &self.settings.fresh);
        outcome
    }

    async fn look(&mut self) -> Result<Followed, NotFollowed> {
        let (head, moved) = self.newest().await?;
        let mut failed: Option<ChainError> = None;

        // Events are read before a sweep, so that nothing that happens during the sweep is missed. If events fail, the
        // sweep still runs, since it must not be left out.
        let view = self.parts.view.clone();
        if moved || self.events.are_due() {
            let read = async { Ok(self.events.read(&self.parts, &self.reader, head.ledger).await) };
            match guarded("reading events", &view, read).await {
                Ok(read) if read.is_ok_and(|restarted| restarted) => self.swept_at = None,
                Ok(_) => {}
                Err(error) => failed = failed.or(Some(error)),
            }
            self.trouble.about_events(self.events.trouble(), self.parts.clock.boot());
        }
        let hinted = self.events.read_hinted(&self.parts.view, &self.reader);
        failed = failed.or(guarded("reading channels that are closing", &view, hinted).await.err());

        let swept = self.sweep_is_due(head.ledger);
        if swept {
            failed = failed.or(guarded("sweeping", &view, self.sweep(head.ledger)).await.err());
        }
        self.parts.promises.count(&self.parts.store.all_held(), &self.parts.view);
        if moved {
            let report = async {
                self.deadlines.report(&self.parts.store, &self.parts.view, head.ledger);
                self.lives.report(&self.parts.store, &self.parts.view, head.ledger, self.life_floor());
                Ok(())
            };
            failed = failed.or(guarded("reporting deadlines and lives", &view, report).await.err());
            let behind = self.catch_up(head.ledger);
            failed = failed.or(guarded("reading channels that are behind", &view, behind).await.err());
        }
        if moved || swept {
            failed = failed.or(guarded("reading fee accounts", &view, self.read_lanes()).await.err());
            let settings = async {
                self.read_settings().await;
                Ok(())
            };
            failed = failed.or(guarded("reading the network's settings", &view, settings).await.err());
            let recipients = self.read_recipients(head.ledger);
            failed = failed.or(guarded("reading recipients", &view, recipients).await.err());
        }
        match failed {
            None => Ok(Followed { head, moved, swept }),
            Some(error) => Err(error.into()),
        }
    }

    /// Asks for the newest ledger, and puts it into the view when it is believed. Returns whether the head moved.
    async fn newest(&mut self) -> Result<(Head, bool), NotFollowed> {
        let limits = Limits { recent: self.settings.fresh.age, ahead: self.settings.fresh.ahead };
        let mut head = self.ask_for_head().await?;
        let mut verdict = self.history.judge(&head, self.now(), &limits);
        if verdict == Verdict::First {
            head = self.ask_for_head().await?;
            verdict = self.history.judge(&head, self.now(), &limits);
        }
        let boot = self.parts.clock.boot();
        match verdict {
            Verdict::Believed => Ok((head, self.parts.view.set_head(head, boot))),
            Verdict::TakesBack { mark } => {
                raise!(
                    ChainNotUnderstood, head = %head.ledger, taken_back = %mark,
                    "the endpoint's later answers contradict an earlier ledger, which is taken back. If the network's \
                     history has started again, its channels are gone"
                );
                // A mark from the journal was never in this view.
                if self.parts.view.head().is_some_and(|known| known.ledger > head.ledger) {
                    self.parts.view.take_back_head(head, boot);
                } else {
                    self.parts.view.set_head(head, boot);
                }
                self.events.lose(&self.parts.view);
                self.swept_at = None;
                Ok((head, true))
            }
            Verdict::Behind { mark } => Err(NotFollowed::Behind { at: head.ledger, known: mark }),
            Verdict::Contradicts { mark } => Err(NotFollowed::Contradicted { at: head.ledger, known: mark }),
            // This can't happen, since two answers are always compared.
            Verdict::First => Err(NotFollowed::Contradicted { at: head.ledger, known: head.ledger }),
        }
    }

    /// Asks for the newest ledger, and records how many endpoints agree on it.
    async fn ask_for_head(&self) -> Result<Head, ChainError> {
        let head = self.parts.chain.head().await;
        self.parts.view.set_agreement(self.parts.chain.agreement());
        head
    }

    fn now(&self) -> Now {
        Now { wall_unix_ms: self.parts.clock.wall_unix_ms(), boot: self.parts.clock.boot() }
    }

    /// The life below which an entry is extended, in ledgers.
    fn life_floor(&self) -> u32 {
        let longest = self.parts.view.network().map_or(u32::MAX, |network| network.max_entry_ttl);
        policy::life_limits(&self.parts.config, longest).0
    }

    fn sweep_is_due(&self, head: Ledger) -> bool {
        self.swept_at.is_none_or(|last| head.since(last) >= self.settings.sweep_interval)
    }

    async fn sweep(&mut self, head: Ledger) -> Result<(), ChainError> {
        let summary = self.reader.read_all().await?;
        // A sweep is as old as the oldest state that it read, so after a lagging answer the next sweep comes sooner.
        self.swept_at = Some(summary.lowest.map_or(head, |lowest| lowest.min(head)));
        self.settings_due = true;
        self.recipients_due = true;
        debug!(channels = summary.read, unreadable = summary.unreadable.len(), at = %head, "swept");
        Ok(())
    }

    /// Reads channels whose last ledgers are not known. There are some only if the endpoint gave old copies or events
    /// can't be read.
    async fn catch_up(&self, head: Ledger) -> Result<(), ChainError> {
        let behind: Vec<ContractId> = self
            .parts
            .view
            .channels()
            .iter()
            .filter(|known| head.since(known.gap_free_to) >= self.settings.reread_behind)
            .map(|known| known.state.channel)
            .collect();
        if behind.is_empty() {
            return Ok(());
        }
        debug!(channels = behind.len(), "reading channels whose last ledgers are not known");
        self.reader.read(&behind).await.map(|_| ())
    }
}

/// The highest ledger that the journal names, if it names any.
fn highest_ledger(store: &Store) -> Option<Ledger> {
    let held = store.all_held();
    let decided = held.iter().flat_map(|held| store.outcomes(&held.channel(), 1));
    let decided = decided.map(|decided| match decided.outcome {
        Outcome::Confirmed { ledger, .. } | Outcome::Failed { ledger, .. } => ledger,
        Outcome::Expired { at } | Outcome::Dropped { at, .. } => at,
    });
    let admitted = held.iter().map(|held| held.admission.admitted_at);
    let signed = store.in_flight().into_iter().map(|signed| signed.signed_at);
    admitted.chain(signed).chain(decided).max()
}

/// How long the network takes for this many ledgers by its own setting, or with five seconds for each while that is not
/// known. It is only for people; no decision depends on it.
fn estimate(ledgers: u32, target_close_ms: Option<u32>) -> Duration {
    Duration::from_millis(u64::from(target_close_ms.unwrap_or(5_000)).saturating_mul(u64::from(ledgers)))
}
