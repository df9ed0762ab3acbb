//! Computes whether all payouts can be done before their deadlines, so that an alarm can come early. Pure.

use paychan_channel::{ContractId, Ledger};

use crate::policy::Payout;

/// Returns the first of these payouts that comes too late if they are done one after the other from `head` on and each
/// takes `confirm` ledgers, with the ledger at which it would be confirmed. Payouts whose deadline has passed already
/// are not returned; they are still tried.
pub(super) fn first_late<'a>(
    payouts: impl Iterator<Item = &'a Payout>,
    head: Ledger,
    confirm: u32,
) -> Option<(ContractId, Ledger)> {
    let mut done = head;
    for payout in payouts {
        done = done.saturating_add(confirm);
        match payout.deadline {
            Some(deadline) if deadline > head && done >= deadline => {
                return Some((payout.channel, done));
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use paychan_channel::{Amount, Stroops};

    use super::*;
    use crate::policy::Reason;

    fn payout(number: u8, deadline: Option<u32>) -> Payout {
        Payout {
            channel: ContractId([number; 32]),
            amount: Amount::ZERO,
            bid: Stroops::BASE_FEE,
            close: false,
            reason: Reason::Closing,
            deadline: deadline.map(Ledger),
            value: None,
            failures: 0,
            not_before: Ledger(0),
        }
    }

    #[test]
    fn the_last_of_many_at_one_deadline_is_named_when_the_lane_is_too_slow() {
        let payouts: Vec<Payout> = (1..=5).map(|number| payout(number, Some(115))).collect();
        assert_eq!(first_late(payouts.iter(), Ledger(100), 2), None);
        assert_eq!(first_late(payouts.iter(), Ledger(100), 3), Some((ContractId([5; 32]), Ledger(115))));
    }

    #[test]
    fn a_payout_without_a_deadline_or_past_it_is_not_named_but_counts() {
        // The funder can refund at the deadline itself.
        let payouts = [payout(1, Some(90)), payout(2, None), payout(3, Some(100)), payout(4, Some(110))];
        assert_eq!(first_late(payouts.iter(), Ledger(100), 2), None);
        assert_eq!(first_late(payouts.iter(), Ledger(100), 3), Some((ContractId([4; 32]), Ledger(112))));
    }
}
