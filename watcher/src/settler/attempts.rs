//! How long to leave something alone that failed. Pure.
//!
//! A channel whose settlement can't be built (its simulation fails, say) must not keep the lane from the others, and
//! must not be forgotten either: it is tried again after a while that grows, and never longer than its deadline allows.

use std::collections::HashMap;

use paychan_channel::{ContractId, Ledger};

/// The longest wait between two attempts at one thing, in ledgers: failing that long, it waits for a person.
const LONGEST_WAIT: u32 = 64;

/// The part of the ledgers left before a deadline that may be spent waiting once: an eighth, so that many attempts fit
/// however short the time is.
const SHARE_OF_TIME_LEFT: u32 = 8;

/// What can fail by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Target {
    /// Paying out a channel.
    Pay(ContractId),
    /// Lengthening the lives of a channel's entries.
    Extend(ContractId),
}

/// What failed lately, and when it may be tried again.
#[derive(Debug, Default)]
pub(super) struct Patience(HashMap<Target, Trouble>);

#[derive(Debug, Clone, Copy)]
struct Trouble {
    failures: u32,
    not_before: Ledger,
}

impl Patience {
    /// Whether it may be tried at this head.
    pub(super) fn allows(&self, target: Target, head: Ledger) -> bool {
        self.0.get(&target).is_none_or(|trouble| head >= trouble.not_before)
    }

    /// How often it failed since it last went well.
    pub(super) fn failures(&self, target: Target) -> u32 {
        self.0.get(&target).map_or(0, |trouble| trouble.failures)
    }

    /// It failed at this head; `deadline` is the ledger by which it must be done, if there is one. Answers the ledger
    /// at which it may be tried again.
    pub(super) fn failed(&mut self, target: Target, head: Ledger, deadline: Option<Ledger>) -> Ledger {
        let trouble = self.0.entry(target).or_insert(Trouble { failures: 0, not_before: head });
        trouble.failures = trouble.failures.saturating_add(1);
        trouble.not_before = head.saturating_add(wait(trouble.failures, head, deadline));
        trouble.not_before
    }

    /// It went well.
    pub(super) fn went_well(&mut self, target: Target) {
        self.0.remove(&target);
    }
}

fn wait(failures: u32, head: Ledger, deadline: Option<Ledger>) -> u32 {
    let doubling = 1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(LONGEST_WAIT);
    let longest = match deadline {
        // Past the deadline settling works until the refund does: try at every ledger.
        Some(deadline) => (deadline.since(head) / SHARE_OF_TIME_LEFT).clamp(1, LONGEST_WAIT),
        None => LONGEST_WAIT,
    };
    doubling.min(longest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TARGET: Target = Target::Pay(ContractId([1; 32]));

    #[test]
    fn what_never_failed_may_be_tried() {
        assert!(Patience::default().allows(TARGET, Ledger(1)));
    }

    #[test]
    fn the_wait_doubles_up_to_its_limit_and_ends_with_success() {
        let mut patience = Patience::default();
        let mut head = Ledger(100);
        for expected in [1, 2, 4, 8, 16, 32, 64, 64, 64] {
            let again = patience.failed(TARGET, head, None);
            assert_eq!(again.since(head), expected);
            assert!(!patience.allows(TARGET, Ledger(again.0 - 1)));
            assert!(patience.allows(TARGET, again));
            head = again;
        }
        patience.went_well(TARGET);
        assert!(patience.allows(TARGET, head));
        assert_eq!(patience.failures(TARGET), 0);
    }

    #[test]
    fn one_channels_trouble_leaves_the_others_alone() {
        let mut patience = Patience::default();
        patience.failed(TARGET, Ledger(5), None);
        assert!(patience.allows(Target::Pay(ContractId([2; 32])), Ledger(5)));
        assert!(patience.allows(Target::Extend(ContractId([1; 32])), Ledger(5)));
    }

    #[test]
    fn past_the_deadline_every_ledger_is_tried() {
        let mut patience = Patience::default();
        for head in 200..240 {
            assert_eq!(patience.failed(TARGET, Ledger(head), Some(Ledger(150))), Ledger(head + 1));
        }
    }

    proptest! {
        #[test]
        fn many_attempts_fit_before_any_deadline(head in 0u32..1_000_000, left in 1u32..100_000) {
            let deadline = Ledger(head + left);
            let mut patience = Patience::default();
            let (mut now, mut attempts) = (Ledger(head), 0);
            while now < deadline {
                now = patience.failed(TARGET, now, Some(deadline));
                attempts += 1;
            }
            prop_assert!(attempts >= left.min(8), "{attempts} attempts in {left} ledgers");
        }
    }
}
