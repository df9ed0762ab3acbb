//! Decides about a sale that was charged. Pure.

use paychan_watcher_api::Charged;

use super::check::{Flaw, expired_flaw};
use crate::problem::ProblemType;

/// What is known of a sale when its charge is on the watcher's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    /// The challenge has expired, so that only what was charged before is sold.
    pub(super) expired: bool,
    /// No sale with this voucher can have reached a handler.
    pub(super) unused: bool,
    /// The request may be done again: its method is safe, or the payer has named it with an `Idempotency-Key`.
    pub(super) repeatable: bool,
}

/// What to do with a sale that was charged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Ask the handler.
    Sell,
    /// Give the charge back, and then refuse.
    GiveBack(Flaw),
    /// Refuse. The charge stays, or was given back before.
    Refuse(Flaw),
}

/// What to do with a sale that was charged. The first rule that applies decides.
pub(super) fn of_charge(charged: &Charged, known: Known) -> Verdict {
    let not_for_sale = || if known.expired { expired_flaw() } else { used_before() };
    if charged.credited == charged.price {
        return Verdict::Refuse(not_for_sale());
    }
    if !charged.replayed {
        // It was charged to find out whether it had been sold before.
        return if known.expired || !known.unused { Verdict::GiveBack(not_for_sale()) } else { Verdict::Sell };
    }
    // The payer paid for it, and perhaps it was served.
    if known.unused || known.repeatable { Verdict::Sell } else { Verdict::Refuse(perhaps_answered()) }
}

pub(super) fn used_before() -> Flaw {
    Flaw::new(
        ProblemType::DeltaTooSmall,
        "the voucher does not raise the total, or bought something before; nothing was taken",
    )
}

pub(super) fn not_kept() -> Flaw {
    Flaw::new(ProblemType::AnswerNotKept, "this was paid for and answered before, and the answer is not kept")
}

pub(super) fn broke_off() -> Flaw {
    let why = "this was paid for and begun, and it broke off without an answer; it is not begun again, since it may have had an \
        effect, and what was charged is given back";
    Flaw::new(ProblemType::AnswerNotKept, why)
}

fn perhaps_answered() -> Flaw {
    let why = "this was paid for before, and it is not known whether it was answered, since the server has forgotten it or was \
        started again; it is not done a second time";
    Flaw::new(ProblemType::AnswerNotKept, why)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use paychan_channel::{Amount, RequestId};

    use super::*;

    fn charged(replayed: bool, credited: u64) -> Charged {
        let amount = Amount::from(10);
        Charged {
            request_id: RequestId::new("sale").unwrap(),
            price: amount,
            previous: Amount::ZERO,
            highest: amount,
            spent: amount,
            unsettled: amount,
            coverage: amount,
            credited: Amount::from(credited),
            replayed,
        }
    }

    #[test]
    fn every_charge_is_sold_given_back_or_kept_for_a_reason() {
        for bits in 0..8 {
            let (expired, unused, repeatable) = (bits & 1 > 0, bits & 2 > 0, bits & 4 > 0);
            let known = Known { expired, unused, repeatable };
            let new = of_charge(&charged(false, 0), known);
            assert_eq!(new == Verdict::Sell, unused && !expired, "a new charge: {known:?}");
            assert_eq!(
                matches!(new, Verdict::GiveBack(_)),
                !unused || expired,
                "nothing new is kept unsold: {known:?}"
            );

            let again = of_charge(&charged(true, 0), known);
            assert_eq!(again == Verdict::Sell, unused || repeatable, "an earlier charge: {known:?}");
            let Verdict::Refuse(flaw) = again else { continue };
            assert_eq!(flaw.problem, ProblemType::AnswerNotKept, "a payer who has paid gets no 402: {known:?}");
        }
    }

    #[test]
    fn what_was_given_back_is_not_sold() {
        for (expired, problem) in [(false, ProblemType::DeltaTooSmall), (true, ProblemType::PaymentExpired)] {
            let known = Known { expired, unused: true, repeatable: true };
            let Verdict::Refuse(flaw) = of_charge(&charged(true, 10), known) else { panic!("it is refused") };
            assert_eq!(flaw.problem, problem);
        }
        let partly = Known { expired: false, unused: false, repeatable: true };
        assert_eq!(of_charge(&charged(true, 4), partly), Verdict::Sell, "a part of it was paid");
    }
}
