//! Topics and data to the byte: readers off chain filter and decode by them.

use soroban_sdk::Address;
use soroban_sdk::xdr::{Int128Parts, ScMap, ScMapEntry, ScSymbol, ScVal};

use crate::world::{Code, START, World, answer};

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

fn open(world: &World, amount: i128) -> Event {
    let key = world.key.verifying_key().to_bytes().to_vec();
    event(
        [symbol("open"), address(&world.funder), address(&world.recipient)],
        [
            ("amount", self::i128(amount)),
            ("commitment_key", ScVal::Bytes(key.try_into().unwrap())),
            ("refund_waiting_period", ScVal::U32(100)),
            ("token", address(&world.token.address)),
        ],
    )
}

fn deposit(world: &World, amount: i128) -> Event {
    event([symbol("deposit"), address(&world.funder)], [("amount", self::i128(amount))])
}

fn withdraw(world: &World, amount: i128) -> Event {
    event([symbol("withdraw"), address(&world.recipient)], [("amount", self::i128(amount))])
}

fn refund(world: &World, amount: i128) -> Event {
    event([symbol("refund"), address(&world.funder)], [("amount", self::i128(amount))])
}

fn close(effective_at_ledger: u32) -> Event {
    event([symbol("close")], [("effective_at_ledger", ScVal::U32(effective_at_ledger))])
}

fn opening_emits_deposit_then_open(code: Code) {
    let world = World::open(code, 1_000);
    assert_eq!(world.events(), [deposit(&world, 1_000), open(&world, 1_000)]);
}

fn opening_without_deposit_emits_open_alone(code: Code) {
    let world = World::open(code, 0);
    assert_eq!(world.events(), [open(&world, 0)]);
}

fn a_top_up_emits_deposit(code: Code) {
    let world = World::open(code, 1_000);
    world.top_up(500).unwrap();
    assert_eq!(world.events(), [deposit(&world, 500)]);
}

fn an_empty_top_up_emits_nothing(code: Code) {
    let world = World::open(code, 1_000);
    world.top_up(0).unwrap();
    assert_eq!(world.events(), []);
}

fn a_settle_emits_withdraw_with_the_difference(code: Code) {
    let world = World::open(code, 1_000);
    world.settle(300).unwrap();
    assert_eq!(world.events(), [withdraw(&world, 300)]);
    world.settle(450).unwrap();
    assert_eq!(world.events(), [withdraw(&world, 150)]);
}

fn a_settle_that_pays_nothing_emits_nothing(code: Code) {
    let world = World::open(code, 1_000);
    world.settle(300).unwrap();
    world.settle(300).unwrap();
    assert_eq!(world.events(), []);
}

fn a_close_emits_withdraw_close_refund(code: Code) {
    let world = World::open(code, 1_000);
    world.settle(100).unwrap();
    world.advance(7);
    world.close(300).unwrap();
    assert_eq!(world.events(), [withdraw(&world, 200), close(START + 7), refund(&world, 700)]);
}

fn a_close_of_an_unused_channel_emits_close_and_refund(code: Code) {
    let world = World::open(code, 1_000);
    answer(world.channel.try_close(&0, &world.no_signature())).unwrap();
    assert_eq!(world.events(), [close(START), refund(&world, 1_000)]);
}

fn a_close_of_everything_emits_no_refund(code: Code) {
    let world = World::open(code, 1_000);
    world.close(1_000).unwrap();
    assert_eq!(world.events(), [withdraw(&world, 1_000), close(START)]);
}

fn a_close_in_the_waiting_period_emits_close_again(code: Code) {
    let world = World::open(code, 1_000);
    world.close_start().unwrap();
    world.advance(99);
    world.close(300).unwrap();
    assert_eq!(world.events(), [withdraw(&world, 300), close(START + 99), refund(&world, 700)]);
}

fn a_close_at_or_after_the_deadline_emits_no_close(code: Code) {
    for late in [100, 101] {
        let world = World::open(code, 1_000);
        world.close_start().unwrap();
        world.advance(late);
        world.close(300).unwrap();
        assert_eq!(world.events(), [withdraw(&world, 300), refund(&world, 700)], "{late}");
    }
}

fn a_close_start_emits_the_deadline(code: Code) {
    let world = World::open(code, 1_000);
    world.advance(3);
    world.close_start().unwrap();
    assert_eq!(world.events(), [close(START + 103)]);
}

fn a_refund_emits_refund(code: Code) {
    let world = World::open(code, 1_000);
    world.settle(300).unwrap();
    world.close_start().unwrap();
    world.advance(100);
    world.refund().unwrap();
    assert_eq!(world.events(), [refund(&world, 700)]);
}

fn a_refund_of_nothing_emits_nothing(code: Code) {
    let world = World::open(code, 1_000);
    world.close(300).unwrap();
    world.refund().unwrap();
    assert_eq!(world.events(), []);
}

fn extend_and_getters_emit_nothing(code: Code) {
    let world = World::open(code, 1_000);
    world.channel.extend();
    assert_eq!(world.events(), []);
    world.channel.state();
    assert_eq!(world.events(), []);
}
