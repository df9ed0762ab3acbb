//! Raises alarms when something is unsettled near a deadline: at a third of the waiting period, at a tenth, and when
//! the deadline has passed.

use std::collections::HashMap;

use paychan_channel::{ContractId, Ledger};

use crate::alarm::raise;
use crate::view::View;
use paychan_store::{Held, Outcome, Purpose, Store};

/// How near a deadline is, compared with the whole waiting period. The reaction time T is at most a third of it
/// ([`crate::floor`]), so what is not settled by then is late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Near {
    Third,
    Tenth,
    Passed,
}

impl Near {
    fn of(left: u32, wait: u32) -> Option<Self> {
        match left {
            0 => Some(Self::Passed),
            left if left <= wait / 10 => Some(Self::Tenth),
            left if left <= wait / 3 => Some(Self::Third),
            _ => None,
        }
    }
}

/// What was reported already.
#[derive(Debug, Default)]
pub(super) struct Deadlines(HashMap<ContractId, Near>);

impl Deadlines {
    /// Raises an alarm for each channel whose deadline is in a nearer stage than was reported before. A channel whose
    /// entries can't be read counts with its highest commitment.
    ///
    /// The event of the watcher's own close has a deadline, too, which has passed at once. It is no danger, and entries that are
    /// old or can't be read don't show yet that the close has paid.
    pub(super) fn report(&mut self, store: &Store, view: &View, head: Ledger) {
        for held in store.all_held() {
            let channel = held.channel();
            let (deadline, unsettled, trouble) = match view.channel(&channel) {
                Some(known) if known.ended => continue,
                Some(known) => (known.deadline, known.state.unsettled(held.claim_amount()), known.trouble),
                None => match view.unread(&channel) {
                    Some(unread) => (unread.deadline, held.claim_amount(), unread.trouble),
                    None => continue,
                },
            };
            let Some(deadline) = deadline else {
                continue;
            };
            let left = deadline.since(head);
            let near = Near::of(left, held.admission.refund_waiting_period).filter(|_| !unsettled.is_zero());
            let before = self.0.get(&channel).copied();
            if before.is_none() && near == Some(Near::Passed) && is_of_own_close(store, &held, deadline) {
                continue;
            }
            if near > before {
                raise!(
                    DeadlineNear, %channel, %deadline, left, %unsettled, trouble,
                    "something is unsettled and the deadline is near"
                );
            }
            match near {
                Some(near) => self.0.insert(channel, near),
                None => self.0.remove(&channel),
            };
        }
    }
}

/// Whether the watcher itself may have ended the channel in the ledger `deadline`, with all that it may claim. Its close was
/// confirmed there, or it is in flight and that ledger could hold it.
fn is_of_own_close(store: &Store, held: &Held, deadline: Ledger) -> bool {
    let closes_all = |purpose: &Purpose| {
        matches!(purpose, Purpose::Close { channel, amount }
            if *channel == held.channel() && *amount >= held.claim_amount())
    };
    let flying = store
        .in_flight()
        .into_iter()
        .any(|signed| closes_all(&signed.purpose) && signed.signed_at < deadline && deadline < signed.max_ledger);
    flying
        || store.outcomes(&held.channel(), usize::MAX).into_iter().any(|decided| {
            let is_there = matches!(decided.outcome, Outcome::Confirmed { ledger, .. } if ledger == deadline);
            is_there && closes_all(&decided.purpose)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_near_at_a_third_at_a_tenth_and_when_it_has_passed() {
        assert_eq!(Near::of(301, 900), None);
        assert_eq!(Near::of(300, 900), Some(Near::Third));
        assert_eq!(Near::of(91, 900), Some(Near::Third));
        assert_eq!(Near::of(90, 900), Some(Near::Tenth));
        assert_eq!(Near::of(1, 900), Some(Near::Tenth));
        assert_eq!(Near::of(0, 900), Some(Near::Passed));
    }

    #[test]
    fn each_step_is_nearer_than_the_one_before_and_none_is_the_farthest() {
        assert!(None < Some(Near::Third));
        assert!(Near::Third < Near::Tenth && Near::Tenth < Near::Passed);
    }
}
