//! The issuer takes tokens out of the channel. Settling is all or nothing: a commitment that the balance does not cover
//! can't be paid, not even in part.

use paychan_contract::Error;

use crate::env::{Code, FUNDS, Refusal, TestEnv, refused};

on_both!(
    a_commitment_that_the_balance_no_longer_covers_can_not_be_settled,
    a_lower_commitment_that_is_still_covered_can_be_settled,
    a_total_above_the_deposit_is_refused_by_the_contract_itself,
    a_close_pays_what_is_covered_and_leaves_the_rest_to_refund,
    a_refund_sends_what_is_left,
    after_a_clawback_a_top_up_makes_a_commitment_good_again,
);

/// A channel with a deposit of 1,000, of which the issuer has taken 600.
fn channel_after_a_clawback(code: Code) -> TestEnv {
    let test = TestEnv::open(code, 1_000);
    test.issuer.clawback(&test.channel.address, &600);
    test
}

fn a_commitment_that_the_balance_no_longer_covers_can_not_be_settled(code: Code) {
    let test = channel_after_a_clawback(code);
    assert_eq!(test.settle(401), Err(Refusal::Host));
    assert_eq!(test.close(401), Err(Refusal::Host));
    assert_eq!(
        test.settle(1_000),
        Err(Refusal::Host),
        "the deposit covers it and the balance does not, so the token refuses"
    );
    assert_eq!(test.holdings(), (FUNDS - 1_000, 0, 400));
    assert_eq!(test.channel.withdrawn(), 0);
    assert!(!test.channel.state().refunded);
}

fn a_lower_commitment_that_is_still_covered_can_be_settled(code: Code) {
    let test = channel_after_a_clawback(code);
    assert_eq!(test.settle(400), Ok(()));
    assert_eq!(test.holdings(), (FUNDS - 1_000, 400, 0));
}

fn a_total_above_the_deposit_is_refused_by_the_contract_itself(code: Code) {
    let test = channel_after_a_clawback(code);
    assert_eq!(test.settle(1_001), refused(Error::InsufficientDeposit));
}

fn a_close_pays_what_is_covered_and_leaves_the_rest_to_refund(code: Code) {
    let test = channel_after_a_clawback(code);
    // The close should send 700 back, but only 100 are there, so the refund fails. The close itself works.
    assert_eq!(test.close(300), Ok(()));
    assert_eq!(test.holdings(), (FUNDS - 1_000, 300, 100));
    assert!(test.channel.state().refunded);
    assert_eq!(test.refund(), Ok(()));
    assert_eq!(test.holdings(), (FUNDS - 900, 300, 0));
}

fn a_refund_sends_what_is_left(code: Code) {
    let test = channel_after_a_clawback(code);
    test.close_start().unwrap();
    test.advance(100);
    assert_eq!(test.refund(), Ok(()));
    assert_eq!(test.holdings(), (FUNDS - 600, 0, 0));
}

fn after_a_clawback_a_top_up_makes_a_commitment_good_again(code: Code) {
    let test = channel_after_a_clawback(code);
    test.top_up(600).unwrap();
    assert_eq!(test.settle(1_000), Ok(()));
    assert_eq!(test.holdings(), (FUNDS - 1_600, 1_000, 0));
}
