use ed25519_dalek::SigningKey;
use paychan_contract::Error;
use soroban_sdk::BytesN;

use crate::env::{Code, FUNDS, Refusal, TestEnv, answer, refused};

on_both!(
    a_settle_pays_the_signed_total,
    a_later_settle_pays_only_the_difference,
    an_older_commitment_pays_nothing_and_succeeds,
    settling_zero_pays_nothing_and_succeeds,
    anyone_may_settle_without_authorization,
    the_signature_is_checked_even_when_there_is_nothing_to_pay,
    a_signature_of_another_key_is_refused,
    a_signature_of_another_amount_is_refused,
    a_signature_for_another_network_is_refused,
    each_flipped_byte_of_a_signature_is_refused,
    a_negative_amount_is_refused_though_signed,
    more_than_the_channel_holds_is_refused,
    amounts_near_i128_max_do_not_wrap,
    a_settle_works_in_the_waiting_period_and_after_the_deadline,
    a_settle_is_refused_after_a_close,
    a_settle_is_refused_after_a_refund,
);

fn a_settle_pays_the_signed_total(code: Code) {
    let test = TestEnv::open(code, 1_000);
    assert_eq!(test.settle(300), Ok(()));
    assert_eq!(test.holdings(), (FUNDS - 1_000, 300, 700));
    assert_eq!(test.channel.withdrawn(), 300);
    assert_eq!(test.channel.deposited(), 1_000);
    assert_eq!(test.channel.close_effective_at_ledger(), None);
}

fn a_later_settle_pays_only_the_difference(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.settle(300).unwrap();
    assert_eq!(test.settle(301), Ok(()));
    assert_eq!(test.holdings(), (FUNDS - 1_000, 301, 699));
    assert_eq!(test.settle(1_000), Ok(()));
    assert_eq!(test.holdings(), (FUNDS - 1_000, 1_000, 0));
    assert_eq!(test.channel.withdrawn(), 1_000);
}

fn an_older_commitment_pays_nothing_and_succeeds(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.settle(300).unwrap();
    assert_eq!(test.settle(299), Ok(()), "lower");
    assert_eq!(test.settle(300), Ok(()), "the same again");
    assert_eq!(test.holdings(), (FUNDS - 1_000, 300, 700));
    assert_eq!(test.channel.withdrawn(), 300);
}

fn settling_zero_pays_nothing_and_succeeds(code: Code) {
    let test = TestEnv::open(code, 0);
    assert_eq!(test.settle(0), Ok(()));
    assert_eq!(test.channel.withdrawn(), 0);
}

fn anyone_may_settle_without_authorization(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.without_authorization();
    assert_eq!(test.settle(300), Ok(()));
    assert_eq!(test.authorizations(), []);
    assert_eq!(test.holdings(), (FUNDS - 1_000, 300, 700));
}

fn the_signature_is_checked_even_when_there_is_nothing_to_pay(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.settle(300).unwrap();
    assert_eq!(answer(test.channel.try_settle(&300, &test.no_signature())), Err(Refusal::Host));
    assert_eq!(answer(test.channel.try_settle(&0, &test.no_signature())), Err(Refusal::Host));
}

fn a_signature_of_another_key_is_refused(code: Code) {
    let test = TestEnv::open(code, 1_000);
    let signature = test.sign_with(&SigningKey::from_bytes(&[8; 32]), 300);
    assert_eq!(answer(test.channel.try_settle(&300, &signature)), Err(Refusal::Host));
    assert_eq!(test.holdings(), (FUNDS - 1_000, 0, 1_000));
}

fn a_signature_of_another_amount_is_refused(code: Code) {
    let test = TestEnv::open(code, 1_000);
    let signature = test.sign(300);
    assert_eq!(answer(test.channel.try_settle(&301, &signature)), Err(Refusal::Host));
    assert_eq!(answer(test.channel.try_settle(&299, &signature)), Err(Refusal::Host));
    assert_eq!(test.holdings(), (FUNDS - 1_000, 0, 1_000));
}

fn a_signature_for_another_network_is_refused(code: Code) {
    use soroban_sdk::testutils::Ledger as _;
    let test = TestEnv::open(code, 1_000);
    let signature = test.sign(300);
    let network = test.env.ledger().network_id().to_array();
    test.env.ledger().set_network_id([1; 32]);
    assert_eq!(answer(test.channel.try_settle(&300, &signature)), Err(Refusal::Host));
    test.env.ledger().set_network_id(network);
    assert_eq!(answer(test.channel.try_settle(&300, &signature)), Ok(()));
}

fn each_flipped_byte_of_a_signature_is_refused(code: Code) {
    let test = TestEnv::open(code, 1_000);
    let signature = test.sign(300).to_array();
    for i in 0..64 {
        let mut flipped = signature;
        flipped[i] ^= 1;
        let flipped = BytesN::from_array(&test.env, &flipped);
        assert_eq!(answer(test.channel.try_settle(&300, &flipped)), Err(Refusal::Host), "byte {i}");
    }
    assert_eq!(test.holdings(), (FUNDS - 1_000, 0, 1_000));
}

fn a_negative_amount_is_refused_though_signed(code: Code) {
    let test = TestEnv::open(code, 1_000);
    for amount in [-1, i128::MIN] {
        let signature = test.no_signature();
        assert_eq!(answer(test.channel.try_settle(&amount, &signature)), refused(Error::NegativeAmount), "{amount}");
    }
}

fn more_than_the_channel_holds_is_refused(code: Code) {
    let test = TestEnv::open(code, 1_000);
    assert_eq!(test.settle(1_001), refused(Error::InsufficientDeposit));
    test.settle(400).unwrap();
    assert_eq!(test.settle(1_001), refused(Error::InsufficientDeposit));
    assert_eq!(test.holdings(), (FUNDS - 1_000, 400, 600));
    assert_eq!(test.channel.withdrawn(), 400);

    // The same commitment can be settled once the funder has deposited more.
    test.top_up(1).unwrap();
    assert_eq!(test.settle(1_001), Ok(()));
    assert_eq!(test.holdings(), (FUNDS - 1_001, 1_001, 0));
}

fn amounts_near_i128_max_do_not_wrap(code: Code) {
    let test = TestEnv::open(code, 1_000);
    for amount in [i128::MAX, i128::MAX - 1, 1 << 64] {
        assert_eq!(test.settle(amount), refused(Error::InsufficientDeposit), "{amount}");
        assert_eq!(test.close(amount), refused(Error::InsufficientDeposit), "{amount}");
    }
    test.settle(1).unwrap();
    assert_eq!(test.settle(i128::MAX), refused(Error::InsufficientDeposit));
    assert_eq!(test.holdings(), (FUNDS - 1_000, 1, 999));
}

fn a_settle_works_in_the_waiting_period_and_after_the_deadline(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.close_start().unwrap();
    assert_eq!(test.settle(100), Ok(()), "in the waiting period");
    test.advance(100);
    assert_eq!(test.settle(200), Ok(()), "at the deadline");
    test.advance(1_000);
    assert_eq!(test.settle(300), Ok(()), "long after it, as long as nobody asked for the refund");
    assert_eq!(test.holdings(), (FUNDS - 1_000, 300, 700));
}

fn a_settle_is_refused_after_a_close(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.close(100).unwrap();
    assert_eq!(test.settle(200), refused(Error::Refunded));
    assert_eq!(test.settle(50), refused(Error::Refunded));
    assert_eq!(test.holdings(), (FUNDS - 100, 100, 0));
}

fn a_settle_is_refused_after_a_refund(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.close_start().unwrap();
    test.advance(100);
    test.refund().unwrap();
    assert_eq!(test.settle(1), refused(Error::Refunded));

    // Tokens that arrive later belong to the funder.
    test.token.transfer(&test.funder, &test.channel.address, &10);
    assert_eq!(test.settle(1), refused(Error::Refunded));
}
