use ed25519_dalek::SigningKey;
use paychan_contract::Error;
use soroban_sdk::BytesN;

use crate::world::{Code, FUNDS, Refusal, World, answer, refused};

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
    let world = World::open(code, 1_000);
    assert_eq!(world.settle(300), Ok(()));
    assert_eq!(world.holdings(), (FUNDS - 1_000, 300, 700));
    assert_eq!(world.channel.withdrawn(), 300);
    assert_eq!(world.channel.deposited(), 1_000);
    assert_eq!(world.channel.close_effective_at_ledger(), None);
}

fn a_later_settle_pays_only_the_difference(code: Code) {
    let world = World::open(code, 1_000);
    world.settle(300).unwrap();
    assert_eq!(world.settle(301), Ok(()));
    assert_eq!(world.holdings(), (FUNDS - 1_000, 301, 699));
    assert_eq!(world.settle(1_000), Ok(()));
    assert_eq!(world.holdings(), (FUNDS - 1_000, 1_000, 0));
    assert_eq!(world.channel.withdrawn(), 1_000);
}

fn an_older_commitment_pays_nothing_and_succeeds(code: Code) {
    let world = World::open(code, 1_000);
    world.settle(300).unwrap();
    assert_eq!(world.settle(299), Ok(()), "lower");
    assert_eq!(world.settle(300), Ok(()), "the same again");
    assert_eq!(world.holdings(), (FUNDS - 1_000, 300, 700));
    assert_eq!(world.channel.withdrawn(), 300);
}

fn settling_zero_pays_nothing_and_succeeds(code: Code) {
    let world = World::open(code, 0);
    assert_eq!(world.settle(0), Ok(()));
    assert_eq!(world.channel.withdrawn(), 0);
}

fn anyone_may_settle_without_authorization(code: Code) {
    let world = World::open(code, 1_000);
    world.without_authorization();
    assert_eq!(world.settle(300), Ok(()));
    assert_eq!(world.authorizations(), []);
    assert_eq!(world.holdings(), (FUNDS - 1_000, 300, 700));
}

fn the_signature_is_checked_even_when_there_is_nothing_to_pay(code: Code) {
    let world = World::open(code, 1_000);
    world.settle(300).unwrap();
    assert_eq!(answer(world.channel.try_settle(&300, &world.no_signature())), Err(Refusal::Host));
    assert_eq!(answer(world.channel.try_settle(&0, &world.no_signature())), Err(Refusal::Host));
}

fn a_signature_of_another_key_is_refused(code: Code) {
    let world = World::open(code, 1_000);
    let signature = world.sign_with(&SigningKey::from_bytes(&[8; 32]), 300);
    assert_eq!(answer(world.channel.try_settle(&300, &signature)), Err(Refusal::Host));
    assert_eq!(world.holdings(), (FUNDS - 1_000, 0, 1_000));
}

fn a_signature_of_another_amount_is_refused(code: Code) {
    let world = World::open(code, 1_000);
    let signature = world.sign(300);
    assert_eq!(answer(world.channel.try_settle(&301, &signature)), Err(Refusal::Host));
    assert_eq!(answer(world.channel.try_settle(&299, &signature)), Err(Refusal::Host));
    assert_eq!(world.holdings(), (FUNDS - 1_000, 0, 1_000));
}

fn a_signature_for_another_network_is_refused(code: Code) {
    use soroban_sdk::testutils::Ledger as _;
    let world = World::open(code, 1_000);
    let signature = world.sign(300);
    let network = world.env.ledger().network_id().to_array();
    world.env.ledger().set_network_id([1; 32]);
    assert_eq!(answer(world.channel.try_settle(&300, &signature)), Err(Refusal::Host));
    world.env.ledger().set_network_id(network);
    assert_eq!(answer(world.channel.try_settle(&300, &signature)), Ok(()));
}

fn each_flipped_byte_of_a_signature_is_refused(code: Code) {
    let world = World::open(code, 1_000);
    let signature = world.sign(300).to_array();
    for i in 0..64 {
        let mut flipped = signature;
        flipped[i] ^= 1;
        let flipped = BytesN::from_array(&world.env, &flipped);
        assert_eq!(answer(world.channel.try_settle(&300, &flipped)), Err(Refusal::Host), "byte {i}");
    }
    assert_eq!(world.holdings(), (FUNDS - 1_000, 0, 1_000));
}

fn a_negative_amount_is_refused_though_signed(code: Code) {
    let world = World::open(code, 1_000);
    for amount in [-1, i128::MIN] {
        let signature = world.no_signature();
        assert_eq!(answer(world.channel.try_settle(&amount, &signature)), refused(Error::NegativeAmount), "{amount}");
    }
}

fn more_than_the_channel_holds_is_refused(code: Code) {
    let world = World::open(code, 1_000);
    assert_eq!(world.settle(1_001), refused(Error::InsufficientDeposit));
    world.settle(400).unwrap();
    assert_eq!(world.settle(1_001), refused(Error::InsufficientDeposit));
    assert_eq!(world.holdings(), (FUNDS - 1_000, 400, 600));
    assert_eq!(world.channel.withdrawn(), 400);

    // The same commitment becomes good when the funder puts more in.
    world.top_up(1).unwrap();
    assert_eq!(world.settle(1_001), Ok(()));
    assert_eq!(world.holdings(), (FUNDS - 1_001, 1_001, 0));
}

fn amounts_near_i128_max_do_not_wrap(code: Code) {
    let world = World::open(code, 1_000);
    for amount in [i128::MAX, i128::MAX - 1, 1 << 64] {
        assert_eq!(world.settle(amount), refused(Error::InsufficientDeposit), "{amount}");
        assert_eq!(world.close(amount), refused(Error::InsufficientDeposit), "{amount}");
    }
    world.settle(1).unwrap();
    assert_eq!(world.settle(i128::MAX), refused(Error::InsufficientDeposit));
    assert_eq!(world.holdings(), (FUNDS - 1_000, 1, 999));
}

fn a_settle_works_in_the_waiting_period_and_after_the_deadline(code: Code) {
    let world = World::open(code, 1_000);
    world.close_start().unwrap();
    assert_eq!(world.settle(100), Ok(()), "in the waiting period");
    world.advance(100);
    assert_eq!(world.settle(200), Ok(()), "at the deadline");
    world.advance(1_000);
    assert_eq!(world.settle(300), Ok(()), "long after it, as long as nobody asked for the refund");
    assert_eq!(world.holdings(), (FUNDS - 1_000, 300, 700));
}

fn a_settle_is_refused_after_a_close(code: Code) {
    let world = World::open(code, 1_000);
    world.close(100).unwrap();
    assert_eq!(world.settle(200), refused(Error::Refunded));
    assert_eq!(world.settle(50), refused(Error::Refunded));
    assert_eq!(world.holdings(), (FUNDS - 100, 100, 0));
}

fn a_settle_is_refused_after_a_refund(code: Code) {
    let world = World::open(code, 1_000);
    world.close_start().unwrap();
    world.advance(100);
    world.refund().unwrap();
    assert_eq!(world.settle(1), refused(Error::Refunded));

    // Tokens that arrive later are the funder's.
    world.token.transfer(&world.funder, &world.channel.address, &10);
    assert_eq!(world.settle(1), refused(Error::Refunded));
}
