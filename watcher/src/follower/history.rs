//! Whether a node's newest ledger belongs to the history that we know. Pure.

use std::time::Duration;

use paychan_channel::Ledger;

use crate::chain::Head;

/// What a node's newest ledger means beside what is known already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// The same history, at the newest known ledger or further.
    Current,
    /// The same history, as far as can be told, at an older ledger: the node lags. Ask again; nothing is lost.
    Behind,
    /// Another history: a lower ledger that closed later. A test network that was reset, or the wrong network.
    Restarted,
}

/// Judges `head` against the newest one known in this process and the highest ledger that the journal speaks of.
///
/// Within one history a later ledger never closes at an earlier time. So a lower ledger that closed later is of another
/// history. The journal knows no close times: against it, a lower ledger that closed `recent` or less before wall time
/// is the front of another history, and an older one is a node that has not caught up. Neither is one that is below by
/// no more ledgers than `recent` has seconds: nodes lag a little, and no network closes a ledger each second.
pub fn judge(
    head: &Head,
    newest: Option<&Head>,
    journal: Option<Ledger>,
    wall_unix_ms: u64,
    recent: Duration,
) -> Judgement {
    if let Some(newest) = newest {
        return match head.ledger < newest.ledger {
            false => Judgement::Current,
            true if head.closed_at_unix_ms > newest.closed_at_unix_ms => Judgement::Restarted,
            true => Judgement::Behind,
        };
    }
    if journal.is_none_or(|known| head.ledger >= known) {
        return Judgement::Current;
    }
    let age = Duration::from_millis(wall_unix_ms.saturating_sub(head.closed_at_unix_ms));
    let below = journal.map_or(0, |known| known.since(head.ledger));
    if age <= recent && u64::from(below) > recent.as_secs() { Judgement::Restarted } else { Judgement::Behind }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECENT: Duration = Duration::from_secs(60);

    fn head(ledger: u32, closed_at_s: u64) -> Head {
        Head { ledger: Ledger(ledger), closed_at_unix_ms: closed_at_s * 1000 }
    }

    fn beside(newest: &Head, now: &Head) -> Judgement {
        judge(now, Some(newest), None, 1_000_000, RECENT)
    }

    fn after_start(journal: u32, now: &Head, wall_s: u64) -> Judgement {
        judge(now, None, Some(Ledger(journal)), wall_s * 1000, RECENT)
    }

    #[test]
    fn a_first_head_without_a_journal_is_believed() {
        assert_eq!(judge(&head(5, 1), None, None, 9_000_000, RECENT), Judgement::Current);
    }

    #[test]
    fn the_same_or_a_higher_ledger_is_current() {
        assert_eq!(beside(&head(5, 100), &head(5, 100)), Judgement::Current);
        assert_eq!(beside(&head(5, 100), &head(9_000, 100)), Judgement::Current);
    }

    #[test]
    fn a_lower_ledger_that_closed_earlier_is_a_lagging_node() {
        assert_eq!(beside(&head(500, 1_000), &head(499, 995)), Judgement::Behind);
        assert_eq!(beside(&head(500, 1_000), &head(499, 1_000)), Judgement::Behind, "two ledgers in one second");
        assert_eq!(beside(&head(500, 1_000), &head(3, 15)), Judgement::Behind);
    }

    #[test]
    fn a_lower_ledger_that_closed_later_is_another_history() {
        assert_eq!(beside(&head(500, 1_000), &head(3, 1_001)), Judgement::Restarted);
    }

    #[test]
    fn at_start_a_recent_ledger_below_the_journals_is_another_history_and_an_old_one_a_lagging_node() {
        assert_eq!(after_start(500, &head(3, 9_950), 10_000), Judgement::Restarted);
        assert_eq!(after_start(500, &head(3, 9_000), 10_000), Judgement::Behind);
        assert_eq!(
            after_start(500, &head(498, 9_992), 10_000),
            Judgement::Behind,
            "a restart within seconds, beside a node that lags by two ledgers"
        );
        assert_eq!(after_start(500, &head(500, 9_000), 10_000), Judgement::Current);
    }
}
