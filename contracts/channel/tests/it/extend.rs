//! Which call extends which life, and how far.

use paychan_contract::{EXTENDED_LIFE, EXTENSION_AFTER_DEADLINE, LIFE_AFTER_DEADLINE, MAX_REFUND_WAITING_PERIOD};
use soroban_sdk::testutils::{Deployer as _, Ledger as _};

use crate::env::{Code, Refusal, START, Terms, TestEnv, answer};

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

fn opened(code: Code, refund_waiting_period: u32) -> TestEnv {
    opened_where(code, MIN_LIFE, refund_waiting_period)
}

/// An empty channel on a network with this minimum life. It is empty, so that no call needs the token's entries, which
/// have lives of their own.
fn opened_where(code: Code, min_life: u32, refund_waiting_period: u32) -> TestEnv {
    let mut test = TestEnv::without_channel(code);
    test.env.ledger().set_min_persistent_entry_ttl(min_life);
    test.deploy(&Terms { amount: 0, refund_waiting_period, ..test.terms() });
    test
}

fn instance_life(test: &TestEnv) -> u32 {
    test.env.deployer().get_contract_instance_ttl(&test.channel.address)
}

fn code_life(test: &TestEnv) -> u32 {
    test.env.deployer().get_contract_code_ttl(&test.channel.address)
}

fn opening_leaves_the_instance_with_the_networks_minimum(code: Code) {
    // This also holds with a longer waiting period. An open channel needs no more, because `close_start` extends the
    // life over the wait.
    for waiting_period in [100, 50_000] {
        let test = opened(code, waiting_period);
        assert_eq!(instance_life(&test), FIRST_LIFE, "{waiting_period}");
    }
}

fn top_up_settle_close_and_refund_extend_nothing(code: Code) {
    // The deadline is now, so that a refund is possible at once.
    let test = opened(code, 0);
    test.advance(MIN_LIFE / 2);
    let before = instance_life(&test);
    test.top_up(0).unwrap();
    assert_eq!(instance_life(&test), before, "top_up");
    test.settle(0).unwrap();
    assert_eq!(instance_life(&test), before, "settle");
    test.close(0).unwrap();
    assert_eq!(instance_life(&test), before, "close");
    assert_eq!(answer(test.channel.try_refund()), Ok(()));
    assert_eq!(instance_life(&test), before, "refund");
}

fn a_close_start_extends_nothing_where_the_life_is_long_enough(code: Code) {
    // The instance lives for one ledger more than a wait and the day after it.
    let test = opened_where(code, 200_000, 199_999 - LIFE_AFTER_DEADLINE - 1);
    let before = instance_life(&test);
    test.close_start().unwrap();
    assert_eq!(instance_life(&test), before);
}

fn a_close_start_extends_a_life_that_ends_too_early(code: Code) {
    let waiting_period = 199_999 - LIFE_AFTER_DEADLINE;
    let test = opened_where(code, 200_000, waiting_period);
    test.close_start().unwrap();
    assert_eq!(instance_life(&test), waiting_period + EXTENSION_AFTER_DEADLINE);
}

fn a_close_start_that_is_repeated_within_a_day_extends_nothing(code: Code) {
    let test = opened(code, 5_000);
    test.close_start().unwrap();
    assert_eq!(instance_life(&test), 5_000 + EXTENSION_AFTER_DEADLINE);
    // This is less than the wait, so that the deadline is still ahead, and less than a day.
    test.advance(4_999);
    test.close_start().unwrap();
    assert_eq!(instance_life(&test), 5_000 + EXTENSION_AFTER_DEADLINE - 4_999);
}

fn a_close_start_that_is_repeated_later_extends_again(code: Code) {
    let waiting_period = 2 * LIFE_AFTER_DEADLINE;
    let test = opened(code, waiting_period);
    test.close_start().unwrap();
    test.advance(LIFE_AFTER_DEADLINE);
    test.close_start().unwrap();
    assert_eq!(instance_life(&test), waiting_period + EXTENSION_AFTER_DEADLINE);
}

/// The recipient depends on this: the channel can be settled for as long as the funder waits to take the deposit.
fn the_instance_outlives_the_deadline_of_any_close_start(code: Code) {
    for waiting_period in [0, 1, 100, FIRST_LIFE, MIN_LIFE, 100_000] {
        for age in [0, 1, MIN_LIFE / 2, FIRST_LIFE] {
            let test = opened(code, waiting_period);
            test.advance(age);
            test.close_start().unwrap();
            let deadline = test.channel.close_effective_at_ledger().unwrap();
            let lives_until = START + age + instance_life(&test);
            assert!(lives_until >= deadline + LIFE_AFTER_DEADLINE, "a wait of {waiting_period} at the age of {age}");
            assert!(lives_until <= deadline + EXTENSION_AFTER_DEADLINE || instance_life(&test) == FIRST_LIFE - age);
        }
    }
}

/// An open channel may be archived: nobody can take anything from it before somebody pays for its restoration, and the
/// funder who does so in order to close is the one who pays for the wait as well.
fn an_archived_channel_that_starts_to_close_outlives_its_deadline(code: Code) {
    let test = opened(code, 50_000);
    // The code must outlive this: it is not the channel's, and archived code is another matter.
    if let Code::Wasm = code {
        test.channel.extend();
        test.advance(EXTENDED_LIFE - 1);
    }
    test.advance(MIN_LIFE);
    let now = test.env.ledger().sequence();
    test.close_start().unwrap();
    assert_eq!(test.channel.close_effective_at_ledger(), Some(now + 50_000));
    assert_eq!(instance_life(&test), 50_000 + EXTENSION_AFTER_DEADLINE);
}

fn the_longest_wait_is_extended_as_far_as_the_network_allows(code: Code) {
    let test = opened(code, MAX_REFUND_WAITING_PERIOD);
    // The public network's limit: 180 days of 5-second ledgers, half of the longest wait.
    test.env.ledger().set_max_entry_ttl(3_110_400);
    test.close_start().unwrap();
    assert_eq!(instance_life(&test), 3_110_400);
}

fn close_start_does_not_extend_the_code(code: Code) {
    let test = opened(code, 50_000);
    test.close_start().unwrap();
    if let Code::Wasm = code {
        assert_eq!(code_life(&test), FIRST_LIFE);
    }
}

fn anyone_may_extend(code: Code) {
    let test = opened(code, 100);
    test.without_authorization();
    test.advance(1_000);
    for _ in 0..2 {
        test.channel.extend();
        assert_eq!(test.authorizations(), []);
        assert_eq!(instance_life(&test), EXTENDED_LIFE, "also a life that is long already");
        if let Code::Wasm = code {
            assert_eq!(code_life(&test), EXTENDED_LIFE);
        }
        test.advance(1);
    }
    assert_eq!(test.close_start(), Err(Refusal::Host), "everything else is still the funder's");
}
