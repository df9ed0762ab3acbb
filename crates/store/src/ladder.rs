//! Decides which commitments below the highest are kept for a token that can be clawed back. Everything here is pure.

use paychan_channel::Amount;

use crate::{Claim, Held};

/// Adds the commitment that is no longer the highest. When there are too many, this removes the one whose loss leaves
/// the smallest gap between its neighbours. `highest` is the upper neighbour of the last one.
pub(crate) fn add(ladder: &mut Vec<Claim>, former: Claim, highest: Amount) {
    ladder.push(former);
    if ladder.len() <= Held::LADDER_RUNGS {
        return;
    }
    let amount = |position: Option<usize>| position.map_or(Amount::ZERO, |position| ladder[position].amount);
    let gap_without = |position: &usize| {
        let above = ladder.get(position + 1).map_or(highest, |rung| rung.amount);
        above.saturating_sub(amount(position.checked_sub(1)))
    };
    if let Some(least) = (0..ladder.len()).min_by_key(gap_without) {
        ladder.remove(least);
    }
}

/// Removes the commitments that a payment of `paid` made useless.
pub(crate) fn settle(ladder: &mut Vec<Claim>, paid: Amount) {
    ladder.retain(|rung| rung.amount > paid);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here says where")]
    use super::*;

    fn claim(units: i128) -> Claim {
        Claim { amount: Amount::new(units).unwrap(), signature: paychan_channel::Signature([1; 64]) }
    }

    fn climbed(steps: impl Iterator<Item = i128>) -> Vec<i128> {
        let mut ladder = Vec::new();
        let mut highest: Option<i128> = None;
        for units in steps {
            if let Some(former) = highest.replace(units) {
                add(&mut ladder, claim(former), Amount::new(units).unwrap());
            }
        }
        ladder.iter().map(|rung| rung.amount.get()).collect()
    }

    #[test]
    fn few_commitments_are_all_kept_and_many_are_thinned_evenly() {
        assert_eq!(climbed([5, 7, 9].into_iter()), [5, 7]);
        let rungs = climbed(1..=10_000);
        assert_eq!(rungs.len(), Held::LADDER_RUNGS);
        assert!(rungs.is_sorted());
        let ends = std::iter::once(0).chain(rungs.iter().copied());
        let widest = ends.zip(rungs.iter().copied().chain([10_000])).map(|(below, above)| above - below).max().unwrap();
        assert!(widest <= 10_000 / 7, "the widest gap is {widest}: {rungs:?}");
    }

    #[test]
    fn the_commitment_whose_loss_leaves_the_smallest_gap_is_not_kept() {
        let steps = [100, 200, 300, 301].into_iter().chain((5..=18).map(|hundreds| hundreds * 100));
        let rungs = climbed(steps);
        assert_eq!(rungs[..4], [100, 200, 301, 500], "without 300 the gap is 101, without 301 it would be 200");
    }

    #[test]
    fn paid_commitments_are_removed() {
        let mut ladder = vec![claim(3), claim(5), claim(8)];
        settle(&mut ladder, Amount::new(5).unwrap());
        assert_eq!(ladder, [claim(8)]);
    }
}
