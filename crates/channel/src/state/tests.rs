#![allow(clippy::unwrap_used, reason = "a test that fails should stop where it fails")]

use proptest::prelude::*;
use stellar_xdr::{
    ContractDataDurability, ContractDataEntry, ContractExecutable, ContractExecutableExternalRef, ExtensionPoint, Hash,
    LedgerEntryData, ScContractInstance, ScMap, ScMapEntry, ScString, ScVal, ScVec,
};

use super::*;
use crate::scval::{amount, bytes, symbol, vec};
use crate::{AccountId, SacAsset, ValueError, WasmHash, token_kind};

const CHANNEL: ContractId = ContractId([1; 32]);
const TOKEN: ContractId = ContractId([2; 32]);
const FROM: Address = Address::Account(AccountId([3; 32]));
const TO: Address = Address::Account(AccountId([4; 32]));

fn units(units: i128) -> Amount {
    Amount::new(units).unwrap()
}

fn address(address: impl Into<Address>) -> ScVal {
    ScVal::Address(address.into().to_sc())
}

fn contract_data(contract: &ContractId, key: ScVal, val: ScVal) -> LedgerEntryData {
    LedgerEntryData::ContractData(ContractDataEntry {
        ext: ExtensionPoint::V0,
        contract: contract.to_sc(),
        key,
        durability: ContractDataDurability::Persistent,
        val,
    })
}

fn instance_with(
    contract: &ContractId,
    executable: ContractExecutable,
    storage: Vec<(ScVal, ScVal)>,
) -> LedgerEntryData {
    let entries: Vec<_> = storage.into_iter().map(|(key, val)| ScMapEntry { key, val }).collect();
    let storage = Some(ScMap(entries.try_into().unwrap()));
    let instance = ScVal::ContractInstance(ScContractInstance { executable, storage });
    contract_data(contract, ScVal::LedgerKeyContractInstance, instance)
}

fn instance(storage: Vec<(&'static str, ScVal)>) -> LedgerEntryData {
    let storage = storage.into_iter().map(|(name, value)| (vec([symbol(name)]), value)).collect();
    instance_with(&CHANNEL, ContractExecutable::Wasm(Hash([5; 32])), storage)
}

fn ours() -> Vec<(&'static str, ScVal)> {
    vec![
        ("CommitmentKey", bytes([6; 32])),
        ("DepositedAmount", amount(units(1000))),
        ("Terms", vec([address(FROM), address(TO), address(TOKEN), ScVal::U32(17_280)])),
        ("WithdrawnAmount", amount(units(100))),
    ]
}

fn reference() -> Vec<(&'static str, ScVal)> {
    vec![
        ("CommitmentKey", bytes([6; 32])),
        ("From", address(FROM)),
        ("RefundWaitingPeriod", ScVal::U32(17_280)),
        ("To", address(TO)),
        ("Token", address(TOKEN)),
    ]
}

fn with(mut storage: Vec<(&'static str, ScVal)>, name: &'static str, value: ScVal) -> Vec<(&'static str, ScVal)> {
    storage.retain(|(key, _)| *key != name);
    storage.push((name, value));
    storage
}

fn without(mut storage: Vec<(&'static str, ScVal)>, name: &'static str) -> Vec<(&'static str, ScVal)> {
    storage.retain(|(key, _)| *key != name);
    storage
}

fn balance_entry(value: ScVal) -> LedgerEntryData {
    contract_data(&TOKEN, crate::ledger_keys::balance_key(&CHANNEL.into()), value)
}

fn sac_balance_of(units_held: i128, authorized: bool, clawback: bool) -> LedgerEntryData {
    let fields = [
        ("amount", ScVal::from(units_held)),
        ("authorized", ScVal::Bool(authorized)),
        ("clawback", ScVal::Bool(clawback)),
    ]
    .map(|(name, val)| ScMapEntry { key: symbol(name), val });
    balance_entry(ScVal::Map(Some(ScMap(fields.to_vec().try_into().unwrap()))))
}

fn read(instance: &LedgerEntryData, balance: Option<&LedgerEntryData>) -> Result<ChannelState, StateError> {
    let entries =
        ChannelEntries { instance, balance, token_instance: None, lives: Lives::default(), read_at: Ledger(50) };
    decode_state(&CHANNEL, &entries)
}

fn kind(entry: &LedgerEntryData) -> StateErrorKind {
    decode_instance(&CHANNEL, entry).unwrap_err().kind
}

#[test]
fn our_layout_is_read_whole() {
    let state = read(&instance(ours()), Some(&sac_balance_of(900, true, false))).unwrap();
    assert_eq!((state.layout, state.wasm_hash), (Layout::Paychan, WasmHash([5; 32])));
    assert_eq!((state.from, state.to, state.token), (FROM, TO, TOKEN));
    assert_eq!((state.commitment_key, state.refund_waiting_period), ([6; 32], 17_280));
    assert_eq!((state.deposited, state.withdrawn), (Some(units(1000)), units(100)));
    assert_eq!((state.balance, state.coverage()), (units(900), units(1000)));
    assert_eq!((state.deadline(), state.is_closing(), state.is_final()), (None, false, false));
    assert_eq!(state.unsettled(units(250)), units(150));
    assert_eq!(state.unsettled(units(50)), Amount::ZERO);
}

#[test]
fn the_references_layout_is_read_whole_and_has_no_deposits() {
    let state = read(&instance(reference()), Some(&balance_entry(ScVal::from(900i128)))).unwrap();
    assert_eq!(state.layout, Layout::Reference);
    assert_eq!((state.from, state.to, state.token), (FROM, TO, TOKEN));
    assert_eq!((state.deposited, state.withdrawn), (None, Amount::ZERO));
    assert_eq!(state.coverage(), units(900));
}

#[test]
fn the_forks_coverage_is_at_most_what_was_deposited() {
    let storage = with(reference(), "DepositedAmount", amount(units(500)));
    let state = read(&instance(storage), Some(&sac_balance_of(900, true, false))).unwrap();
    assert_eq!((state.layout, state.coverage()), (Layout::Fork, units(500)));
}

#[test]
fn tokens_sent_straight_to_our_channel_count() {
    let state = read(&instance(ours()), Some(&sac_balance_of(5_000, true, false))).unwrap();
    assert_eq!(state.coverage(), units(5_100));
}

#[test]
fn a_fork_opened_without_deposit_is_recognised_by_its_code_and_not_by_its_keys() {
    let state = read(&instance(reference()), Some(&sac_balance_of(900, true, false))).unwrap();
    let state = state.expect_layout(Layout::Fork).unwrap();
    assert_eq!((state.layout, state.coverage()), (Layout::Fork, Amount::ZERO));
    let error = read(&instance(ours()), None).unwrap().expect_layout(Layout::Fork).unwrap_err();
    assert_eq!(error.kind, StateErrorKind::OtherLayout { expected: Layout::Fork, found: Layout::Paychan });
}

#[test]
fn a_channel_without_balance_entry_holds_nothing() {
    let state = read(&instance(ours()), None).unwrap();
    assert_eq!((state.balance, state.coverage()), (Amount::ZERO, units(100)));
}

#[test]
fn a_deadline_makes_a_channel_closing_until_it_is_final() {
    let closing = with(ours(), "CloseEffectiveAtLedger", ScVal::U32(60));
    let state = read(&instance(closing.clone()), None).unwrap();
    assert_eq!((state.deadline(), state.last_safe_ledger()), (Some(Ledger(60)), Some(Ledger(59))));
    assert!(state.is_closing() && !state.is_final());
    let last = with(closing, "Refunded", ScVal::Bool(true));
    let state = read(&instance(last), Some(&sac_balance_of(900, true, false))).unwrap();
    assert!(state.is_final() && !state.is_closing());
    assert_eq!(state.coverage(), state.withdrawn, "a final channel pays nothing more");
}

#[test]
fn the_references_channel_counts_as_final_when_due_and_empty() {
    let at = |deadline, held| {
        let storage = with(reference(), "CloseEffectiveAtLedger", ScVal::U32(deadline));
        read(&instance(storage), Some(&balance_entry(ScVal::from(held)))).unwrap()
    };
    assert!(at(50, 0i128).is_final());
    assert!(at(50, 1).is_closing(), "settling works as long as the balance lasts");
    assert!(at(51, 0).is_closing(), "before the deadline the funder may still pay in");
}

#[test]
fn the_issuers_powers_over_the_balance_are_read() {
    let state = read(&instance(ours()), Some(&sac_balance_of(9, false, true))).unwrap();
    assert!(!state.balance_authorized && state.balance_clawback);
}

#[test]
fn contracts_that_are_no_channel_are_refused_with_a_kind() {
    assert_eq!(kind(&instance(vec![])), StateErrorKind::ForeignLayout { keys: vec![] });
    let counter = instance(vec![("Counter", ScVal::U32(1)), ("Token", address(TOKEN))]);
    let keys = vec!["`Counter`".to_owned(), "`Token`".to_owned()];
    assert_eq!(kind(&counter), StateErrorKind::ForeignLayout { keys });
    let sac = instance_with(&CHANNEL, ContractExecutable::StellarAsset, vec![]);
    assert_eq!(kind(&sac), StateErrorKind::StellarAsset);
    let elsewhere = ContractExecutable::ExternalRef(ContractExecutableExternalRef {
        executable_owner: TOKEN.to_sc(),
        tag: ScString("v1".try_into().unwrap()),
    });
    assert_eq!(kind(&instance_with(&CHANNEL, elsewhere, vec![])), StateErrorKind::CodeElsewhere);
    assert_eq!(kind(&sac_balance_of(1, true, false)), StateErrorKind::NotAnInstance);
    let other = instance_with(&TOKEN, ContractExecutable::Wasm(Hash([5; 32])), vec![]);
    assert_eq!(kind(&other), StateErrorKind::NotAnInstance);
}

#[test]
fn missing_malformed_and_negative_values_are_errors_that_name_them() {
    use ValueError::{Missing, Negative, WrongType};
    let value = |storage| match kind(&instance(storage)) {
        StateErrorKind::Value(error) => error,
        other => panic!("{other}"),
    };
    assert_eq!(value(without(ours(), "WithdrawnAmount")), Missing { name: "WithdrawnAmount" });
    assert_eq!(value(without(ours(), "DepositedAmount")), Missing { name: "DepositedAmount" });
    let negative = with(ours(), "WithdrawnAmount", ScVal::from(-1i128));
    assert_eq!(value(negative), Negative { name: "WithdrawnAmount", value: -1 });
    let short = with(ours(), "CommitmentKey", bytes([6; 31]));
    assert_eq!(value(short), WrongType { name: "CommitmentKey", expected: "32 bytes" });
    let three = with(ours(), "Terms", vec([address(FROM), address(TO), address(TOKEN)]));
    assert_eq!(value(three), WrongType { name: "Terms", expected: "a vec of four values" });
    let account_token = with(reference(), "Token", address(FROM));
    assert_eq!(value(account_token), WrongType { name: "Token", expected: "the address of a contract" });
    assert_eq!(value(without(reference(), "To")), Missing { name: "To" });
    let deadline = with(ours(), "CloseEffectiveAtLedger", ScVal::U64(7));
    assert_eq!(value(deadline), WrongType { name: "CloseEffectiveAtLedger", expected: "a u32" });
}

#[test]
fn a_balance_that_is_somebody_elses_or_of_no_known_form_is_refused() {
    let refused = |entry: LedgerEntryData| read(&instance(ours()), Some(&entry)).unwrap_err().kind;
    let somebodys = contract_data(&TOKEN, crate::ledger_keys::balance_key(&TO), ScVal::from(9i128));
    assert_eq!(refused(somebodys), StateErrorKind::NotTheBalance);
    let other_token = contract_data(&CHANNEL, crate::ledger_keys::balance_key(&CHANNEL.into()), ScVal::from(9i128));
    assert_eq!(refused(other_token), StateErrorKind::NotTheBalance);
    assert_eq!(refused(instance(ours())), StateErrorKind::NotTheBalance);
    assert!(matches!(refused(balance_entry(ScVal::Void)), StateErrorKind::Balance(_)));
    let negative = ValueError::Negative { name: "amount", value: -5 };
    assert_eq!(refused(sac_balance_of(-5, true, false)), StateErrorKind::Balance(negative));
}

#[test]
fn a_foreign_contracts_keys_do_not_reach_the_terminal_raw() {
    let key = ScVal::Vec(Some(ScVec(
        vec![ScVal::Symbol(stellar_xdr::ScSymbol("\u{1b}[2J".try_into().unwrap()))].try_into().unwrap(),
    )));
    let entry = instance_with(&CHANNEL, ContractExecutable::Wasm(Hash([5; 32])), vec![(key, ScVal::Void)]);
    assert!(!decode_instance(&CHANNEL, &entry).unwrap_err().to_string().contains('\u{1b}'));
}

#[test]
fn the_asset_of_a_stellar_asset_contract_is_read() {
    let info = |value: ScVal| {
        instance_with(&TOKEN, ContractExecutable::StellarAsset, vec![(vec([symbol("AssetInfo")]), value)])
    };
    let native = info(vec([symbol("Native")]));
    assert_eq!(token_kind(&TOKEN, Some(&native)), TokenKind::Asset(SacAsset::Native));
    let fields = [
        ScMapEntry { key: symbol("asset_code"), val: ScVal::String(ScString("USDC".try_into().unwrap())) },
        ScMapEntry { key: symbol("issuer"), val: bytes([8; 32]) },
    ];
    let map = ScVal::Map(Some(ScMap(fields.to_vec().try_into().unwrap())));
    let usdc = info(vec([symbol("AlphaNum4"), map]));
    let asset = SacAsset::Asset { code: "USDC".to_owned(), issuer: AccountId([8; 32]) };
    assert_eq!(token_kind(&TOKEN, Some(&usdc)), TokenKind::Asset(asset));
    let wasm = instance_with(&TOKEN, ContractExecutable::Wasm(Hash([9; 32])), vec![]);
    assert_eq!(token_kind(&TOKEN, Some(&wasm)).code(), Some(WasmHash([9; 32])));
    assert_eq!(token_kind(&CHANNEL, Some(&usdc)), TokenKind::Unknown, "another contract's entry");
    assert_eq!(token_kind(&TOKEN, None), TokenKind::Unknown);
}

#[test]
fn lives_tell_what_is_archived_and_what_ends_first() {
    use crate::Life;
    let lives = Lives {
        instance: Some(Ledger(90)),
        code: Some(Ledger(0)),
        token_balance: None,
        token_instance: Some(Ledger(40)),
        token_code: None,
    };
    assert_eq!(lives.earliest(), Some(Ledger(0)));
    assert_eq!(lives.archived(Ledger(50)).collect::<Vec<_>>(), ["code", "token instance"]);
    assert_eq!(Life::of(Some(Ledger(50)), Ledger(50)), Life::LiveUntil(Ledger(50)), "live while ledger <= live until");
    assert_eq!(Life::of(None, Ledger(50)), Life::Missing);
}

/// Values as a foreign contract might store them. Names of ours are among the symbols, so that decoding gets deep.
fn any_value() -> impl Strategy<Value = ScVal> {
    let names = prop::sample::select(vec![
        "Terms",
        "Token",
        "From",
        "To",
        "CommitmentKey",
        "RefundWaitingPeriod",
        "WithdrawnAmount",
        "DepositedAmount",
        "CloseEffectiveAtLedger",
        "Refunded",
        "amount",
        "authorized",
        "clawback",
        "AssetInfo",
        "Native",
        "AlphaNum4",
        "open",
        "deposit",
        "close",
        "withdraw",
        "refund",
        "from",
        "to",
        "effective_at_ledger",
    ]);
    let leaf = prop_oneof![
        names.prop_map(symbol),
        any::<bool>().prop_map(ScVal::Bool),
        any::<u32>().prop_map(ScVal::U32),
        any::<i128>().prop_map(ScVal::from),
        any::<[u8; 32]>().prop_map(|id| address(ContractId(id))),
        any::<[u8; 32]>().prop_map(|id| address(AccountId(id))),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| ScVal::Bytes(bytes.try_into().unwrap())),
        Just(ScVal::Void),
        Just(ScVal::Vec(None)),
        Just(ScVal::Map(None)),
    ];
    leaf.prop_recursive(3, 40, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|v| ScVal::Vec(Some(ScVec(v.try_into().unwrap())))),
            prop::collection::vec((inner.clone(), inner), 0..6).prop_map(|pairs| {
                let entries: Vec<_> = pairs.into_iter().map(|(key, val)| ScMapEntry { key, val }).collect();
                ScVal::Map(Some(ScMap(entries.try_into().unwrap())))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn no_instance_makes_reading_panic(pairs in prop::collection::vec((any_value(), any_value()), 0..8)) {
        let entry = instance_with(&CHANNEL, ContractExecutable::Wasm(Hash([5; 32])), pairs.clone());
        let _ = decode_instance(&CHANNEL, &entry).map_err(|error| error.to_string());
        let sac = instance_with(&CHANNEL, ContractExecutable::StellarAsset, pairs);
        let _ = token_kind(&CHANNEL, Some(&sac));
    }

    #[test]
    fn one_foreign_value_in_a_channel_is_an_error_or_is_read_as_it_is(at in 0usize..4, value in any_value()) {
        let mut storage = ours();
        storage[at].1 = value.clone();
        let same = storage == ours();
        if let Ok(state) = read(&instance(storage), None) {
            prop_assert!(same || at != 0 || value == bytes(state.commitment_key));
            prop_assert!(same || at != 1 || value == amount(state.deposited.unwrap()));
            prop_assert!(same || at != 3 || value == amount(state.withdrawn));
        }
    }

    #[test]
    fn no_balance_entry_makes_reading_panic(value in any_value()) {
        if let Ok(state) = read(&instance(ours()), Some(&balance_entry(value))) {
            prop_assert!(state.balance >= Amount::ZERO);
        }
    }

    #[test]
    fn no_event_makes_reading_panic(topics in prop::collection::vec(any_value(), 0..4), data in any_value()) {
        let _ = crate::events::decode(&topics, &data).map_err(|error| error.to_string());
    }

    #[test]
    fn coverage_is_what_is_held_and_paid_and_never_wraps(held in 0..=i128::MAX, paid in 0..=i128::MAX) {
        let storage = with(ours(), "WithdrawnAmount", ScVal::from(paid));
        let state = read(&instance(storage), Some(&sac_balance_of(held, true, false))).unwrap();
        prop_assert_eq!(state.coverage().get(), held.saturating_add(paid));
    }
}
