//! What is known of the chain now: written by the follower, read by everyone else.
//!
//! One [`View`] lives in the daemon behind an `Arc`. Nothing here does I/O or reads a clock; what comes in says when it
//! was true (a ledger) and, where it matters, when it was learned (boot time).
//!
//! Two rules decide what a later write may change:
//! - **numbers are those of the newest ledger read.** An answer of a node that lags behind changes none.
//! - **danger is sticky.** A close that was seen once, at any ledger, by any means, is never un-seen: on chain a close
//!   never goes away either.

mod fresh;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use paychan_channel::{AccountId, Address, Amount, ChannelState, ContractId, Ledger, Stroops};

pub use fresh::{FreshnessLimits, NotFresh};

use crate::chain::{Head, LaneFacts, NetworkTerms};
use crate::channels::Payability;

/// One channel as the view knows it: a copy, not a window.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelView {
    /// The entries of the newest ledger at which they were read.
    pub state: ChannelState,
    /// The deadline, when a close was ever seen: of the entries, or of an event that came before them.
    pub deadline: Option<Ledger>,
    /// Whether any read ever showed the channel as final. It takes no commitment from then on.
    pub ended: bool,
    /// Up to this ledger, nothing that happened to the channel can have been missed.
    pub gap_free_to: Ledger,
    /// What went wrong with it last, in words for the operator; `None` after something went right.
    pub trouble: Option<String>,
}

impl ChannelView {
    /// Whether a close was ever seen. Then no commitment is taken.
    pub fn is_closing(&self) -> bool {
        self.deadline.is_some()
    }

    /// The most that the chain would pay in total: base units.
    pub fn coverage(&self) -> Amount {
        self.state.coverage()
    }
}

/// What is known of the fee accounts, against what was promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeeFunds {
    /// What all lanes together may spend.
    pub spendable: Stroops,
    /// The resource fee of one settlement as last simulated; `None` before the first simulation.
    pub settle_resource_fee: Option<Stroops>,
    /// How many channels hold a commitment above what was withdrawn: so many settlements are promised.
    pub promised: usize,
}

/// The view. See the module's own words for what a write may change.
#[derive(Debug, Default)]
pub struct View {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    head: Option<SeenHead>,
    events: Option<Span>,
    network: Option<NetworkTerms>,
    channels: HashMap<ContractId, Seen>,
    lanes: BTreeMap<AccountId, LaneFacts>,
    payability: HashMap<(ContractId, Address), Payability>,
    settle_resource_fee: Option<Stroops>,
    promised: Option<usize>,
    stopping: bool,
    rolled_back: Vec<ContractId>,
}

/// The head, and when it last moved by the clock that no suspension stops.
#[derive(Debug, Clone, Copy)]
struct SeenHead {
    head: Head,
    advanced_at: Duration,
}

/// Ledgers of which every `close` event was read, without a gap between: both ends included.
#[derive(Debug, Clone, Copy)]
struct Span {
    from: Ledger,
    to: Ledger,
}

#[derive(Debug)]
struct Seen {
    state: ChannelState,
    /// Events up to this ledger were read before the channel was known here, so nobody looked among them for its own.
    unmatched_to: Ledger,
    danger: Danger,
    trouble: Option<String>,
    /// The last read found something that is not understood.
    unreadable: bool,
}

/// What is never un-seen.
#[derive(Debug, Clone, Copy, Default)]
struct Danger {
    deadline: Option<Deadline>,
    ended: bool,
}

#[derive(Debug, Clone, Copy)]
struct Deadline {
    ledger: Ledger,
    seen_at: Ledger,
}

impl Danger {
    /// A newer sight replaces the deadline (a funder may announce again, which starts the wait anew); of two sights at
    /// one ledger the earlier deadline is believed; an older sight counts only when nothing was seen yet.
    fn saw_deadline(&mut self, ledger: Ledger, seen_at: Ledger) {
        let believe = match self.deadline {
            None => true,
            Some(known) if seen_at == known.seen_at => ledger < known.ledger,
            Some(known) => seen_at > known.seen_at,
        };
        if believe {
            self.deadline = Some(Deadline { ledger, seen_at });
        }
    }
}

/// Writing, for the follower and the settler.
impl View {
    /// A view of nothing: every question about freshness is answered with no.
    pub fn new() -> Self {
        Self::default()
    }

    /// A node told its newest ledger; `boot` is the boot clock's time of the answer.
    ///
    /// Only a higher ledger counts as the head moving: a node that repeats itself ages. Answers whether it moved.
    pub fn saw_head(&self, head: Head, boot: Duration) -> bool {
        let mut inner = self.write();
        let moved = inner.head.is_none_or(|seen| head.ledger > seen.head.ledger);
        if moved {
            inner.head = Some(SeenHead { head, advanced_at: boot });
        }
        moved
    }

    /// Every `close` event of the ledgers `from..=to` was read (and told by [`View::saw_close`] first).
    ///
    /// Joins the ledgers known so far when nothing lies between; otherwise these alone count from now on, and channels
    /// last read before `from` stay at the ledger of that read until they are swept.
    pub fn saw_events(&self, from: Ledger, to: Ledger) {
        if from > to {
            return;
        }
        let mut inner = self.write();
        inner.events = Some(match inner.events {
            Some(known) if from <= known.to.saturating_add(1) && to.saturating_add(1) >= known.from => {
                Span { from: known.from.min(from), to: known.to.max(to) }
            }
            _ => Span { from, to },
        });
    }

    /// Events were lost (history gone, an answer that could not be decoded): nothing is inferred from events any more
    /// until [`View::saw_events`] starts anew.
    pub fn lost_events(&self) {
        self.write().events = None;
    }

    /// A `close` event of ledger `at` set the channel's deadline. Believed at once; the entries are read afterwards.
    ///
    /// A channel of which no entries were read yet is not known here: nothing is remembered, its first read will show
    /// the close.
    pub fn saw_close(&self, channel: &ContractId, effective_at: Ledger, at: Ledger) {
        if let Some(seen) = self.write().channels.get_mut(channel) {
            seen.danger.saw_deadline(effective_at, at);
        }
    }

    /// The channel's entries were read, all at `state.read_at`.
    ///
    /// For a channel that is new here, the events read so far tell nothing: only a read at the last of their ledgers or
    /// later makes its view gap-free beyond the read itself.
    ///
    /// An older read than the one known changes no number, but a close or an end that it shows is believed. Of two
    /// reads at the same ledger the one with the lower coverage stays.
    pub fn saw_channel(&self, state: ChannelState) {
        let mut inner = self.write();
        let unmatched_to = inner.events.map_or(Ledger(0), |span| span.to);
        match inner.channels.get_mut(&state.channel) {
            Some(seen) => seen.merge(state),
            None => {
                let mut seen = Seen {
                    state: state.clone(),
                    unmatched_to,
                    danger: Danger::default(),
                    trouble: None,
                    unreadable: false,
                };
                seen.note_danger(&state);
                inner.channels.insert(state.channel, seen);
            }
        }
    }

    /// The channel's entries were read and not understood, or were not there. What was known before stands, for settling;
    /// money is not taken on it until a read succeeds.
    pub fn saw_unreadable(&self, channel: &ContractId) {
        if let Some(seen) = self.write().channels.get_mut(channel) {
            seen.unreadable = true;
        }
    }

    /// The channel is no longer watched.
    pub fn forget(&self, channel: &ContractId) {
        self.write().channels.remove(channel);
    }

    /// What went wrong with a channel (settling failed, its entries could not be decoded), or `None` once it went well.
    pub fn saw_trouble(&self, channel: &ContractId, trouble: Option<String>) {
        if let Some(seen) = self.write().channels.get_mut(channel) {
            seen.trouble = trouble;
        }
    }

    /// The network's settings were read.
    pub fn saw_network(&self, terms: NetworkTerms) {
        self.write().network = Some(terms);
    }

    /// A fee account was read. An older read than the one known is ignored.
    pub fn saw_lane(&self, facts: LaneFacts) {
        let mut inner = self.write();
        let known = inner.lanes.get(&facts.account);
        if known.is_none_or(|known| facts.read_at >= known.read_at) {
            inner.lanes.insert(facts.account, facts);
        }
    }

    /// Whether, and how much, a recipient can be paid in a token.
    pub fn saw_payability(&self, token: &ContractId, to: &Address, payability: Payability) {
        self.write().payability.insert((*token, *to), payability);
    }

    /// The resource fee that a settlement was last simulated at.
    pub fn saw_settle_resource_fee(&self, fee: Stroops) {
        self.write().settle_resource_fee = Some(fee);
    }

    /// How many channels hold a commitment above what was withdrawn. Counted anew by the follower at each tick; in
    /// between, [`View::promise_one_more`] keeps it right.
    ///
    /// Until it was counted once, no commitment is taken: so not before the first sweep has read every channel, and has
    /// found out whether the store was rolled back on one of them.
    pub fn saw_promises(&self, channels: usize) {
        self.write().promised = Some(channels);
    }

    /// A channel that owed nothing now holds a commitment above what was withdrawn.
    pub fn promise_one_more(&self) {
        let mut inner = self.write();
        inner.promised = inner.promised.map(|promised| promised.saturating_add(1));
    }

    /// From now on no commitment and no channel is taken: the daemon is stopping.
    pub fn stop(&self) {
        self.write().stopping = true;
    }

    /// These channels have more withdrawn on chain than the store ever held: the store was rolled back. Nothing is
    /// acknowledged while the list is not empty; an empty list is the operator's confirmation.
    pub fn rolled_back(&self, channels: Vec<ContractId>) {
        self.write().rolled_back = channels;
    }
}

/// Reading.
impl View {
    /// The newest ledger that a node told of.
    pub fn head(&self) -> Option<Head> {
        self.read().head.map(|seen| seen.head)
    }

    /// The network's settings, once read.
    pub fn network(&self) -> Option<NetworkTerms> {
        self.read().network
    }

    /// One channel, if its entries were ever read.
    pub fn channel(&self, channel: &ContractId) -> Option<ChannelView> {
        let inner = self.read();
        inner.channels.get(channel).map(|seen| inner.copy(seen))
    }

    /// All channels whose entries were read, in the order of their ids.
    pub fn channels(&self) -> Vec<ChannelView> {
        let inner = self.read();
        let mut all: Vec<ChannelView> = inner.channels.values().map(|seen| inner.copy(seen)).collect();
        all.sort_by_key(|known| known.state.channel);
        all
    }

    /// Channels last read before this ledger: what a sweep still has to read.
    pub fn read_before(&self, ledger: Ledger) -> Vec<ContractId> {
        let inner = self.read();
        let mut due: Vec<ContractId> =
            inner.channels.values().filter(|seen| seen.state.read_at < ledger).map(|seen| seen.state.channel).collect();
        due.sort();
        due
    }

    /// The ledgers of which every close event was read, both included.
    pub fn events_span(&self) -> Option<(Ledger, Ledger)> {
        self.read().events.map(|span| (span.from, span.to))
    }

    /// The fee accounts that were read.
    pub fn lanes(&self) -> Vec<LaneFacts> {
        self.read().lanes.values().copied().collect()
    }

    /// The fee accounts against what was promised; `None` before any fee account was read or the promises were counted.
    pub fn fee_funds(&self) -> Option<FeeFunds> {
        let inner = self.read();
        let promised = inner.promised.filter(|_| !inner.lanes.is_empty())?;
        let lanes = inner.lanes.values();
        let spendable = lanes.fold(Stroops(0), |sum, lane| sum.saturating_add(lane.spendable));
        Some(FeeFunds { spendable, settle_resource_fee: inner.settle_resource_fee, promised })
    }

    /// Whether a recipient can be paid in a token, if that was ever read.
    pub fn payability(&self, token: &ContractId, to: &Address) -> Option<Payability> {
        self.read().payability.get(&(*token, *to)).copied()
    }

    /// Whether the daemon is stopping.
    pub fn is_stopping(&self) -> bool {
        self.read().stopping
    }

    /// The channels that show that the store was rolled back.
    pub fn rolled_back_channels(&self) -> Vec<ContractId> {
        self.read().rolled_back.clone()
    }

    /// Whether the head is recent: what `readyz` asks. `wall_unix_ms` and `boot` are now.
    pub fn chain_freshness(
        &self,
        limits: &FreshnessLimits,
        wall_unix_ms: u64,
        boot: Duration,
    ) -> Result<Head, NotFresh> {
        fresh::chain(self.read().head.as_ref(), limits, wall_unix_ms, boot)
    }

    /// Whether what is known of this channel is recent enough to take money on: see [`NotFresh`] for the rules.
    pub fn freshness(
        &self,
        channel: &ContractId,
        limits: &FreshnessLimits,
        wall_unix_ms: u64,
        boot: Duration,
    ) -> Result<(), NotFresh> {
        let inner = self.read();
        let head = fresh::chain(inner.head.as_ref(), limits, wall_unix_ms, boot)?;
        let seen = inner.channels.get(channel).ok_or(NotFresh::Unread)?;
        if seen.unreadable {
            return Err(NotFresh::Unreadable);
        }
        fresh::channel(head.ledger, seen.state.read_at, inner.gap_free_to(seen), limits)
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        // Each write is complete in itself: a writer that panicked left nothing half-changed.
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn gap_free_to(&self, seen: &Seen) -> Ledger {
        let read_at = seen.state.read_at;
        match self.events {
            // Events from the ledger after the read on: what happened since would have been told.
            Some(span) if span.from <= read_at.saturating_add(1) && seen.unmatched_to <= read_at => {
                read_at.max(span.to)
            }
            _ => read_at,
        }
    }

    fn copy(&self, seen: &Seen) -> ChannelView {
        ChannelView {
            state: seen.state.clone(),
            deadline: seen.danger.deadline.map(|deadline| deadline.ledger),
            ended: seen.danger.ended,
            gap_free_to: self.gap_free_to(seen),
            trouble: seen.trouble.clone(),
        }
    }
}

impl Seen {
    fn merge(&mut self, read: ChannelState) {
        self.note_danger(&read);
        let newer = read.read_at > self.state.read_at;
        self.unreadable &= read.read_at < self.state.read_at;
        let lower = read.read_at == self.state.read_at && read.coverage() <= self.state.coverage();
        if newer || lower {
            self.state = read;
        }
    }

    fn note_danger(&mut self, read: &ChannelState) {
        if let Some(deadline) = read.deadline() {
            self.danger.saw_deadline(deadline, read.read_at);
        }
        self.danger.ended |= read.is_final();
    }
}
