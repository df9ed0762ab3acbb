//! What to do now. Pure functions of what is known: no clock, no disk, no network.
//!
//! [`decide`] answers for one channel, first rule that matches; [`plan`] puts the answers for all channels in the order
//! of loss and joins what can be done together. Sending it, and sending it again, is the settler's.

mod bid;
mod plan;
#[cfg(test)]
mod tests;

use paychan_channel::xdr::LedgerKey;
use paychan_channel::{Amount, ChannelKeys, ContractId, Ledger, Life, Stroops};

use crate::chain::NetworkTerms;
use crate::config::{Config, Token};
use crate::view::ChannelView;
use paychan_store::{Decided, Held, Outcome, Purpose};

pub use bid::{BASE_FEE, bid, cap, highest_bid};
pub use plan::{ENTRIES_PER_EXTENSION, Extension, Payout, Plan, plan};

/// All that is known of one channel now.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// What the chain says of it.
    pub channel: &'a ChannelView,
    /// What the store holds of it.
    pub held: &'a Held,
    /// The settings of its token; `None` when the operator took the token off the list since the channel was admitted.
    /// What was promised is kept all the same: then nothing counts as dust, and only the highest fee limits a bid.
    pub token: Option<&'a Token>,
    /// Whether the recipient's secret key is configured, so that the channel can be closed.
    pub can_close: bool,
    /// Whether a close of this channel has failed before. A funder can make some contracts' `close` fail (by refusing to
    /// take the rest back) but never a `settle`.
    pub close_failed: bool,
    /// The inclusion fee that the network named when it refused this channel's last bid as too low.
    pub asked: Option<Stroops>,
}

/// What holds for all channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The newest ledger.
    pub head: Ledger,
    /// What others pay for inclusion now, in stroops.
    pub market: Stroops,
    /// The highest bid, whatever is at stake.
    pub max_inclusion_fee: Stroops,
    /// What a settlement's resources cost, as far as known.
    pub resource_fee: Stroops,
    /// An entry with less life left than this many ledgers is extended.
    pub life_floor: u32,
    /// To so many ledgers from its extension on.
    pub extend_to: u32,
}

impl Limits {
    /// The limits at a ledger: of the operator, within those of the network.
    ///
    /// `market` is what others pay for inclusion; `resource_fee` a settlement's as last simulated.
    pub fn new(
        config: &Config,
        network: &NetworkTerms,
        head: Ledger,
        market: Stroops,
        resource_fee: Option<Stroops>,
    ) -> Self {
        let extend_to = config.life.extend_to_ledgers.min(network.max_entry_ttl.saturating_sub(1));
        Self {
            head,
            market,
            max_inclusion_fee: config.fees.max_inclusion_fee,
            resource_fee: resource_fee.unwrap_or(config.fees.assumed_resource_fee),
            // On a network whose longest life is below the operator's floor, an entry would be due again at once.
            life_floor: config.life.floor_ledgers.min(extend_to / 2),
            extend_to,
        }
    }
}

/// What a channel needs now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Wait,
    /// Pay out the highest commitment, the channel stays open.
    Settle {
        /// The commitment's total, base units.
        amount: Amount,
        /// For inclusion, on top of the resource fee.
        bid: Stroops,
    },
    /// Fence the channel, then pay out the highest commitment at the fence and end the channel.
    Close {
        /// The highest known now, base units; the fence may find a higher one.
        amount: Amount,
        /// For inclusion, on top of the resource fee.
        bid: Stroops,
    },
    /// Extend the life of these entries.
    Extend {
        /// Those below the floor.
        keys: Vec<LedgerKey>,
    },
    /// Nothing that the watcher could do: tell the operator.
    Report(Report),
}

/// What the operator should know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Report {
    /// The channel is closing, and what is unsettled is below the dust limit.
    #[error("closing with {unsettled} base units unsettled, below the dust limit of {dust}: not settled")]
    Dust {
        /// Unsettled, base units.
        unsettled: Amount,
        /// The limit.
        dust: Amount,
    },
    /// The channel ended with commitments unpaid.
    #[error("ended with {unsettled} base units unpaid: lost")]
    Lost {
        /// Unpaid, base units.
        unsettled: Amount,
    },
    /// Entries are archived: settling restores them on the way, extending cannot.
    #[error("archived: {}; restore them before they matter", .entries.join(", "))]
    Archived {
        /// Which.
        entries: Vec<&'static str>,
    },
}

/// What this channel needs now. First match wins; the order is the order of loss.
///
/// Pure: everything known comes in, the action goes out. Ledgers, base units, stroops.
pub fn decide(known: &Known<'_>, limits: &Limits) -> Action {
    let highest = known.held.highest_amount();
    let unsettled = known.channel.state.unsettled(highest);
    if known.channel.state.is_final() {
        return if unsettled.is_zero() { Action::Wait } else { Action::Report(Report::Lost { unsettled }) };
    }
    if let Some(deadline) = known.channel.deadline {
        return before_refund(known, limits, deadline, highest, unsettled);
    }
    keep_alive(known, limits)
}

/// Rule 1: a close was seen. Also after the deadline: settling works until the refund does.
fn before_refund(known: &Known<'_>, limits: &Limits, deadline: Ledger, highest: Amount, unsettled: Amount) -> Action {
    if unsettled.is_zero() {
        return Action::Wait;
    }
    let dust = known.token.map_or(Amount::ZERO, |token| token.dust);
    if unsettled < dust {
        return Action::Report(Report::Dust { unsettled, dust });
    }
    let value = known.token.map(|token| token.value(unsettled));
    let cap = cap(value, limits);
    let window = known.channel.state.refund_waiting_period;
    let bid = bid(deadline.since(limits.head), window, limits.market, known.asked, cap);
    if known.can_close && !known.close_failed {
        Action::Close { amount: highest, bid }
    } else {
        Action::Settle { amount: highest, bid }
    }
}

/// Rule 4: what the channel lives by must not be archived when it has to be settled.
fn keep_alive(known: &Known<'_>, limits: &Limits) -> Action {
    let mut due = Vec::new();
    let mut archived = Vec::new();
    for (name, life, key) in entries(known.channel) {
        match life {
            Life::Missing => {}
            Life::Archived => archived.push(name),
            Life::LiveUntil(until) if until < limits.head => archived.push(name),
            Life::LiveUntil(until) if until.since(limits.head) < limits.life_floor => due.push(key),
            Life::LiveUntil(_) => {}
        }
    }
    if !due.is_empty() {
        Action::Extend { keys: due }
    } else if !archived.is_empty() {
        Action::Report(Report::Archived { entries: archived })
    } else {
        Action::Wait
    }
}

/// The persistent entries that settling a channel touches, with their lives.
fn entries(channel: &ChannelView) -> Vec<(&'static str, Life, LedgerKey)> {
    let state = &channel.state;
    let keys = ChannelKeys::of(&state.channel, &state.wasm_hash, &state.token, state.token_kind.code().as_ref());
    let lives = &state.lives;
    let named = [
        ("instance", lives.instance, Some(keys.instance)),
        ("code", lives.code, Some(keys.code)),
        ("token balance", lives.token_balance, Some(keys.token_balance)),
        ("token instance", lives.token_instance, Some(keys.token_instance)),
        ("token code", lives.token_code, keys.token_code),
    ];
    named.into_iter().filter_map(|(name, until, key)| Some((name, Life::of(until, state.read_at), key?))).collect()
}

/// Ledgers of life that the shortest-lived of the channel's entries has left at `head`; `None` when it has none, 0 when
/// one is archived.
pub fn shortest_life(channel: &ChannelView, head: Ledger) -> Option<u32> {
    channel.state.lives.earliest().map(|until| until.since(head))
}

/// Whether a close of this channel has failed on chain before, by the store's outcomes for it.
pub fn close_failed(outcomes: &[Decided]) -> bool {
    outcomes
        .iter()
        .any(|decided| matches!((&decided.purpose, &decided.outcome), (Purpose::Close { .. }, Outcome::Failed { .. })))
}

impl Known<'_> {
    fn id(&self) -> ContractId {
        self.channel.state.channel
    }
}
