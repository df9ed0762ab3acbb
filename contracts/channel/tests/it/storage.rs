//! The instance's storage as clients read it from the ledger: the keys, the types, and when each entry is there.

use soroban_sdk::Address;
use soroban_sdk::xdr::{Int128Parts, ScSymbol, ScVal, ScVec};

use crate::env::{Code, START, TestEnv};

on_both!(
    an_open_channel_has_five_entries,
    a_settle_changes_withdrawn_and_nothing_else,
    a_close_start_adds_the_deadline,
    a_close_adds_the_deadline_and_marks_the_channel_final,
    only_the_deadline_adds_an_entry,
);

fn vector<const N: usize>(values: [ScVal; N]) -> ScVal {
    ScVal::Vec(Some(ScVec(values.to_vec().try_into().unwrap())))
}

fn address(address: &Address) -> ScVal {
    ScVal::Address(address.clone().into())
}

fn small(amount: u64) -> ScVal {
    ScVal::I128(Int128Parts { hi: 0, lo: amount })
}

/// The whole storage, sorted by name.
fn stored(test: &TestEnv) -> Vec<(String, ScVal)> {
    let mut entries = test
        .instance_storage()
        .into_iter()
        .map(|(key, val)| {
            let ScVal::Vec(Some(ScVec(key))) = key else { panic!("a key that is no vector: {key:?}") };
            let [ScVal::Symbol(ScSymbol(name))] = key.as_slice() else { panic!("not one symbol: {key:?}") };
            (name.to_utf8_string().unwrap(), val)
        })
        .collect::<Vec<_>>();
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    entries
}

/// The storage of a channel that is not final.
fn open_entries(test: &TestEnv, withdrawn: u64) -> Vec<(String, ScVal)> {
    let key = test.key.verifying_key().to_bytes().to_vec();
    let terms = [address(&test.funder), address(&test.recipient), address(&test.token.address), ScVal::U32(100)];
    [
        ("CommitmentKey", ScVal::Bytes(key.try_into().unwrap())),
        ("DepositedAmount", small(1_000)),
        ("Refunded", ScVal::Bool(false)),
        ("Terms", vector(terms)),
        ("WithdrawnAmount", small(withdrawn)),
    ]
    .map(|(name, val)| (name.to_owned(), val))
    .to_vec()
}

fn an_open_channel_has_five_entries(code: Code) {
    let test = TestEnv::open(code, 1_000);
    assert_eq!(stored(&test), open_entries(&test, 0));
}

fn a_settle_changes_withdrawn_and_nothing_else(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.settle(300).unwrap();
    assert_eq!(stored(&test), open_entries(&test, 300));
}

fn a_close_start_adds_the_deadline(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.close_start().unwrap();
    let mut expected = open_entries(&test, 0);
    expected.insert(0, ("CloseEffectiveAtLedger".to_owned(), ScVal::U32(START + 100)));
    assert_eq!(stored(&test), expected);
}

fn a_close_adds_the_deadline_and_marks_the_channel_final(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.close(300).unwrap();
    let mut expected = open_entries(&test, 300);
    expected.insert(0, ("CloseEffectiveAtLedger".to_owned(), ScVal::U32(START)));
    assert_eq!(expected[3].0, "Refunded");
    expected[3].1 = ScVal::Bool(true);
    assert_eq!(stored(&test), expected);
}

/// A call that adds bytes to the entry pays rent for them for all of the life that the entry has left.
fn only_the_deadline_adds_an_entry(code: Code) {
    let test = TestEnv::open(code, 1_000);
    test.settle(300).unwrap();
    test.close_start().unwrap();
    let before = stored(&test).len();
    test.advance(100);
    test.refund().unwrap();
    assert_eq!(stored(&test).len(), before);
}
