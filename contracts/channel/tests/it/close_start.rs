use paychan_contract::{Error, MAX_REFUND_WAITING_PERIOD};
use soroban_sdk::testutils::{AuthorizedFunction, AuthorizedInvocation, Ledger as _};
use soroban_sdk::{Symbol, Vec};

use crate::env::{Code, FUNDS, Refusal, START, Terms, TestEnv, refused};

on_both!(
    a_close_start_sets_the_deadline_and_moves_nothing,
    a_close_start_needs_the_funder,
    a_second_close_start_before_the_deadline_starts_the_wait_again,
    a_close_start_from_the_deadline_on_is_refused,
    a_close_start_after_the_end_is_refused,
    a_deadline_beyond_the_last_ledger_is_the_last_ledger,
    with_no_waiting_period_the_deadline_is_now,
);

fn a_close_start_sets_the_deadline_and_moves_nothing(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.advance(3);
    assert_eq!(test.close_start(), Ok(()));
    assert_eq!(test.channel.close_effective_at_ledger(), Some(START + 103));
    assert_eq!(test.holdings(), (FUNDS - 1_000, 0, 1_000));
    assert!(!test.channel.state().refunded);
}

fn a_close_start_needs_the_funder(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.channel.close_start();
    assert_eq!(
        test.authorizations(),
        [(
            test.funder.clone(),
            AuthorizedInvocation {
                function: AuthorizedFunction::Contract((
                    test.channel.address.clone(),
                    Symbol::new(&test.env, "close_start"),
                    Vec::new(&test.env),
                )),
                sub_invocations: vec![],
            }
        )]
    );

    let test = TestEnv::open(code, 1_000);
    test.without_authorization();
    assert_eq!(test.close_start(), Err(Refusal::Host));
    assert_eq!(test.channel.close_effective_at_ledger(), None);
}

fn a_second_close_start_before_the_deadline_starts_the_wait_again(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.close_start().unwrap();
    test.advance(99);
    assert_eq!(test.close_start(), Ok(()));
    assert_eq!(test.channel.close_effective_at_ledger(), Some(START + 199));
    test.advance(1);
    assert_eq!(test.refund(), refused(Error::RefundWaitingPeriodNotElapsed), "the first deadline is forgotten");
}

fn a_close_start_from_the_deadline_on_is_refused(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.close_start().unwrap();
    test.advance(100);
    assert_eq!(test.close_start(), refused(Error::AlreadyClosed), "at the deadline");
    test.advance(1);
    assert_eq!(test.close_start(), refused(Error::AlreadyClosed), "after it");
    assert_eq!(test.channel.close_effective_at_ledger(), Some(START + 100));
}

fn a_close_start_after_the_end_is_refused(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.close(300).unwrap();
    assert_eq!(test.close_start(), refused(Error::AlreadyClosed), "in the ledger of the close");
    test.advance(1);
    assert_eq!(test.close_start(), refused(Error::AlreadyClosed), "later");

    let test = TestEnv::open(code, 1_000);
    test.close_start().unwrap();
    test.advance(100);
    test.refund().unwrap();
    assert_eq!(test.close_start(), refused(Error::AlreadyClosed), "after a refund");
}

fn a_deadline_beyond_the_last_ledger_is_the_last_ledger(code: Code) {
    let test = TestEnv::without_channel(code);
    // In this ledger the deadline would be after the last possible ledger, but the entries' lives still end before it.
    test.env.ledger().with_mut(|ledger| {
        ledger.sequence_number = u32::MAX - 2_000_000;
        ledger.max_entry_ttl = 1_500_000;
    });
    test.open_with(&Terms { amount: 0, refund_waiting_period: MAX_REFUND_WAITING_PERIOD, ..test.terms() });
    assert_eq!(test.close_start(), Ok(()));
    assert_eq!(test.channel.close_effective_at_ledger(), Some(u32::MAX));
    assert_eq!(test.refund(), refused(Error::RefundWaitingPeriodNotElapsed));
}

fn with_no_waiting_period_the_deadline_is_now(code: Code) {
    let test = TestEnv::without_channel(code);
    test.open_with(&Terms { refund_waiting_period: 0, ..test.terms() });
    assert_eq!(test.close_start(), Ok(()));
    assert_eq!(test.channel.close_effective_at_ledger(), Some(START));
    assert_eq!(test.close_start(), refused(Error::AlreadyClosed));
    assert_eq!(test.refund(), Ok(()));
    assert_eq!(test.holdings(), (FUNDS, 0, 0));
}
