//! Decides whether a node's newest ledger is believed. Pure.
//!
//! The newest ledger that was believed is the **mark**. A node that reports a lower ledger lags, and the watcher waits
//! for it. But one wrong answer (from a load balancer's node of another network, or with a broken clock) must never
//! make the watcher refuse all later answers. So:
//! - a mark is plausible: it is ahead of the last one by no more ledgers than the elapsed time allows, and a date that
//!   is ahead of this machine's clock counts as no date;
//! - the first answer of a process becomes the mark only when a second one agrees with it;
//! - a mark is taken back when several later answers agree with each other and contradict it.
//!
//! At the start, the mark is the highest ledger that the journal names. The same rules apply to it.

use std::time::Duration;

use paychan_channel::Ledger;

use crate::chain::Head;

/// How many answers in a row have to agree with each other and contradict the mark before it is taken back.
const ANSWERS_AGAINST: u32 = 3;

/// The time of an answer, by both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// This machine's wall clock, milliseconds since the Unix epoch.
    pub(super) wall_unix_ms: u64,
    /// The boot clock.
    pub(super) boot: Duration,
}

/// The limits of a plausible answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// How old the network's newest ledger may be by wall time. Its number of seconds is also the most ledgers that two
    /// nodes of one network may be apart, since no network closes a ledger each second.
    pub(super) recent: Duration,
    /// How far a head may be dated ahead of this machine's clock so that its date is still used.
    pub(super) ahead: Duration,
}

/// The judgement of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It continues what is known, so it is the head.
    Believed,
    /// It is the head, and the mark that was believed before was wrong, or the network's history has started again.
    TakesBack {
        /// The mark that was taken back.
        mark: Ledger,
    },
    /// It seems to be an older ledger of the same history, so the node lags.
    Behind {
        /// The mark.
        mark: Ledger,
    },
    /// It can't belong to the same history as the mark. One of the two is wrong; more answers will show which.
    Contradicts {
        /// The mark.
        mark: Ledger,
    },
    /// There is nothing yet with which it could be compared.
    First,
}

/// An answer that is kept.
#[derive(Debug, Clone, Copy)]
struct Sighting {
    ledger: Ledger,
    /// Milliseconds since the Unix epoch; `None` when the node gave no date, or one ahead of this machine's clock.
    closed_at: Option<u64>,
    /// When it came, by the boot clock; `None` for the journal's mark, which is from an earlier process.
    boot: Option<Duration>,
}

/// A series of answers that agree with each other and not with the mark.
#[derive(Debug, Clone, Copy)]
struct Challenge {
    first: Sighting,
    last: Sighting,
    /// How many of them contradict the mark.
    against: u32,
}

/// What is known of the network's history through one endpoint.
#[derive(Debug)]
pub(super) struct History {
    mark: Option<Sighting>,
    /// The first answer of this process, until another one agrees with it.
    unconfirmed: Option<Sighting>,
    challenge: Option<Challenge>,
    confirmed: bool,
}

/// How one answer follows another.
enum Follows {
    Yes,
    /// It is older, and may be of the same history.
    Older,
    No,
}

impl History {
    /// `journal` is the highest ledger that the journal names.
    pub(super) fn new(journal: Option<Ledger>) -> Self {
        let mark = journal.map(|ledger| Sighting { ledger, closed_at: None, boot: None });
        Self { mark, unconfirmed: None, challenge: None, confirmed: false }
    }

    /// Judges an answer, and remembers it.
    pub(super) fn judge(&mut self, head: &Head, now: Now, limits: &Limits) -> Verdict {
        let seen = sighting(head, now, limits);
        if !self.confirmed {
            return self.judge_first(seen, now, limits);
        }
        self.judge_next(seen, now, limits)
    }

    /// Judges the first answers of a process. An answer is believed when it agrees with the one before.
    fn judge_first(&mut self, seen: Sighting, now: Now, limits: &Limits) -> Verdict {
        let first = self.unconfirmed.replace(seen);
        let Some(first) = first else {
            return Verdict::First;
        };
        if matches!(follows(&first, &seen, now, limits), Follows::Yes) {
            self.confirmed = true;
            return self.judge_next(seen, now, limits);
        }
        Verdict::Contradicts { mark: self.mark.map_or(first.ledger, |mark| mark.ledger) }
    }

    fn judge_next(&mut self, seen: Sighting, now: Now, limits: &Limits) -> Verdict {
        let Some(mark) = self.mark else {
            return self.believe(seen, Verdict::Believed);
        };
        let against = match follows(&mark, &seen, now, limits) {
            Follows::Yes => return self.believe(seen, Verdict::Believed),
            Follows::Older => 0,
            Follows::No => 1,
        };
        let challenge = match self.challenge {
            Some(known) if matches!(follows(&known.last, &seen, now, limits), Follows::Yes) => {
                Challenge { last: seen, against: known.against.saturating_add(against), ..known }
            }
            _ => Challenge { first: seen, last: seen, against },
        };
        self.challenge = Some(challenge);
        // A node whose ledgers advance but have not reached the mark for longer than an answer may be old will not
        // reach it. The watcher then goes on with this node's ledgers, which is better than going on with none.
        let lasted = challenge.first.boot.is_some_and(|first| now.boot.saturating_sub(first) > limits.recent);
        let advanced = challenge.last.ledger > challenge.first.ledger;
        if challenge.against >= ANSWERS_AGAINST || (lasted && advanced) {
            return self.believe(seen, Verdict::TakesBack { mark: mark.ledger });
        }
        match against {
            0 => Verdict::Behind { mark: mark.ledger },
            _ => Verdict::Contradicts { mark: mark.ledger },
        }
    }

    fn believe(&mut self, seen: Sighting, verdict: Verdict) -> Verdict {
        self.mark = Some(seen);
        self.challenge = None;
        verdict
    }
}

fn sighting(head: &Head, now: Now, limits: &Limits) -> Sighting {
    let latest = now.wall_unix_ms.saturating_add(millis(limits.ahead));
    let closed_at = head.closed_at_unix_ms.filter(|closed| *closed <= latest);
    Sighting { ledger: head.ledger, closed_at, boot: Some(now.boot) }
}

/// Whether nodes of one network may answer `next` after `known`. Within one history a later ledger never closes at an
/// earlier time, and no network closes a ledger each second.
fn follows(known: &Sighting, next: &Sighting, now: Now, limits: &Limits) -> Follows {
    if next.ledger >= known.ledger {
        let closed_earlier = matches!((known.closed_at, next.closed_at), (Some(then), Some(now)) if now < then);
        let most = known
            .boot
            .map_or(u64::MAX, |boot| now.boot.saturating_sub(boot).as_secs().saturating_add(limits.recent.as_secs()));
        let too_far = u64::from(next.ledger.since(known.ledger)) > most;
        return if closed_earlier || too_far { Follows::No } else { Follows::Yes };
    }
    let closed_later = matches!((known.closed_at, next.closed_at), (Some(then), Some(now)) if now > then);
    // The journal's mark has no date. A head that closed just now and is far below it is of another history.
    let below = u64::from(known.ledger.since(next.ledger));
    let just_closed =
        next.closed_at.is_some_and(|closed| now.wall_unix_ms.saturating_sub(closed) <= millis(limits.recent));
    let far_below = just_closed && below > limits.recent.as_secs();
    if closed_later || far_below { Follows::No } else { Follows::Older }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { recent: Duration::from_secs(60), ahead: Duration::from_secs(60) };
    const START: u64 = 1_000_000;

    /// A machine whose clocks agree, and a network of 5-second ledgers on which ledger 10,000 closed at the start.
    struct Watch {
        history: History,
        second: u64,
    }

    impl Watch {
        fn new(journal: Option<u32>) -> Self {
            Self { history: History::new(journal.map(Ledger)), second: 0 }
        }

        fn following() -> Self {
            let mut watch = Self::new(None);
            assert_eq!(watch.true_head(), Verdict::First);
            assert_eq!(watch.true_head(), Verdict::Believed);
            watch
        }

        fn pass(&mut self, seconds: u64) {
            self.second += seconds;
        }

        fn answer(&mut self, ledger: u32, closed_at_s: Option<u64>) -> Verdict {
            let now =
                Now { wall_unix_ms: (START + self.second) * 1_000, boot: Duration::from_secs(5_000 + self.second) };
            let head = Head { ledger: Ledger(ledger), closed_at_unix_ms: closed_at_s.map(|s| s * 1_000) };
            self.history.judge(&head, now, &LIMITS)
        }

        fn true_ledger(&self) -> u32 {
            10_000 + u32::try_from(self.second / 5).unwrap_or(0)
        }

        /// Judges the answer of an honest node that lags by this many ledgers.
        fn lagging(&mut self, by: u32) -> Verdict {
            let ledger = self.true_ledger() - by;
            self.answer(ledger, Some(START + u64::from(ledger - 10_000 + by) * 5 - u64::from(by) * 5))
        }

        fn true_head(&mut self) -> Verdict {
            self.lagging(0)
        }

        /// Whether true heads are believed again within this many seconds.
        fn recovers_within(&mut self, seconds: u64) -> bool {
            (0..seconds).any(|_| {
                self.pass(1);
                matches!(self.true_head(), Verdict::Believed | Verdict::TakesBack { .. })
            })
        }
    }

    #[test]
    fn heads_that_go_on_are_believed_after_the_first_was_confirmed() {
        let mut watch = Watch::following();
        for _ in 0..20 {
            watch.pass(5);
            assert_eq!(watch.true_head(), Verdict::Believed);
        }
    }

    #[test]
    fn a_lagging_node_is_waited_for() {
        let mut watch = Watch::following();
        watch.pass(50);
        assert_eq!(watch.true_head(), Verdict::Believed);
        assert_eq!(watch.lagging(3), Verdict::Behind { mark: Ledger(10_010) });
        watch.pass(5);
        assert_eq!(watch.true_head(), Verdict::Believed);
    }

    #[test]
    fn one_far_ledger_number_blocks_no_later_head_whatever_its_date() {
        for closed_at in [None, Some(0), Some(START + 10), Some(START + 50), Some(START + 10_000_000)] {
            let mut watch = Watch::following();
            watch.pass(10);
            assert_eq!(watch.answer(4_000_000_000, closed_at), Verdict::Contradicts { mark: Ledger(10_000) });
            watch.pass(1);
            assert_eq!(watch.true_head(), Verdict::Believed, "dated {closed_at:?}");
        }
    }

    #[test]
    fn a_near_ledger_that_is_dated_ahead_of_the_clock_blocks_no_later_head() {
        let mut watch = Watch::following();
        watch.pass(10);
        assert_eq!(watch.answer(10_003, Some(START + 10_000_000)), Verdict::Believed);
        watch.pass(10);
        assert_eq!(watch.true_head(), Verdict::Believed);
    }

    #[test]
    fn a_wrong_first_answer_is_not_believed_and_a_wrong_pair_is_taken_back() {
        let mut watch = Watch::new(None);
        assert_eq!(watch.answer(4_000_000_000, Some(START)), Verdict::First);
        assert!(matches!(watch.true_head(), Verdict::Contradicts { .. } | Verdict::Behind { .. }));
        assert!(watch.recovers_within(70));

        let mut watch = Watch::new(None);
        watch.answer(4_000_000_000, None);
        assert_eq!(watch.answer(4_000_000_000, None), Verdict::Believed);
        assert!(watch.recovers_within(70));
        watch.pass(1);
        assert_eq!(watch.true_head(), Verdict::Believed);
    }

    #[test]
    fn a_wrong_mark_in_the_journal_is_taken_back() {
        let mut watch = Watch::new(Some(4_000_000_000));
        watch.true_head();
        assert!(watch.recovers_within(10), "three answers in a row contradict it");
    }

    #[test]
    fn a_right_mark_in_the_journal_makes_a_node_that_catches_up_wait() {
        let mut watch = Watch::new(Some(10_000));
        watch.pass(100);
        assert_eq!(watch.answer(9_000, Some(START - 5_000)), Verdict::First);
        for ledger in (9_100..10_000).step_by(100) {
            watch.pass(1);
            assert!(matches!(watch.answer(ledger, None), Verdict::Behind { .. } | Verdict::Contradicts { .. }));
        }
        watch.pass(1);
        watch.true_head();
        assert!(watch.recovers_within(5));
    }

    #[test]
    fn a_network_that_starts_anew_is_followed_when_three_answers_say_so() {
        let mut watch = Watch::following();
        watch.pass(600);
        watch.true_head();
        let mut verdicts = Vec::new();
        for ledger in 2..6 {
            watch.pass(5);
            let closed_at = START + watch.second;
            verdicts.push(watch.answer(ledger, Some(closed_at)));
        }
        let mark = Ledger(10_120);
        assert_eq!(
            verdicts,
            [
                Verdict::Contradicts { mark },
                Verdict::Contradicts { mark },
                Verdict::TakesBack { mark },
                Verdict::Believed
            ]
        );
    }

    #[test]
    fn a_node_that_lags_for_good_is_followed_in_the_end() {
        let mut watch = Watch::following();
        watch.pass(1_000);
        watch.true_head();
        let mut second = 0;
        while !matches!(watch.lagging(30), Verdict::TakesBack { .. }) {
            watch.pass(1);
            second += 1;
            assert!(second < 120, "it is never followed");
        }
        assert!(second >= 60, "it was followed before it had the time to catch up");
    }

    #[test]
    fn a_frozen_node_is_never_a_reason_to_take_a_mark_back() {
        let mut watch = Watch::following();
        watch.pass(500);
        watch.true_head();
        for _ in 0..600 {
            watch.pass(1);
            assert!(matches!(watch.answer(10_050, Some(START + 250)), Verdict::Behind { .. }));
        }
    }
}
