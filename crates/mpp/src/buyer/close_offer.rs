//! Computes what a close offers. Pure.

use paychan_channel::Amount;

/// What is known of a channel when its close is offered. Base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    /// The highest total that was signed, from the store.
    pub(super) signed: Amount,
    /// What was spent, by the newest receipt.
    pub(super) spent: Option<Amount>,
    /// The total to which the server would add a price.
    pub(super) says: Option<Amount>,
}

impl Known {
    /// The total that the server claims, if it is more than was ever signed.
    pub(super) fn ahead(&self) -> Option<Amount> {
        self.says.filter(|says| *says > self.signed)
    }

    /// The most that is offered unasked: no more than was signed, and no more than the server counts.
    pub(super) fn most(&self) -> Amount {
        self.says.map_or(self.signed, |says| says.min(self.signed))
    }

    /// The first offer: what was spent. It is at least one base unit, since there is no commitment for nothing.
    pub(super) fn first(&self) -> Amount {
        self.spent.map_or(self.most(), |spent| spent.min(self.most())).max(Amount::from(1))
    }
}

/// What a refusal of the first offer says. Base units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Refused {
    /// What must be offered at least.
    pub(super) needed: Option<Amount>,
    /// A total that was signed before and that the store did not know.
    pub(super) proven: Option<Amount>,
    /// The total and the price of the next challenge.
    pub(super) next: Option<(Amount, Amount)>,
}

/// The second offer; `None` when there is none that the payer would want.
///
/// `most` is the most that is offered unasked, and `may_cost` is what the user allows a close to cost beside it. Servers that are
/// built with Stellar's TypeScript SDK close only with a voucher for one more price.
pub(super) fn second(first: Amount, most: Amount, refused: &Refused, may_cost: Option<Amount>) -> Option<Amount> {
    if let Some(needed) = refused.needed.filter(|needed| *needed <= most) {
        return Some(needed).filter(|needed| *needed > first);
    }
    if let Some(proven) = refused.proven.filter(|proven| *proven > first && refused.needed.is_none()) {
        return Some(proven);
    }
    let (total, price) = refused.next?;
    let allowed = total <= most && may_cost.is_some_and(|may_cost| price <= may_cost);
    allowed.then(|| total.saturating_add(price)).filter(|total| *total > first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(amount: u64) -> Amount {
        Amount::from(amount)
    }

    #[test]
    fn the_first_offer_is_what_was_spent_and_never_more_than_was_signed() {
        let first = |signed: u64, spent: Option<u64>, says: Option<u64>| {
            let known = Known { signed: amount(signed), spent: spent.map(Amount::from), says: says.map(Amount::from) };
            known.first().get()
        };
        assert_eq!(first(100, Some(30), Some(91)), 30);
        assert_eq!(first(100, None, Some(91)), 91, "without a receipt, what the server counts");
        assert_eq!(first(100, None, None), 100);
        assert_eq!(first(100, Some(150), Some(91)), 91);
        assert_eq!(first(40, Some(30), Some(91)), 30, "the store is an old copy");
        assert_eq!(first(10, Some(0), Some(1)), 1, "all of it was given back");
        assert_eq!(first(0, None, Some(91)), 1, "the store is lost, and the offer asks for a proof");
    }

    #[test]
    fn the_second_offer_is_needed_or_proven_or_one_allowed_price_more() {
        let second = |refused, may_cost: Option<u64>| {
            second(amount(30), amount(50), &refused, may_cost.map(Amount::from)).map(Amount::get)
        };
        let needed = |needed: u64| Refused { needed: Some(amount(needed)), ..Refused::default() };
        assert_eq!(second(needed(45), None), Some(45));
        assert_eq!(second(needed(51), None), None, "more than the payer owes");
        assert_eq!(second(needed(30), None), None, "it was offered already");
        let proven = Refused { proven: Some(amount(50)), ..Refused::default() };
        assert_eq!(second(proven, None), Some(50));
        assert_eq!(second(Refused { needed: Some(amount(45)), ..proven }, None), Some(45), "less is enough");
        let price =
            |total: u64, price: u64| Refused { next: Some((amount(total), amount(price))), ..Refused::default() };
        assert_eq!(second(price(50, 10), None), None, "the user has not allowed it");
        assert_eq!(second(price(50, 10), Some(9)), None);
        assert_eq!(second(price(50, 10), Some(10)), Some(60));
        assert_eq!(second(price(51, 10), Some(10)), None, "the total is not what the payer knows");
        assert_eq!(second(price(20, 10), Some(10)), None, "it was offered already");
    }
}
