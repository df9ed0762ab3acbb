//! Follows the ledger: one tick asks for the newest ledger, reads the `close` events since the last tick, and sweeps all
//! channels' entries when that is due. Events are hints, entries are the truth.
//!
//! Outside of sweeps, what a tick asks does not grow with the number of channels.

mod deadlines;
mod history;
mod lanes;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use paychan_channel::{AccountId, ContractId, Ledger};
use tracing::{debug, info, warn};

use crate::alarm::raise;
use crate::chain::Head;
use crate::chain::{Chain, ChainError, ChainErrorKind, EventsFrom};
use crate::clock::Clock;
use crate::config::Fees;
use crate::reader::ChannelReader;
use crate::reminder::Reminder;
use crate::view::View;
use paychan_store::{Outcome, Store};

use deadlines::Deadlines;
pub use history::{Judgement, judge};

/// Pages of events read in one tick. Anybody may flood the network with events called `close`; a tick must end. What is
/// left is read in the next tick, and the sweep bounds what a flood can hide.
const PAGES_A_TICK: usize = 20;

/// What the follower is told by the configuration.
#[derive(Debug, Clone)]
pub struct FollowerSettings {
    /// S: ledgers between two sweeps.
    pub sweep_interval: u32,
    /// A channel that is known without a gap only up to so many ledgers behind the head is read by itself.
    pub reread_behind: u32,
    /// How old a head may be, and still be called the network's newest.
    pub recent: Duration,
    /// The accounts that pay fees.
    pub lanes: Vec<AccountId>,
    /// What may be spent on fees: tells when the accounts hold too little.
    pub fees: Fees,
}

/// Follows the ledger and writes the view.
pub struct Follower {
    chain: Arc<dyn Chain>,
    store: Store,
    view: Arc<View>,
    clock: Arc<dyn Clock>,
    reader: ChannelReader,
    settings: FollowerSettings,
    /// The highest ledger that the journal speaks of: this network has been there.
    journal: Option<Ledger>,
    /// Events of all ledgers up to this one were read, since the last gap.
    events_to: Option<Ledger>,
    /// When the last complete sweep began.
    swept_at: Option<Ledger>,
    /// Channels that an event of this ledger named, and whose entries were not read at that ledger yet.
    hinted: BTreeMap<ContractId, Ledger>,
    /// A sweep was made since the network's settings and the recipients were last read.
    facts_due: bool,
    deadlines: Deadlines,
    fees_low: Reminder,
    /// What is wrong with the endpoint, so that it is said once and not at every tick.
    complaint: Option<&'static str>,
    alarm: Reminder,
}

/// What one tick came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Followed {
    /// The newest ledger.
    pub head: Head,
    /// Whether it is newer than at the tick before.
    pub moved: bool,
    /// Whether all channels' entries were read.
    pub swept: bool,
}

/// Why a tick could not be completed. The next one tries again; meanwhile the view ages, and money is refused when it
/// is too old.
#[derive(Debug, thiserror::Error)]
pub enum NotFollowed {
    /// The endpoint gave no usable answer.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The endpoint is at an older ledger than is known already.
    #[error("the endpoint is at ledger {at}, and ledger {known} was seen already; waiting for it to catch up")]
    Behind {
        /// Its newest ledger.
        at: Ledger,
        /// The newest known.
        known: Ledger,
    },
    /// The endpoint serves another history.
    #[error(
        "the network's history has started anew: the endpoint is at ledger {at}, and ledger {known} was seen before \
         on a network of the same passphrase. Its channels are gone. Stop the watcher, keep its data directory aside, \
         and start with an empty one"
    )]
    Restarted {
        /// Its newest ledger.
        at: Ledger,
        /// The newest known.
        known: Ledger,
    },
}

impl NotFollowed {
    /// Whether a person has to look at it, rather than wait.
    pub fn is_alarm(&self) -> bool {
        match self {
            Self::Chain(error) => error.kind.is_alarm(),
            Self::Behind { .. } => false,
            Self::Restarted { .. } => true,
        }
    }
}

impl Follower {
    /// A follower that knows nothing of the chain yet: its first tick sweeps.
    pub fn new(
        chain: Arc<dyn Chain>,
        store: Store,
        view: Arc<View>,
        clock: Arc<dyn Clock>,
        settings: FollowerSettings,
    ) -> Self {
        let journal = highest_ledger(&store);
        let reader = ChannelReader::new(chain.clone(), store.clone(), view.clone());
        Self {
            chain,
            store,
            view,
            clock,
            reader,
            settings,
            journal,
            events_to: None,
            swept_at: None,
            hinted: BTreeMap::new(),
            facts_due: true,
            deadlines: Deadlines::default(),
            fees_low: Reminder::default(),
            complaint: None,
            alarm: Reminder::default(),
        }
    }

    /// What reads channels for others: the same view, the same alarms.
    pub fn reader(&self) -> ChannelReader {
        self.reader.clone()
    }

    /// One look at the chain.
    ///
    /// # Errors
    /// [`NotFollowed`]; what was learned before that is in the view.
    pub async fn tick(&mut self) -> Result<Followed, NotFollowed> {
        let outcome = self.look().await;
        self.say(&outcome);
        outcome
    }

    async fn look(&mut self) -> Result<Followed, NotFollowed> {
        let head = self.chain.head().await?;
        self.check_history(&head)?;
        let moved = self.view.saw_head(head, self.clock.boot());

        // Events before a sweep, so that nothing that happens while it runs is missed: what it reads is at least as new
        // as the events that follow it. If events fail, the sweep still runs: it is what must not be missed.
        let events = match moved || self.events_to.is_none() || !self.hinted.is_empty() {
            true => self.read_events(head.ledger).await,
            false => Ok(()),
        };
        let swept = self.sweep_is_due(head.ledger);
        let sweep = match swept {
            true => self.sweep(head.ledger).await,
            false => Ok(()),
        };
        self.count_promises();
        if moved {
            self.deadlines.tell(&self.store, &self.view, head.ledger);
        }
        events?;
        sweep?;
        if moved {
            self.catch_up(head.ledger).await?;
        }
        if moved || swept {
            self.read_lanes().await?;
        }
        if self.facts_due {
            self.read_facts().await?;
            self.facts_due = false;
        }
        Ok(Followed { head, moved, swept })
    }

    fn check_history(&self, head: &Head) -> Result<(), NotFollowed> {
        let newest = self.view.head();
        let known = newest.map(|newest| newest.ledger).or(self.journal).unwrap_or(head.ledger);
        let wall = self.clock.wall_unix_ms();
        match judge(head, newest.as_ref(), self.journal, wall, self.settings.recent) {
            Judgement::Current => Ok(()),
            Judgement::Behind => Err(NotFollowed::Behind { at: head.ledger, known }),
            Judgement::Restarted => Err(NotFollowed::Restarted { at: head.ledger, known }),
        }
    }

    fn sweep_is_due(&self, head: Ledger) -> bool {
        self.swept_at.is_none_or(|last| head.since(last) >= self.settings.sweep_interval)
    }

    /// Reads the events up to `head`: from where the last tick ended, or, after a gap, from `head` on, and then the
    /// sweep must read what they can't tell.
    async fn read_events(&mut self, head: Ledger) -> Result<(), ChainError> {
        self.read_hinted().await?;
        let outcome = match self.events_to {
            Some(to) => self.read_events_of(to.saturating_add(1), head).await,
            None => self.start_events(head).await,
        };
        match outcome {
            Err(error) if error.kind == ChainErrorKind::Gone && self.events_to.is_some() => {
                warn!(%error, "events were lost: all channels are read anew");
                self.lose_events();
                self.start_events(head).await
            }
            Err(error) if error.kind == ChainErrorKind::Undecodable => {
                self.lose_events();
                Err(error)
            }
            other => other,
        }
    }

    async fn start_events(&mut self, head: Ledger) -> Result<(), ChainError> {
        self.read_events_of(head, head).await?;
        self.swept_at = None;
        Ok(())
    }

    async fn read_events_of(&mut self, first: Ledger, head: Ledger) -> Result<(), ChainError> {
        if first > head {
            return Ok(());
        }
        let mut from = EventsFrom::Ledger(first);
        for _ in 0..PAGES_A_TICK {
            let page = self.chain.closes(&from).await?;
            for hint in page.hints {
                if self.store.held(&hint.contract).is_none() {
                    continue;
                }
                if let Some(deadline) = hint.effective_at {
                    self.view.saw_close(&hint.contract, deadline, hint.ledger);
                }
                let at = self.hinted.entry(hint.contract).or_insert(hint.ledger);
                *at = (*at).max(hint.ledger);
            }
            // Only when the channels that were named have been read is nothing of these ledgers unknown.
            self.read_hinted().await?;
            if page.scanned_to >= first {
                self.view.saw_events(first, page.scanned_to);
                self.events_to = Some(page.scanned_to);
            }
            match page.next {
                Some(next) => from = next,
                None => return Ok(()),
            }
        }
        warn!(pages = PAGES_A_TICK, "more `close` events than one tick reads; the rest comes with the next");
        Ok(())
    }

    /// From here on nothing is inferred from events; when they can be read again, all channels are read anew.
    fn lose_events(&mut self) {
        self.view.lost_events();
        self.events_to = None;
    }

    /// Reads the channels that events named. A copy of the entries that is older than the event does not tell what the
    /// event was about: such a channel is read again.
    ///
    /// # Errors
    /// Also [`ChainErrorKind::Behind`] when a copy was too old.
    async fn read_hinted(&mut self) -> Result<(), ChainError> {
        if self.hinted.is_empty() {
            return Ok(());
        }
        let hinted: Vec<ContractId> = self.hinted.keys().copied().collect();
        let read = self.reader.read(&hinted).await?;
        let view = &self.view;
        self.hinted.retain(|channel, at| {
            // One that can't be read is marked so, and takes no money: there is nothing to wait for.
            !read.unreadable.contains(channel) && view.channel(channel).is_some_and(|known| known.state.read_at < *at)
        });
        match self.hinted.values().max() {
            None => Ok(()),
            Some(at) => Err(ChainError {
                what: "reading channels that are closing",
                kind: ChainErrorKind::Behind,
                message: format!("the endpoint told of an event in ledger {at} and gave older entries"),
            }),
        }
    }

    async fn sweep(&mut self, head: Ledger) -> Result<(), ChainError> {
        let summary = self.reader.read_all().await?;
        // A sweep is as old as the oldest state that it read: an endpoint that lags is asked again so much sooner.
        self.swept_at = Some(summary.lowest.map_or(head, |lowest| lowest.min(head)));
        self.facts_due = true;
        debug!(channels = summary.read, unreadable = summary.unreadable.len(), at = %head, "swept");
        Ok(())
    }

    /// Reads channels whose last read was of a copy older than the events that are known: nothing vouches for what
    /// happened to them in between. None, but after an endpoint gave old copies.
    async fn catch_up(&self, head: Ledger) -> Result<(), ChainError> {
        let behind: Vec<ContractId> = self
            .view
            .channels()
            .iter()
            .filter(|known| head.since(known.gap_free_to) >= self.settings.reread_behind)
            .map(|known| known.state.channel)
            .collect();
        if !behind.is_empty() {
            debug!(channels = behind.len(), "read by themselves: their last read was of an old copy");
            self.reader.read(&behind).await?;
        }
        Ok(())
    }

    /// Says that following fails, or works again, when that changes.
    fn say(&mut self, outcome: &Result<Followed, NotFollowed>) {
        let now = match outcome {
            Ok(_) => None,
            Err(NotFollowed::Chain(error)) => Some(match error.kind {
                ChainErrorKind::Behind => "the endpoint is behind",
                ChainErrorKind::Gone => "the endpoint's history is gone",
                ChainErrorKind::Busy { .. } => "the endpoint is busy",
                ChainErrorKind::Refused => "the endpoint refuses",
                ChainErrorKind::Transport => "the endpoint is out of reach",
                ChainErrorKind::Undecodable => "the endpoint's answer is not understood",
                ChainErrorKind::WrongNetwork => "the endpoint serves another network",
            }),
            Err(NotFollowed::Behind { .. }) => Some("the endpoint lags"),
            Err(NotFollowed::Restarted { .. }) => Some("the network's history has started anew"),
        };
        match (outcome, now == self.complaint) {
            (Err(error), same) if error.is_alarm() => {
                if !same {
                    self.alarm.is_over();
                }
                if self.alarm.is_due(self.clock.boot()) {
                    raise!(ChainNotUnderstood, %error, "following fails");
                }
            }
            (Err(error), false) => warn!(%error, "the chain can't be followed now; trying on"),
            (Err(error), true) => debug!(%error, "the chain still can't be followed"),
            (Ok(followed), false) => {
                info!(head = %followed.head.ledger, "the chain is followed again")
            }
            (Ok(_), true) => {}
        }
        self.complaint = now;
    }
}

/// The highest ledger that the journal speaks of, if it speaks of any.
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
