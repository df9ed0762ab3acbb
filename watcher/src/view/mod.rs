//! What is known of the chain now. The follower, the reader and the settler write it, and all parts read it.
//!
//! The daemon has one [`View`] behind an `Arc`. Nothing here does I/O or reads a clock. Each fact comes with the ledger
//! at which it was true and, where it matters, the boot time at which it was learned.
//!
//! Three rules decide what a later write may change:
//! - **Numbers are those of the newest ledger that was read.** An answer of a lagging node changes none.
//! - **A wrong ledger number blocks no later answer.** A fact from a ledger far above the head counts as one from at
//!   most [`AHEAD_OF_HEAD`] ledgers above it, so that it is soon replaced.
//! - **Danger stays.** A close that was seen once, at any ledger and by any means, is never forgotten, since on chain a
//!   close never goes away either. Only a close that too few of several endpoints told is taken back, when more than
//!   half deny it.

mod channel;
mod fresh;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use paychan_channel::{AccountId, Address, Amount, ChannelState, ContractId, Ledger, Stroops};

pub use channel::{ChannelView, UnreadChannel};
pub use fresh::NotFresh;

use crate::chain::{Agreement, Head, LaneFacts, NetworkTerms};
use crate::config::FreshnessLimits;
use channel::{Danger, TrackedChannel, Unread};
use paychan_channel::{Payability, TokenRisk};

/// Whether a recipient can be paid in a token, as it was last read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownPayability {
    /// The answer.
    pub payability: Payability,
    /// The newest ledger that was known before the question.
    pub read_at: Ledger,
    /// What this watcher's channels have paid to the recipient in this token since then, base units. The room has
    /// shrunk by this much.
    pub paid_since: Amount,
}

/// What a token's issuer may do, as it was last read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownToken {
    /// The answer.
    pub facts: TokenRisk,
    /// The newest ledger that was known before the question.
    pub read_at: Ledger,
}

/// A fee account that has used sequence numbers on chain that the store does not know, so the store was rolled back for
/// all channels. No stranger can cause this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneAhead {
    /// The fee account.
    pub lane: AccountId,
    /// Its sequence number on chain.
    pub used: i64,
    /// The highest number that the store knows.
    pub known: i64,
}

/// How many ledgers above the head an answer may be. The head is asked for first, and more ledgers close during the
/// other questions of a round. A later answer counts as older than it is, which may refuse money but loses none.
///
/// It is small, because an answer that names a far ledger wrongly is believed for as long, and until the sweep after it. When it was 30, one answer "all is
/// paid" before the last third of a waiting period could hide for 50 ledgers what was owed, the time between two sweeps included.
pub const AHEAD_OF_HEAD: u32 = 2;

/// The view. The module's documentation says what a write may change.
#[derive(Debug, Default)]
pub struct View {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    head: Option<KnownHead>,
    /// `None` until a head is asked for.
    agreement: Option<Agreement>,
    events: Option<Span>,
    network: Option<NetworkTerms>,
    channels: HashMap<ContractId, TrackedChannel>,
    unread: HashMap<ContractId, Unread>,
    lanes: BTreeMap<AccountId, LaneFacts>,
    tokens: HashMap<ContractId, KnownToken>,
    payability: HashMap<Payee, ReadPayability>,
    /// The sum of `withdrawn` over all channels of a payee.
    withdrawn: HashMap<Payee, Amount>,
    settle_resource_fee: Option<Stroops>,
    stopping: bool,
    paused: bool,
    stopped_taking: bool,
    rolled_back: Vec<ContractId>,
    ahead: Vec<LaneAhead>,
}

/// A token, and who is paid in it.
type Payee = (ContractId, Address);

/// The head, and when it last moved by the boot clock, which no suspension stops.
#[derive(Debug, Clone, Copy)]
struct KnownHead {
    head: Head,
    advanced_at: Duration,
}

#[derive(Debug, Clone, Copy)]
struct ReadPayability {
    payability: Payability,
    read_at: Ledger,
    /// The payee's sum of `withdrawn` at the time of the question.
    withdrawn: Amount,
}

/// A range of ledgers, both ends included, of which every `close` event was read.
#[derive(Debug, Clone, Copy)]
struct Span {
    from: Ledger,
    to: Ledger,
}

/// Writing, by the follower, the reader and the settler.
impl View {
    /// An empty view, in which nothing is fresh.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the newest ledger that a node reported. `boot` is the boot clock's time of the answer.
    ///
    /// The head moves only with a higher ledger, so that the head of a frozen node ages. Returns whether it moved.
    pub fn set_head(&self, head: Head, boot: Duration) -> bool {
        let mut inner = self.write();
        let moved = inner.head.is_none_or(|known| head.ledger > known.head.ledger);
        if moved {
            inner.head = Some(KnownHead { head, advanced_at: boot });
        }
        moved
    }

    /// Sets how many endpoints agreed when the head was last asked for.
    pub fn set_agreement(&self, agreement: Agreement) {
        self.write().agreement = Some(agreement);
    }

    /// Sets a lower head, when the ledgers above it were reported wrongly. Later reads replace what was read at those
    /// ledgers; danger that was seen there stays.
    pub fn take_back_head(&self, head: Head, boot: Duration) {
        let mut inner = self.write();
        inner.head = Some(KnownHead { head, advanced_at: boot });
        inner.events = None;
        inner.channels.values_mut().for_each(|channel| channel.take_back_after(head.ledger));
        inner.lanes.values_mut().filter(|lane| lane.read_at > head.ledger).for_each(|lane| lane.read_at = Ledger(0));
        inner.tokens.retain(|_, token| token.read_at <= head.ledger);
        inner.payability.retain(|_, payability| payability.read_at <= head.ledger);
    }

    /// Records that every `close` event of the ledgers `from..=to` was read. [`View::note_close`] must have been called
    /// for them before.
    ///
    /// The range joins the known one when there is no gap between them. Otherwise it replaces that one, and channels
    /// that were last read before `from` are known only up to that read until the next sweep.
    pub fn add_events(&self, from: Ledger, to: Ledger) {
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

    /// Records that events were lost, because the endpoint no longer has them or its answer could not be decoded.
    /// Nothing is inferred from events until the next [`View::add_events`].
    pub fn lose_events(&self) {
        self.write().events = None;
    }

    /// Records a deadline from a `close` event of ledger `at`. It is believed at once, and the entries are read
    /// afterwards.
    pub fn note_close(&self, channel: &ContractId, effective_at: Ledger, at: Ledger) {
        self.note_deadline(channel, effective_at, at, true);
    }

    /// Records that too few of several endpoints report, at ledger `at`, that the channel is closing.
    pub fn note_unconfirmed_close(&self, channel: &ContractId, effective_at: Ledger, at: Ledger) {
        self.note_deadline(channel, effective_at, at, false);
    }

    fn note_deadline(&self, channel: &ContractId, effective_at: Ledger, at: Ledger, agreed: bool) {
        let mut guard = self.write();
        let inner = &mut *guard;
        let at = inner.plausible(at);
        let danger = match inner.channels.get_mut(channel) {
            Some(known) => &mut known.danger,
            None => &mut inner.unread.entry(*channel).or_default().danger,
        };
        danger.note_deadline(effective_at, at, agreed);
    }

    /// Merges the channel's entries, which were all read at `state.read_at`.
    ///
    /// For a channel that is new here, the events that were read so far don't count. Its history is known beyond the
    /// read itself only after a read at the last of their ledgers or later.
    ///
    /// A read that is older than the known one changes no number, but a close or an end that it shows is believed. Of
    /// two reads at the same ledger, the one with the lower coverage stays.
    pub fn merge_channel(&self, state: ChannelState) {
        self.write().merge_channel(state, true);
    }

    /// Does the same as [`View::merge_channel`] with a state that more than half of several endpoints report.
    /// `close_agreed` says whether so many report a close in it. Returns whether it takes back a close that too few of
    /// them had reported.
    pub fn merge_agreed(&self, state: ChannelState, close_agreed: bool) -> bool {
        let mut inner = self.write();
        let (channel, at, is_closing) = (state.channel, inner.plausible(state.read_at), state.deadline().is_some());
        inner.merge_channel(state, close_agreed);
        !is_closing && inner.channels.get_mut(&channel).is_some_and(|known| known.take_back_close(at))
    }

    /// Records that the channel's entries were missing or not understood. Settling uses what was known before, and no
    /// money is taken on the channel until a read succeeds.
    pub fn mark_unreadable(&self, channel: &ContractId, why: String) {
        let mut guard = self.write();
        let inner = &mut *guard;
        match inner.channels.get_mut(channel) {
            Some(known) => {
                known.unreadable = true;
                known.trouble = Some(why);
            }
            None => inner.unread.entry(*channel).or_default().trouble = Some(why),
        }
    }

    /// Forgets a channel that is no longer watched.
    pub fn remove_channel(&self, channel: &ContractId) {
        let mut guard = self.write();
        let inner = &mut *guard;
        inner.unread.remove(channel);
        if let Some(known) = inner.channels.remove(channel)
            && let Some(sum) = inner.withdrawn.get_mut(&(known.state.token, known.state.to))
        {
            *sum = sum.saturating_sub(known.state.withdrawn);
        }
    }

    /// Sets the last error of a channel, or `None` after a success.
    pub fn set_trouble(&self, channel: &ContractId, trouble: Option<String>) {
        let mut guard = self.write();
        let inner = &mut *guard;
        match inner.channels.get_mut(channel) {
            Some(known) => known.trouble = trouble,
            None => inner.unread.entry(*channel).or_default().trouble = trouble,
        }
    }

    /// Sets the network's settings.
    pub fn set_network(&self, terms: NetworkTerms) {
        self.write().network = Some(terms);
    }

    /// Sets what is known of a fee account. A read that is older than the known one is ignored.
    pub fn set_lane(&self, mut facts: LaneFacts) {
        let mut inner = self.write();
        facts.read_at = inner.plausible(facts.read_at);
        let known = inner.lanes.get(&facts.account);
        if known.is_none_or(|known| facts.read_at >= known.read_at) {
            inner.lanes.insert(facts.account, facts);
        }
    }

    /// Sets what a token's issuer may do. `read_at` is the newest ledger that was known before the question.
    pub fn set_token(&self, token: &ContractId, facts: TokenRisk, read_at: Ledger) {
        self.write().tokens.insert(*token, KnownToken { facts, read_at });
    }

    /// Sets whether and how much a recipient can be paid in a token. `read_at` is the newest ledger that was known
    /// before the question, and `withdrawn` is what [`View::withdrawn_by`] returned then.
    pub fn set_payability(
        &self,
        token: &ContractId,
        to: &Address,
        payability: Payability,
        read_at: Ledger,
        withdrawn: Amount,
    ) {
        self.write().payability.insert((*token, *to), ReadPayability { payability, read_at, withdrawn });
    }

    /// Sets the resource fee of the last simulated settlement.
    pub fn set_settle_resource_fee(&self, fee: Stroops) {
        self.write().settle_resource_fee = Some(fee);
    }

    /// Records that the daemon is stopping. No commitment and no channel is taken from now on.
    pub fn stop(&self) {
        self.write().stopping = true;
    }

    /// Pauses the taking of money for the operator, or resumes it. Settling goes on.
    pub fn pause(&self, paused: bool) {
        self.write().paused = paused;
    }

    /// Notes that a part of the watcher panicked. This process then takes nothing more, and goes on settling.
    pub fn stop_taking(&self) {
        self.write().stopped_taking = true;
    }

    /// Sets the channels on which the chain has paid more than the store ever held, so that the store was rolled back
    /// for them. Nothing is acknowledged on them until the operator's confirmation removes them.
    pub fn set_rolled_back(&self, channels: Vec<ContractId>) {
        self.write().rolled_back = channels;
    }
}

/// The fee accounts that are ahead of the store.
impl View {
    /// Records a fee account that is ahead of the store. Nothing is acknowledged until the operator confirms it.
    pub fn set_lane_ahead(&self, ahead: LaneAhead) {
        let mut inner = self.write();
        inner.ahead.retain(|other| other.lane != ahead.lane);
        inner.ahead.push(ahead);
    }

    /// Records the operator's confirmation that the fee account is ahead.
    pub fn confirm_lane(&self, lane: &AccountId) {
        self.write().ahead.retain(|ahead| ahead.lane != *lane);
    }

    /// The fee accounts that are ahead of the store.
    pub fn lanes_ahead(&self) -> Vec<LaneAhead> {
        self.read().ahead.clone()
    }
}

/// Reading.
impl View {
    /// The newest ledger that a node reported.
    pub fn head(&self) -> Option<Head> {
        self.read().head.map(|known| known.head)
    }

    /// The ledger from which an answer counts to be: the one that it names, but at most [`AHEAD_OF_HEAD`] ledgers above
    /// the head.
    pub fn plausible(&self, ledger: Ledger) -> Ledger {
        self.read().plausible(ledger)
    }

    /// The network's settings, if they were read.
    pub fn network(&self) -> Option<NetworkTerms> {
        self.read().network
    }

    /// One channel, if its entries were ever read.
    pub fn channel(&self, channel: &ContractId) -> Option<ChannelView> {
        let inner = self.read();
        inner.channels.get(channel).map(|known| inner.copy(known))
    }

    /// What is known of a channel whose entries were never read; `None` when they were, or when nothing is known.
    pub fn unread(&self, channel: &ContractId) -> Option<UnreadChannel> {
        self.read().unread.get(channel).map(|unread| UnreadChannel {
            deadline: unread.danger.deadline.map(|deadline| deadline.ledger),
            close_agreed: unread.danger.deadline.is_some_and(|deadline| deadline.agreed),
            trouble: unread.trouble.clone(),
        })
    }

    /// Whether the channel's entries were missing or not understood at the last read.
    pub fn is_unreadable(&self, channel: &ContractId) -> bool {
        let inner = self.read();
        match inner.channels.get(channel) {
            Some(known) => known.unreadable,
            None => inner.unread.get(channel).is_some_and(|unread| unread.trouble.is_some()),
        }
    }

    /// All channels whose entries were read, in the order of their ids.
    pub fn channels(&self) -> Vec<ChannelView> {
        let inner = self.read();
        let mut all: Vec<ChannelView> = inner.channels.values().map(|known| inner.copy(known)).collect();
        all.sort_by_key(|known| known.state.channel);
        all
    }

    /// The first and the last ledger of the range of which every `close` event was read.
    pub fn events_span(&self) -> Option<(Ledger, Ledger)> {
        self.read().events.map(|span| (span.from, span.to))
    }

    /// The fee accounts that were read.
    pub fn lanes(&self) -> Vec<LaneFacts> {
        self.read().lanes.values().copied().collect()
    }

    /// What all fee accounts together may spend; `None` before any was read.
    pub fn spendable(&self) -> Option<Stroops> {
        let inner = self.read();
        let spendable = inner.lanes.values().fold(Stroops(0), |sum, lane| sum.saturating_add(lane.spendable));
        (!inner.lanes.is_empty()).then_some(spendable)
    }

    /// The resource fee of the last simulated settlement; `None` before the first simulation.
    pub fn settle_resource_fee(&self) -> Option<Stroops> {
        self.read().settle_resource_fee
    }

    /// What a token's issuer may do, if that was ever read.
    pub fn token(&self, token: &ContractId) -> Option<KnownToken> {
        self.read().tokens.get(token).copied()
    }

    /// Whether a recipient can be paid in a token, if that was ever read.
    pub fn payability(&self, token: &ContractId, to: &Address) -> Option<KnownPayability> {
        let inner = self.read();
        let payee = (*token, *to);
        inner.payability.get(&payee).map(|read| KnownPayability {
            payability: read.payability,
            read_at: read.read_at,
            paid_since: inner.withdrawn_by(&payee).saturating_sub(read.withdrawn),
        })
    }

    /// What all channels together have paid to a recipient in a token, as far as they were read. Base units.
    pub fn withdrawn_by(&self, token: &ContractId, to: &Address) -> Amount {
        self.read().withdrawn_by(&(*token, *to))
    }

    /// Whether the daemon is stopping.
    pub fn is_stopping(&self) -> bool {
        self.read().stopping
    }

    /// Whether a part of the watcher panicked, so that this process takes nothing any more.
    pub fn has_stopped_taking(&self) -> bool {
        self.read().stopped_taking
    }

    /// Whether the operator has paused the taking of money.
    pub fn is_paused(&self) -> bool {
        self.read().paused
    }

    /// The channels that show that the store was rolled back.
    pub fn rolled_back_channels(&self) -> Vec<ContractId> {
        self.read().rolled_back.clone()
    }

    /// Whether this channel shows that the store was rolled back.
    pub fn is_rolled_back(&self, channel: &ContractId) -> bool {
        self.read().rolled_back.contains(channel)
    }

    /// Whether the head is recent, for `/readyz`. `wall_unix_ms` and `boot` are the present times.
    ///
    /// # Errors
    /// The first rule of [`NotFresh`] that is broken.
    pub fn chain_freshness(
        &self,
        limits: &FreshnessLimits,
        wall_unix_ms: u64,
        boot: Duration,
    ) -> Result<Head, NotFresh> {
        let inner = self.read();
        fresh::chain(inner.head.as_ref(), inner.agreement, limits, wall_unix_ms, boot)
    }

    /// Whether the known state of this channel is fresh enough to take money on it. `wall_unix_ms` and `boot` are the
    /// present times.
    ///
    /// # Errors
    /// The first rule of [`NotFresh`] that is broken.
    pub fn freshness(
        &self,
        channel: &ContractId,
        limits: &FreshnessLimits,
        wall_unix_ms: u64,
        boot: Duration,
    ) -> Result<(), NotFresh> {
        let inner = self.read();
        let head = fresh::chain(inner.head.as_ref(), inner.agreement, limits, wall_unix_ms, boot)?;
        let Some(known) = inner.channels.get(channel) else {
            let tried = inner.unread.get(channel).is_some_and(|unread| unread.trouble.is_some());
            return Err(if tried { NotFresh::Unreadable } else { NotFresh::Unread });
        };
        if known.unreadable {
            return Err(NotFresh::Unreadable);
        }
        fresh::channel(head.ledger, known.state.read_at, inner.gap_free_to(known), limits)
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        // Each write is complete, so a writer that panicked left nothing half-changed.
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn plausible(&self, ledger: Ledger) -> Ledger {
        self.head.map_or(ledger, |known| ledger.min(known.head.ledger.saturating_add(AHEAD_OF_HEAD)))
    }

    /// See [`View::merge_channel`]. `close_agreed` says whether enough endpoints report a close in it.
    fn merge_channel(&mut self, mut state: ChannelState, close_agreed: bool) {
        state.read_at = self.plausible(state.read_at);
        let payee = (state.token, state.to);
        let unmatched_to = self.events.map_or(Ledger(0), |span| span.to);
        let (before, after) = match self.channels.get_mut(&state.channel) {
            Some(known) => {
                let before = known.state.withdrawn;
                known.merge(state, close_agreed);
                (before, known.state.withdrawn)
            }
            None => {
                let after = state.withdrawn;
                let danger = self.unread.remove(&state.channel).map_or_else(Danger::default, |unread| unread.danger);
                self.channels.insert(state.channel, TrackedChannel::first(state, unmatched_to, danger, close_agreed));
                (Amount::ZERO, after)
            }
        };
        let sum = self.withdrawn.entry(payee).or_default();
        *sum = sum.saturating_sub(before).saturating_add(after);
    }

    fn gap_free_to(&self, known: &TrackedChannel) -> Ledger {
        let read_at = known.state.read_at;
        match self.events {
            // Events are known from the ledger after the read on, so they show what has happened since.
            Some(span) if span.from <= read_at.saturating_add(1) && known.unmatched_to <= read_at => {
                read_at.max(span.to)
            }
            _ => read_at,
        }
    }

    fn withdrawn_by(&self, payee: &Payee) -> Amount {
        self.withdrawn.get(payee).copied().unwrap_or(Amount::ZERO)
    }

    fn copy(&self, known: &TrackedChannel) -> ChannelView {
        ChannelView {
            state: known.state.clone(),
            deadline: known.danger.deadline.map(|deadline| deadline.ledger),
            close_agreed: known.danger.deadline.is_some_and(|deadline| deadline.agreed),
            ended: known.danger.ended,
            gap_free_to: self.gap_free_to(known),
            trouble: known.trouble.clone(),
        }
    }
}
