//! An issuer takes tokens out of the channel. Settlement is all or nothing: what the balance doesn't cover can't be
//! paid, not even in part.

use paychan_contract::Error;

use crate::world::{Code, FUNDS, Refusal, World, refused};

on_both!(
    a_commitment_that_the_balance_no_longer_covers_can_not_be_settled,
    a_lower_commitment_that_is_still_covered_can,
    a_total_above_the_deposit_is_refused_by_the_contract_itself,
    a_close_pays_what_is_covered_and_leaves_the_rest_to_refund,
    a_refund_sends_what_is_left,
    after_a_clawback_a_top_up_makes_a_commitment_good_again,
);

/// A deposit of 1,000 of which the issuer has taken 600.
fn clawed_back(code: Code) -> World {
    let world = World::open(code, 1_000);
    world.issuer.clawback(&world.channel.address, &600);
    world
}

fn a_commitment_that_the_balance_no_longer_covers_can_not_be_settled(code: Code) {
    let world = clawed_back(code);
    assert_eq!(world.settle(401), Err(Refusal::Host));
    assert_eq!(world.close(401), Err(Refusal::Host));
    assert_eq!(
        world.settle(1_000),
        Err(Refusal::Host),
        "the deposit covers it, the balance doesn't: the token says so"
    );
    assert_eq!(world.holdings(), (FUNDS - 1_000, 0, 400));
    assert_eq!(world.channel.withdrawn(), 0);
    assert!(!world.channel.state().refunded);
}

fn a_lower_commitment_that_is_still_covered_can(code: Code) {
    let world = clawed_back(code);
    assert_eq!(world.settle(400), Ok(()));
    assert_eq!(world.holdings(), (FUNDS - 1_000, 400, 0));
}

fn a_total_above_the_deposit_is_refused_by_the_contract_itself(code: Code) {
    let world = clawed_back(code);
    assert_eq!(world.settle(1_001), refused(Error::InsufficientDeposit));
}

fn a_close_pays_what_is_covered_and_leaves_the_rest_to_refund(code: Code) {
    let world = clawed_back(code);
    // 700 should go back and only 100 are there: sending them back fails, closing does not.
    assert_eq!(world.close(300), Ok(()));
    assert_eq!(world.holdings(), (FUNDS - 1_000, 300, 100));
    assert!(world.channel.state().refunded);
    assert_eq!(world.refund(), Ok(()));
    assert_eq!(world.holdings(), (FUNDS - 900, 300, 0));
}

fn a_refund_sends_what_is_left(code: Code) {
    let world = clawed_back(code);
    world.close_start().unwrap();
    world.advance(100);
    assert_eq!(world.refund(), Ok(()));
    assert_eq!(world.holdings(), (FUNDS - 600, 0, 0));
}

fn after_a_clawback_a_top_up_makes_a_commitment_good_again(code: Code) {
    let world = clawed_back(code);
    world.top_up(600).unwrap();
    assert_eq!(world.settle(1_000), Ok(()));
    assert_eq!(world.holdings(), (FUNDS - 1_600, 1_000, 0));
}
