use paychan_contract::Error;
use soroban_sdk::testutils::{AuthorizedFunction, AuthorizedInvocation};
use soroban_sdk::{IntoVal, Symbol};

use crate::env::{Code, FUNDS, Refusal, START, TestEnv, answer, refused};

on_both!(
    a_close_pays_the_total_and_sends_back_the_rest,
    a_close_after_a_settle_pays_only_the_difference,
    a_close_ends_the_channel_now,
    a_close_of_an_unused_channel_needs_no_signature,
    a_close_at_or_below_withdrawn_needs_no_signature_and_pays_nothing,
    a_close_above_withdrawn_needs_the_signature,
    a_close_needs_the_recipient,
    a_negative_amount_is_refused,
    more_than_the_channel_holds_is_refused_and_the_channel_stays_open,
    a_close_of_everything_sends_nothing_back,
    a_close_in_the_waiting_period_moves_the_deadline_to_now,
    a_close_after_the_deadline_works_and_leaves_the_deadline,
    a_second_close_is_refused,
    a_close_is_refused_after_a_refund,
    a_close_with_an_old_commitment_refunds_what_was_not_withdrawn,
);

fn a_close_pays_the_total_and_sends_back_the_rest(code: Code) {
    let test = TestEnv::open(code, 1_000);
    assert_eq!(test.close(300), Ok(()));
    assert_eq!(test.holdings(), (FUNDS - 300, 300, 0));
    assert_eq!(test.channel.withdrawn(), 300);
}

fn a_close_after_a_settle_pays_only_the_difference(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.settle(300).unwrap();
    assert_eq!(test.close(450), Ok(()));
    assert_eq!(test.holdings(), (FUNDS - 450, 450, 0));
    assert_eq!(test.channel.withdrawn(), 450);
}

fn a_close_ends_the_channel_now(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.advance(5);
    test.close(300).unwrap();
    let state = test.channel.state();
    assert_eq!(state.close_effective_at_ledger, Some(START + 5));
    assert!(state.refunded);
    assert_eq!(state.deposited, 1_000, "this is a total over the channel's life, and it stays");
}

fn a_close_of_an_unused_channel_needs_no_signature(code: Code) {
    let test = TestEnv::open(code, 1_000);
    assert_eq!(answer(test.channel.try_close(&0, &test.no_signature())), Ok(()));
    assert_eq!(test.holdings(), (FUNDS, 0, 0));
    assert!(test.channel.state().refunded);
}

fn a_close_at_or_below_withdrawn_needs_no_signature_and_pays_nothing(code: Code) {
    for amount in [0, 299, 300] {
        let test = TestEnv::open(code, 1_000);
        test.settle(300).unwrap();
        assert_eq!(answer(test.channel.try_close(&amount, &test.no_signature())), Ok(()), "{amount}");
        assert_eq!(test.holdings(), (FUNDS - 300, 300, 0), "{amount}");
        assert_eq!(test.channel.withdrawn(), 300, "{amount}");
    }
}

fn a_close_above_withdrawn_needs_the_signature(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.settle(300).unwrap();
    assert_eq!(answer(test.channel.try_close(&301, &test.no_signature())), Err(Refusal::Host));
    assert_eq!(answer(test.channel.try_close(&301, &test.sign(300))), Err(Refusal::Host));
    assert_eq!(test.holdings(), (FUNDS - 1_000, 300, 700));
    assert!(!test.channel.state().refunded);
}

fn a_close_needs_the_recipient(code: Code) {
    let test = TestEnv::open(code, 1_000);
    let env = &test.env;
    let signature = test.sign(300);
    test.channel.close(&300, &signature);
    assert_eq!(
        test.authorizations(),
        [(
            test.recipient.clone(),
            AuthorizedInvocation {
                function: AuthorizedFunction::Contract((
                    test.channel.address.clone(),
                    Symbol::new(env, "close"),
                    (300i128, signature).into_val(env),
                )),
                sub_invocations: vec![],
            }
        )]
    );

    let test = TestEnv::open(code, 1_000);
    test.without_authorization();
    assert_eq!(test.close(300), Err(Refusal::Host), "a stranger with a good commitment");
    assert_eq!(answer(test.channel.try_close(&0, &test.no_signature())), Err(Refusal::Host), "a stranger with none");
    assert_eq!(test.holdings(), (FUNDS - 1_000, 0, 1_000));
    assert!(!test.channel.state().refunded);
}

fn a_negative_amount_is_refused(code: Code) {
    let test = TestEnv::open(code, 1_000);
    for amount in [-1, i128::MIN] {
        let signature = test.no_signature();
        assert_eq!(answer(test.channel.try_close(&amount, &signature)), refused(Error::NegativeAmount), "{amount}");
    }
    assert!(!test.channel.state().refunded);
}

fn more_than_the_channel_holds_is_refused_and_the_channel_stays_open(code: Code) {
    let test = TestEnv::open(code, 1_000);
    assert_eq!(test.close(1_001), refused(Error::InsufficientDeposit));
    assert_eq!(test.holdings(), (FUNDS - 1_000, 0, 1_000));
    let state = test.channel.state();
    assert!(!state.refunded);
    assert_eq!(state.close_effective_at_ledger, None);
    assert_eq!(state.withdrawn, 0);
}

fn a_close_of_everything_sends_nothing_back(code: Code) {
    let test = TestEnv::open(code, 1_000);
    assert_eq!(test.close(1_000), Ok(()));
    assert_eq!(test.holdings(), (FUNDS - 1_000, 1_000, 0));
    assert!(test.channel.state().refunded);
}

fn a_close_in_the_waiting_period_moves_the_deadline_to_now(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.close_start().unwrap();
    test.advance(99);
    assert_eq!(test.close(300), Ok(()));
    assert_eq!(test.channel.close_effective_at_ledger(), Some(START + 99));
    assert_eq!(test.holdings(), (FUNDS - 300, 300, 0));
}

fn a_close_after_the_deadline_works_and_leaves_the_deadline(code: Code) {
    for late in [100, 150] {
        let test = TestEnv::open(code, 1_000);
        test.close_start().unwrap();
        test.advance(late);
        assert_eq!(test.close(300), Ok(()), "{late}");
        assert_eq!(test.channel.close_effective_at_ledger(), Some(START + 100), "{late}");
        assert_eq!(test.holdings(), (FUNDS - 300, 300, 0), "{late}");
    }
}

fn a_second_close_is_refused(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.close(300).unwrap();
    assert_eq!(test.close(300), refused(Error::Refunded));
    assert_eq!(test.close(400), refused(Error::Refunded));
    assert_eq!(answer(test.channel.try_close(&0, &test.no_signature())), refused(Error::Refunded));
}

fn a_close_is_refused_after_a_refund(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.close_start().unwrap();
    test.advance(100);
    test.refund().unwrap();
    assert_eq!(test.close(300), refused(Error::Refunded));
    assert_eq!(test.holdings(), (FUNDS, 0, 0));
}

fn a_close_with_an_old_commitment_refunds_what_was_not_withdrawn(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.settle(600).unwrap();
    // The refund is deposited − max(amount, withdrawn). With deposited − amount, the channel would lack 300.
    assert_eq!(test.close(300), Ok(()));
    assert_eq!(test.holdings(), (FUNDS - 600, 600, 0));
}
