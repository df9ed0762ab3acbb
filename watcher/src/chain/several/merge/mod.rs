//! The answers of several endpoints, made into one. Pure.
//!
//! **Danger is believed from any one**: the earliest deadline, the lowest coverage, a frozen balance.
//! **Safety needs a quorum**, more than half of the configured endpoints: that the chain is seen as it is now, what was
//! paid out, that a transaction is in a ledger, that a channel is final. An endpoint that is older than the others has no
//! vote on numbers; a close that it tells counts all the same, since a close never goes away.

mod channel;
mod events;
mod head;
#[cfg(test)]
mod tests;

use paychan_channel::{Amount, Ledger, Payability, Stroops, TokenRisk};

use crate::chain::{Found, InclusionFees, LaneAccount, LaneFacts, NetworkTerms, Sent};

pub(super) use channel::{channel, shows_no_close};
pub(super) use events::close_hints;
pub(super) use head::{Anchor, head};

/// How many of so many configured endpoints are a quorum: more than half.
pub(super) const fn quorum(configured: usize) -> usize {
    configured / 2 + 1
}

/// The highest value that at least a quorum of the answers reach; below a quorum of answers, the lowest. `None` without
/// answers.
fn reached_by_quorum<T: Ord>(values: impl IntoIterator<Item = T>, quorum: usize) -> Option<T> {
    let mut values: Vec<T> = values.into_iter().collect();
    values.sort_unstable_by(|a, b| b.cmp(a));
    values.truncate(quorum.max(1));
    values.pop()
}

/// What became of a transaction. That it is in a ledger needs a quorum which says the same of it; that it is in none does
/// too. `None` when there is neither: then it has to be asked again.
pub(super) fn outcome(answers: &[Found], quorum: usize) -> Option<Found> {
    let included = answers.iter().find(|answer| {
        let same = |other: &&Found| match (answer, other) {
            (Found::Included { ledger: a, failed: x, .. }, Found::Included { ledger: b, failed: y, .. }) => {
                a == b && x.is_some() == y.is_some()
            }
            _ => false,
        };
        answers.iter().filter(same).count() >= quorum
    });
    if let Some(included) = included {
        return Some(included.clone());
    }
    let holds = |answer: &Found| match answer {
        Found::No { oldest, latest } => Some((*oldest, *latest)),
        Found::Included { .. } => None,
    };
    let not_found: Vec<(Ledger, Ledger)> = answers.iter().filter_map(holds).collect();
    // Somebody saw it: then those who did not may only be late.
    if not_found.len() < quorum || not_found.len() < answers.len() {
        return None;
    }
    let latest = reached_by_quorum(not_found.iter().map(|(_, latest)| *latest), quorum)?;
    // The history that a quorum holds: not before the quorum's oldest.
    let oldest = not_found.iter().map(|(oldest, _)| *oldest).max()?;
    Some(Found::No { oldest, latest })
}

/// What the network said to a transaction that was given to several endpoints: once one of them has taken it, it is there.
pub(super) fn sent(answers: Vec<Sent>) -> Option<Sent> {
    // Which answer tells most, the best first. A fee that would have been enough can be bid; the highest named one is.
    let rank = |sent: &Sent| match sent {
        Sent::Pending => (0, 0),
        Sent::Duplicate => (1, 0),
        Sent::InsufficientFee { needed } => (2, -i128::from(needed.get())),
        Sent::TryAgainLater => (3, 0),
        Sent::BadSequence => (4, 0),
        Sent::TooLate => (5, 0),
        Sent::InsufficientBalance => (6, 0),
        Sent::Refused { .. } => (7, 0),
    };
    answers.into_iter().min_by_key(rank)
}

/// A fee account, as a quorum tells it: each number is the highest that a quorum reaches, so that no single endpoint has
/// transactions signed with a sequence number that is none, or lets the account seem empty. `None` when no endpoint knows it.
pub(super) fn lane(answers: &[Option<LaneAccount>], quorum: usize) -> Option<LaneAccount> {
    let known: Vec<&LaneAccount> = answers.iter().flatten().collect();
    let account = known.first()?.facts.account;
    let reached = |of: fn(&LaneAccount) -> i64| reached_by_quorum(known.iter().map(|account| of(account)), quorum);
    Some(LaneAccount {
        facts: LaneFacts {
            account,
            balance: Stroops(reached(|account| account.facts.balance.get())?),
            spendable: Stroops(reached(|account| account.facts.spendable.get())?),
            read_at: reached_by_quorum(known.iter().map(|account| account.facts.read_at), quorum)?,
        },
        sequence: reached(|account| account.sequence)?,
        agreed: known.len() >= quorum,
    })
}

/// Whether a recipient can be paid: as much as a quorum says. What nobody can be paid is not tried, so one endpoint must not
/// say it alone.
pub(super) fn payability(mut answers: Vec<Payability>, quorum: usize) -> Option<Payability> {
    answers.sort_by_key(|payability| std::cmp::Reverse((matches!(payability, Payability::Room(_)), payability.room())));
    answers.truncate(quorum);
    answers.pop()
}

/// What a token's issuer may do: the most that is told.
pub(super) fn token_risk(answers: Vec<TokenRisk>) -> Option<TokenRisk> {
    answers.into_iter().max_by_key(|risk| (risk.may_claw_back(), risk.may_revoke()))
}

/// What a token's contract says that a holder has: the least of it; nothing where one endpoint gets no answer from it.
pub(super) fn token_balance(answers: &[Option<Amount>]) -> Option<Amount> {
    answers.iter().copied().min().flatten()
}

/// Whether a call meets archived entries: where a quorum says so, it does. One endpoint that is wrong locks no channel out.
pub(super) fn meets_archived(answers: &[Option<bool>], quorum: usize) -> Option<bool> {
    reached_by_quorum(answers.iter().copied(), quorum).flatten()
}

/// The network's settings: those that most endpoints tell.
pub(super) fn settings(answers: &[NetworkTerms]) -> Option<NetworkTerms> {
    let same = |terms: &&NetworkTerms| answers.iter().filter(|other| other == terms).count();
    // Of two that are told equally often, the shorter close time: it makes the longer floor.
    answers.iter().max_by_key(|terms| (same(terms), std::cmp::Reverse(terms.target_close_ms))).copied()
}

/// What others bid: the middle one of what is told, so that no single endpoint sets the price.
pub(super) fn inclusion_fees(mut answers: Vec<InclusionFees>) -> Option<InclusionFees> {
    answers.sort_by_key(|fees| (fees.p95, fees.max));
    answers.get(answers.len() / 2).copied()
}
