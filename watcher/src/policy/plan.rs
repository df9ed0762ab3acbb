//! The answers for all channels, in the order of loss, with what can be done together joined.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use paychan_channel::xdr::LedgerKey;
use paychan_channel::{Amount, ContractId, Ledger, Stroops};

use super::{Action, BASE_FEE, Known, Limits, Report, decide};

/// Entries that one extension names at most. The network allows 400 in a footprint (SLP-5) and 132,096 bytes in a
/// transaction; 100 keys of at most 140 bytes stay far below both, and below what one simulation may take.
pub const ENTRIES_PER_EXTENSION: usize = 100;

/// What to do about all channels now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Settlements and closes: earliest deadline first, of one deadline the most valuable first.
    pub payouts: Vec<Payout>,
    /// Extensions; no entry is in two.
    pub extensions: Vec<Extension>,
    /// What the operator should know.
    pub reports: Vec<(ContractId, Report)>,
}

/// A commitment to pay out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payout {
    /// The channel.
    pub channel: ContractId,
    /// The commitment's total, base units.
    pub amount: Amount,
    /// For inclusion, on top of the resource fee.
    pub bid: Stroops,
    /// Whether to end the channel: fence it first.
    pub close: bool,
    /// The ledger at which the funder can take the rest back.
    pub deadline: Option<Ledger>,
    /// What is at stake, in stroops; `None` for a token that is no longer listed.
    pub value: Option<Stroops>,
}

/// Entries to extend in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// Which entries, each once however many channels share it.
    pub keys: Vec<LedgerKey>,
    /// The channels that live by them.
    pub channels: Vec<ContractId>,
    /// Ledgers from inclusion that they are to live.
    pub extend_to: u32,
    /// For inclusion, on top of the resource fee.
    pub bid: Stroops,
}

/// Decides for every channel and puts the answers in order. Pure; the order of `all` does not matter.
pub fn plan(all: &[Known<'_>], limits: &Limits) -> Plan {
    let mut plan = Plan::default();
    let mut due: BTreeMap<LedgerKey, BTreeSet<ContractId>> = BTreeMap::new();
    for known in all {
        let channel = known.id();
        match decide(known, limits) {
            Action::Wait => {}
            Action::Settle { amount, bid } => plan.payouts.push(payout(known, amount, bid, false)),
            Action::Close { amount, bid } => plan.payouts.push(payout(known, amount, bid, true)),
            Action::Extend { keys } => {
                for key in keys {
                    due.entry(key).or_default().insert(channel);
                }
            }
            Action::Report(report) => plan.reports.push((channel, report)),
        }
    }
    plan.payouts.sort_by_key(|payout| (payout.deadline, Reverse(payout.value), payout.channel));
    plan.reports.sort_by_key(|(channel, _)| *channel);
    plan.extensions = extensions(due, limits);
    plan
}

fn payout(known: &Known<'_>, amount: Amount, bid: Stroops, close: bool) -> Payout {
    let unsettled = known.channel.state.unsettled(amount);
    Payout {
        channel: known.id(),
        amount,
        bid,
        close,
        deadline: known.channel.deadline,
        value: known.token.map(|token| token.value(unsettled)),
    }
}

fn extensions(due: BTreeMap<LedgerKey, BTreeSet<ContractId>>, limits: &Limits) -> Vec<Extension> {
    let bid = limits.market.max(BASE_FEE).min(limits.max_inclusion_fee);
    let due: Vec<_> = due.into_iter().collect();
    due.chunks(ENTRIES_PER_EXTENSION)
        .map(|some| {
            let channels: BTreeSet<ContractId> = some.iter().flat_map(|(_, channels)| channels).copied().collect();
            Extension {
                keys: some.iter().map(|(key, _)| key.clone()).collect(),
                channels: channels.into_iter().collect(),
                extend_to: limits.extend_to,
                bid,
            }
        })
        .collect()
}
