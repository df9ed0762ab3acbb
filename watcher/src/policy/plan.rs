//! Puts the answers for all channels in the order of loss, and joins what one transaction can do.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use paychan_channel::xdr::LedgerKey;
use paychan_channel::{Amount, ContractId, Ledger, Stroops};

use super::{Action, BASE_FEE, Known, Limits, Reason, Report, decide, lives, restorable};

/// The most entries that one extension names. The network allows 400 in a footprint (SLP-5) and 132,096 bytes in a
/// transaction; 100 keys of at most 140 bytes stay far below both, and below the limits of one simulation.
pub const ENTRIES_PER_EXTENSION: usize = 100;

/// What to do about all channels now, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Urgent payouts in the order of loss, then other payouts, restorations and extensions. Payouts that can't succeed
    /// now come after those; but every second time, the urgent ones among them come before everything that is not
    /// urgent.
    pub items: Vec<Item>,
    /// Channels that are no longer watched.
    pub drops: Vec<ContractId>,
    /// What the operator should know.
    pub reports: Vec<(ContractId, Report)>,
}

/// One transaction to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// Settle or close a channel.
    Pay(Payout),
    /// Bring archived entries back.
    Restore(Restoration),
    /// Extend the lives of entries.
    Extend(Extension),
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
    /// Whether to end the channel, after fencing it.
    pub close: bool,
    /// Why now.
    pub reason: Reason,
    /// The ledger at which the funder can take the rest back. For a channel that can't be read, it is the earliest
    /// possible one.
    pub deadline: Option<Ledger>,
    /// What is at stake, in stroops; `None` for a token that is no longer listed.
    pub value: Option<Stroops>,
    /// How many times it failed since its last success.
    pub failures: u32,
    /// The first ledger at which it may be tried.
    pub not_before: Ledger,
}

/// Entries to extend in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// The entries. An entry that several channels share is named once.
    pub keys: Vec<LedgerKey>,
    /// The channels that need them.
    pub channels: Vec<ContractId>,
    /// How long they shall live from the transaction's inclusion, in ledgers.
    pub extend_to: u32,
    /// For inclusion, on top of the resource fee.
    pub bid: Stroops,
    /// The most that its resources may cost, stroops: what the fee accounts don't need for settlements.
    pub spare: Stroops,
    /// The first ledger at which it may be tried.
    pub not_before: Ledger,
}

/// Archived entries to bring back in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restoration {
    /// The entries. An entry that several channels share is named once.
    pub keys: Vec<LedgerKey>,
    /// The channels that need them.
    pub channels: Vec<ContractId>,
    /// For inclusion, on top of the resource fee.
    pub bid: Stroops,
    /// The most that its resources may cost, stroops: the value that the channels still hold, but at most what the fee
    /// accounts don't need for settlements.
    pub worth: Stroops,
    /// The first ledger at which it may be tried.
    pub not_before: Ledger,
}

/// Which payouts come first when some have failed before and others have not.
///
/// Without turns, failing payouts would delay the others, or the others would never let a failed payout be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Turn {
    /// Payouts that never failed come first.
    #[default]
    Untried,
    /// Payouts that failed before come first.
    Failed,
}

impl Turn {
    /// The turn after this one.
    pub const fn next(self) -> Self {
        match self {
            Self::Untried => Self::Failed,
            Self::Failed => Self::Untried,
        }
    }
}

impl Item {
    /// The first ledger at which it may be tried.
    pub const fn not_before(&self) -> Ledger {
        match self {
            Self::Pay(payout) => payout.not_before,
            Self::Restore(restoration) => restoration.not_before,
            Self::Extend(extension) => extension.not_before,
        }
    }
}

impl Plan {
    /// All payouts, in order.
    pub fn payouts(&self) -> impl Iterator<Item = &Payout> {
        self.items.iter().filter_map(|item| match item {
            Item::Pay(payout) => Some(payout),
            Item::Restore(_) | Item::Extend(_) => None,
        })
    }

    /// All extensions, in order.
    pub fn extensions(&self) -> impl Iterator<Item = &Extension> {
        self.items.iter().filter_map(|item| match item {
            Item::Extend(extension) => Some(extension),
            Item::Pay(_) | Item::Restore(_) => None,
        })
    }

    /// All restorations, in order.
    pub fn restorations(&self) -> impl Iterator<Item = &Restoration> {
        self.items.iter().filter_map(|item| match item {
            Item::Restore(restoration) => Some(restoration),
            Item::Pay(_) | Item::Extend(_) => None,
        })
    }
}

/// Decides for every channel and puts the answers in order. Pure; the order of `all` does not matter.
pub fn plan(all: &[Known<'_>], limits: &Limits, turn: Turn) -> Plan {
    let (mut worth_it, mut capped, mut drops, mut reports) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for known in all {
        let payout = match decide(known, limits) {
            Action::Settle { amount, bid, reason } => payout(known, limits, amount, bid, false, reason),
            Action::Close { amount, bid, reason } => payout(known, limits, amount, bid, true, reason),
            Action::Report(report) => {
                reports.push((known.id(), report));
                continue;
            }
            Action::Drop => {
                drops.push(known.id());
                continue;
            }
            Action::Wait | Action::Extend { .. } | Action::Restore { .. } => continue,
        };
        // A payout whose bid was not enough, or whose recipient can't be paid, comes later. Otherwise it would take the
        // lane again and again from payouts that can succeed.
        let cannot_succeed = !known.payable || known.tried.not_enough.is_some_and(|bid| payout.bid <= bid);
        if cannot_succeed { capped.push(payout) } else { worth_it.push(payout) }
    }
    reports.sort_by_key(|(channel, _)| *channel);
    let in_turns = |payouts| take_turns(payouts, limits.head, turn).into_iter().map(Item::Pay);
    let is_urgent = |payout: &Payout| payout.reason.is_urgent();
    let (urgent, leisurely): (Vec<_>, Vec<_>) = worth_it.into_iter().partition(is_urgent);
    let (doubtful, unlikely): (Vec<_>, Vec<_>) = capped.into_iter().partition(is_urgent);
    let others: Vec<Item> = in_turns(leisurely)
        .chain(restorations(all, limits).into_iter().map(Item::Restore))
        .chain(extensions(all, limits).into_iter().map(Item::Extend))
        .collect();
    // A bid that was not enough may be enough now, and an attempt near the deadline can lose only its fee. Payouts that
    // have time must not block it: they bid little, so one may occupy the lane until its bounds end.
    let doubtful: Vec<Item> = in_turns(doubtful).collect();
    let (first, second) = match turn {
        Turn::Untried => (others, doubtful),
        Turn::Failed => (doubtful, others),
    };
    let items = in_turns(urgent).chain(first).chain(second).chain(in_turns(unlikely)).collect();
    Plan { items, drops, reports }
}

/// Sorts payouts, either urgent ones or others, in the order of loss, but alternates failed and untried ones. Payouts that may not be tried yet come
/// last.
fn take_turns(mut payouts: Vec<Payout>, head: Ledger, turn: Turn) -> Vec<Payout> {
    payouts.sort_by_key(|payout| {
        let deadline = payout.deadline.unwrap_or(Ledger(u32::MAX));
        (deadline, Reverse(payout.value), payout.channel)
    });
    let (ready, later): (Vec<_>, Vec<_>) = payouts.into_iter().partition(|payout| payout.not_before <= head);
    let (mut failed, untried): (Vec<_>, Vec<_>) = ready.into_iter().partition(|payout| payout.failures > 0);
    // The sort is stable: payouts that failed equally often stay in the order of loss.
    failed.sort_by_key(|payout| payout.failures);
    let (first, second) = match turn {
        Turn::Untried => (untried, failed),
        Turn::Failed => (failed, untried),
    };
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut ordered = Vec::new();
    loop {
        match (first.next(), second.next()) {
            (None, None) => break,
            (one, other) => ordered.extend(one.into_iter().chain(other)),
        }
    }
    ordered.extend(later);
    ordered
}

fn payout(known: &Known<'_>, limits: &Limits, amount: Amount, bid: Stroops, close: bool, reason: Reason) -> Payout {
    let deadline = known.deadline().or_else(|| {
        let unseen = known.earliest_unseen_deadline(limits);
        unseen.filter(|_| reason == Reason::Unreadable)
    });
    Payout {
        channel: known.id(),
        amount,
        bid,
        close,
        reason,
        deadline,
        value: known.value(known.unsettled()),
        failures: known.tried.payout.failures,
        not_before: known.tried.payout.not_before,
    }
}

/// The archived entries to bring back, each only once. Channels that share an entry go together. A channel whose
/// restoration failed before goes alone, so that one bad entry does not block the others.
fn restorations(all: &[Known<'_>], limits: &Limits) -> Vec<Restoration> {
    let (mut restorations, mut alone): (Vec<Restoration>, Vec<Restoration>) = (Vec::new(), Vec::new());
    if limits.spare <= Stroops(0) {
        return restorations;
    }
    for known in all {
        let keys = restorable(known, limits);
        let worth = known.value(known.holds()).map_or(limits.spare, |value| value.min(limits.spare));
        if keys.is_empty() || worth <= Stroops(0) {
            continue;
        }
        let bid = known.ordinary_bid(limits, limits.max_inclusion_fee);
        let (channels, not_before) = (vec![known.id()], known.tried.extension.not_before);
        if known.tried.extension.failures > 0 {
            alone.push(Restoration { keys, channels, bid, worth, not_before });
            continue;
        }
        let joins = |other: &&mut Restoration| other.keys.iter().any(|key| keys.contains(key));
        match restorations.iter_mut().filter(|other| other.keys.len() < ENTRIES_PER_EXTENSION).find(joins) {
            Some(other) => {
                let new: Vec<LedgerKey> = keys.into_iter().filter(|key| !other.keys.contains(key)).collect();
                other.keys.extend(new);
                other.channels.push(known.id());
                (other.bid, other.worth) = (other.bid.max(bid), other.worth.max(worth));
            }
            None => restorations.push(Restoration { keys, channels, bid, worth, not_before }),
        }
    }
    restorations.extend(alone);
    restorations
}

/// The entries to extend, each only once; those of channels with something unsettled come first. A channel whose
/// extension failed before goes alone, so that one bad entry does not block the others.
fn extensions(all: &[Known<'_>], limits: &Limits) -> Vec<Extension> {
    if limits.spare <= Stroops(0) {
        return Vec::new();
    }
    let mut joint: BTreeMap<LedgerKey, BTreeSet<ContractId>> = BTreeMap::new();
    let mut owing: BTreeSet<LedgerKey> = BTreeSet::new();
    let mut alone = Vec::new();
    for known in all {
        let over = known.is_final() || known.is_idle(limits) || known.is_to_be_dropped(limits);
        // A channel that ends and owes nothing needs no settlement.
        let ends = known.is_ending() && known.unsettled().is_zero();
        if over || ends {
            continue;
        }
        let keys = lives::due(known, limits);
        if !known.unsettled().is_zero() {
            owing.extend(keys.iter().cloned());
        }
        if known.tried.extension.failures > 0 {
            alone.push((known, keys));
            continue;
        }
        for key in keys {
            joint.entry(key).or_default().insert(known.id());
        }
    }
    let bid = |asked: Option<Stroops>| {
        limits.market.max(asked.unwrap_or(BASE_FEE)).max(BASE_FEE).min(limits.max_inclusion_fee)
    };
    let asked = |channels: &BTreeSet<ContractId>| {
        all.iter().filter(|known| channels.contains(&known.id())).filter_map(|known| known.tried.asked).max()
    };
    let mut extensions = Vec::new();
    for (known, keys) in alone {
        let keys: Vec<LedgerKey> = keys.into_iter().filter(|key| !joint.contains_key(key)).collect();
        if !keys.is_empty() {
            extensions.push(Extension {
                keys,
                channels: vec![known.id()],
                extend_to: limits.extend_to,
                bid: bid(known.tried.asked),
                spare: limits.spare,
                not_before: known.tried.extension.not_before,
            });
        }
    }
    let mut due: Vec<_> = joint.into_iter().collect();
    due.sort_by_key(|(key, _)| !owing.contains(key));
    let chunks = due.chunks(ENTRIES_PER_EXTENSION).map(|some| {
        let channels: BTreeSet<ContractId> = some.iter().flat_map(|(_, channels)| channels).copied().collect();
        Extension {
            keys: some.iter().map(|(key, _)| key.clone()).collect(),
            bid: bid(asked(&channels)),
            channels: channels.into_iter().collect(),
            extend_to: limits.extend_to,
            spare: limits.spare,
            not_before: Ledger(0),
        }
    });
    let mut ordered: Vec<Extension> = chunks.collect();
    ordered.extend(extensions);
    ordered
}
