//! Merges the answers of several endpoints into one. Pure.
//!
//! **Danger is believed from any one endpoint**: the earliest deadline, the lowest coverage, a frozen balance. **Safety
//! needs a quorum**, more than half of the configured endpoints: that the known chain is the present one, what was paid
//! out, that a transaction is in a ledger, that a channel is final. An endpoint that is behind the others has no vote
//! on numbers, but a close that it reports still counts, since a close never goes away.

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

/// The quorum of this number of configured endpoints: more than half.
pub(super) const fn quorum(configured: usize) -> usize {
    configured / 2 + 1
}

/// The highest value that at least a quorum of the answers reaches. If there are fewer answers than a quorum, it is the
/// lowest one. `None` without answers.
fn reached_by_quorum<T: Ord>(values: impl IntoIterator<Item = T>, quorum: usize) -> Option<T> {
    let mut values: Vec<T> = values.into_iter().collect();
    values.sort_unstable_by(|a, b| b.cmp(a));
    values.truncate(quorum.max(1));
    values.pop()
}

/// The outcome of a transaction. A quorum must agree that it is in a ledger, or that it is in none. `None` when there
/// is no such quorum, so that it has to be asked again.
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
    // If one endpoint has seen it, the others may only be late.
    if not_found.len() < quorum || not_found.len() < answers.len() {
        return None;
    }
    let latest = reached_by_quorum(not_found.iter().map(|(_, latest)| *latest), quorum)?;
    // The history that a quorum has begins at the quorum's oldest ledger.
    let oldest = not_found.iter().map(|(oldest, _)| *oldest).max()?;
    Some(Found::No { oldest, latest })
}

/// The network's answer to a transaction that was sent to several endpoints. If one of them has taken it, it is in the
/// network.
///
/// `asked` endpoints were given the transaction. One that gave no answer may hold it, so the refusals of the others do not
/// mean that nobody does: then the answer is [`Sent::TryAgainLater`], which frees no lane.
pub(super) fn sent(answers: Vec<Sent>, asked: usize) -> Option<Sent> {
    let all_answered = answers.len() >= asked;
    // The most useful answer comes first. A named fee can be bid, and the highest named fee is used.
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
    let best = answers.into_iter().min_by_key(rank)?;
    let taken = matches!(best, Sent::Pending | Sent::Duplicate);
    Some(if taken || all_answered { best } else { Sent::TryAgainLater })
}

/// A fee account as a quorum reports it. Each number is the highest that a quorum reaches, so that a single endpoint
/// can't make the watcher use a wrong sequence number or see an empty account. `None` when no endpoint knows the
/// account.
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

/// Whether and how much a recipient can be paid, as far as a quorum agrees. A payout that can't work is not tried, so
/// one endpoint alone must not be able to prevent it.
pub(super) fn payability(mut answers: Vec<Payability>, quorum: usize) -> Option<Payability> {
    answers.sort_by_key(|payability| std::cmp::Reverse((matches!(payability, Payability::Room(_)), payability.room())));
    answers.truncate(quorum);
    answers.pop()
}

/// What a token's issuer may do: the most that any endpoint reports.
pub(super) fn token_risk(answers: Vec<TokenRisk>) -> Option<TokenRisk> {
    answers.into_iter().max_by_key(|risk| (risk.may_claw_back(), risk.may_revoke()))
}

/// The balance that a token's contract reports: the lowest answer, or none if one endpoint gets no answer from the
/// contract.
pub(super) fn token_balance(answers: &[Option<Amount>]) -> Option<Amount> {
    answers.iter().copied().min().flatten()
}

/// Whether a call meets archived entries, which needs a quorum. One wrong endpoint locks no channel out.
pub(super) fn meets_archived(answers: &[Option<bool>], quorum: usize) -> Option<bool> {
    reached_by_quorum(answers.iter().copied(), quorum).flatten()
}

/// The network's settings that most endpoints report.
pub(super) fn settings(answers: &[NetworkTerms]) -> Option<NetworkTerms> {
    let same = |terms: &&NetworkTerms| answers.iter().filter(|other| other == terms).count();
    // If two are reported equally often, the shorter close time counts, since it makes the floor longer.
    answers.iter().max_by_key(|terms| (same(terms), std::cmp::Reverse(terms.target_close_ms))).copied()
}

/// What others bid: the median of the answers, so that no single endpoint sets the price.
pub(super) fn inclusion_fees(mut answers: Vec<InclusionFees>) -> Option<InclusionFees> {
    answers.sort_by_key(|fees| (fees.p95, fees.max));
    answers.get(answers.len() / 2).copied()
}
