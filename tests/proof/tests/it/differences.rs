//! The same sequences run through the rules of the three contracts, and the list of differences explains every
//! difference.

use std::{cell::RefCell, collections::BTreeSet};

use paychan_proof::{
    compare::compare,
    difference::{Difference, NOT_DRIVEN, table},
    model::Rules,
};
use proptest::{prelude::*, test_runner::Config};

use crate::support::any_sequence;

/// The number of sequences of a run. They have to show every difference in the list, so that the list has none that
/// does not exist.
const SEQUENCES: u32 = 20_000;

fn all_differences_are_known(other: Rules, expected: &[Difference]) {
    let seen = RefCell::new(BTreeSet::new());
    for follow in [Rules::Paychan, other] {
        let config = Config { cases: SEQUENCES, failure_persistence: None, ..Config::default() };
        proptest!(config, |(sequence in any_sequence())| {
            let compared = compare(&sequence, other, follow, |difference| {
                seen.borrow_mut().insert(difference);
            });
            prop_assert!(compared.is_ok(), "not accounted for: {}", compared.unwrap_err());
        });
    }
    let expected: BTreeSet<_> = expected.iter().copied().collect();
    assert_eq!(seen.into_inner(), expected);
}

#[test]
fn every_difference_to_the_reference_is_accounted_for() {
    let all_but_the_forks = Difference::ALL.into_iter().filter(|it| *it != Difference::TransfersBackCommitments);
    all_differences_are_known(Rules::Reference, &all_but_the_forks.collect::<Vec<_>>());
}

#[test]
fn every_difference_to_the_fork_is_accounted_for() {
    let expected = [
        Difference::SettleByAnybody,
        Difference::CloseWithoutSignature,
        Difference::TransfersBackCommitments,
        Difference::CloseRefund,
    ];
    all_differences_are_known(Rules::Fork, &expected);
}

/// `cargo test -p paychan-proof the_table -- --nocapture` prints it.
#[test]
fn the_table_has_a_row_for_each_difference() {
    let table = table();
    println!("{table}");
    assert_eq!(table.lines().count(), 2 + Difference::ALL.len() + NOT_DRIVEN.len());
    assert!(table.lines().all(|row| row.matches(" | ").count() == 3));
}

#[test]
fn the_contracts_readme_has_the_table() {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../../contracts/channel/README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    assert!(
        readme.contains(table().trim()),
        "contracts/channel/src/lib.rs has another table than the one that the_table_has_a_row_for_each_difference prints"
    );
}
