//! The newest ledger, as several endpoints tell it.

use paychan_channel::Ledger;

use crate::chain::Head;

/// The last head that a quorum told, and how far the network can have come since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Anchor {
    /// The highest ledger that is plausible now.
    pub(in super::super) at_most: Ledger,
}

/// A head, and how many endpoints see the chain as it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct MergedHead {
    /// The newest ledger.
    pub(in super::super) head: Head,
    /// How many endpoints are there, or at most the tolerated lag behind. Below a quorum, no money may be taken.
    pub(in super::super) agreeing: usize,
}

/// Merges the heads that were told. `lag` is how many ledgers nodes of one network may be apart.
///
/// The highest ledger around which a quorum is gathered is the head. Without such a quorum it is the highest plausible one:
/// whoever sees further sees danger sooner, and what is owed can be settled there. `now_unix_ms` is this machine's wall
/// clock, for the choice when nothing else tells. `None` without answers.
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
        // Nothing tells which history is the network's, but for the dates: its newest ledger closed just now.
        None => answers
            .iter()
            .max_by_key(|head| (head.closed_at_unix_ms.filter(|closed| *closed <= now_unix_ms), order(head))),
    };
    // All that is told lies beyond what can be: the follower judges it, and says so.
    let head = gathered.or_else(plausible).or_else(|| answers.iter().min_by_key(|head| order(head)))?;
    Some(MergedHead { head: *head, agreeing: agreeing(head.ledger) })
}

/// By ledger; of the same ledger, one with a date.
fn order(head: &Head) -> (Ledger, Option<u64>) {
    (head.ledger, head.closed_at_unix_ms)
}
