//! Rent by need: which call extends whose life, and how far.

use paychan_contract::{EXTENDED_LIFE, EXTENSION_AFTER_DEADLINE, LIFE_AFTER_DEADLINE, MAX_REFUND_WAITING_PERIOD};
use soroban_sdk::testutils::{Deployer as _, Ledger as _};

use crate::world::{Code, Refusal, START, Terms, World, answer};

on_both!(
    opening_leaves_the_instance_with_the_networks_minimum,
    top_up_settle_close_and_refund_extend_nothing,
    a_close_start_extends_nothing_where_the_life_is_long_enough,
    a_close_start_extends_a_life_that_ends_too_early,
    a_close_start_that_is_repeated_within_a_day_extends_nothing,
    a_close_start_that_is_repeated_later_extends_again,
    the_instance_outlives_the_deadline_of_any_close_start,
    an_archived_channel_that_starts_to_close_outlives_its_deadline,
    the_longest_wait_is_extended_as_far_as_the_network_allows,
    close_start_does_not_extend_the_code,
    anyone_may_extend,
);

/// The ledgers that a new entry lives for, in these tests: less than a day.
const MIN_LIFE: u32 = 10_000;
/// The life that a network with this minimum gives an entry which is written in ledger `START`: the ledgers after it.
const FIRST_LIFE: u32 = MIN_LIFE - 1;

fn opened(code: Code, refund_waiting_period: u32) -> World {
    opened_where(code, MIN_LIFE, refund_waiting_period)
}

/// An empty channel on a network with this minimum life. Empty, so that no call needs the token's entries, which have
/// lives of their own.
fn opened_where(code: Code, min_life: u32, refund_waiting_period: u32) -> World {
    let mut world = World::without_channel(code);
    world.env.ledger().set_min_persistent_entry_ttl(min_life);
    world.deploy(&Terms { amount: 0, refund_waiting_period, ..world.terms() });
    world
}

fn instance_life(world: &World) -> u32 {
    world.env.deployer().get_contract_instance_ttl(&world.channel.address)
}

fn code_life(world: &World) -> u32 {
    world.env.deployer().get_contract_code_ttl(&world.channel.address)
}

fn opening_leaves_the_instance_with_the_networks_minimum(code: Code) {
    // Also with a waiting period that is longer than that: an open channel needs no more, `close_start` sees to the wait.
    for waiting_period in [100, 50_000] {
        let world = opened(code, waiting_period);
        assert_eq!(instance_life(&world), FIRST_LIFE, "{waiting_period}");
    }
}

fn top_up_settle_close_and_refund_extend_nothing(code: Code) {
    // A deadline of now, so that a refund is possible at once.
    let world = opened(code, 0);
    world.advance(MIN_LIFE / 2);
    let before = instance_life(&world);
    world.top_up(0).unwrap();
    assert_eq!(instance_life(&world), before, "top_up");
    world.settle(0).unwrap();
    assert_eq!(instance_life(&world), before, "settle");
    world.close(0).unwrap();
    assert_eq!(instance_life(&world), before, "close");
    assert_eq!(answer(world.channel.try_refund()), Ok(()));
    assert_eq!(instance_life(&world), before, "refund");
}

fn a_close_start_extends_nothing_where_the_life_is_long_enough(code: Code) {
    // The instance lives for one ledger more than a wait and the day after it.
    let world = opened_where(code, 200_000, 199_999 - LIFE_AFTER_DEADLINE - 1);
    let before = instance_life(&world);
    world.close_start().unwrap();
    assert_eq!(instance_life(&world), before);
}

fn a_close_start_extends_a_life_that_ends_too_early(code: Code) {
    let waiting_period = 199_999 - LIFE_AFTER_DEADLINE;
    let world = opened_where(code, 200_000, waiting_period);
    world.close_start().unwrap();
    assert_eq!(instance_life(&world), waiting_period + EXTENSION_AFTER_DEADLINE);
}

fn a_close_start_that_is_repeated_within_a_day_extends_nothing(code: Code) {
    let world = opened(code, 5_000);
    world.close_start().unwrap();
    assert_eq!(instance_life(&world), 5_000 + EXTENSION_AFTER_DEADLINE);
    // Less than the wait, so that the deadline is still ahead, and less than a day.
    world.advance(4_999);
    world.close_start().unwrap();
    assert_eq!(instance_life(&world), 5_000 + EXTENSION_AFTER_DEADLINE - 4_999);
}

fn a_close_start_that_is_repeated_later_extends_again(code: Code) {
    let waiting_period = 2 * LIFE_AFTER_DEADLINE;
    let world = opened(code, waiting_period);
    world.close_start().unwrap();
    world.advance(LIFE_AFTER_DEADLINE);
    world.close_start().unwrap();
    assert_eq!(instance_life(&world), waiting_period + EXTENSION_AFTER_DEADLINE);
}

/// What the recipient depends on: while the funder waits to take the deposit, the channel can be settled.
fn the_instance_outlives_the_deadline_of_any_close_start(code: Code) {
    for waiting_period in [0, 1, 100, FIRST_LIFE, MIN_LIFE, 100_000] {
        for age in [0, 1, MIN_LIFE / 2, FIRST_LIFE] {
            let world = opened(code, waiting_period);
            world.advance(age);
            world.close_start().unwrap();
            let deadline = world.channel.close_effective_at_ledger().unwrap();
            let lives_until = START + age + instance_life(&world);
            assert!(lives_until >= deadline + LIFE_AFTER_DEADLINE, "a wait of {waiting_period} at the age of {age}");
            assert!(lives_until <= deadline + EXTENSION_AFTER_DEADLINE || instance_life(&world) == FIRST_LIFE - age);
        }
    }
}

/// An open channel may be archived: nobody can take anything from it before somebody pays for its restoration, and the
/// funder who does so in order to close is the one who pays for the wait as well.
fn an_archived_channel_that_starts_to_close_outlives_its_deadline(code: Code) {
    let world = opened(code, 50_000);
    // The code must outlive this: it is not the channel's, and archived code is another matter.
    if let Code::Wasm = code {
        world.channel.extend();
        world.advance(EXTENDED_LIFE - 1);
    }
    world.advance(MIN_LIFE);
    let now = world.env.ledger().sequence();
    world.close_start().unwrap();
    assert_eq!(world.channel.close_effective_at_ledger(), Some(now + 50_000));
    assert_eq!(instance_life(&world), 50_000 + EXTENSION_AFTER_DEADLINE);
}

fn the_longest_wait_is_extended_as_far_as_the_network_allows(code: Code) {
    let world = opened(code, MAX_REFUND_WAITING_PERIOD);
    // The public network's limit: 180 days of 5-second ledgers, half of the longest wait.
    world.env.ledger().set_max_entry_ttl(3_110_400);
    world.close_start().unwrap();
    assert_eq!(instance_life(&world), 3_110_400);
}

fn close_start_does_not_extend_the_code(code: Code) {
    let world = opened(code, 50_000);
    world.close_start().unwrap();
    if let Code::Wasm = code {
        assert_eq!(code_life(&world), FIRST_LIFE);
    }
}

fn anyone_may_extend(code: Code) {
    let world = opened(code, 100);
    world.without_authorization();
    world.advance(1_000);
    for _ in 0..2 {
        world.channel.extend();
        assert_eq!(world.authorizations(), []);
        assert_eq!(instance_life(&world), EXTENDED_LIFE, "also a life that is long already");
        if let Code::Wasm = code {
            assert_eq!(code_life(&world), EXTENDED_LIFE);
        }
        world.advance(1);
    }
    assert_eq!(world.close_start(), Err(Refusal::Host), "everything else is still the funder's");
}
