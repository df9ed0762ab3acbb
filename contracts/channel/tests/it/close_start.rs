use paychan_contract::{Error, MAX_REFUND_WAITING_PERIOD};
use soroban_sdk::testutils::{AuthorizedFunction, AuthorizedInvocation, Ledger as _};
use soroban_sdk::{Symbol, Vec};

use crate::world::{Code, FUNDS, Refusal, START, Terms, World, refused};

on_both!(
    a_close_start_sets_the_deadline_and_moves_nothing,
    a_close_start_needs_the_funder,
    a_second_close_start_before_the_deadline_starts_the_wait_anew,
    a_close_start_from_the_deadline_on_is_refused,
    a_close_start_after_the_end_is_refused,
    a_deadline_beyond_the_last_ledger_is_the_last_ledger,
    with_no_waiting_period_the_deadline_is_now,
);

fn a_close_start_sets_the_deadline_and_moves_nothing(code: Code) {
    let world = World::open(code, 1_000);
    world.advance(3);
    assert_eq!(world.close_start(), Ok(()));
    assert_eq!(world.channel.close_effective_at_ledger(), Some(START + 103));
    assert_eq!(world.holdings(), (FUNDS - 1_000, 0, 1_000));
    assert!(!world.channel.state().refunded);
}

fn a_close_start_needs_the_funder(code: Code) {
    let world = World::open(code, 1_000);
    world.channel.close_start();
    assert_eq!(
        world.authorizations(),
        [(
            world.funder.clone(),
            AuthorizedInvocation {
                function: AuthorizedFunction::Contract((
                    world.channel.address.clone(),
                    Symbol::new(&world.env, "close_start"),
                    Vec::new(&world.env),
                )),
                sub_invocations: vec![],
            }
        )]
    );

    let world = World::open(code, 1_000);
    world.without_authorization();
    assert_eq!(world.close_start(), Err(Refusal::Host));
    assert_eq!(world.channel.close_effective_at_ledger(), None);
}

fn a_second_close_start_before_the_deadline_starts_the_wait_anew(code: Code) {
    let world = World::open(code, 1_000);
    world.close_start().unwrap();
    world.advance(99);
    assert_eq!(world.close_start(), Ok(()));
    assert_eq!(world.channel.close_effective_at_ledger(), Some(START + 199));
    world.advance(1);
    assert_eq!(world.refund(), refused(Error::RefundWaitingPeriodNotElapsed), "the first deadline is forgotten");
}

fn a_close_start_from_the_deadline_on_is_refused(code: Code) {
    let world = World::open(code, 1_000);
    world.close_start().unwrap();
    world.advance(100);
    assert_eq!(world.close_start(), refused(Error::AlreadyClosed), "at the deadline");
    world.advance(1);
    assert_eq!(world.close_start(), refused(Error::AlreadyClosed), "after it");
    assert_eq!(world.channel.close_effective_at_ledger(), Some(START + 100));
}

fn a_close_start_after_the_end_is_refused(code: Code) {
    let world = World::open(code, 1_000);
    world.close(300).unwrap();
    assert_eq!(world.close_start(), refused(Error::AlreadyClosed), "in the ledger of the close");
    world.advance(1);
    assert_eq!(world.close_start(), refused(Error::AlreadyClosed), "later");

    let world = World::open(code, 1_000);
    world.close_start().unwrap();
    world.advance(100);
    world.refund().unwrap();
    assert_eq!(world.close_start(), refused(Error::AlreadyClosed), "after a refund");
}

fn a_deadline_beyond_the_last_ledger_is_the_last_ledger(code: Code) {
    let world = World::without_channel(code);
    // Late enough for a deadline beyond the end, early enough for sixty days of life.
    world.env.ledger().with_mut(|ledger| {
        ledger.sequence_number = u32::MAX - 2_000_000;
        ledger.max_entry_ttl = 1_500_000;
    });
    world.open_with(&Terms { amount: 0, refund_waiting_period: MAX_REFUND_WAITING_PERIOD, ..world.terms() });
    assert_eq!(world.close_start(), Ok(()));
    assert_eq!(world.channel.close_effective_at_ledger(), Some(u32::MAX));
    assert_eq!(world.refund(), refused(Error::RefundWaitingPeriodNotElapsed));
}

fn with_no_waiting_period_the_deadline_is_now(code: Code) {
    let world = World::without_channel(code);
    world.open_with(&Terms { refund_waiting_period: 0, ..world.terms() });
    assert_eq!(world.close_start(), Ok(()));
    assert_eq!(world.channel.close_effective_at_ledger(), Some(START));
    assert_eq!(world.close_start(), refused(Error::AlreadyClosed));
    assert_eq!(world.refund(), Ok(()));
    assert_eq!(world.holdings(), (FUNDS, 0, 0));
}
