//! Tests which commitment is claimed when the channel covers less than the highest, or can't be read.

use super::*;

/// A channel with a highest commitment of 500,000,000 and two lower ones, of whose balance the issuer has taken a part
/// back, so that the channel covers `coverage`. It has paid `paid`, and its funder closes it.
fn clawed_back(coverage: u64, paid: u64) -> Case {
    let state = ChannelState { withdrawn: units(paid), balance: units(coverage - paid), ..closing(1_000) };
    let mut case = Case::of(state, 500_000_000);
    let rung = |amount| Claim { amount: units(amount), signature: Signature([0; 64]) };
    case.held.ladder = vec![rung(100_000_000), rung(300_000_000)];
    case
}

/// The amount that is settled, and `None` when nothing is.
fn settled(case: &Case) -> Option<Amount> {
    match case.decide() {
        Action::Settle { amount, .. } => Some(amount),
        _ => None,
    }
}

#[test]
fn after_a_clawback_the_highest_commitment_that_is_covered_is_claimed() {
    assert_eq!(settled(&clawed_back(500_000_000, 0)), Some(units(500_000_000)));
    assert_eq!(settled(&clawed_back(499_999_999, 0)), Some(units(300_000_000)));
    assert_eq!(settled(&clawed_back(299_999_999, 0)), Some(units(100_000_000)));
    assert_eq!(settled(&clawed_back(99_999_999, 0)), Some(units(500_000_000)), "no commitment is covered");
}

#[test]
fn a_covered_commitment_that_pays_nothing_more_is_not_claimed() {
    assert_eq!(settled(&clawed_back(400_000_000, 299_000_000)), Some(units(300_000_000)));
    // The coverage may be wrong, so the highest is tried when nothing else would pay.
    for paid in [300_000_000, 300_000_001] {
        assert_eq!(settled(&clawed_back(400_000_000, paid)), Some(units(500_000_000)), "{paid} are paid");
    }
}

#[test]
fn what_was_covered_before_a_channel_became_unreadable_or_ended_limits_no_claim() {
    let unreadable = Case { unreadable: true, ..clawed_back(400_000_000, 0) };
    assert_eq!(settled(&unreadable), Some(units(500_000_000)));
    let mut ended = clawed_back(400_000_000, 0);
    ended.view.state.refunded = true;
    assert_eq!(ended.decide(), Action::Report(Report::Lost { unsettled: units(500_000_000) }));
}

#[test]
fn of_an_unreadable_channel_all_that_is_known_to_be_paid_counts_and_of_a_readable_one_what_the_chain_says() {
    let unsettled = |unreadable, paid| {
        let case = Case { unreadable, ..Case::of(ChannelState { withdrawn: units(200), ..state() }, 500) };
        Known { paid: units(paid), ..case.known() }.unsettled()
    };
    assert_eq!(unsettled(true, 400), units(100), "the journal says that more was paid since the last read");
    assert_eq!(unsettled(true, 100), units(300));
    assert_eq!(unsettled(false, 400), units(300), "the chain is the truth");
}
