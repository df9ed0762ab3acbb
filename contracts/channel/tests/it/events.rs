//! The topics and the data of each event, to the byte, because readers off chain filter by them and decode them.

use soroban_sdk::Address;
use soroban_sdk::xdr::{Int128Parts, ScMap, ScMapEntry, ScSymbol, ScVal};

use crate::env::{Code, START, TestEnv, answer};

on_both!(
    opening_emits_deposit_then_open,
    opening_without_deposit_emits_open_alone,
    a_top_up_emits_deposit,
    an_empty_top_up_emits_nothing,
    a_settle_emits_withdraw_with_the_difference,
    a_settle_that_pays_nothing_emits_nothing,
    a_close_emits_withdraw_close_refund,
    a_close_of_an_unused_channel_emits_close_and_refund,
    a_close_of_everything_emits_no_refund,
    a_close_in_the_waiting_period_emits_close_again,
    a_close_at_or_after_the_deadline_emits_no_close,
    a_close_start_emits_the_deadline,
    a_refund_emits_refund,
    a_refund_of_nothing_emits_nothing,
    extend_and_getters_emit_nothing,
);

type Event = (Vec<ScVal>, ScVal);

fn symbol(name: &str) -> ScVal {
    ScVal::Symbol(ScSymbol(name.try_into().unwrap()))
}

fn address(address: &Address) -> ScVal {
    ScVal::Address(address.clone().into())
}

fn i128(amount: i128) -> ScVal {
    ScVal::I128(Int128Parts {
        hi: (amount >> 64).try_into().unwrap(),
        lo: (amount & i128::from(u64::MAX)).try_into().unwrap(),
    })
}

fn event<const T: usize, const D: usize>(topics: [ScVal; T], data: [(&str, ScVal); D]) -> Event {
    let entries = data.into_iter().map(|(key, val)| ScMapEntry { key: symbol(key), val }).collect::<Vec<_>>();
    (topics.to_vec(), ScVal::Map(Some(ScMap(entries.try_into().unwrap()))))
}

fn open(test: &TestEnv, amount: i128) -> Event {
    let key = test.key.verifying_key().to_bytes().to_vec();
    event(
        [symbol("open"), address(&test.funder), address(&test.recipient)],
        [
            ("amount", self::i128(amount)),
            ("commitment_key", ScVal::Bytes(key.try_into().unwrap())),
            ("refund_waiting_period", ScVal::U32(100)),
            ("token", address(&test.token.address)),
        ],
    )
}

fn deposit(test: &TestEnv, amount: i128) -> Event {
    event([symbol("deposit"), address(&test.funder)], [("amount", self::i128(amount))])
}

fn withdraw(test: &TestEnv, amount: i128) -> Event {
    event([symbol("withdraw"), address(&test.recipient)], [("amount", self::i128(amount))])
}

fn refund(test: &TestEnv, amount: i128) -> Event {
    event([symbol("refund"), address(&test.funder)], [("amount", self::i128(amount))])
}

fn close(effective_at_ledger: u32) -> Event {
    event([symbol("close")], [("effective_at_ledger", ScVal::U32(effective_at_ledger))])
}

fn opening_emits_deposit_then_open(code: Code) {
    let test = TestEnv::open(code, 1_000);
    assert_eq!(test.events(), [deposit(&test, 1_000), open(&test, 1_000)]);
}

fn opening_without_deposit_emits_open_alone(code: Code) {
    let test = TestEnv::open(code, 0);
    assert_eq!(test.events(), [open(&test, 0)]);
}

fn a_top_up_emits_deposit(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.top_up(500).unwrap();
    assert_eq!(test.events(), [deposit(&test, 500)]);
}

fn an_empty_top_up_emits_nothing(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.top_up(0).unwrap();
    assert_eq!(test.events(), []);
}

fn a_settle_emits_withdraw_with_the_difference(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.settle(300).unwrap();
    assert_eq!(test.events(), [withdraw(&test, 300)]);
    test.settle(450).unwrap();
    assert_eq!(test.events(), [withdraw(&test, 150)]);
}

fn a_settle_that_pays_nothing_emits_nothing(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.settle(300).unwrap();
    test.settle(300).unwrap();
    assert_eq!(test.events(), []);
}

fn a_close_emits_withdraw_close_refund(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.settle(100).unwrap();
    test.advance(7);
    test.close(300).unwrap();
    assert_eq!(test.events(), [withdraw(&test, 200), close(START + 7), refund(&test, 700)]);
}

fn a_close_of_an_unused_channel_emits_close_and_refund(code: Code) {
    let test = TestEnv::open(code, 1_000);
    answer(test.channel.try_close(&0, &test.no_signature())).unwrap();
    assert_eq!(test.events(), [close(START), refund(&test, 1_000)]);
}

fn a_close_of_everything_emits_no_refund(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.close(1_000).unwrap();
    assert_eq!(test.events(), [withdraw(&test, 1_000), close(START)]);
}

fn a_close_in_the_waiting_period_emits_close_again(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.close_start().unwrap();
    test.advance(99);
    test.close(300).unwrap();
    assert_eq!(test.events(), [withdraw(&test, 300), close(START + 99), refund(&test, 700)]);
}

fn a_close_at_or_after_the_deadline_emits_no_close(code: Code) {
    for late in [100, 101] {
        let test = TestEnv::open(code, 1_000);
        test.close_start().unwrap();
        test.advance(late);
        test.close(300).unwrap();
        assert_eq!(test.events(), [withdraw(&test, 300), refund(&test, 700)], "{late}");
    }
}

fn a_close_start_emits_the_deadline(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.advance(3);
    test.close_start().unwrap();
    assert_eq!(test.events(), [close(START + 103)]);
}

fn a_refund_emits_refund(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.settle(300).unwrap();
    test.close_start().unwrap();
    test.advance(100);
    test.refund().unwrap();
    assert_eq!(test.events(), [refund(&test, 700)]);
}

fn a_refund_of_nothing_emits_nothing(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.close(300).unwrap();
    test.refund().unwrap();
    assert_eq!(test.events(), []);
}

fn extend_and_getters_emit_nothing(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.channel.extend();
    assert_eq!(test.events(), []);
    test.channel.state();
    assert_eq!(test.events(), []);
}
