use paychan_contract::Error;
use soroban_sdk::testutils::{AuthorizedFunction, AuthorizedInvocation};
use soroban_sdk::{Symbol, Vec};

use crate::world::{Code, FUNDS, Refusal, World, refused};

on_both!(
    a_refund_before_any_close_is_refused,
    a_refund_one_ledger_before_the_deadline_is_refused,
    a_refund_at_the_deadline_sends_the_whole_balance,
    a_refund_takes_what_no_one_cashed_in,
    a_refund_needs_the_funder,
    a_refund_of_nothing_ends_the_channel,
    a_refund_can_be_repeated_for_tokens_that_arrive_later,
    a_refund_after_a_close_needs_no_wait,
);

fn a_refund_before_any_close_is_refused(code: Code) {
    let world = World::open(code, 1_000);
    assert_eq!(world.refund(), refused(Error::NotClosed));
    assert_eq!(world.holdings(), (FUNDS - 1_000, 0, 1_000));
}

fn a_refund_one_ledger_before_the_deadline_is_refused(code: Code) {
    let world = World::open(code, 1_000);
    world.close_start().unwrap();
    assert_eq!(world.refund(), refused(Error::RefundWaitingPeriodNotElapsed));
    world.advance(99);
    assert_eq!(world.refund(), refused(Error::RefundWaitingPeriodNotElapsed));
    assert_eq!(world.holdings(), (FUNDS - 1_000, 0, 1_000));
    assert!(!world.channel.state().refunded);
}

fn a_refund_at_the_deadline_sends_the_whole_balance(code: Code) {
    let world = World::open(code, 1_000);
    world.close_start().unwrap();
    world.advance(100);
    assert_eq!(world.refund(), Ok(()));
    assert_eq!(world.holdings(), (FUNDS, 0, 0));
    assert!(world.channel.state().refunded);
}

fn a_refund_takes_what_no_one_cashed_in(code: Code) {
    let world = World::open(code, 1_000);
    world.settle(300).unwrap();
    world.close_start().unwrap();
    world.advance(100);
    assert_eq!(world.refund(), Ok(()));
    assert_eq!(world.holdings(), (FUNDS - 300, 300, 0));
    assert_eq!(world.channel.withdrawn(), 300);
}

fn a_refund_needs_the_funder(code: Code) {
    let world = World::open(code, 1_000);
    world.close_start().unwrap();
    world.advance(100);
    world.channel.refund();
    assert_eq!(
        world.authorizations(),
        [(
            world.funder.clone(),
            AuthorizedInvocation {
                function: AuthorizedFunction::Contract((
                    world.channel.address.clone(),
                    Symbol::new(&world.env, "refund"),
                    Vec::new(&world.env),
                )),
                sub_invocations: vec![],
            }
        )]
    );

    let world = World::open(code, 1_000);
    world.close_start().unwrap();
    world.advance(100);
    world.without_authorization();
    assert_eq!(world.refund(), Err(Refusal::Host));
    assert_eq!(world.balance_of(&world.channel.address), 1_000);
    assert!(!world.channel.state().refunded);
}

fn a_refund_of_nothing_ends_the_channel(code: Code) {
    let world = World::open(code, 0);
    world.close_start().unwrap();
    world.advance(100);
    assert_eq!(world.refund(), Ok(()));
    assert!(world.channel.state().refunded);
}

fn a_refund_can_be_repeated_for_tokens_that_arrive_later(code: Code) {
    let world = World::open(code, 1_000);
    world.close_start().unwrap();
    world.advance(100);
    world.refund().unwrap();
    assert_eq!(world.refund(), Ok(()), "with nothing there");
    world.issuer.mint(&world.channel.address, &77);
    assert_eq!(world.refund(), Ok(()));
    assert_eq!(world.holdings(), (FUNDS + 77, 0, 0));
}

fn a_refund_after_a_close_needs_no_wait(code: Code) {
    let world = World::open(code, 1_000);
    world.close(300).unwrap();
    world.issuer.mint(&world.channel.address, &5);
    assert_eq!(world.refund(), Ok(()));
    assert_eq!(world.holdings(), (FUNDS - 300 + 5, 300, 0));
}
