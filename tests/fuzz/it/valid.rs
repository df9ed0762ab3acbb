//! Inputs that each target has to understand. They are where the fuzzer starts: `UPDATE_CORPUS=1` writes them into the
//! corpora.

use paychan_channel::xdr::{
    AccountEntry, AccountEntryExt, ConfigSettingContractLedgerCostExtV0, ConfigSettingEntry, ConfigSettingScpTiming,
    ContractDataDurability, ContractDataEntry, ContractExecutable, ExtensionPoint, Hash, LedgerEntryData,
    LedgerFootprint, Limits, ScContractInstance, ScMap, ScMapEntry, ScSymbol, ScVal, ScVec, SequenceNumber,
    SorobanResources, SorobanTransactionData, SorobanTransactionDataExt, StateArchivalSettings, Thresholds,
    TransactionResult, TransactionResultExt, TransactionResultResult, VecM, WriteXdr,
};
use paychan_channel::{AccountId, Address, Amount, Commitment, ContractId};
use paychan_fuzz::pieces::joined;
use paychan_fuzz::{TARGETS, rpc};
use paychan_sim::network::SimChain;
use paychan_sim::setup::{config_text, funder, id};

const FROM: Address = Address::Account(AccountId([3; 32]));
const TO: Address = Address::Account(AccountId([4; 32]));

fn bytes(value: &impl WriteXdr) -> Vec<u8> {
    value.to_xdr(Limits::none()).unwrap()
}

fn symbol(name: &str) -> ScVal {
    ScVal::Symbol(ScSymbol(name.try_into().unwrap()))
}

fn list(values: Vec<ScVal>) -> ScVal {
    ScVal::Vec(Some(ScVec(values.try_into().unwrap())))
}

fn map(entries: Vec<(ScVal, ScVal)>) -> ScMap {
    let entries: Vec<_> = entries.into_iter().map(|(key, val)| ScMapEntry { key, val }).collect();
    ScMap(entries.try_into().unwrap())
}

fn named(entries: Vec<(&str, ScVal)>) -> ScVal {
    ScVal::Map(Some(map(entries.into_iter().map(|(name, value)| (symbol(name), value)).collect())))
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

fn instance(contract: &ContractId, executable: ContractExecutable, storage: Vec<(&str, ScVal)>) -> LedgerEntryData {
    let storage = storage.into_iter().map(|(name, value)| (list(vec![symbol(name)]), value)).collect();
    let instance = ScVal::ContractInstance(ScContractInstance { executable, storage: Some(map(storage)) });
    contract_data(contract, ScVal::LedgerKeyContractInstance, instance)
}

/// A channel in our layout, in the fork's, in the reference's; then its balance and its token.
fn channels() -> Vec<[Vec<u8>; 3]> {
    let address = |address: Address| ScVal::Address(address.to_sc());
    let token = ScVal::Address(rpc::TOKEN.to_sc());
    let key = ScVal::Bytes([6; 32].to_vec().try_into().unwrap());
    let ours = vec![
        ("CommitmentKey", key.clone()),
        ("DepositedAmount", ScVal::from(1_000i128)),
        ("Terms", list(vec![address(FROM), address(TO), token.clone(), ScVal::U32(17_280)])),
        ("WithdrawnAmount", ScVal::from(100i128)),
    ];
    let reference = vec![
        ("CloseEffectiveAtLedger", ScVal::U32(200)),
        ("CommitmentKey", key),
        ("From", address(FROM)),
        ("RefundWaitingPeriod", ScVal::U32(17_280)),
        ("To", address(TO)),
        ("Token", token),
        ("WithdrawnAmount", ScVal::from(100i128)),
    ];
    let mut fork = reference.clone();
    fork.insert(2, ("DepositedAmount", ScVal::from(1_000i128)));
    let balance = contract_data(
        &rpc::TOKEN,
        list(vec![symbol("Balance"), ScVal::Address(rpc::CHANNEL.to_sc())]),
        named(vec![
            ("amount", ScVal::from(900i128)),
            ("authorized", ScVal::Bool(true)),
            ("clawback", ScVal::Bool(false)),
        ]),
    );
    let token = instance(&rpc::TOKEN, ContractExecutable::StellarAsset, Vec::new());
    let all = [ours, reference, fork];
    let all = all.map(|storage| instance(&rpc::CHANNEL, ContractExecutable::Wasm(Hash(rpc::CODE.0)), storage));
    all.iter().map(|instance| [bytes(instance), bytes(&balance), bytes(&token)]).collect()
}

fn input(pieces: &[Vec<u8>]) -> Vec<u8> {
    joined(pieces.iter().map(Vec::as_slice))
}

fn chosen(choice: u8, pieces: &[Vec<u8>]) -> Vec<u8> {
    let mut input = input(pieces);
    input.insert(0, choice);
    input
}

fn channel_events() -> Vec<Vec<u8>> {
    let address = |address: Address| ScVal::Address(address.to_sc());
    let amount = || ("amount", ScVal::from(7i128));
    let event = |topics: Vec<ScVal>, data: ScVal| input(&topics.iter().chain([&data]).map(bytes).collect::<Vec<_>>());
    vec![
        event(vec![symbol("close")], named(vec![("effective_at_ledger", ScVal::U32(200))])),
        event(vec![symbol("deposit"), address(FROM)], named(vec![amount()])),
        event(vec![symbol("withdraw")], named(vec![amount(), ("to", address(TO))])),
        event(vec![symbol("refund"), address(FROM)], named(vec![amount()])),
        event(
            vec![symbol("open"), address(FROM), address(TO)],
            named(vec![
                amount(),
                ("commitment_key", ScVal::Bytes([6; 32].to_vec().try_into().unwrap())),
                ("refund_waiting_period", ScVal::U32(17_280)),
                ("token", ScVal::Address(rpc::TOKEN.to_sc())),
            ]),
        ),
    ]
}

/// Calls of each path. Each input is a request of its own, so that they may come in any order.
fn api_requests() -> Vec<Vec<u8>> {
    let channel = id(1);
    let path = |rest: &str| format!("/v1/channels/{channel}{rest}").into_bytes();
    let signature = |units: i128| {
        let amount = Amount::new(units).unwrap();
        Commitment { network: SimChain::network_id(), channel, amount }.sign(&funder(1))
    };
    let commitment = format!(r#"{{"amount":"500","signature":"{}","request_id":"a"}}"#, signature(500));
    let charge =
        format!(r#"{{"price":"5","request_id":"b","commitment":{{"amount":"900","signature":"{}"}}}}"#, signature(900));
    let charges = format!(
        r#"{{"charges":[{{"channel":"{channel}","price":"5","request_id":"c"}},{{"channel":"{channel}","price":"6","request_id":"d","commitment":{{"amount":"910","signature":"{}"}}}}]}}"#,
        signature(910)
    );
    let json = b"content-type: application/json".to_vec();
    let post = |path: Vec<u8>, body: &str| chosen(0, &[path, body.as_bytes().to_vec(), json.clone()]);
    let get = |path: &[u8]| chosen(1, &[path.to_vec()]);
    vec![
        post(path("/commitments"), &commitment),
        post(path("/charges"), &charge),
        post(path("/charges/b/credit"), r#"{"amount":"2"}"#),
        post(b"/v1/channels".to_vec(), &format!(r#"{{"channel":"{channel}"}}"#)),
        get(&path("")),
        get(&path("/commitments/highest")),
        get(b"/v1/channels?limit=3&after=x"),
        get(b"/v1/status"),
        get(b"/readyz"),
        get(b"/metrics"),
        chosen(3, &[b"/healthz".to_vec()]),
        chosen(4, &[b"/v1/pause".to_vec()]),
        chosen(4, &[b"/v1/resume".to_vec()]),
        chosen(4, &[b"/v1/rollback/confirm".to_vec()]),
        post(b"/v1/charges".to_vec(), &charges),
    ]
}

/// The journals that older versions wrote, kept by the store's tests.
fn journals() -> Vec<Vec<Vec<u8>>> {
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/store/tests/fixtures");
    ["format-1", "format-2"]
        .map(|format| {
            let folder = fixtures.join(format).join("journal");
            let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
            paths.sort();
            paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
        })
        .into()
}

/// The records of a journal's files.
fn records(files: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    for file in files {
        let mut rest = &file[55..];
        while let Some(length) = rest.first_chunk::<4>() {
            let length = usize::try_from(u32::from_be_bytes(*length)).unwrap();
            records.push(rest[16..16 + length].to_vec());
            rest = &rest[16 + length + 4..];
        }
    }
    records
}

fn question(name: &str) -> u8 {
    u8::try_from(rpc::QUESTIONS.iter().position(|question| *question == name).unwrap()).unwrap()
}

fn rpc_answers() -> Vec<Vec<u8>> {
    let answer = |name: &str, results: &[&str]| {
        let bodies =
            results.iter().map(|result| format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#).into_bytes());
        chosen(question(name), &bodies.collect::<Vec<_>>())
    };
    let fees = r#"{"min":"100","max":"500","p50":"100","p90":"100","p95":"200","p99":"300","ledgerCount":10}"#;
    let latest = r#"{"id":"x","sequence":100,"closeTime":"1795000000","protocolVersion":28}"#;
    let health = r#"{"status":"healthy","latestLedger":101,"oldestLedger":1,"ledgerRetentionWindow":100}"#;
    let close = hex::encode(bytes(&symbol("close")));
    assert_eq!(close.len(), 32);
    vec![
        answer("network", &[r#"{"passphrase":"Simulated Network","protocolVersion":"28","friendbotUrl":""}"#]),
        answer("head", &[latest, health, latest]),
        answer(
            "closes from a ledger",
            &[
                r#"{"events":[{"ledger":100,"id":"1","contractId":"","topic":["AAAADwAAAAVjbG9zZQAAAA=="],"value":"AAAAAQ==","txHash":"x"}],"cursor":"0000000429496729600-0000000001","latestLedger":101,"oldestLedger":1}"#,
            ],
        ),
        answer("closes from a cursor", &[r#"{"events":null,"cursor":"","latestLedger":101}"#]),
        answer("channels", &[r#"{"entries":null,"latestLedger":100}"#, latest]),
        answer("a new channel", &[r#"{"entries":[],"latestLedger":"100"}"#, latest]),
        answer("fees", &[&format!(r#"{{"sorobanInclusionFee":{fees},"inclusionFee":{fees},"latestLedger":100}}"#)]),
        answer("the fee account", &[r#"{"entries":[],"latestLedger":100}"#]),
        answer("prepare", &[r#"{"error":"HostError: Error(Contract, #10)","events":[],"latestLedger":100}"#]),
        answer(
            "send",
            &[
                r#"{"status":"PENDING","hash":"0707070707070707070707070707070707070707070707070707070707070707","latestLedger":100}"#,
            ],
        ),
        answer("outcome", &[r#"{"status":"NOT_FOUND","latestLedger":100,"oldestLedger":"1"}"#]),
        chosen(question("head"), &[[&[255, 8 + 1], b"30".as_slice()].concat()]),
        chosen(question("head"), &[b"<html>".to_vec()]),
        chosen(
            question("head"),
            &[br#"{"error":{"code":-32602,"message":"startLedger must be within the ledger range: 5 - 9"}}"#.to_vec()],
        ),
    ]
}

fn rpc_xdr() -> Vec<Vec<u8>> {
    let [instance, balance, token] = channels().remove(0);
    let data = SorobanTransactionData {
        ext: SorobanTransactionDataExt::V0,
        resources: SorobanResources {
            footprint: LedgerFootprint { read_only: VecM::default(), read_write: VecM::default() },
            instructions: 1,
            disk_read_bytes: 0,
            write_bytes: 0,
        },
        resource_fee: 60_000,
    };
    let account = |account: AccountId| {
        bytes(&LedgerEntryData::Account(AccountEntry {
            account_id: account.to_xdr(),
            balance: 1_000_000_000,
            seq_num: SequenceNumber(7),
            num_sub_entries: 0,
            inflation_dest: None,
            flags: 0,
            home_domain: Default::default(),
            thresholds: Thresholds([1, 0, 0, 0]),
            signers: VecM::default(),
            ext: AccountEntryExt::V0,
        }))
    };
    let archival = ConfigSettingEntry::StateArchival(StateArchivalSettings {
        max_entry_ttl: 3_110_400,
        min_temporary_ttl: 1,
        min_persistent_ttl: 1,
        persistent_rent_rate_denominator: 1,
        temp_rent_rate_denominator: 1,
        max_entries_to_archive: 1,
        live_soroban_state_size_window_sample_size: 1,
        live_soroban_state_size_window_sample_period: 1,
        eviction_scan_size: 1,
        starting_eviction_scan_level: 1,
    });
    let timing = ConfigSettingEntry::ScpTiming(ConfigSettingScpTiming {
        ledger_target_close_time_milliseconds: 5_000,
        nomination_timeout_initial_milliseconds: 1,
        nomination_timeout_increment_milliseconds: 1,
        ballot_timeout_initial_milliseconds: 1,
        ballot_timeout_increment_milliseconds: 1,
    });
    let cost = ConfigSettingEntry::ContractLedgerCostExtV0(ConfigSettingContractLedgerCostExtV0 {
        tx_max_footprint_entries: 1,
        fee_write1_kb: 3_500,
    });
    let result = TransactionResult {
        fee_charged: 100,
        result: TransactionResultResult::TxTooLate,
        ext: TransactionResultExt::V0,
    };
    let setting = |setting: ConfigSettingEntry| bytes(&LedgerEntryData::ConfigSetting(setting));
    vec![
        chosen(question("channels"), &[instance.clone(), vec![0], balance.clone(), token.clone()]),
        chosen(question("a new channel"), &[instance, balance, token]),
        chosen(question("the fee account"), &[account(rpc::ACCOUNT)]),
        chosen(question("settings"), &[setting(archival), setting(timing), setting(cost)]),
        chosen(
            question("closes from a ledger"),
            &[bytes(&named(vec![("effective_at_ledger", ScVal::U32(200))])), bytes(&symbol("close"))],
        ),
        chosen(question("a token's balance"), &[bytes(&data), bytes(&ScVal::from(5i128))]),
        chosen(question("whether an entry is archived"), &[bytes(&data), bytes(&ScVal::from(5i128))]),
        chosen(question("prepare"), &[bytes(&data), bytes(&ScVal::Void)]),
        chosen(question("send"), &[bytes(&result)]),
        chosen(question("outcome"), &[bytes(&result), vec![0, 0, 0, 4]]),
        chosen(question("what an issuer may do"), &[account(AccountId([4; 32]))]),
    ]
}

fn configurations() -> Vec<Vec<u8>> {
    let text = config_text(std::path::Path::new("/nowhere"));
    let mut found = vec![text.clone().into_bytes()];
    // Each section by itself is refused with the name of what is missing.
    found.extend(text.split("\n\n").map(|section| section.as_bytes().to_vec()));
    found
}

fn inputs(target: &str) -> Vec<Vec<u8>> {
    match target {
        "api_requests" => api_requests(),
        "channel_entries" => {
            let all = channels();
            let shorter =
                all.iter().flat_map(|entries| [input(&entries[..1]), input(&entries[..2])]).collect::<Vec<_>>();
            all.iter().map(|entries| input(entries)).chain(shorter).collect()
        }
        "channel_events" => channel_events(),
        "configuration" => configurations(),
        "endpoint_headers" => [
            "Authorization: Bearer secret",
            "X-Api-Key:abc",
            "x: y\n",
            "no colon",
            "Host: elsewhere",
            ": empty",
            "X: \u{1}",
            "X:",
            "Content-Length: 5",
            "X-\u{e9}: a",
        ]
        .map(|line| line.as_bytes().to_vec())
        .into(),
        "journal_files" => journals().iter().map(|files| input(files)).collect(),
        "journal_records" => journals().iter().map(|files| input(&records(files))).collect(),
        "mpp_answers" => super::mpp::answers(),
        "mpp_challenges" => super::mpp::challenges(),
        "mpp_credentials" => super::mpp::credentials(),
        "mpp_requests" => super::mpp::requests(),
        "rpc_answers" => rpc_answers(),
        "rpc_xdr" => rpc_xdr(),
        // A target of another crate keeps its corpus by hand.
        _ => Vec::new(),
    }
}

#[test]
fn valid_inputs_are_understood() {
    for target in TARGETS {
        let inputs = inputs(target.name);
        if inputs.is_empty() {
            continue;
        }
        if std::env::var_os("UPDATE_CORPUS").is_some() {
            let folder = super::corpus(target.name);
            std::fs::create_dir_all(&folder).unwrap();
            for (number, input) in inputs.iter().enumerate() {
                std::fs::write(folder.join(format!("valid-{number:02}")), input).unwrap();
            }
        }
        let understood: Vec<bool> = inputs.iter().map(|input| (target.run)(input)).collect();
        eprintln!("{}: {understood:?}", target.name);
        assert!(understood[0], "{}: the first input is not understood", target.name);
    }
}
