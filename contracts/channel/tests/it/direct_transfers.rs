//! Tokens that were sent to the channel's address without calling the contract.

use paychan_contract::Error;

use crate::env::{Code, FUNDS, TestEnv, answer, refused};

on_both!(
    they_back_commitments_above_the_deposit,
    they_count_as_balance_and_not_as_deposited,
    a_close_leaves_them_for_the_refund,
    a_close_above_the_deposit_sends_nothing_back,
    a_close_at_an_amount_between_deposit_and_withdrawn_sends_nothing_back,
    they_do_not_make_up_for_what_was_withdrawn_already,
    a_refund_takes_them_too,
);

/// A channel with a deposit of 1,000, to whose address 50 more were sent.
fn opened(code: Code) -> TestEnv {
    let test = TestEnv::open(code, 1_000);
    test.token.transfer(&test.funder, &test.channel.address, &50);
    test
}

fn they_back_commitments_above_the_deposit(code: Code) {
    let test = opened(code);
    assert_eq!(test.settle(1_051), refused(Error::InsufficientDeposit));
    assert_eq!(test.settle(1_050), Ok(()));
    assert_eq!(test.holdings(), (FUNDS - 1_050, 1_050, 0));
    assert_eq!(test.channel.withdrawn(), 1_050);
}

fn they_count_as_balance_and_not_as_deposited(code: Code) {
    let test = opened(code);
    assert_eq!(test.channel.balance(), 1_050);
    assert_eq!(test.channel.deposited(), 1_000);
}

fn a_close_leaves_them_for_the_refund(code: Code) {
    let test = opened(code);
    assert_eq!(test.close(300), Ok(()));
    assert_eq!(test.holdings(), (FUNDS - 350, 300, 50));
    assert_eq!(test.refund(), Ok(()));
    assert_eq!(test.holdings(), (FUNDS - 300, 300, 0));
}

fn a_close_above_the_deposit_sends_nothing_back(code: Code) {
    let test = opened(code);
    assert_eq!(test.close(1_020), Ok(()));
    assert_eq!(test.holdings(), (FUNDS - 1_050, 1_020, 30));
    assert_eq!(test.refund(), Ok(()));
    assert_eq!(test.holdings(), (FUNDS - 1_020, 1_020, 0));
}

fn a_close_at_an_amount_between_deposit_and_withdrawn_sends_nothing_back(code: Code) {
    let test = opened(code);
    test.settle(1_020).unwrap();
    assert_eq!(answer(test.channel.try_close(&1_010, &test.no_signature())), Ok(()));
    assert_eq!(test.holdings(), (FUNDS - 1_050, 1_020, 30));
}

fn they_do_not_make_up_for_what_was_withdrawn_already(code: Code) {
    let test = opened(code);
    test.settle(900).unwrap();
    assert_eq!(test.settle(1_051), refused(Error::InsufficientDeposit), "151 to pay, 150 there");
    assert_eq!(test.settle(1_050), Ok(()));
}

fn a_refund_takes_them_too(code: Code) {
    let test = opened(code);
    test.close_start().unwrap();
    test.advance(100);
    assert_eq!(test.refund(), Ok(()));
    assert_eq!(test.holdings(), (FUNDS, 0, 0));
}
