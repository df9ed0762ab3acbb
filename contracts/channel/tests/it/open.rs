use paychan_contract::{Error, MAX_REFUND_WAITING_PERIOD};
use soroban_sdk::testutils::{AuthorizedFunction, AuthorizedInvocation};
use soroban_sdk::{BytesN, IntoVal, Symbol};

use crate::world::{Code, FUNDS, Refusal, Terms, World, refused};

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
    let world = World::open(code, 1_000);

    assert_eq!(world.holdings(), (FUNDS - 1_000, 0, 1_000));
    let state = world.channel.state();
    assert_eq!(state.token, world.token.address);
    assert_eq!(state.from, world.funder);
    assert_eq!(state.to, world.recipient);
    assert_eq!(state.commitment_key.to_array(), world.key.verifying_key().to_bytes());
    assert_eq!(state.refund_waiting_period, 100);
    assert_eq!(state.deposited, 1_000);
    assert_eq!(state.withdrawn, 0);
    assert_eq!(state.balance, 1_000);
    assert_eq!(state.close_effective_at_ledger, None);
    assert!(!state.refunded);

    // Each value can be asked for alone.
    assert_eq!(world.channel.token(), state.token);
    assert_eq!(world.channel.from(), state.from);
    assert_eq!(world.channel.to(), state.to);
    assert_eq!(world.channel.commitment_key(), state.commitment_key);
    assert_eq!(world.channel.refund_waiting_period(), 100);
    assert_eq!(world.channel.deposited(), 1_000);
    assert_eq!(world.channel.withdrawn(), 0);
    assert_eq!(world.channel.balance(), 1_000);
    assert_eq!(world.channel.close_effective_at_ledger(), None);
}

fn opening_without_deposit_moves_nothing(code: Code) {
    let world = World::open(code, 0);
    assert_eq!(world.holdings(), (FUNDS, 0, 0));
    assert_eq!(world.channel.deposited(), 0);
}

fn the_funder_authorizes_terms_and_deposit_together(code: Code) {
    let world = World::open(code, 1_000);
    let env = &world.env;
    let key = BytesN::from_array(env, &world.key.verifying_key().to_bytes());
    let opening = (&world.token.address, &world.funder, &key, &world.recipient, 1_000i128, 100u32);
    let transfer = (&world.funder, &world.channel.address, 1_000i128);
    assert_eq!(
        world.authorizations(),
        [(
            world.funder.clone(),
            AuthorizedInvocation {
                function: AuthorizedFunction::Contract((
                    world.channel.address.clone(),
                    Symbol::new(env, "__constructor"),
                    opening.into_val(env),
                )),
                sub_invocations: vec![AuthorizedInvocation {
                    function: AuthorizedFunction::Contract((
                        world.token.address.clone(),
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
    let world = World::without_channel(code);
    world.without_authorization();
    assert_eq!(world.try_open(&world.terms()), Err(Refusal::Host));
    assert_eq!(world.balance_of(&world.funder), FUNDS);
}

fn nobody_opens_an_empty_channel_in_anothers_name(code: Code) {
    let world = World::without_channel(code);
    world.without_authorization();
    assert_eq!(world.try_open(&Terms { amount: 0, ..world.terms() }), Err(Refusal::Host));
}

fn a_negative_deposit_is_refused(code: Code) {
    let world = World::without_channel(code);
    for amount in [-1, i128::MIN] {
        let terms = Terms { amount, ..world.terms() };
        assert_eq!(world.try_open(&terms), refused(Error::NegativeAmount), "{amount}");
    }
}

fn a_waiting_period_of_a_year_is_the_longest(code: Code) {
    let world = World::without_channel(code);
    for refund_waiting_period in [MAX_REFUND_WAITING_PERIOD + 1, u32::MAX] {
        let terms = Terms { refund_waiting_period, ..world.terms() };
        assert_eq!(world.try_open(&terms), refused(Error::RefundWaitingPeriodTooLong), "{refund_waiting_period}");
    }
    let terms = Terms { refund_waiting_period: 6_307_200, ..world.terms() };
    assert_eq!(world.try_open(&terms), Ok(()));
    assert_eq!(world.channel.refund_waiting_period(), 6_307_200);
}

fn a_waiting_period_of_zero_is_accepted(code: Code) {
    let world = World::without_channel(code);
    assert_eq!(world.try_open(&Terms { refund_waiting_period: 0, ..world.terms() }), Ok(()));
}

fn a_deposit_that_the_funder_does_not_have_is_refused(code: Code) {
    let world = World::without_channel(code);
    assert_eq!(world.try_open(&Terms { amount: FUNDS + 1, ..world.terms() }), Err(Refusal::Host));
}
