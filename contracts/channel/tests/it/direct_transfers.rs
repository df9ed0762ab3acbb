//! Tokens sent straight to the channel's address, past the contract.

use paychan_contract::Error;

use crate::world::{Code, FUNDS, World, answer, refused};

on_both!(
    they_back_commitments_above_the_deposit,
    they_count_as_balance_and_not_as_deposited,
    a_close_leaves_them_for_the_refund,
    a_close_above_the_deposit_sends_nothing_back,
    a_close_at_an_amount_between_deposit_and_withdrawn_sends_nothing_back,
    they_do_not_make_up_for_what_was_withdrawn_already,
    a_refund_takes_them_too,
);

/// A deposit of 1,000 and 50 more that came directly.
fn opened(code: Code) -> World {
    let world = World::open(code, 1_000);
    world.token.transfer(&world.funder, &world.channel.address, &50);
    world
}

fn they_back_commitments_above_the_deposit(code: Code) {
    let world = opened(code);
    assert_eq!(world.settle(1_051), refused(Error::InsufficientDeposit));
    assert_eq!(world.settle(1_050), Ok(()));
    assert_eq!(world.holdings(), (FUNDS - 1_050, 1_050, 0));
    assert_eq!(world.channel.withdrawn(), 1_050);
}

fn they_count_as_balance_and_not_as_deposited(code: Code) {
    let world = opened(code);
    assert_eq!(world.channel.balance(), 1_050);
    assert_eq!(world.channel.deposited(), 1_000);
}

fn a_close_leaves_them_for_the_refund(code: Code) {
    let world = opened(code);
    assert_eq!(world.close(300), Ok(()));
    assert_eq!(world.holdings(), (FUNDS - 350, 300, 50));
    assert_eq!(world.refund(), Ok(()));
    assert_eq!(world.holdings(), (FUNDS - 300, 300, 0));
}

fn a_close_above_the_deposit_sends_nothing_back(code: Code) {
    let world = opened(code);
    assert_eq!(world.close(1_020), Ok(()));
    assert_eq!(world.holdings(), (FUNDS - 1_050, 1_020, 30));
    assert_eq!(world.refund(), Ok(()));
    assert_eq!(world.holdings(), (FUNDS - 1_020, 1_020, 0));
}

fn a_close_at_an_amount_between_deposit_and_withdrawn_sends_nothing_back(code: Code) {
    let world = opened(code);
    world.settle(1_020).unwrap();
    assert_eq!(answer(world.channel.try_close(&1_010, &world.no_signature())), Ok(()));
    assert_eq!(world.holdings(), (FUNDS - 1_050, 1_020, 30));
}

fn they_do_not_make_up_for_what_was_withdrawn_already(code: Code) {
    let world = opened(code);
    world.settle(900).unwrap();
    assert_eq!(world.settle(1_051), refused(Error::InsufficientDeposit), "151 to pay, 150 there");
    assert_eq!(world.settle(1_050), Ok(()));
}

fn a_refund_takes_them_too(code: Code) {
    let world = opened(code);
    world.close_start().unwrap();
    world.advance(100);
    assert_eq!(world.refund(), Ok(()));
    assert_eq!(world.holdings(), (FUNDS, 0, 0));
}
