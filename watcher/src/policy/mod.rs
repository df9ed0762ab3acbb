//! Decides what to do now. All functions are pure: they read no clock, no disk and no network.
//!
//! [`survey`](fn@survey) collects what is known of every channel in the store, for the settler and for `status` alike.
//! [`decide`] answers for one channel with the first rule that matches. [`plan`](fn@plan) puts the answers for all
//! channels in the order of loss, and joins what one transaction can do. The settler executes the plan.

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
    /// What the store holds of the channel.
    pub held: Held,
    /// What the chain says of the channel; `None` when its entries were not read since the start.
    pub chain: Option<ChannelView>,
    /// The deadline of a close that was reported, for a channel whose entries were not read since the start.
    pub event_deadline: Option<Ledger>,
    /// Whether enough endpoints reported the close, so that the channel may be ended because of it.
    pub close_agreed: bool,
    /// Whether the last read found no channel, or something that the watcher does not understand.
    pub unreadable: bool,
    /// The last error of the channel, for the operator.
    pub trouble: Option<String>,
    /// What confirmed settlements of this watcher have paid according to the journal, base units.
    pub paid: Amount,
    /// The settings of its token; `None` when the operator took the token off the list after the channel was admitted.
    /// Promises are still kept then: nothing counts as dust, and only the highest fee limits a bid.
    pub token: Option<&'a Token>,
    /// Whether the recipient's secret key is configured, so that the channel can be closed.
    pub can_close: bool,
    /// Whether the recipient can be paid what is unsettled, as far as known.
    pub payable: bool,
    /// The results of earlier attempts.
    pub tried: Tried,
}

/// The results of earlier attempts at a channel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tried {
    /// The failures of paying it out.
    pub payout: Retry,
    /// The failures of extending or restoring its entries.
    pub extension: Retry,
    /// The inclusion fee that the network named when it refused a bid as too low, or twice a bid that was not included.
    pub asked: Option<Stroops>,
    /// The highest inclusion fee that was not enough: the network refused it as too low, or did not include the
    /// transaction.
    pub not_enough: Option<Stroops>,
    /// Whether a close of this channel has failed before. With some contracts a funder can make `close` fail (by
    /// refusing to take the rest back), but never `settle`.
    pub close_failed: bool,
    /// The last error, for the operator; `None` after a success.
    pub why: Option<String>,
}

/// How many times something failed since its last success, and when it may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retry {
    /// How many times it failed.
    pub failures: u32,
    /// The first ledger at which it may be tried again.
    pub not_before: Ledger,
}

/// The limits that apply to all channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The newest ledger.
    pub head: Ledger,
    /// The first ledger that was known since the start.
    pub first_head: Ledger,
    /// A channel that was not read within this many ledgers of the start counts as unreadable.
    pub unread_after: u32,
    /// Wall time, milliseconds since the Unix epoch. It gives the age of commitments, which the journal records in wall
    /// time.
    pub now_ms: u64,
    /// What others pay for inclusion now, in stroops.
    pub market: Stroops,
    /// The highest bid, whatever is at stake.
    pub max_inclusion_fee: Stroops,
    /// What a settlement's resources cost, as far as known.
    pub resource_fee: Stroops,
    /// What the fee accounts hold beyond the cost of all promised settlements. Extensions are paid from it.
    pub spare: Stroops,
    /// An entry with less life left than this many ledgers is extended.
    pub life_floor: u32,
    /// An entry that is extended lives for this many ledgers from then on.
    pub extend_to: u32,
    /// An amount that is unsettled for longer is settled.
    pub settle_after: Duration,
    /// A channel without a new commitment for longer is idle.
    pub idle_after: Duration,
    /// A channel that was never paid through for longer is dropped.
    pub unused_after: Duration,
    /// Whether an idle channel is closed instead of settled, if the recipient's key is configured.
    pub close_idle: bool,
    /// The network's target time between two ledgers, milliseconds; `None` before its settings were read.
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
    /// Something has been unsettled for too long.
    Age,
    /// No commitment has come for a long time.
    Idle,
    /// The channel is fenced: a close was agreed, or was begun and not finished.
    Fenced,
}

impl Reason {
    /// Whether the funder may be about to take the rest back.
    pub const fn is_urgent(self) -> bool {
        matches!(self, Self::Closing | Self::Unreadable)
    }

    /// The reason as text for the operator.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Closing => "the channel is closing",
            Self::Unreadable => "the channel can't be read, so a close may have begun",
            Self::Archived => "an entry is archived, and the settlement restores it",
            Self::Amount => "the unsettled amount is above settle_above",
            Self::Age => "something has been unsettled for longer than settle.after_seconds",
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
        /// The entries below the floor.
        keys: Vec<LedgerKey>,
    },
    /// Bring these archived entries back.
    Restore {
        /// Which.
        keys: Vec<LedgerKey>,
    },
    /// Stop watching the channel: it owes nothing, was never paid through, and is idle.
    Drop,
    /// The watcher can do nothing itself, so it tells the operator.
    Report(Report),
}

/// What the operator should know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Report {
    /// The channel is closing, and what is unsettled is below the dust limit.
    #[error(
        "the channel is closing with {unsettled} base units unsettled, which is below the dust limit of {dust} and not settled"
    )]
    Dust {
        /// The unsettled amount, base units.
        unsettled: Amount,
        /// The dust limit, base units.
        dust: Amount,
    },
    /// The channel ended with commitments unpaid.
    #[error("the channel ended with {unsettled} base units unpaid: they are lost")]
    Lost {
        /// The unpaid amount, base units.
        unsettled: Amount,
    },
    /// Entries are archived. A settlement restores them; an extension can't.
    #[error("these entries are archived: {}; the next settlement restores them", .entries.join(", "))]
    Archived {
        /// Which.
        entries: Vec<&'static str>,
    },
    /// The channel owes nothing and no commitment has come for a long time, so the watcher pays no more rent for it.
    #[error("the channel owes nothing and is idle: the lives of its entries are no longer extended")]
    Idle,
    /// The agreed amount is paid, but the watcher can't end the channel.
    #[error(
        "the channel is fenced and settled, but it can't be closed: the recipient's key is not configured, or closing it \
         failed; its funder takes the rest back"
    )]
    NotClosed,
}

/// Decides what this channel needs now. The first rule that matches wins, and the rules are in the order of loss.
///
/// Pure. Times are ledgers, amounts base units, fees stroops.
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
        && let Some(deadline) = known.earliest_unseen_deadline(limits)
    {
        let bid = known.urgent_bid(limits, deadline, unsettled);
        // It is not closed, since it may go on when it can be read again.
        return Action::Settle { amount: known.claim(), bid, reason: Reason::Unreadable };
    }
    if let Some(reason) = due(known, limits, unsettled) {
        return pay_without_urgency(known, limits, unsettled, reason);
    }
    keep_alive(known, limits)
}

/// Rule 1: a close was seen. The rule applies after the deadline too, since settling works until the funder has
/// refunded.
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
    // A close that only one of several endpoints reports makes the watcher settle, which is harmless, but not end the
    // channel.
    match known.may_close() && known.close_agreed {
        true => Action::Close { amount, bid, reason },
        false => Action::Settle { amount, bid, reason },
    }
}

/// A fenced channel takes nothing more, so it is closed, even if nothing is unsettled.
fn close_fenced(known: &Known<'_>, limits: &Limits, unsettled: Amount) -> Action {
    let amount = known.claim();
    match known.deadline() {
        Some(deadline) if !unsettled.is_zero() && unsettled >= known.dust() => {
            Action::Close { amount, bid: known.urgent_bid(limits, deadline, unsettled), reason: Reason::Closing }
        }
        // The recipient asked for the close even if nothing is unsettled. The bid is at most the value of what is
        // unsettled, or the resource fee if that is more.
        _ => {
            let worth =
                known.value(unsettled).map(|value| value.max(limits.resource_fee).saturating_add(limits.resource_fee));
            Action::Close { amount, bid: known.ordinary_bid(limits, cap(worth, limits)), reason: Reason::Fenced }
        }
    }
}

/// Rules 2, 3 and 5: the reason to pay out what is unsettled although no close is known.
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
    // An endpoint may wrongly say that live entries are archived. That must not turn each commitment into a
    // transaction.
    let restore = age.is_some_and(|age| age >= limits.settle_after.min(RESTORE_AFTER));
    (restore && !lives::archived(known, limits).is_empty()).then_some(Reason::Archived)
}

/// How long something stays unsettled on a channel with an archived entry before a settlement restores the entry. It
/// need not be earlier: a funder who starts to close restores the instance.
const RESTORE_AFTER: Duration = Duration::from_secs(3_600);

fn pay_without_urgency(known: &Known<'_>, limits: &Limits, unsettled: Amount, reason: Reason) -> Action {
    let bid = known.ordinary_bid(limits, cap(known.value(unsettled), limits));
    let amount = known.claim();
    match reason == Reason::Idle && limits.close_idle && known.may_close() {
        true => Action::Close { amount, bid, reason },
        false => Action::Settle { amount, bid, reason },
    }
}

/// Rule 4: the entries that a settlement needs must not be archived when it is due.
fn keep_alive(known: &Known<'_>, limits: &Limits) -> Action {
    if known.held.fence.is_some() && known.chain.is_some() {
        let (unsettled, dust) = (known.unsettled(), known.dust());
        return Action::Report(if unsettled.is_zero() { Report::NotClosed } else { Report::Dust { unsettled, dust } });
    }
    if known.is_to_be_dropped(limits) {
        return Action::Drop;
    }
    if known.is_idle(limits) {
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

/// Rule 5: the archived entries that need a transaction of their own, because no settlement will restore them soon.
/// Either the channel is in use and too little is unsettled for a settlement, or a payout failed while they were
/// archived.
pub(super) fn restorable(known: &Known<'_>, limits: &Limits) -> Vec<LedgerKey> {
    let dust_only = known.unsettled().is_zero() || known.unsettled() < known.dust();
    let in_use = known.held.highest.is_some() && !known.is_idle(limits) && !known.is_ending();
    let needed = (in_use && dust_only) || known.tried.payout.failures > 0;
    if !needed || known.unreadable || known.is_final() || known.tried.extension.failures >= RESTORATIONS {
        return Vec::new();
    }
    lives::archived_keys(known, limits)
}

/// How many restorations of one channel are tried without effect. An endpoint may say for ever that live entries are
/// archived.
const RESTORATIONS: u32 = 4;

/// Whether a close of this channel has failed on chain before, by its outcomes in the store.
pub fn close_failed(outcomes: &[Decided]) -> bool {
    outcomes
        .iter()
        .any(|decided| matches!((&decided.purpose, &decided.outcome), (Purpose::Close { .. }, Outcome::Failed { .. })))
}

/// The total that confirmed transactions of this watcher have paid out, by the channel's outcomes in the store. Base
/// units.
pub fn paid(outcomes: &[Decided]) -> Amount {
    let confirmed = outcomes.iter().filter(|decided| matches!(decided.outcome, Outcome::Confirmed { .. }));
    confirmed.filter_map(|decided| decided.purpose.pays()).map(|(_, amount)| amount).max().unwrap_or(Amount::ZERO)
}

impl Known<'_> {
    /// The channel.
    pub fn id(&self) -> ContractId {
        self.held.channel()
    }

    /// The amount to claim on chain, base units: the agreed commitment of a close, or else the highest one. When the
    /// channel no longer covers it (a clawback), the highest commitment that it covers is claimed. If that would pay
    /// nothing, the agreed or the highest one is claimed after all, since the known coverage may be wrong.
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

    /// What would be lost, base units. It is computed from the chain's state if that was read, else from the journal.
    pub fn unsettled(&self) -> Amount {
        match &self.chain {
            // For a channel that can't be read any more, the higher of the last read amount and the paid amount counts.
            Some(chain) if !self.unreadable => chain.state.unsettled(self.claim()),
            Some(chain) => self.claim().saturating_sub(self.paid.max(chain.state.withdrawn)),
            None if self.held.unsettled_since_ms.is_none() => Amount::ZERO,
            None => self.claim().saturating_sub(self.paid),
        }
    }

    /// The ledger at which the funder can take the rest back, if a close was seen.
    pub fn deadline(&self) -> Option<Ledger> {
        self.chain.as_ref().map_or(self.event_deadline, |chain| chain.deadline)
    }

    /// Whether the funder or the recipient is closing the channel.
    pub(super) fn is_ending(&self) -> bool {
        self.deadline().is_some() || self.held.fence.is_some()
    }

    fn is_final(&self) -> bool {
        self.chain.as_ref().is_some_and(|chain| chain.state.is_final())
    }

    /// Whether any read ever showed that the channel has ended.
    pub fn has_ended(&self) -> bool {
        self.chain.as_ref().is_some_and(|chain| chain.ended)
    }

    /// For a channel that can't be read: the earliest deadline of a close that the watcher may have missed. `None`
    /// while the channel is known well enough.
    fn earliest_unseen_deadline(&self, limits: &Limits) -> Option<Ledger> {
        let wait = self.held.admission.refund_waiting_period;
        let seen_to = match &self.chain {
            Some(chain) if self.unreadable => chain.gap_free_to,
            // The reaction time may take a third of the waiting period (see `crate::floor`).
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

    /// The bid without urgency: what others pay or what the network asked for, at most `cap`.
    fn ordinary_bid(&self, limits: &Limits, cap: Stroops) -> Stroops {
        limits.market.max(self.tried.asked.unwrap_or(BASE_FEE)).max(BASE_FEE).min(cap)
    }

    /// The value of an amount in stroops; `None` for a token that is no longer listed.
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

    /// Whether the watcher can end the channel: the recipient's key is configured, and no close has failed. Without any
    /// commitment only our own contract can be closed, since it checks no signature for an amount that is paid already.
    pub fn may_close(&self) -> bool {
        let signed = self.held.highest.is_some() || self.held.admission.layout == Layout::Paychan;
        self.can_close && !self.tried.close_failed && signed
    }

    /// Whether the channel is fenced, and can be read and closed.
    fn has_to_be_closed(&self) -> bool {
        self.held.fence.is_some() && self.may_close() && self.chain.is_some() && !self.unreadable
    }

    /// How long ago the last commitment came, or how long ago the channel was admitted if there is none. `None` when
    /// that is not known.
    fn idle_for(&self, limits: &Limits) -> Option<Duration> {
        match &self.held.highest {
            Some(highest) => Some(Duration::from_millis(limits.now_ms.saturating_sub(highest.accepted_at_ms))),
            None => {
                let ledgers = u64::from(limits.head.since(self.held.admission.admitted_at));
                Some(Duration::from_millis(ledgers.saturating_mul(limits.target_close_ms?.into())))
            }
        }
    }

    /// Whether nothing was ever paid through the channel, by the store and by the chain, and the channel is idle. For a
    /// channel that is closing or fenced, other rules come first, so that it is dropped only after it has ended.
    pub(super) fn is_to_be_dropped(&self, limits: &Limits) -> bool {
        let Some(chain) = self.chain.as_ref().filter(|_| !self.unreadable) else { return false };
        let used = self.held.highest.is_some() || !self.held.spent.is_zero() || !chain.state.withdrawn.is_zero();
        !used && self.idle_for(limits).is_some_and(|idle| idle >= limits.unused_after)
    }

    /// Whether the channel owes nothing and is idle, so that no rent is paid for it.
    pub fn is_idle(&self, limits: &Limits) -> bool {
        self.unsettled().is_zero() && self.idle_for(limits).is_some_and(|idle| idle >= limits.idle_after)
    }
}
