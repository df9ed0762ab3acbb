//! Tests that a channel's entries are read together, and that contracts that are no channel are refused with the
//! reason.

use paychan_channel::{
    AccountId, Address, Amount, ChannelKeys, ContractId, Ledger, Lives, StateErrorKind, TokenKind, WasmHash,
    ledger_keys, xdr,
};
use paychan_rpc::{KnownChannel, ReadError, read_channel, read_channels};
use serde_json::{Value, json};
use xdr::{LedgerEntryData, LedgerKey, ScVal};

use crate::answers::base64;
use crate::server::Server;

const CODE: WasmHash = WasmHash([5; 32]);
const TOKEN: ContractId = ContractId([2; 32]);
const TOKEN_CODE: WasmHash = WasmHash([6; 32]);

fn symbol(name: &str) -> ScVal {
    ScVal::Symbol(name.try_into().unwrap())
}

fn vec(values: Vec<ScVal>) -> ScVal {
    ScVal::Vec(Some(xdr::ScVec(values.try_into().unwrap())))
}

fn contract_data(key: &LedgerKey, val: ScVal) -> LedgerEntryData {
    let LedgerKey::ContractData(key) = key.clone() else { panic!("not contract data") };
    LedgerEntryData::ContractData(xdr::ContractDataEntry {
        ext: xdr::ExtensionPoint::V0,
        contract: key.contract,
        key: key.key,
        durability: key.durability,
        val,
    })
}

fn instance(contract: &ContractId, code: &WasmHash, storage: Vec<(&str, ScVal)>) -> LedgerEntryData {
    let storage: Vec<_> =
        storage.into_iter().map(|(name, val)| xdr::ScMapEntry { key: vec(vec![symbol(name)]), val }).collect();
    let instance = ScVal::ContractInstance(xdr::ScContractInstance {
        executable: xdr::ContractExecutable::Wasm(xdr::Hash(code.0)),
        storage: Some(xdr::ScMap(storage.try_into().unwrap())),
    });
    contract_data(&ledger_keys::instance(contract), instance)
}

fn channel(contract: &ContractId) -> LedgerEntryData {
    let account = |byte| ScVal::Address(AccountId([byte; 32]).to_sc());
    let terms = vec(vec![account(3), account(4), ScVal::Address(TOKEN.to_sc()), ScVal::U32(17_280)]);
    let key = ScVal::Bytes(vec![7; 32].try_into().unwrap());
    instance(
        contract,
        &CODE,
        vec![
            ("CommitmentKey", key),
            ("DepositedAmount", ScVal::from(1000i128)),
            ("Terms", terms),
            ("WithdrawnAmount", ScVal::from(10i128)),
        ],
    )
}

fn code(hash: &WasmHash) -> LedgerEntryData {
    LedgerEntryData::ContractCode(xdr::ContractCodeEntry {
        ext: xdr::ContractCodeEntryExt::V0,
        hash: xdr::Hash(hash.0),
        code: vec![0, 1, 2].try_into().unwrap(),
    })
}

fn answer(ledger: u32, entries: &[(LedgerEntryData, u32)]) -> Value {
    let entries: Vec<_> = entries
        .iter()
        .map(|(data, live_until)| {
            json!({
                "key": base64(&data.to_key()), "xdr": base64(data), "lastModifiedLedgerSeq": 1,
                "liveUntilLedgerSeq": live_until,
            })
        })
        .collect();
    json!({ "entries": entries, "latestLedger": ledger })
}

fn known(contract: ContractId) -> KnownChannel {
    KnownChannel { channel: contract, wasm_hash: CODE, token: TOKEN, token_code: Some(TOKEN_CODE) }
}

fn all_of(contract: &ContractId) -> Vec<(LedgerEntryData, u32)> {
    let balance = ledger_keys::token_balance(&TOKEN, &Address::Contract(*contract));
    vec![
        (channel(contract), 101),
        (code(&CODE), 0),
        (contract_data(&balance, ScVal::from(990i128)), 103),
        (instance(&TOKEN, &TOKEN_CODE, vec![]), 104),
        (code(&TOKEN_CODE), 105),
    ]
}

#[tokio::test]
async fn a_first_reading_ends_with_one_call_for_all_entries_including_the_tokens_code() {
    let server = Server::start().await;
    let id = ContractId([1; 32]);
    let all = all_of(&id);
    server.results("getLedgerEntries", [answer(48, &all[..1]), answer(49, &all[..4]), answer(50, &all)]);
    let state = read_channel(&server.client(), &id).await.unwrap();
    assert_eq!(state.read_at, Ledger(50));
    assert_eq!(state.coverage(), Amount::new(1000).unwrap());
    assert_eq!(state.token_kind, TokenKind::Wasm(TOKEN_CODE));
    let lives = Lives {
        instance: Some(Ledger(101)),
        code: Some(Ledger(0)),
        token_balance: Some(Ledger(103)),
        token_instance: Some(Ledger(104)),
        token_code: Some(Ledger(105)),
    };
    assert_eq!(state.lives, lives);
    assert_eq!(state.lives.archived(state.read_at).collect::<Vec<_>>(), ["code"]);
    let last = server.asked("getLedgerEntries").pop().unwrap();
    let wanted: Vec<String> = ChannelKeys::of(&id, &CODE, &TOKEN, Some(&TOKEN_CODE)).iter().map(base64).collect();
    assert_eq!(last, json!({ "keys": wanted }));
    assert_eq!(KnownChannel::of(&state), known(id));
}

#[tokio::test]
async fn a_missing_contract_and_a_foreign_one_are_different_errors() {
    let server = Server::start().await;
    let id = ContractId([1; 32]);
    server.results("getLedgerEntries", [answer(48, &[])]);
    assert!(matches!(read_channel(&server.client(), &id).await, Err(ReadError::NotFound(found)) if found == id));
    let counter = instance(&id, &CODE, vec![("Counter", ScVal::U32(1))]);
    server.results("getLedgerEntries", [answer(48, &[(counter, 9)])]);
    let Err(ReadError::NotAChannel(error)) = read_channel(&server.client(), &id).await else { panic!("a channel") };
    assert!(matches!(error.kind, StateErrorKind::ForeignLayout { .. }), "{error}");
}

#[tokio::test]
async fn many_channels_are_read_in_one_call_and_one_bad_one_does_not_spoil_the_others() {
    let server = Server::start().await;
    let ids = [1, 8, 9].map(|byte| ContractId([byte; 32]));
    let mut entries = all_of(&ids[0]);
    entries.push((instance(&ids[1], &WasmHash([66; 32]), vec![]), 9));
    server.results("getLedgerEntries", [answer(50, &entries)]);
    let states = read_channels(&server.client(), &ids.map(known)).await.unwrap();
    assert_eq!(states[0].as_ref().unwrap().channel, ids[0]);
    assert!(matches!(&states[1], Err(ReadError::NotAChannel(_))));
    assert!(matches!(&states[2], Err(ReadError::NotFound(id)) if *id == ids[2]));
    assert_eq!(server.asked("getLedgerEntries").len(), 1);
}

#[tokio::test]
async fn a_channel_whose_code_has_changed_is_refused() {
    let server = Server::start().await;
    let id = ContractId([1; 32]);
    let mut entries = all_of(&id);
    entries.retain(|(data, _)| *data != code(&CODE));
    server.results("getLedgerEntries", [answer(50, &entries)]);
    let before = KnownChannel { wasm_hash: WasmHash([44; 32]), ..known(id) };
    let states = read_channels(&server.client(), &[before]).await.unwrap();
    assert!(matches!(&states[0], Err(ReadError::Changed { what: "code", .. })));
}
