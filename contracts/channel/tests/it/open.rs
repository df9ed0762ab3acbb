use paychan_contract::{Error, MAX_REFUND_WAITING_PERIOD};
use soroban_sdk::testutils::{AuthorizedFunction, AuthorizedInvocation};
use soroban_sdk::{BytesN, IntoVal, Symbol};

use crate::env::{Code, FUNDS, Refusal, Terms, TestEnv, refused};

on_both!(
    opening_moves_the_deposit_and_remembers_the_terms,
    opening_without_deposit_moves_nothing,
    the_funder_authorizes_terms_and_deposit_together,
    nobody_opens_a_channel_in_anothers_name,
    nobody_opens_an_empty_channel_in_anothers_name,
    a_negative_deposit_is_refused,
    a_waiting_period_of_a_year_is_the_longest,
    a_waiting_period_of_zero_is_accepted,
    a_deposit_that_the_funder_does_not_have_is_refused,
);

fn opening_moves_the_deposit_and_remembers_the_terms(code: Code) {
    let test = TestEnv::open(code, 1_000);

    assert_eq!(test.holdings(), (FUNDS - 1_000, 0, 1_000));
    let state = test.channel.state();
    assert_eq!(state.token, test.token.address);
    assert_eq!(state.from, test.funder);
    assert_eq!(state.to, test.recipient);
    assert_eq!(state.commitment_key.to_array(), test.key.verifying_key().to_bytes());
    assert_eq!(state.refund_waiting_period, 100);
    assert_eq!(state.deposited, 1_000);
    assert_eq!(state.withdrawn, 0);
    assert_eq!(state.balance, 1_000);
    assert_eq!(state.close_effective_at_ledger, None);
    assert!(!state.refunded);

    // Each value also has a function of its own.
    assert_eq!(test.channel.token(), state.token);
    assert_eq!(test.channel.from(), state.from);
    assert_eq!(test.channel.to(), state.to);
    assert_eq!(test.channel.commitment_key(), state.commitment_key);
    assert_eq!(test.channel.refund_waiting_period(), 100);
    assert_eq!(test.channel.deposited(), 1_000);
    assert_eq!(test.channel.withdrawn(), 0);
    assert_eq!(test.channel.balance(), 1_000);
    assert_eq!(test.channel.close_effective_at_ledger(), None);
}

fn opening_without_deposit_moves_nothing(code: Code) {
    let test = TestEnv::open(code, 0);
    assert_eq!(test.holdings(), (FUNDS, 0, 0));
    assert_eq!(test.channel.deposited(), 0);
}

fn the_funder_authorizes_terms_and_deposit_together(code: Code) {
    let test = TestEnv::open(code, 1_000);
    let env = &test.env;
    let key = BytesN::from_array(env, &test.key.verifying_key().to_bytes());
    let opening = (&test.token.address, &test.funder, &key, &test.recipient, 1_000i128, 100u32);
    let transfer = (&test.funder, &test.channel.address, 1_000i128);
    assert_eq!(
        test.authorizations(),
        [(
            test.funder.clone(),
            AuthorizedInvocation {
                function: AuthorizedFunction::Contract((
                    test.channel.address.clone(),
                    Symbol::new(env, "__constructor"),
                    opening.into_val(env),
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

fn nobody_opens_a_channel_in_anothers_name(code: Code) {
    let test = TestEnv::without_channel(code);
    test.without_authorization();
    assert_eq!(test.try_open(&test.terms()), Err(Refusal::Host));
    assert_eq!(test.balance_of(&test.funder), FUNDS);
}

fn nobody_opens_an_empty_channel_in_anothers_name(code: Code) {
    let test = TestEnv::without_channel(code);
    test.without_authorization();
    assert_eq!(test.try_open(&Terms { amount: 0, ..test.terms() }), Err(Refusal::Host));
}

fn a_negative_deposit_is_refused(code: Code) {
    let test = TestEnv::without_channel(code);
    for amount in [-1, i128::MIN] {
        let terms = Terms { amount, ..test.terms() };
        assert_eq!(test.try_open(&terms), refused(Error::NegativeAmount), "{amount}");
    }
}

fn a_waiting_period_of_a_year_is_the_longest(code: Code) {
    let test = TestEnv::without_channel(code);
    for refund_waiting_period in [MAX_REFUND_WAITING_PERIOD + 1, u32::MAX] {
        let terms = Terms { refund_waiting_period, ..test.terms() };
        assert_eq!(test.try_open(&terms), refused(Error::RefundWaitingPeriodTooLong), "{refund_waiting_period}");
    }
    let terms = Terms { refund_waiting_period: 6_307_200, ..test.terms() };
    assert_eq!(test.try_open(&terms), Ok(()));
    assert_eq!(test.channel.refund_waiting_period(), 6_307_200);
}

fn a_waiting_period_of_zero_is_accepted(code: Code) {
    let test = TestEnv::without_channel(code);
    assert_eq!(test.try_open(&Terms { refund_waiting_period: 0, ..test.terms() }), Ok(()));
}

fn a_deposit_that_the_funder_does_not_have_is_refused(code: Code) {
    let test = TestEnv::without_channel(code);
    assert_eq!(test.try_open(&Terms { amount: FUNDS + 1, ..test.terms() }), Err(Refusal::Host));
}
