//! Remembers earlier attempts, and decides how long to wait after a failure.
//!
//! A channel whose settlement can't be built, for example because its simulation fails, must not block the lane and
//! must not be forgotten. It is tried again after a wait that grows, and that leaves time for more attempts before its
//! deadline.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use paychan_channel::{AccountId, ContractId, Ledger, Stroops};

use crate::policy::{Past, Retry, Tried};

/// The longest wait between two attempts, in ledgers. What fails for that long needs a person.
const LONGEST_WAIT: u32 = 64;

/// One wait takes at most this part of the ledgers that are left before the deadline, an eighth, so that many attempts
/// fit even in a short time.
const SHARE_OF_TIME_LEFT: u32 = 8;

/// What can fail independently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Target {
    /// Paying out a channel.
    Pay(ContractId),
    /// Extending or restoring a channel's entries.
    Extend(ContractId),
}

impl Target {
    fn channel(self) -> ContractId {
        match self {
            Self::Pay(channel) | Self::Extend(channel) => channel,
        }
    }
}

/// What is remembered of earlier attempts. The settler writes it, and the policy's survey reads it for the settler and
/// for `status`.
#[derive(Debug, Default)]
pub struct Attempts(Mutex<Past>);

impl Attempts {
    /// Makes an empty memory. `signers` are the recipients whose secret keys are configured.
    pub fn new(signers: HashSet<AccountId>) -> Self {
        Self(Mutex::new(Past { signers, ..Past::default() }))
    }

    /// What is remembered now.
    pub fn past(&self) -> Past {
        self.lock().clone()
    }

    /// Records the ledger of the settler's first round since the start.
    pub(super) fn saw_head(&self, head: Ledger) {
        self.lock().first_head.get_or_insert(head);
    }

    /// Records what others pay for inclusion, stroops.
    pub(super) fn saw_market(&self, fee: Stroops) {
        self.lock().market = Some(fee);
    }

    /// Records a failure at this head. `deadline` is the ledger by which it must be done, if there is one. Returns how
    /// many times it has failed, and the ledger at which it may be tried again.
    pub(super) fn failed(&self, target: Target, head: Ledger, deadline: Option<Ledger>, why: &str) -> Retry {
        self.change(target.channel(), |tried| {
            let retry = retry(tried, target);
            retry.failures = retry.failures.saturating_add(1);
            retry.not_before = head.saturating_add(wait(retry.failures, head, deadline));
            let failed = *retry;
            tried.why = Some(why.to_owned());
            failed
        })
    }

    /// Records failures from before this process started. The payout may be tried at once.
    pub(super) fn failed_before(&self, channel: ContractId, failures: u32) {
        self.change(channel, |tried| tried.payout.failures = failures);
    }

    /// Records a success.
    pub(super) fn went_well(&self, target: Target) {
        self.change(target.channel(), |tried| {
            *retry(tried, target) = Retry::default();
            (tried.asked, tried.not_enough, tried.why) = (None, None, None);
        });
    }

    /// Makes the channel bid at least `bid` for inclusion from now on, within the policy's cap. A bid of `not_enough`
    /// was too low.
    pub(super) fn bid_at_least(&self, channel: ContractId, bid: Stroops, not_enough: Stroops, why: String) {
        self.change(channel, |tried| {
            tried.asked = tried.asked.max(Some(bid));
            tried.not_enough = tried.not_enough.max(Some(not_enough));
            tried.why = Some(why);
        });
    }

    /// Records that a close of this channel failed. The channel is settled instead.
    pub(super) fn close_failed(&self, channel: ContractId) {
        self.change(channel, |tried| tried.close_failed = true);
    }

    /// Forgets a channel that is not watched any more.
    pub(super) fn forget(&self, channel: &ContractId) {
        self.lock().channels.remove(channel);
    }

    fn change<T>(&self, channel: ContractId, change: impl FnOnce(&mut Tried) -> T) -> T {
        change(self.lock().channels.entry(channel).or_default())
    }

    fn lock(&self) -> MutexGuard<'_, Past> {
        // Each change writes plain values, so a thread that panicked left nothing that does harm.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn retry(tried: &mut Tried, target: Target) -> &mut Retry {
    match target {
        Target::Pay(_) => &mut tried.payout,
        Target::Extend(_) => &mut tried.extension,
    }
}

fn wait(failures: u32, head: Ledger, deadline: Option<Ledger>) -> u32 {
    let doubling = 1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(LONGEST_WAIT);
    let longest = match deadline {
        // After the deadline, settling works until the funder refunds, so it is tried at every ledger.
        Some(deadline) => (deadline.since(head) / SHARE_OF_TIME_LEFT).clamp(1, LONGEST_WAIT),
        None => LONGEST_WAIT,
    };
    doubling.min(longest)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that unwraps says what it needs")]

    use proptest::prelude::*;

    use super::*;

    const CHANNEL: ContractId = ContractId([1; 32]);
    const TARGET: Target = Target::Pay(CHANNEL);

    fn payout(attempts: &Attempts) -> Retry {
        attempts.past().channels.get(&CHANNEL).map(|tried| tried.payout).unwrap_or_default()
    }

    #[test]
    fn the_wait_doubles_up_to_its_limit_and_ends_with_success() {
        let attempts = Attempts::default();
        let mut head = Ledger(100);
        for (failures, expected) in (1..).zip([1, 2, 4, 8, 16, 32, 64, 64, 64]) {
            let again = attempts.failed(TARGET, head, None, "why");
            assert_eq!(again, Retry { failures, not_before: Ledger(head.0 + expected) });
            head = again.not_before;
        }
        attempts.went_well(TARGET);
        assert_eq!(payout(&attempts), Retry::default());
    }

    #[test]
    fn a_failure_of_one_channel_or_of_an_extension_delays_nothing_else() {
        let attempts = Attempts::default();
        attempts.failed(Target::Extend(CHANNEL), Ledger(5), None, "why");
        assert_eq!(payout(&attempts), Retry::default());
        assert_eq!(attempts.past().channels.len(), 1);
    }

    #[test]
    fn the_asked_bid_never_falls_before_a_success() {
        let attempts = Attempts::default();
        for bid in [200, 100] {
            attempts.bid_at_least(CHANNEL, Stroops(bid), Stroops(bid - 1), "too low".to_owned());
            let tried = &attempts.past().channels[&CHANNEL];
            assert_eq!((tried.asked, tried.not_enough), (Some(Stroops(200)), Some(Stroops(199))));
        }
        attempts.went_well(TARGET);
        assert_eq!(attempts.past().channels[&CHANNEL], Tried::default());
    }

    #[test]
    fn failures_from_before_the_start_delay_no_first_attempt_and_lengthen_the_next_wait() {
        let attempts = Attempts::default();
        attempts.failed_before(CHANNEL, 3);
        assert_eq!(payout(&attempts), Retry { failures: 3, not_before: Ledger(0) });
        let again = attempts.failed(TARGET, Ledger(100), None, "why");
        assert_eq!(again, Retry { failures: 4, not_before: Ledger(108) });
        attempts.forget(&CHANNEL);
        assert_eq!(payout(&attempts), Retry::default());
    }

    #[test]
    fn the_first_head_stays_the_first_and_the_market_is_the_last() {
        let attempts = Attempts::default();
        for number in [5, 9] {
            attempts.saw_head(Ledger(number));
            attempts.saw_market(Stroops(number.into()));
        }
        let past = attempts.past();
        assert_eq!((past.first_head, past.market), (Some(Ledger(5)), Some(Stroops(9))));
    }

    #[test]
    fn past_the_deadline_every_ledger_is_tried() {
        let attempts = Attempts::default();
        for head in 200..240 {
            let again = attempts.failed(TARGET, Ledger(head), Some(Ledger(150)), "why");
            assert_eq!(again.not_before, Ledger(head + 1));
        }
    }

    #[test]
    fn before_a_deadline_a_wait_takes_an_eighth_of_the_time_that_is_left() {
        let attempts = Attempts::default();
        let waits: Vec<u32> =
            (0..8).map(|_| attempts.failed(TARGET, Ledger(100), Some(Ledger(180)), "why").not_before.0 - 100).collect();
        assert_eq!(waits, [1, 2, 4, 8, 10, 10, 10, 10]);
    }

    proptest! {
        #[test]
        fn many_attempts_fit_before_any_deadline(
            head in 0u32..1_000_000, left in prop_oneof![1u32..200, 1u32..100_000],
        ) {
            let deadline = Ledger(head + left);
            let attempts = Attempts::default();
            let (mut now, mut count) = (Ledger(head), 0);
            while now < deadline {
                now = attempts.failed(TARGET, now, Some(deadline), "why").not_before;
                count += 1;
            }
            prop_assert!(count >= left.min(8), "{count} attempts in {left} ledgers");
        }
    }
}
