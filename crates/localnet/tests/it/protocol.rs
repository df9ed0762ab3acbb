//! Tests the JSON-RPC itself (its forms, limits and errors), and the methods about the network.

use serde_json::{Value, json};
use stellar_xdr::*;

use crate::env::*;

#[tokio::test]
async fn the_network_describes_itself() {
    let env = TestEnv::start();
    let network = env.ok("getNetwork", json!({})).await;
    assert_eq!(
        network,
        json!({
            "passphrase": "Standalone Network ; February 2017",
            "protocolVersion": 28,
            "friendbotUrl": env.localnet.friendbot_url(),
        })
    );
    let health = env.ok("getHealth", Value::Null).await;
    assert_eq!(health["status"], "healthy");
    assert_eq!((&health["oldestLedger"], &health["ledgerRetentionWindow"]), (&json!(1), &json!(120_960)));
    assert_eq!(env.ok("getVersionInfo", json!({})).await["protocolVersion"], 28);
}

#[tokio::test]
async fn ledgers_are_chained_and_answered_whole() {
    let env = TestEnv::start();
    let first = env.ok("getLatestLedger", json!({})).await;
    env.funded(1).await;
    let second = env.ok("getLatestLedger", json!({})).await;
    assert_eq!(second["sequence"].as_u64().unwrap(), first["sequence"].as_u64().unwrap() + 1);
    let header: LedgerHeader = xdr(&second["headerXdr"]);
    assert_eq!(hex::encode(header.previous_ledger_hash.0), first["id"].as_str().unwrap());
    assert_eq!(second["closeTime"], header.scp_value.close_time.0.to_string());
    let LedgerCloseMeta::V2(meta) = xdr(&second["metadataXdr"]) else { panic!("{second}") };
    assert_eq!(meta.tx_processing.len(), 1);
    assert_eq!(hex::encode(meta.ledger_header.hash.0), second["id"].as_str().unwrap());

    let listed = env.ok("getLedgers", json!({"startLedger": 1, "pagination": {"limit": 1}})).await;
    assert_eq!(listed["ledgers"][0]["sequence"], 1);
    let next = env.ok("getLedgers", json!({"pagination": {"cursor": listed["cursor"]}})).await;
    assert_eq!(next["ledgers"][0]["sequence"], 2);
    let entry: LedgerHeaderHistoryEntry = xdr(&next["ledgers"][0]["headerXdr"]);
    assert_eq!(entry.header, header);
}

#[tokio::test]
async fn transactions_are_listed_page_by_page() {
    let env = TestEnv::start();
    let (a, b) = (env.funded(1).await, env.funded(2).await);
    let mut hashes = Vec::new();
    for n in 1..=5 {
        hashes.push(env.run(&a, vec![payment(&b, &Asset::Native, n)]).await.succeeded().0["txHash"].clone());
    }
    let start = env.get(&hashes[0]).await["ledger"].clone();
    let mut listed = Vec::new();
    let mut request = json!({"startLedger": start, "pagination": {"limit": 2}});
    loop {
        let page = env.ok("getTransactions", request).await;
        let transactions = page["transactions"].as_array().unwrap().clone();
        let is_last = transactions.len() < 2;
        listed.extend(transactions.iter().map(|tx| tx["txHash"].clone()));
        request = json!({"pagination": {"limit": 2, "cursor": page["cursor"]}});
        if is_last {
            break;
        }
    }
    assert_eq!(listed, hashes);
}

#[tokio::test]
async fn a_transaction_that_nobody_sent_is_not_found() {
    let env = TestEnv::start();
    let unknown = env.get(&json!("00".repeat(32))).await;
    assert_eq!(unknown["status"], "NOT_FOUND");
    assert_eq!((&unknown["latestLedger"], &unknown["oldestLedger"]), (&json!(1), &json!(1)));
    let wrong = env.call("getTransaction", json!({"hash": "00"})).await.unwrap_err();
    assert_eq!(wrong, (-32_602, "unexpected hash length (2)".to_owned()));
    let wrong = env.call("getTransaction", json!({"hash": "zz".repeat(32)})).await.unwrap_err();
    assert!(wrong.1.starts_with("incorrect hash: "), "{wrong:?}");
}

#[tokio::test]
async fn two_hundred_keys_are_answered_and_one_more_is_refused() {
    let env = TestEnv::start();
    let known = env.funded(1).await;
    let keys = |count: u32| -> Vec<String> {
        let mut keys: Vec<_> = (1..count)
            .map(|n| {
                let mut bytes = [0; 32];
                bytes[..4].copy_from_slice(&n.to_be_bytes());
                base64(&instance(&ContractId(Hash(bytes))))
            })
            .collect();
        keys.push(base64(&known.key()));
        keys
    };
    let answer = env.ok("getLedgerEntries", json!({"keys": keys(200)})).await;
    assert_eq!(answer["entries"].as_array().unwrap().len(), 1);
    assert_eq!(answer["entries"][0]["key"], base64(&known.key()));
    assert_eq!(answer["entries"][0]["lastModifiedLedgerSeq"], 2);
    assert!(answer["entries"][0].get("liveUntilLedgerSeq").is_none());
    let error = env.call("getLedgerEntries", json!({"keys": keys(201)})).await.unwrap_err();
    assert_eq!(error, (-32_602, "key count (201) exceeds maximum supported (200)".to_owned()));
}

#[tokio::test]
async fn keys_that_cannot_be_asked_for_are_refused() {
    let env = TestEnv::start();
    let ttl = base64(&LedgerKey::Ttl(LedgerKeyTtl { key_hash: Hash([0; 32]) }));
    let error = env.call("getLedgerEntries", json!({"keys": [ttl]})).await.unwrap_err();
    assert_eq!(error.1, "ledger ttl entries cannot be queried directly");
    let error = env.call("getLedgerEntries", json!({"keys": ["AAAA"]})).await.unwrap_err();
    assert_eq!(error.1, "cannot unmarshal key value AAAA at index 0");
    let key = base64(&Key::new(1).key());
    let error = env.call("getLedgerEntries", json!({"keys": [key, key]})).await.unwrap_err();
    assert!(error.1.contains("Duplicate keys"), "{error:?}");
}

#[tokio::test]
async fn settings_are_ledger_entries() {
    let env = TestEnv::with(paychan_localnet::Options {
        ledger_ms: 250,
        min_persistent_ttl: 33,
        max_entry_ttl: 4_444,
        min_temporary_ttl: 11,
        ..paychan_localnet::Options::default()
    });
    let setting = |config_setting_id| LedgerKey::ConfigSetting(LedgerKeyConfigSetting { config_setting_id });
    let timing = env.entry(&setting(ConfigSettingId::ScpTiming)).await;
    let Some(LedgerEntryData::ConfigSetting(ConfigSettingEntry::ScpTiming(timing))) = timing else { panic!() };
    assert_eq!(timing.ledger_target_close_time_milliseconds, 250);
    let archival = env.entry(&setting(ConfigSettingId::StateArchival)).await;
    let Some(LedgerEntryData::ConfigSetting(ConfigSettingEntry::StateArchival(archival))) = archival else { panic!() };
    assert_eq!((archival.min_persistent_ttl, archival.max_entry_ttl, archival.min_temporary_ttl), (33, 4_444, 11));
    let window = env.entry(&setting(ConfigSettingId::LiveSorobanStateSizeWindow)).await;
    let Some(LedgerEntryData::ConfigSetting(ConfigSettingEntry::LiveSorobanStateSizeWindow(window))) = window else {
        panic!()
    };
    assert_eq!(window.len(), 30);
}

async fn answer(env: &TestEnv, body: &str) -> Value {
    env.post(body.to_owned()).await.json().await.unwrap()
}

#[tokio::test]
async fn malformed_calls_get_the_protocols_errors() {
    let env = TestEnv::start();
    let code = |answer: &Value| answer["error"]["code"].as_i64().unwrap();
    assert_eq!(code(&answer(&env, "{").await), -32_700);
    assert_eq!(code(&answer(&env, "[]").await), -32_600);
    assert_eq!(code(&answer(&env, r#"{"jsonrpc":"1.0","id":1,"method":"getHealth"}"#).await), -32_600);
    assert_eq!(code(&answer(&env, r#"{"jsonrpc":"2.0","id":1}"#).await), -32_600);
    let unknown = answer(&env, r#"{"jsonrpc":"2.0","id":1,"method":"getMoon"}"#).await;
    assert_eq!((code(&unknown), &unknown["error"]["data"]), (-32_601, &json!("getMoon")));
    let array = answer(&env, r#"{"jsonrpc":"2.0","id":1,"method":"getEvents","params":[1]}"#).await;
    assert_eq!(code(&array), -32_602);
    let wrong = answer(&env, r#"{"jsonrpc":"2.0","id":1,"method":"getEvents","params":{"startLedger":"x"}}"#).await;
    assert_eq!(code(&wrong), -32_602);
}

#[tokio::test]
async fn each_call_of_a_batch_is_answered_and_a_notification_is_not() {
    let env = TestEnv::start();
    let batch = r#"[{"jsonrpc":"2.0","id":"a","method":"getHealth"},{"jsonrpc":"2.0","method":"getHealth"},
        {"jsonrpc":"2.0","id":2,"method":"getMoon"}]"#;
    let answers = answer(&env, batch).await;
    let answers = answers.as_array().unwrap();
    assert_eq!(answers.len(), 2);
    assert_eq!((&answers[0]["id"], &answers[1]["id"]), (&json!("a"), &json!(2)));
    assert_eq!(answers[0]["result"]["status"], "healthy");
}

#[tokio::test]
async fn a_body_above_half_a_mebibyte_is_refused() {
    let env = TestEnv::start();
    let body =
        |bytes: usize| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"getHealth","params":"{}"}}"#, "x".repeat(bytes));
    assert_eq!(env.post(body(400_000)).await.status(), 200);
    assert_eq!(env.post(body(600_000)).await.status(), 413);
}

#[tokio::test]
async fn a_simulation_says_why_it_cannot_simulate_a_transaction() {
    let env = TestEnv::start();
    let a = env.funded(1).await;
    let error = |answer: Value| answer["error"].as_str().unwrap().to_owned();
    let simulate = |text: String| env.ok("simulateTransaction", json!({"transaction": text}));
    assert_eq!(error(simulate("AAAA".to_owned()).await), "Could not unmarshal transaction");
    let two = env.draft(&a, vec![payment(&a, &Asset::Native, 1), payment(&a, &Asset::Native, 1)]).await;
    assert_eq!(error(env.simulate(&two).await), "Transaction contains more than one operation");
    let classic = env.draft(&a, vec![payment(&a, &Asset::Native, 1)]).await;
    let told = error(env.simulate(&classic).await);
    assert_eq!(told, "transaction contains unsupported operation type: OperationTypePayment");
    let mut memo = env.draft(&a, vec![create_asset_contract(&Asset::Native)]).await;
    memo.memo = Memo::Id(1);
    let told = error(env.simulate(&memo).await);
    assert_eq!(told, "Transaction contains a memo. Soroban transactions do not support memos.");
    let restore = OperationBody::RestoreFootprint(RestoreFootprintOp { ext: ExtensionPoint::V0 });
    let told = error(env.simulate(&env.draft(&a, vec![restore]).await).await);
    assert!(told.contains("SorobanTransactionData must be provided"), "{told}");
    let fine = env.draft(&a, vec![create_asset_contract(&Asset::Native)]).await;
    let unsigned = TransactionEnvelope::Tx(TransactionV1Envelope { tx: fine, signatures: VecM::default() });
    let wrong_mode = json!({"transaction": base64(&unsigned), "authMode": "believe"});
    let told = error(env.ok("simulateTransaction", wrong_mode).await);
    assert!(told.starts_with("optional 'authMode' must be one of"), "{told}");
}

#[tokio::test]
async fn null_is_the_same_as_absent() {
    let env = TestEnv::start();
    let a = env.funded(1).await;
    let closed = env.run(&a, vec![payment(&a, &Asset::Native, 1)]).await.succeeded();
    let filters = json!([{"type": null, "contractIds": null, "topics": null}]);
    let pagination = json!({"cursor": null, "limit": null});
    let native = env.contract_of(Asset::Native);
    let call = call_contract(&native.contract, "decimals", vec![]);
    let unsigned = |tx| TransactionEnvelope::Tx(TransactionV1Envelope { tx, signatures: VecM::default() });
    let call = base64(&unsigned(env.draft(&a, vec![call]).await));
    let start = closed.0["ledger"].clone();
    let calls = [
        ("getHealth", Value::Null),
        (
            "getEvents",
            json!({"startLedger": start, "endLedger": null, "filters": filters, "pagination": pagination, "xdrFormat": null}),
        ),
        ("getEvents", json!({"startLedger": start, "filters": null, "pagination": null})),
        ("getLedgerEntries", json!({"keys": [base64(&a.key())], "xdrFormat": null})),
        ("getTransaction", json!({"hash": closed.0["txHash"], "xdrFormat": null})),
        ("getTransactions", json!({"startLedger": start, "pagination": pagination, "xdrFormat": null})),
        ("getLedgers", json!({"startLedger": start, "pagination": pagination, "xdrFormat": null})),
        (
            "simulateTransaction",
            json!({
                "transaction": call, "resourceConfig": {"instructionLeeway": null}, "authMode": null,
                "useUpgradedAuth": null, "xdrFormat": null,
            }),
        ),
        ("simulateTransaction", json!({"transaction": call, "resourceConfig": null})),
    ];
    for (method, params) in calls {
        let answer = env.call(method, params.clone()).await;
        assert!(answer.as_ref().is_ok_and(|answer| answer.get("error").is_none()), "{method} {params}: {answer:?}");
    }
}

#[tokio::test]
async fn xdr_is_answered_as_json_on_request() {
    let env = TestEnv::start();
    let (issuer, a) = (env.funded(1).await, env.funded(2).await);
    let asset = env.asset(&issuer, &[&a]).await;
    let transfer = || asset.transfer(&a.address(), &issuer.address(), 7);
    let closed = env.invoke(&a, transfer()).await.succeeded();
    let json = |mut params: Value| {
        params["xdrFormat"] = json!("json");
        params
    };

    let entries = env.ok("getLedgerEntries", json(json!({"keys": [base64(&a.key())]}))).await;
    let entry = &entries["entries"][0];
    assert_eq!(entry["keyJson"]["account"]["account_id"], a.strkey());
    assert_eq!(entry["dataJson"]["account"]["balance"], env.balance(&a).await.to_string());
    assert_eq!(entry["extJson"], "v0");
    assert!(entry.get("key").is_none() && entry.get("xdr").is_none(), "{entry}");

    let got = env.ok("getTransaction", json(json!({"hash": closed.0["txHash"]}))).await;
    assert_eq!(got["envelopeJson"]["tx"]["tx"]["source_account"], a.strkey());
    assert!(got["resultJson"]["result"]["tx_success"].is_array(), "{got}");
    assert!(got["resultMetaJson"]["v4"].is_object());
    assert_eq!(got["events"]["contractEventsJson"][0][0]["body"]["v0"]["data"]["i128"], "7");
    assert_eq!(got["events"]["transactionEventsJson"].as_array().unwrap().len(), 2);

    let events = env.ok("getEvents", json(json!({"startLedger": closed.0["ledger"]}))).await;
    let burn = events["events"].as_array().unwrap().iter().find(|event| event["topicJson"][0]["symbol"] == "burn");
    assert_eq!(burn.unwrap()["valueJson"]["i128"], "7");

    let draft = env.draft(&a, vec![transfer()]).await;
    let unsigned = TransactionEnvelope::Tx(TransactionV1Envelope { tx: draft, signatures: VecM::default() });
    let simulated = env.ok("simulateTransaction", json(json!({"transaction": base64(&unsigned)}))).await;
    assert!(simulated["transactionDataJson"]["resources"]["instructions"].is_number(), "{simulated}");
    assert_eq!(simulated["results"][0]["returnValueJson"], "void");
    assert_eq!(simulated["results"][0]["authJson"].as_array().unwrap().len(), 1);
    assert!(simulated["stateChanges"][0]["afterJson"].is_object());

    let refused = env.ok("sendTransaction", json(json!({"transaction": base64(&unsigned)}))).await;
    assert_eq!(refused["status"], "ERROR");
    assert!(refused["errorResultJson"].is_object(), "{refused}");
    let ledgers = env.ok("getLedgers", json(json!({"startLedger": 1, "pagination": {"limit": 1}}))).await;
    assert_eq!(ledgers["ledgers"][0]["headerJson"]["header"]["ledger_seq"], 1);

    let other = env.call("getEvents", json!({"startLedger": 1, "xdrFormat": "xml"})).await.unwrap_err();
    assert_eq!(other.1, "expected 'base64' or 'json' for optional 'xdrFormat', got 'xml'");
}

#[tokio::test]
async fn the_rpc_is_served_at_three_paths() {
    let env = TestEnv::start();
    for path in ["/", "/rpc", "/rpc/"] {
        let answer = env.post_to(path, r#"{"jsonrpc":"2.0","id":1,"method":"getHealth"}"#.to_owned()).await;
        assert_eq!(answer.status(), 200, "{path}");
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["result"]["status"], "healthy", "{path}");
    }
}
