use paychan_contract::Error;

use crate::env::{CHANNEL, Code, NETWORK, TestEnv, answer, refused};

on_both!(
    the_bytes_to_sign_are_those_of_the_reference_contract,
    on_one_channel_only_the_amount_changes_the_bytes,
    there_are_no_bytes_for_a_negative_amount,
);

/// The answer of the reference contract's `prepare_commitment` for the passphrase `Standalone Network ; February 2017`,
/// the channel `CCVNNFKAXJSMGQXVRAKMVZG5QLLRPOTXPV3DHSA4BHQPJEIG2HOYZYLZ` and the amount 6000000: an `ScVal::Map` with
/// sorted keys.
const REFERENCE: &str = concat!(
    "000000110000000100000004",
    "0000000f00000006616d6f756e740000",
    "0000000a000000000000000000000000005b8d80",
    "0000000f000000076368616e6e656c00",
    "0000001200000001aad69540ba64c342f58814cae4dd82d717ba777d7633c81c09e0f49106d1dd8c",
    "0000000f00000006646f6d61696e0000",
    "0000000f000000086368616e636d6d74",
    "0000000f000000076e6574776f726b00",
    "0000000d00000020baefd734b8d3e48472cff83912375fedbc7573701912fe308af730180f97d74a",
);

fn bytes(test: &TestEnv, amount: i128) -> Vec<u8> {
    test.channel.prepare_commitment(&amount).iter().collect()
}

fn the_bytes_to_sign_are_those_of_the_reference_contract(code: Code) {
    assert_eq!(CHANNEL, "CCVNNFKAXJSMGQXVRAKMVZG5QLLRPOTXPV3DHSA4BHQPJEIG2HOYZYLZ");
    assert!(REFERENCE.contains(NETWORK));
    let test = TestEnv::open(code, 0);
    assert_eq!(hex::encode(bytes(&test, 6_000_000)), REFERENCE);
}

fn on_one_channel_only_the_amount_changes_the_bytes(code: Code) {
    let test = TestEnv::open(code, 0);
    for amount in [0, 1, u64::MAX.into(), 1 << 64, i128::MAX] {
        let expected = REFERENCE.replace(&format!("{:032x}", 6_000_000), &format!("{amount:032x}"));
        assert_eq!(hex::encode(bytes(&test, amount)), expected, "{amount}");
    }
}

fn there_are_no_bytes_for_a_negative_amount(code: Code) {
    let test = TestEnv::open(code, 0);
    for amount in [-1, i128::MIN] {
        assert_eq!(answer(test.channel.try_prepare_commitment(&amount)), refused(Error::NegativeAmount), "{amount}");
    }
}
