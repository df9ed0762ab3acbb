//! Settlements that succeed, and what the answers mean.

use crate::env::{Code, TestEnv};

on_both!(
    every_channel_is_paid_without_anybodys_authorization,
    the_answers_are_in_the_order_of_the_settlements,
    an_old_commitment_succeeds_and_pays_nothing,
    one_channel_twice_is_paid_the_higher_total,
    no_settlements_give_an_empty_answer,
);

fn every_channel_is_paid_without_anybodys_authorization(code: Code) {
    let test = TestEnv::new(code, 3);
    let settlements = [0, 1, 2].map(|n| test.settlement(n, 100 * (n as i128 + 1)));
    assert_eq!(test.settle(&settlements), [true, true, true]);
    assert_eq!(test.withdrawn(), [100, 200, 300]);
    assert_eq!(test.received(), 600);
}

fn the_answers_are_in_the_order_of_the_settlements(code: Code) {
    let test = TestEnv::new(code, 3);
    let forged = test.of(&test.channels[1].address);
    let settlements = [test.settlement(2, 30), forged, test.settlement(0, 10)];
    assert_eq!(test.settle(&settlements), [true, false, true]);
    assert_eq!(test.withdrawn(), [10, 0, 30]);
}

fn an_old_commitment_succeeds_and_pays_nothing(code: Code) {
    let test = TestEnv::new(code, 1);
    assert_eq!(test.settle(&[test.settlement(0, 200)]), [true]);
    assert_eq!(test.settle(&[test.settlement(0, 150)]), [true]);
    assert_eq!(test.withdrawn(), [200]);
    assert_eq!(test.received(), 200);
}

fn one_channel_twice_is_paid_the_higher_total(code: Code) {
    let test = TestEnv::new(code, 1);
    let settlements = [100, 300, 200].map(|amount| test.settlement(0, amount));
    assert_eq!(test.settle(&settlements), [true, true, true]);
    assert_eq!(test.withdrawn(), [300]);
    assert_eq!(test.received(), 300);
}

fn no_settlements_give_an_empty_answer(code: Code) {
    let test = TestEnv::new(code, 0);
    assert!(test.settle(&[]).is_empty());
}
