use paychan_contract::Error;
use soroban_sdk::testutils::{AuthorizedFunction, AuthorizedInvocation};
use soroban_sdk::{Symbol, Vec};

use crate::env::{Code, FUNDS, Refusal, TestEnv, refused};

on_both!(
    a_refund_before_any_close_is_refused,
    a_refund_one_ledger_before_the_deadline_is_refused,
    a_refund_at_the_deadline_sends_the_whole_balance,
    a_refund_takes_what_was_not_settled,
    a_refund_needs_the_funder,
    a_refund_of_nothing_ends_the_channel,
    a_refund_can_be_repeated_for_tokens_that_arrive_later,
    a_refund_after_a_close_needs_no_wait,
);

fn a_refund_before_any_close_is_refused(code: Code) {
    let test = TestEnv::open(code, 1_000);
    assert_eq!(test.refund(), refused(Error::NotClosed));
    assert_eq!(test.holdings(), (FUNDS - 1_000, 0, 1_000));
}

fn a_refund_one_ledger_before_the_deadline_is_refused(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.close_start().unwrap();
    assert_eq!(test.refund(), refused(Error::RefundWaitingPeriodNotElapsed));
    test.advance(99);
    assert_eq!(test.refund(), refused(Error::RefundWaitingPeriodNotElapsed));
    assert_eq!(test.holdings(), (FUNDS - 1_000, 0, 1_000));
    assert!(!test.channel.state().refunded);
}

fn a_refund_at_the_deadline_sends_the_whole_balance(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.close_start().unwrap();
    test.advance(100);
    assert_eq!(test.refund(), Ok(()));
    assert_eq!(test.holdings(), (FUNDS, 0, 0));
    assert!(test.channel.state().refunded);
}

fn a_refund_takes_what_was_not_settled(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.settle(300).unwrap();
    test.close_start().unwrap();
    test.advance(100);
    assert_eq!(test.refund(), Ok(()));
    assert_eq!(test.holdings(), (FUNDS - 300, 300, 0));
    assert_eq!(test.channel.withdrawn(), 300);
}

fn a_refund_needs_the_funder(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.close_start().unwrap();
    test.advance(100);
    test.channel.refund();
    assert_eq!(
        test.authorizations(),
        [(
            test.funder.clone(),
            AuthorizedInvocation {
                function: AuthorizedFunction::Contract((
                    test.channel.address.clone(),
                    Symbol::new(&test.env, "refund"),
                    Vec::new(&test.env),
                )),
                sub_invocations: vec![],
            }
        )]
    );

    let test = TestEnv::open(code, 1_000);
    test.close_start().unwrap();
    test.advance(100);
    test.without_authorization();
    assert_eq!(test.refund(), Err(Refusal::Host));
    assert_eq!(test.balance_of(&test.channel.address), 1_000);
    assert!(!test.channel.state().refunded);
}

fn a_refund_of_nothing_ends_the_channel(code: Code) {
    let test = TestEnv::open(code, 0);
    test.close_start().unwrap();
    test.advance(100);
    assert_eq!(test.refund(), Ok(()));
    assert!(test.channel.state().refunded);
}

fn a_refund_can_be_repeated_for_tokens_that_arrive_later(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.close_start().unwrap();
    test.advance(100);
    test.refund().unwrap();
    assert_eq!(test.refund(), Ok(()), "with nothing there");
    test.issuer.mint(&test.channel.address, &77);
    assert_eq!(test.refund(), Ok(()));
    assert_eq!(test.holdings(), (FUNDS + 77, 0, 0));
}

fn a_refund_after_a_close_needs_no_wait(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.close(300).unwrap();
    test.issuer.mint(&test.channel.address, &5);
    assert_eq!(test.refund(), Ok(()));
    assert_eq!(test.holdings(), (FUNDS - 300 + 5, 300, 0));
}
