use paychan_contract::{LIFE, LIFE_THRESHOLD};
use soroban_sdk::testutils::{Deployer as _, Ledger as _};

use crate::world::{Code, World};

on_both!(
    opening_gives_the_instance_sixty_days,
    calls_that_change_state_extend_a_short_life,
    no_call_extends_a_life_above_thirty_days,
    neither_close_nor_refund_extends_a_life,
    anyone_may_extend,
);

/// Code and token entries begin with a life that no test here outlives unnoticed, the instance with one that `open`
/// finds too short.
const FIRST_LIFE: u32 = 500_000;

/// An empty channel: no call touches the token, whose entries would not live as long.
fn opened(code: Code) -> World {
    let world = World::without_channel(code);
    world.env.ledger().set_min_persistent_entry_ttl(FIRST_LIFE);
    world.open_with(&crate::world::Terms { amount: 0, refund_waiting_period: 1, ..world.terms() });
    world
}

fn instance_life(world: &World) -> u32 {
    world.env.deployer().get_contract_instance_ttl(&world.channel.address)
}

fn code_life(world: &World) -> u32 {
    world.env.deployer().get_contract_code_ttl(&world.channel.address)
}

fn opening_gives_the_instance_sixty_days(code: Code) {
    let world = opened(code);
    assert_eq!(instance_life(&world), LIFE);
    assert_eq!(LIFE, 1_036_800);
    if let Code::Wasm = code {
        assert_eq!(code_life(&world), FIRST_LIFE - 1, "the code is not the opener's to pay for");
    }
}

type Call = fn(&World);

const EXTENDING: [(&str, Call); 3] = [
    ("top_up", |world| world.top_up(0).unwrap()),
    ("settle", |world| world.settle(0).unwrap()),
    ("close_start", |world| world.close_start().unwrap()),
];

fn calls_that_change_state_extend_a_short_life(code: Code) {
    for (name, call) in EXTENDING {
        let world = opened(code);
        world.channel.extend();
        world.advance(LIFE - LIFE_THRESHOLD + 1);
        assert_eq!(instance_life(&world), LIFE_THRESHOLD - 1, "{name}");
        call(&world);
        assert_eq!(instance_life(&world), LIFE, "{name}");
        if let Code::Wasm = code {
            assert_eq!(code_life(&world), LIFE_THRESHOLD - 1, "{name}: the code is not the caller's to pay for");
        }
    }
}

fn no_call_extends_a_life_above_thirty_days(code: Code) {
    for (name, call) in EXTENDING {
        let world = opened(code);
        world.channel.extend();
        world.advance(LIFE - LIFE_THRESHOLD - 1);
        call(&world);
        assert_eq!(instance_life(&world), LIFE_THRESHOLD + 1, "{name}");
    }
}

fn neither_close_nor_refund_extends_a_life(code: Code) {
    let world = opened(code);
    world.channel.extend();
    // Token entries live on in a later ledger only if somebody extends them: the balance of a channel without one needs
    // the token's instance.
    world.env.as_contract(&world.token.address, || world.env.storage().instance().extend_ttl(LIFE, LIFE));
    world.close_start().unwrap();
    world.advance(LIFE - LIFE_THRESHOLD + 1);
    let before = instance_life(&world);
    world.close(0).unwrap();
    assert_eq!(instance_life(&world), before, "close");
    world.refund().unwrap();
    assert_eq!(instance_life(&world), before, "refund");
}

fn anyone_may_extend(code: Code) {
    let world = opened(code);
    world.without_authorization();
    world.advance(1_000);
    assert_eq!(instance_life(&world), LIFE - 1_000);
    world.channel.extend();
    assert_eq!(world.authorizations(), []);
    assert_eq!(instance_life(&world), LIFE, "also a life that is long already");
    if let Code::Wasm = code {
        assert_eq!(code_life(&world), LIFE);
    }
}
