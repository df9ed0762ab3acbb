use paychan_contract::Error;
use soroban_sdk::testutils::{AuthorizedFunction, AuthorizedInvocation};
use soroban_sdk::{IntoVal, Symbol};

use crate::env::{Code, FUNDS, Refusal, TestEnv, refused};

on_both!(
    a_top_up_moves_tokens_and_raises_deposited,
    a_top_up_is_authorized_by_the_funder,
    a_top_up_without_the_funders_authorization_is_refused,
    an_empty_top_up_needs_the_funder_and_moves_nothing,
    a_negative_top_up_is_refused,
    a_top_up_is_refused_once_a_close_has_started,
    a_top_up_is_refused_after_a_close,
    deposits_above_i128_overflow_and_do_not_wrap,
);

fn a_top_up_moves_tokens_and_raises_deposited(code: Code) {
    let test = TestEnv::open(code, 1_000);
    assert_eq!(test.top_up(500), Ok(()));
    assert_eq!(test.holdings(), (FUNDS - 1_500, 0, 1_500));
    assert_eq!(test.channel.deposited(), 1_500);
    assert_eq!(test.settle(1_500), Ok(()));
}

fn a_top_up_is_authorized_by_the_funder(code: Code) {
    let test = TestEnv::open(code, 1_000);
    let env = &test.env;
    test.channel.top_up(&500);
    let transfer = (&test.funder, &test.channel.address, 500i128);
    assert_eq!(
        test.authorizations(),
        [(
            test.funder.clone(),
            AuthorizedInvocation {
                function: AuthorizedFunction::Contract((
                    test.channel.address.clone(),
                    Symbol::new(env, "top_up"),
                    (500i128,).into_val(env),
                )),
                sub_invocations: vec![AuthorizedInvocation {
                    function: AuthorizedFunction::Contract((
                        test.token.address.clone(),
                        Symbol::new(env, "transfer"),
                        transfer.into_val(env),
                    )),
                    sub_invocations: vec![],
                }],
            }
        )]
    );
}

fn a_top_up_without_the_funders_authorization_is_refused(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.without_authorization();
    assert_eq!(test.top_up(500), Err(Refusal::Host));
    assert_eq!(test.channel.deposited(), 1_000);
}

fn an_empty_top_up_needs_the_funder_and_moves_nothing(code: Code) {
    let test = TestEnv::open(code, 1_000);
    assert_eq!(test.top_up(0), Ok(()));
    assert_eq!(test.holdings(), (FUNDS - 1_000, 0, 1_000));
    test.without_authorization();
    assert_eq!(test.top_up(0), Err(Refusal::Host));
}

fn a_negative_top_up_is_refused(code: Code) {
    let test = TestEnv::open(code, 1_000);
    assert_eq!(test.top_up(-1), refused(Error::NegativeAmount));
    assert_eq!(test.top_up(i128::MIN), refused(Error::NegativeAmount));
    assert_eq!(test.channel.deposited(), 1_000);
}

fn a_top_up_is_refused_once_a_close_has_started(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.close_start().unwrap();
    assert_eq!(test.top_up(1), refused(Error::AlreadyClosed), "in the waiting period");
    test.advance(100);
    assert_eq!(test.top_up(1), refused(Error::AlreadyClosed), "at the deadline");
    test.refund().unwrap();
    assert_eq!(test.top_up(1), refused(Error::AlreadyClosed), "after the refund");
    assert_eq!(test.holdings(), (FUNDS, 0, 0));
}

fn a_top_up_is_refused_after_a_close(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.close(10).unwrap();
    assert_eq!(test.top_up(1), refused(Error::AlreadyClosed));
}

fn deposits_above_i128_overflow_and_do_not_wrap(code: Code) {
    let test = TestEnv::without_channel(code);
    test.issuer.mint(&test.funder, &(i128::MAX - FUNDS));
    test.open_with(&crate::env::Terms { amount: i128::MAX, ..test.terms() });
    assert_eq!(test.settle(i128::MAX), Ok(()));
    test.token.transfer(&test.recipient, &test.funder, &i128::MAX);

    assert_eq!(test.top_up(1), refused(Error::Overflow));
    assert_eq!(test.top_up(i128::MAX), refused(Error::Overflow));
    assert_eq!(test.channel.deposited(), i128::MAX);
    assert_eq!(test.holdings(), (i128::MAX, 0, 0));
}
