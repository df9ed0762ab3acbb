//! A settlement that fails changes nothing and does not stop the others.

use soroban_sdk::testutils::Address as _;
use soroban_sdk::{Address, BytesN, IntoVal, InvokeError, Symbol, Val, Vec as HostVec, vec};

use crate::env::{Code, DEPOSIT, TestEnv};
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

/// Settles channel 0, then `bad`, then channel 1, and expects that both channels paid.
fn between_two_good_ones(test: &TestEnv, bad: Settlement) {
    let settlements = [test.settlement(0, 70), bad, test.settlement(1, 30)];
    assert_eq!(test.settle(&settlements), [true, false, true]);
    assert_eq!(test.withdrawn()[..2], [70, 30]);
    assert_eq!(test.received(), 100);
}

fn a_forged_signature(code: Code) {
    let test = TestEnv::new(code, 3);
    let Settlement(channel, _, signature) = test.settlement(2, 50);
    between_two_good_ones(&test, Settlement(channel, 51, signature));
    assert_eq!(test.withdrawn()[2], 0);
}

fn a_commitment_of_another_channel(code: Code) {
    let test = TestEnv::new(code, 3);
    let Settlement(_, amount, signature) = test.settlement(0, 50);
    let other = test.channels[2].address.clone();
    between_two_good_ones(&test, Settlement(other, amount, signature));
    assert_eq!(test.withdrawn()[2], 0);
}

fn a_commitment_that_nothing_covers(code: Code) {
    let test = TestEnv::new(code, 3);
    between_two_good_ones(&test, test.settlement(2, DEPOSIT + 1));
    assert_eq!(test.withdrawn()[2], 0);
}

fn a_negative_amount(code: Code) {
    let test = TestEnv::new(code, 3);
    let Settlement(channel, _, signature) = test.settlement(2, 0);
    between_two_good_ones(&test, Settlement(channel, -1, signature));
}

fn a_channel_that_is_final(code: Code) {
    let test = TestEnv::new(code, 3);
    let bad = test.settlement(2, 50);
    test.env.mock_all_auths();
    test.channels[2].close(&0, &bad.2);
    test.env.set_auths(&[]);
    between_two_good_ones(&test, bad);
    assert_eq!(test.withdrawn()[2], 0);
}

fn an_address_without_a_contract(code: Code) {
    let test = TestEnv::new(code, 2);
    let nobody = Address::generate(&test.env);
    between_two_good_ones(&test, test.of(&nobody));
}

/// A caller in another language might build such a settlement. The host takes it apart before the contract can look at it,
/// so the contract can't isolate it, and the whole call fails.
fn a_malformed_settlement_fails_the_whole_call(code: Code) {
    let test = TestEnv::new(code, 1);
    let env = &test.env;
    let channel: Val = test.channels[0].address.into_val(env);
    let no_signature: HostVec<Val> = vec![env, channel, 5i128.into_val(env)];
    let short_signature: HostVec<Val> =
        vec![env, channel, 5i128.into_val(env), BytesN::from_array(env, &[0; 63]).into_val(env)];
    let bad = [no_signature.into_val(env), short_signature.into_val(env), 7u32.into_val(env)];
    for bad in bad {
        let settlements: HostVec<Val> = vec![env, test.settlement(0, 70).into_val(env), bad];
        let args = vec![env, settlements.into_val(env)];
        let outcome = env.try_invoke_contract::<HostVec<bool>, InvokeError>(
            &test.batch.address,
            &Symbol::new(env, "settle_many"),
            args,
        );
        assert!(outcome.is_err());
        assert_eq!(test.withdrawn(), [0]);
    }
}
