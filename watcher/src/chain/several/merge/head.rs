//! Merges the newest ledgers of several endpoints.

use paychan_channel::Ledger;

use crate::chain::Head;

/// The limit that follows from the last head of a quorum and the time since then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Anchor {
    /// The highest ledger that is plausible now.
    pub(in super::super) at_most: Ledger,
}

/// A head, and how many endpoints agree with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct MergedHead {
    /// The newest ledger.
    pub(in super::super) head: Head,
    /// How many endpoints are at the head, or at most the tolerated lag behind it. Below a quorum, no money may be
    /// taken.
    pub(in super::super) agreeing: usize,
}

/// Merges the reported heads. `lag` is how many ledgers nodes of one network may be apart.
///
/// The head is the highest ledger with which a quorum agrees. Without such a quorum it is the highest plausible one,
/// since the most advanced endpoint shows danger soonest, and what is owed can be settled there. `now_unix_ms` is this
/// machine's wall clock, which decides when nothing else does. `None` without answers.
pub(in super::super) fn head(
    answers: &[Head],
    quorum: usize,
    lag: u32,
    anchor: Option<Anchor>,
    now_unix_ms: u64,
) -> Option<MergedHead> {
    let agreeing =
        |top: Ledger| answers.iter().filter(|answer| answer.ledger <= top && top.since(answer.ledger) <= lag).count();
    let gathered = answers.iter().filter(|answer| agreeing(answer.ledger) >= quorum).max_by_key(|head| order(head));
    let plausible = || match anchor {
        Some(anchor) => answers.iter().filter(|answer| answer.ledger <= anchor.at_most).max_by_key(|head| order(head)),
        // Only the dates show which history is the network's, since its newest ledger closed just now.
        None => answers
            .iter()
            .max_by_key(|head| (head.closed_at_unix_ms.filter(|closed| *closed <= now_unix_ms), order(head))),
    };
    // If all reported heads are implausible, the follower judges the lowest one and reports it.
    let head = gathered.or_else(plausible).or_else(|| answers.iter().min_by_key(|head| order(head)))?;
    Some(MergedHead { head: *head, agreeing: agreeing(head.ledger) })
}

/// Orders heads by ledger, and prefers one with a date if the ledger is the same.
fn order(head: &Head) -> (Ledger, Option<u64>) {
    (head.ledger, head.closed_at_unix_ms)
}
