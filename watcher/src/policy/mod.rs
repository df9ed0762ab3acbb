//! What to do now. Pure functions of what is known: no clock, no disk, no network.
//!
//! [`survey`](fn@survey) puts together what is known of every held channel, once, for the settler and for `status` alike.
//! [`decide`] answers for one channel: the first rule that matches. [`plan`](fn@plan) puts the answers for all channels in
//! the order of loss and joins what can be done together. The settler sends it, and sends it again.

mod bid;
mod lives;
mod plan;
mod survey;
#[cfg(test)]
mod tests;

use std::time::Duration;

use paychan_channel::xdr::LedgerKey;
use paychan_channel::{Amount, ContractId, Layout, Ledger, Stroops};

use crate::config::Token;
use crate::view::ChannelView;
use paychan_store::{Decided, Held, Outcome, Purpose};

pub use bid::{BASE_FEE, bid, cap, highest_bid};
pub use lives::{archived_entries, has_archived};
pub use plan::{ENTRIES_PER_EXTENSION, Extension, Item, Payout, Plan, Restoration, Turn, plan};
pub use survey::{Past, Survey, SurveySources, life_limits, survey};

/// All that is known of one channel now.
#[derive(Debug, Clone)]
pub struct Known<'a> {
    /// What the store holds of it.
    pub held: Held,
    /// What the chain says of it; `None` when its entries were not read since the start.
    pub chain: Option<ChannelView>,
    /// The deadline that was told of, for a channel whose entries were not read since the start.
    pub told_deadline: Option<Ledger>,
    /// Whether enough endpoints told of the close for the channel to be ended because of it.
    pub close_agreed: bool,
    /// Whether the last read found something that is not understood, or no channel at all.
    pub unreadable: bool,
    /// What went wrong with it last, for the operator.
    pub trouble: Option<String>,
    /// What confirmed settlements of this watcher have paid, by the journal. Base units.
    pub paid: Amount,
    /// The settings of its token; `None` when the operator took the token off the list since the channel was admitted.
    /// What was promised is kept all the same: then nothing counts as dust, and only the highest fee limits a bid.
    pub token: Option<&'a Token>,
    /// Whether the recipient's secret key is configured, so that the channel can be closed.
    pub can_close: bool,
    /// Whether the recipient can take what is unsettled, as far as known.
    pub payable: bool,
    /// What earlier attempts came to.
    pub tried: Tried,
}

/// What earlier attempts at a channel came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tried {
    /// What came of paying it out.
    pub payout: Retry,
    /// What came of extending the lives of its entries, and of restoring them.
    pub extension: Retry,
    /// The inclusion fee that the network named when it refused a bid as too low, or twice a bid that was not included.
    pub asked: Option<Stroops>,
    /// Whether a close of this channel has failed before. A funder can make some contracts' `close` fail (by refusing to
    /// take the rest back) but never a `settle`.
    pub close_failed: bool,
    /// What went wrong last, for the operator; `None` after something went right.
    pub why: Option<String>,
}

/// How often something failed since it last went well, and when it may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retry {
    /// How often it failed.
    pub failures: u32,
    /// The first ledger at which it may be tried again.
    pub not_before: Ledger,
}

/// What holds for all channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The newest ledger.
    pub head: Ledger,
    /// The first ledger that was known since the start.
    pub first_head: Ledger,
    /// A channel that was not read within this many ledgers of the start counts as one that can't be read.
    pub unread_after: u32,
    /// Wall time: milliseconds since the Unix epoch. Tells the age of commitments, which the journal counts in time.
    pub now_ms: u64,
    /// What others pay for inclusion now, in stroops.
    pub market: Stroops,
    /// The highest bid, whatever is at stake.
    pub max_inclusion_fee: Stroops,
    /// What a settlement's resources cost, as far as known.
    pub resource_fee: Stroops,
    /// What is left of the fee accounts after all promised settlements are paid for: extensions are paid from it.
    pub spare: Stroops,
    /// An entry with less life left than this many ledgers is extended.
    pub life_floor: u32,
    /// An entry that is extended lives for this many ledgers from then on.
    pub extend_to: u32,
    /// What is unsettled for longer is settled.
    pub settle_after: Duration,
    /// A channel without a new commitment for longer is idle.
    pub idle_after: Duration,
    /// A channel that was never paid through for longer is dropped.
    pub unused_after: Duration,
    /// Whether an idle channel is closed where the recipient's key is there, rather than settled.
    pub close_idle: bool,
    /// Milliseconds between two ledgers that the network aims at; `None` before its settings were read.
    pub target_close_ms: Option<u32>,
}

/// Why a channel is paid out now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A close was seen.
    Closing,
    /// The channel can't be read: a close may have begun.
    Unreadable,
    /// An entry is archived: the settlement restores it.
    Archived,
    /// The unsettled amount is above the token's limit.
    Amount,
    /// Something is unsettled for too long.
    Age,
    /// No commitment came for long.
    Idle,
    /// The channel is fenced: it was agreed to close it, or a close was begun and not finished.
    Fenced,
}

impl Reason {
    /// Whether the funder may be about to take the rest back.
    pub const fn is_urgent(self) -> bool {
        matches!(self, Self::Closing | Self::Unreadable)
    }

    /// In words, for the operator.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Closing => "the channel is closing",
            Self::Unreadable => "the channel can't be read, so a close may have begun",
            Self::Archived => "an entry is archived, and the settlement restores it",
            Self::Amount => "the unsettled amount is above settle_above",
            Self::Age => "something is unsettled for longer than settle.after_seconds",
            Self::Idle => "the channel is idle",
            Self::Fenced => "the channel is fenced, so it has to be closed",
        }
    }
}

/// What a channel needs now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Wait,
    /// Pay out the highest commitment; the channel stays open.
    Settle {
        /// The commitment's total, base units.
        amount: Amount,
        /// For inclusion, on top of the resource fee.
        bid: Stroops,
        /// Why now.
        reason: Reason,
    },
    /// Fence the channel, then pay out the highest commitment at the fence and end the channel.
    Close {
        /// The highest known now, base units; the fence may find a higher one.
        amount: Amount,
        /// For inclusion, on top of the resource fee.
        bid: Stroops,
        /// Why now.
        reason: Reason,
    },
    /// Extend the life of these entries.
    Extend {
        /// Those below the floor.
        keys: Vec<LedgerKey>,
    },
    /// Bring these archived entries back.
    Restore {
        /// Which.
        keys: Vec<LedgerKey>,
    },
    /// Watch it no longer: it owes nothing, was never paid through, and is idle.
    Drop,
    /// Nothing that the watcher could do: tell the operator.
    Report(Report),
}

/// What the operator should know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Report {
    /// The channel is closing, and what is unsettled is below the dust limit.
    #[error(
        "the channel is closing with {unsettled} base units unsettled, below the dust limit of {dust}: not settled"
    )]
    Dust {
        /// Unsettled, base units.
        unsettled: Amount,
        /// The limit.
        dust: Amount,
    },
    /// The channel ended with commitments unpaid.
    #[error("the channel ended with {unsettled} base units unpaid: they are lost")]
    Lost {
        /// Unpaid, base units.
        unsettled: Amount,
    },
    /// Entries are archived: settling restores them on the way, extending cannot.
    #[error("archived: {}; the next settlement restores them", .entries.join(", "))]
    Archived {
        /// Which.
        entries: Vec<&'static str>,
    },
    /// Nothing is owed and no commitment came for long: the watcher pays no more rent for it.
    #[error("the channel owes nothing and is idle: the lives of its entries are no longer extended")]
    Idle,
    /// What was agreed is paid, and the watcher can't end the channel.
    #[error(
        "the channel is fenced and settled, and it can't be closed: the recipient's key is not here, or closing it failed; \
         its funder takes the rest back"
    )]
    NotClosed,
}

/// What this channel needs now. First match wins; the order is the order of loss.
///
/// Pure: everything known comes in, the action goes out. Ledgers, base units, stroops.
pub fn decide(known: &Known<'_>, limits: &Limits) -> Action {
    let unsettled = known.unsettled();
    if known.is_final() && known.is_to_be_dropped(limits) {
        return Action::Drop;
    }
    if known.is_final() {
        return if unsettled.is_zero() { Action::Wait } else { Action::Report(Report::Lost { unsettled }) };
    }
    if known.has_to_be_closed() {
        return close_fenced(known, limits, unsettled);
    }
    if let Some(deadline) = known.deadline() {
        return before_refund(known, limits, deadline, unsettled);
    }
    if !unsettled.is_zero()
        && let Some(deadline) = known.earliest_deadline_unseen(limits)
    {
        let bid = known.urgent_bid(limits, deadline, unsettled);
        // Not closed: a channel that can be read again may go on.
        return Action::Settle { amount: known.claim(), bid, reason: Reason::Unreadable };
    }
    if let Some(reason) = due(known, limits, unsettled) {
        return at_leisure(known, limits, unsettled, reason);
    }
    keep_alive(known, limits)
}

/// Rule 1: a close was seen. The rule holds after the deadline too, since settling works until the funder has refunded.
fn before_refund(known: &Known<'_>, limits: &Limits, deadline: Ledger, unsettled: Amount) -> Action {
    if unsettled.is_zero() {
        return Action::Wait;
    }
    let dust = known.dust();
    if unsettled < dust {
        return Action::Report(Report::Dust { unsettled, dust });
    }
    let bid = known.urgent_bid(limits, deadline, unsettled);
    let (amount, reason) = (known.claim(), Reason::Closing);
    // What one of several endpoints tells alone has the channel settled, which is harmless, and not ended.
    match known.may_close() && known.close_agreed {
        true => Action::Close { amount, bid, reason },
        false => Action::Settle { amount, bid, reason },
    }
}

/// A fenced channel takes nothing more, so it is closed, whether something is unsettled or not.
fn close_fenced(known: &Known<'_>, limits: &Limits, unsettled: Amount) -> Action {
    let amount = known.claim();
    match known.deadline() {
        Some(deadline) if !unsettled.is_zero() && unsettled >= known.dust() => {
            Action::Close { amount, bid: known.urgent_bid(limits, deadline, unsettled), reason: Reason::Closing }
        }
        // The recipient asked for it, though nothing may be unsettled. The bid may be as high as what is unsettled is worth,
        // or as what the resources cost, whichever is more.
        _ => {
            let worth =
                known.value(unsettled).map(|value| value.max(limits.resource_fee).saturating_add(limits.resource_fee));
            Action::Close { amount, bid: known.leisurely_bid(limits, cap(worth, limits)), reason: Reason::Fenced }
        }
    }
}

/// Rules 2, 3 and 5: why what is unsettled should be paid out although no close is known.
fn due(known: &Known<'_>, limits: &Limits, unsettled: Amount) -> Option<Reason> {
    if unsettled.is_zero() || unsettled < known.dust() {
        return None;
    }
    if known.held.fence.is_some() {
        return Some(Reason::Fenced);
    }
    let above = known.token.and_then(|token| token.settle_above);
    if above.is_some_and(|above| unsettled >= above) {
        return Some(Reason::Amount);
    }
    let age = known.held.unsettled_since_ms.map(|since| Duration::from_millis(limits.now_ms.saturating_sub(since)));
    if age.is_some_and(|age| age >= limits.settle_after) {
        return Some(Reason::Age);
    }
    if known.idle_for(limits).is_some_and(|idle| idle >= limits.idle_after) {
        return Some(Reason::Idle);
    }
    // An endpoint may wrongly call live entries archived: that must not make each commitment a transaction.
    let restore = age.is_some_and(|age| age >= limits.settle_after.min(RESTORE_AFTER));
    (restore && !lives::archived(known, limits).is_empty()).then_some(Reason::Archived)
}

/// How long something stays unsettled on a channel with an archived entry before it is settled, which restores the entry.
/// Nothing depends on it earlier: a funder who starts to close restores the instance.
const RESTORE_AFTER: Duration = Duration::from_secs(3_600);

fn at_leisure(known: &Known<'_>, limits: &Limits, unsettled: Amount, reason: Reason) -> Action {
    let bid = known.leisurely_bid(limits, cap(known.value(unsettled), limits));
    let amount = known.claim();
    match reason == Reason::Idle && limits.close_idle && known.may_close() {
        true => Action::Close { amount, bid, reason },
        false => Action::Settle { amount, bid, reason },
    }
}

/// Rule 4: what the channel lives by must not be archived when it has to be settled.
fn keep_alive(known: &Known<'_>, limits: &Limits) -> Action {
    if known.held.fence.is_some() && known.chain.is_some() {
        let (unsettled, dust) = (known.unsettled(), known.dust());
        return Action::Report(if unsettled.is_zero() { Report::NotClosed } else { Report::Dust { unsettled, dust } });
    }
    if known.is_to_be_dropped(limits) {
        return Action::Drop;
    }
    if known.rests(limits) {
        return Action::Report(Report::Idle);
    }
    let keys = lives::due(known, limits);
    let archived = lives::archived(known, limits);
    let restorable = restorable(known, limits);
    if !restorable.is_empty() {
        Action::Restore { keys: restorable }
    } else if !keys.is_empty() {
        Action::Extend { keys }
    } else if !archived.is_empty() {
        Action::Report(Report::Archived { entries: archived })
    } else {
        Action::Wait
    }
}

/// Rule 5: the archived entries that are brought back by a transaction of their own, because no settlement is about to do
/// it. Either the channel is in use and too little is unsettled for a settlement, or a payout failed while they were archived.
pub(super) fn restorable(known: &Known<'_>, limits: &Limits) -> Vec<LedgerKey> {
    let dust_only = known.unsettled().is_zero() || known.unsettled() < known.dust();
    let in_use = known.held.highest.is_some() && !known.rests(limits) && !known.ends();
    let needed = (in_use && dust_only) || known.tried.payout.failures > 0;
    if !needed || known.unreadable || known.is_final() || known.tried.extension.failures >= RESTORATIONS {
        return Vec::new();
    }
    lives::archived_keys(known, limits)
}

/// How many restorations of one channel are tried without effect. An endpoint may call live entries archived for ever.
const RESTORATIONS: u32 = 4;

/// Whether a close of this channel has failed on chain before, by the store's outcomes for it.
pub fn close_failed(outcomes: &[Decided]) -> bool {
    outcomes
        .iter()
        .any(|decided| matches!((&decided.purpose, &decided.outcome), (Purpose::Close { .. }, Outcome::Failed { .. })))
}

/// The most that confirmed transactions of this watcher have paid out in total, by the store's outcomes. Base units.
pub fn paid(outcomes: &[Decided]) -> Amount {
    let confirmed = outcomes.iter().filter(|decided| matches!(decided.outcome, Outcome::Confirmed { .. }));
    confirmed.filter_map(|decided| decided.purpose.pays()).map(|(_, amount)| amount).max().unwrap_or(Amount::ZERO)
}

impl Known<'_> {
    /// The channel.
    pub fn id(&self) -> ContractId {
        self.held.channel()
    }

    /// What is to be claimed on chain, base units: the agreed commitment of a close or the highest one; where the channel
    /// no longer covers that (a clawback), the highest that it does cover. If none of these pays anything, the agreed or the
    /// highest one is claimed: what is known of the coverage may be wrong.
    pub fn claim(&self) -> Amount {
        let covered = match &self.chain {
            Some(chain) if !self.unreadable && !chain.state.is_final() => {
                let covered = self.held.covered_claim(chain.coverage());
                covered.filter(|claim| claim.amount > chain.state.withdrawn)
            }
            _ => None,
        };
        covered.or_else(|| self.held.claim()).map_or(Amount::ZERO, |claim| claim.amount)
    }

    /// What would be lost, base units: by the chain where it was read, else by the journal.
    pub fn unsettled(&self) -> Amount {
        match &self.chain {
            // A channel that can't be read any more is judged by the later of what the chain said and what was paid since.
            Some(chain) if !self.unreadable => chain.state.unsettled(self.claim()),
            Some(chain) => self.claim().saturating_sub(self.paid.max(chain.state.withdrawn)),
            None if self.held.unsettled_since_ms.is_none() => Amount::ZERO,
            None => self.claim().saturating_sub(self.paid),
        }
    }

    /// The ledger at which the funder can take the rest back, if a close was seen.
    pub fn deadline(&self) -> Option<Ledger> {
        self.chain.as_ref().map_or(self.told_deadline, |chain| chain.deadline)
    }

    /// Whether the channel is about to end: its funder or its recipient closes it.
    pub(super) fn ends(&self) -> bool {
        self.deadline().is_some() || self.held.fence.is_some()
    }

    fn is_final(&self) -> bool {
        self.chain.as_ref().is_some_and(|chain| chain.state.is_final())
    }

    /// Whether any read ever showed that the channel has ended.
    pub fn has_ended(&self) -> bool {
        self.chain.as_ref().is_some_and(|chain| chain.ended)
    }

    /// For a channel that can't be read: the earliest deadline that a close which nobody saw may have. `None` while the
    /// channel is known well enough.
    fn earliest_deadline_unseen(&self, limits: &Limits) -> Option<Ledger> {
        let wait = self.held.admission.refund_waiting_period;
        let seen_to = match &self.chain {
            Some(chain) if self.unreadable => chain.gap_free_to,
            // A third of the wait is what the reaction time may take (see `crate::floor`).
            Some(chain) if limits.head.since(chain.gap_free_to) > wait / 3 => chain.gap_free_to,
            Some(_) => return None,
            None if self.unreadable => self.held.admission.admitted_at,
            None if limits.head.since(limits.first_head) > limits.unread_after => self.held.admission.admitted_at,
            None => return None,
        };
        Some(seen_to.saturating_add(wait))
    }

    fn urgent_bid(&self, limits: &Limits, deadline: Ledger, unsettled: Amount) -> Stroops {
        let cap = cap(self.value(unsettled), limits);
        let window = self.held.admission.refund_waiting_period;
        bid(deadline.since(limits.head), window, limits.market, self.tried.asked, cap)
    }

    /// What is bid without urgency: what others pay, or what the network asked for, at most `cap`.
    fn leisurely_bid(&self, limits: &Limits, cap: Stroops) -> Stroops {
        limits.market.max(self.tried.asked.unwrap_or(BASE_FEE)).max(BASE_FEE).min(cap)
    }

    /// What so many base units are worth, in stroops; `None` for a token that is no longer listed.
    fn value(&self, amount: Amount) -> Option<Stroops> {
        self.token.map(|token| token.value(amount))
    }

    /// What the channel still holds, base units.
    fn holds(&self) -> Amount {
        self.chain.as_ref().map_or(Amount::ZERO, |chain| chain.state.balance)
    }

    fn dust(&self) -> Amount {
        self.token.map_or(Amount::ZERO, |token| token.dust)
    }

    /// Whether the watcher can end the channel: the recipient's key is there, and no close has failed. Without any
    /// commitment only our own contract is closed: it does not look at the signature of an amount that is paid already.
    pub fn may_close(&self) -> bool {
        let signed = self.held.highest.is_some() || self.held.admission.layout == Layout::Paychan;
        self.can_close && !self.tried.close_failed && signed
    }

    /// Whether the channel is fenced, and can be read and closed.
    fn has_to_be_closed(&self) -> bool {
        self.held.fence.is_some() && self.may_close() && self.chain.is_some() && !self.unreadable
    }

    /// How long ago the last commitment came; for a channel without one, how long ago it was admitted. `None` when that
    /// can't be told.
    fn idle_for(&self, limits: &Limits) -> Option<Duration> {
        match &self.held.highest {
            Some(highest) => Some(Duration::from_millis(limits.now_ms.saturating_sub(highest.accepted_at_ms))),
            None => {
                let ledgers = u64::from(limits.head.since(self.held.admission.admitted_at));
                Some(Duration::from_millis(ledgers.saturating_mul(limits.target_close_ms?.into())))
            }
        }
    }

    /// Whether nothing was ever paid through the channel, by the store and by the chain, and the channel is idle. A channel
    /// that is about to end is dropped only when it has ended.
    pub(super) fn is_to_be_dropped(&self, limits: &Limits) -> bool {
        let Some(chain) = self.chain.as_ref().filter(|_| !self.unreadable) else { return false };
        let used = self.held.highest.is_some() || !self.held.spent.is_zero() || !chain.state.withdrawn.is_zero();
        let ends = (self.held.fence.is_some() || chain.is_closing()) && !chain.ended;
        !used && !ends && self.idle_for(limits).is_some_and(|idle| idle >= limits.unused_after)
    }

    /// Whether the channel owes nothing and is idle. Then no rent is paid for it.
    pub fn rests(&self, limits: &Limits) -> bool {
        self.unsettled().is_zero() && self.idle_for(limits).is_some_and(|idle| idle >= limits.idle_after)
    }
}
