//! One channel that fails changes nothing and stops nobody.

use soroban_sdk::testutils::Address as _;
use soroban_sdk::{Address, BytesN, IntoVal, InvokeError, Symbol, Val, Vec as HostVec, vec};

use crate::world::{Code, DEPOSIT, World};
use paychan_batch::Settlement;

on_both!(
    a_forged_signature,
    a_commitment_of_another_channel,
    a_commitment_that_nothing_covers,
    a_negative_amount,
    a_channel_that_is_final,
    an_address_without_a_contract,
    a_malformed_settlement_fails_the_whole_call,
);

/// Settles channel 0, then `bad`, then channel 1, and expects both channels paid.
fn between_two_good_ones(world: &World, bad: Settlement) {
    let settlements = [world.settlement(0, 70), bad, world.settlement(1, 30)];
    assert_eq!(world.settle(&settlements), [true, false, true]);
    assert_eq!(world.withdrawn()[..2], [70, 30]);
    assert_eq!(world.received(), 100);
}

fn a_forged_signature(code: Code) {
    let world = World::new(code, 3);
    let Settlement(channel, _, signature) = world.settlement(2, 50);
    between_two_good_ones(&world, Settlement(channel, 51, signature));
    assert_eq!(world.withdrawn()[2], 0);
}

fn a_commitment_of_another_channel(code: Code) {
    let world = World::new(code, 3);
    let Settlement(_, amount, signature) = world.settlement(0, 50);
    let other = world.channels[2].address.clone();
    between_two_good_ones(&world, Settlement(other, amount, signature));
    assert_eq!(world.withdrawn()[2], 0);
}

fn a_commitment_that_nothing_covers(code: Code) {
    let world = World::new(code, 3);
    between_two_good_ones(&world, world.settlement(2, DEPOSIT + 1));
    assert_eq!(world.withdrawn()[2], 0);
}

fn a_negative_amount(code: Code) {
    let world = World::new(code, 3);
    let Settlement(channel, _, signature) = world.settlement(2, 0);
    between_two_good_ones(&world, Settlement(channel, -1, signature));
}

fn a_channel_that_is_final(code: Code) {
    let world = World::new(code, 3);
    let bad = world.settlement(2, 50);
    world.env.mock_all_auths();
    world.channels[2].close(&0, &bad.2);
    world.env.set_auths(&[]);
    between_two_good_ones(&world, bad);
    assert_eq!(world.withdrawn()[2], 0);
}

fn an_address_without_a_contract(code: Code) {
    let world = World::new(code, 2);
    let nobody = Address::generate(&world.env);
    between_two_good_ones(&world, world.of(&nobody));
}

/// As a caller in another language might build it. The host takes a struct apart before the contract can look at it, so
/// this can't be told apart from a settlement that fails: nothing happens at all.
fn a_malformed_settlement_fails_the_whole_call(code: Code) {
    let world = World::new(code, 1);
    let env = &world.env;
    let channel: Val = world.channels[0].address.into_val(env);
    let no_signature: HostVec<Val> = vec![env, channel, 5i128.into_val(env)];
    let short_signature: HostVec<Val> =
        vec![env, channel, 5i128.into_val(env), BytesN::from_array(env, &[0; 63]).into_val(env)];
    let bad = [no_signature.into_val(env), short_signature.into_val(env), 7u32.into_val(env)];
    for bad in bad {
        let settlements: HostVec<Val> = vec![env, world.settlement(0, 70).into_val(env), bad];
        let args = vec![env, settlements.into_val(env)];
        let outcome = env.try_invoke_contract::<HostVec<bool>, InvokeError>(
            &world.batch.address,
            &Symbol::new(env, "settle_many"),
            args,
        );
        assert!(outcome.is_err());
        assert_eq!(world.withdrawn(), [0]);
    }
}
