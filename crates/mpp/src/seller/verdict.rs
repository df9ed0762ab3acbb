//! Decides about a sale that was charged. Pure.

use paychan_watcher_api::Charged;

use super::check::Flaw;
use super::memory::Uses;
use crate::problem::ProblemType;

/// What is known of a sale when its charge is on the watcher's disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    /// Why only what was charged before is sold, if that is so.
    pub(super) lapsed: Option<Flaw>,
    /// What can't have happened before.
    pub(super) uses: Uses,
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
pub(super) fn of_charge(charged: &Charged, known: &Known) -> Verdict {
    let not_for_sale = || known.lapsed.clone().unwrap_or_else(used_before);
    if charged.credited == charged.price {
        return Verdict::Refuse(not_for_sale());
    }
    if !charged.replayed {
        // Another sale with the same voucher was quicker.
        let for_sale = known.lapsed.is_none() && known.uses.voucher_unused;
        return if for_sale { Verdict::Sell } else { Verdict::GiveBack(not_for_sale()) };
    }
    // The payer paid for it, and perhaps it was served.
    if known.uses.sale_never_begun || known.repeatable { Verdict::Sell } else { Verdict::Refuse(perhaps_answered()) }
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

    fn uses(none: bool) -> Uses {
        Uses { voucher_unused: none, sale_never_begun: none }
    }

    fn expired() -> Flaw {
        Flaw::new(ProblemType::PaymentExpired, "it has expired")
    }

    #[test]
    fn every_charge_is_sold_given_back_or_kept_for_a_reason() {
        for bits in 0..16 {
            let (lapsed, repeatable) = ((bits & 1 > 0).then(expired), bits & 2 > 0);
            let uses = Uses { voucher_unused: bits & 4 > 0, sale_never_begun: bits & 8 > 0 };
            let known = Known { lapsed, uses, repeatable };
            let new = of_charge(&charged(false, 0), &known);
            let for_sale = uses.voucher_unused && known.lapsed.is_none();
            assert_eq!(new == Verdict::Sell, for_sale, "a new charge: {known:?}");
            assert_eq!(matches!(new, Verdict::GiveBack(_)), !for_sale, "nothing new is kept unsold: {known:?}");

            let again = of_charge(&charged(true, 0), &known);
            assert_eq!(again == Verdict::Sell, uses.sale_never_begun || repeatable, "an earlier charge: {known:?}");
            let Verdict::Refuse(flaw) = again else { continue };
            assert_eq!(flaw.problem, ProblemType::AnswerNotKept, "a payer who has paid gets no 402: {known:?}");
        }
    }

    #[test]
    fn what_was_given_back_is_not_sold() {
        for (lapsed, problem) in [(None, ProblemType::DeltaTooSmall), (Some(expired()), ProblemType::PaymentExpired)] {
            let known = Known { lapsed, uses: uses(true), repeatable: true };
            let Verdict::Refuse(flaw) = of_charge(&charged(true, 10), &known) else { panic!("it is refused") };
            assert_eq!(flaw.problem, problem);
        }
        let partly = Known { lapsed: None, uses: uses(false), repeatable: true };
        assert_eq!(of_charge(&charged(true, 4), &partly), Verdict::Sell, "a part of it was paid");
    }
}
