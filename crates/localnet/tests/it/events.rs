//! Tests getEvents: its events, filters, pages and ranges.

use serde_json::{Value, json};
use stellar_xdr::*;

use crate::env::*;

async fn setup() -> (TestEnv, Key, Key, TestAsset) {
    let env = TestEnv::start();
    let (issuer, a) = (env.funded(1).await, env.funded(2).await);
    let asset = env.asset(&issuer, &[&a]).await;
    (env, issuer, a, asset)
}

fn of(asset: &TestAsset) -> Value {
    let id = stellar_strkey::Contract(asset.contract.0.0).to_string().to_string();
    json!([{"type": "contract", "contractIds": [id]}])
}

fn topic(event: &Value) -> String {
    match xdr(&event["topic"][0]) {
        ScVal::Symbol(name) => name.0.to_utf8_string().unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_event_names_its_contract_transaction_and_place() {
    let (env, _, a, asset) = setup().await;
    let holder = ScAddress::Contract(ContractId(Hash([9; 32])));
    let closed = env.invoke(&a, asset.transfer(&a.address(), &holder, 7)).await.succeeded();
    let start = closed.0["ledger"].clone();
    let answer = env.ok("getEvents", json!({"startLedger": start, "filters": of(&asset)})).await;
    let [event] = answer["events"].as_array().unwrap().as_slice() else { panic!("{answer}") };
    assert_eq!(topic(event), "transfer");
    assert_eq!(xdr::<ScVal>(&event["value"]), i128_val(7));
    assert_eq!(event["type"], "contract");
    assert_eq!(event["ledger"], start);
    assert_eq!(event["txHash"], closed.0["txHash"]);
    assert_eq!((&event["transactionIndex"], &event["operationIndex"]), (&json!(1), &json!(0)));
    assert_eq!(event["inSuccessfulContractCall"], true);
    assert_eq!(event["contractId"], stellar_strkey::Contract(asset.contract.0.0).to_string().as_str());
    let position = (start.as_u64().unwrap() << 32) | (1 << 12);
    assert_eq!(event["id"], format!("{position:019}-0000000000"));
    assert_eq!(answer["latestLedger"], start);
    assert!(event["ledgerClosedAt"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn classic_payments_and_fees_emit_the_events_of_their_assets() {
    let (env, issuer, a, asset) = setup().await;
    let ledger = env.run(&a, vec![payment(&issuer, &asset.asset, 3)]).await.succeeded().0["ledger"].clone();
    let answer = env.ok("getEvents", json!({"startLedger": ledger, "filters": []})).await;
    let told: Vec<_> = answer["events"].as_array().unwrap().iter().map(topic).collect();
    assert_eq!(told, ["fee", "burn"]);
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repetition() {
    let (env, issuer, a, asset) = setup().await;
    let start = env.localnet.status().unwrap().ledger + 1;
    for n in 1..=7 {
        env.run(&a, vec![payment(&issuer, &asset.asset, n), payment(&issuer, &asset.asset, 100 + n)]).await.succeeded();
    }
    let whole = env.ok("getEvents", json!({"startLedger": start, "filters": of(&asset)})).await;
    let whole = whole["events"].as_array().unwrap().clone();
    assert_eq!(whole.len(), 14);
    let mut request = json!({"startLedger": start, "filters": of(&asset), "pagination": {"limit": 3}});
    let mut joined = Vec::new();
    loop {
        let page = env.ok("getEvents", request).await;
        let events = page["events"].as_array().unwrap().clone();
        let is_last = events.len() < 3;
        joined.extend(events);
        request = json!({"filters": of(&asset), "pagination": {"limit": 3, "cursor": page["cursor"]}});
        if is_last {
            break;
        }
    }
    assert_eq!(joined, whole);
    // The cursor of a page that wasn't full continues after all events so far.
    env.run(&a, vec![payment(&issuer, &asset.asset, 1)]).await.succeeded();
    let more = env.ok("getEvents", request).await;
    assert_eq!(more["events"].as_array().unwrap().len(), 1, "{more}");
}

#[tokio::test]
async fn the_end_ledger_is_exclusive() {
    let (env, issuer, a, asset) = setup().await;
    let first = env.run(&a, vec![payment(&issuer, &asset.asset, 1)]).await.succeeded().0["ledger"].as_u64().unwrap();
    env.run(&a, vec![payment(&issuer, &asset.asset, 1)]).await.succeeded();
    let request = |end| json!({"startLedger": first, "endLedger": end, "filters": of(&asset)});
    assert_eq!(env.ok("getEvents", request(first + 1)).await["events"].as_array().unwrap().len(), 1);
    assert_eq!(env.ok("getEvents", request(first + 2)).await["events"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_ledger_out_of_range_is_refused_with_the_range() {
    let env = TestEnv::start();
    env.close();
    env.close();
    let last = env.localnet.status().unwrap().ledger;
    let ask = |start| env.call("getEvents", json!({"startLedger": start, "filters": []}));
    let out_of = |first: u32| (-32_600, format!("startLedger must be within the ledger range: {first} - {last}"));
    assert_eq!(ask(last + 1).await.unwrap_err(), out_of(1));
    assert!(ask(last).await.is_ok());

    // A week later the first ledgers are forgotten.
    let last = env.localnet.jump(120_960).unwrap();
    let error = env.call("getEvents", json!({"startLedger": 3, "filters": []})).await.unwrap_err();
    let first = last - 120_960 + 1;
    assert_eq!(error, (-32_600, format!("startLedger must be within the ledger range: {first} - {last}")));
}

#[tokio::test]
async fn one_request_searches_ten_thousand_ledgers() {
    let env = TestEnv::start();
    let (issuer, a) = (env.funded(1).await, env.funded(2).await);
    let asset = env.asset(&issuer, &[&a]).await;
    let start = env.localnet.jump(12_000).unwrap() - 11_000;
    env.run(&a, vec![payment(&issuer, &asset.asset, 1)]).await.succeeded();
    let first = env.ok("getEvents", json!({"startLedger": start, "filters": of(&asset)})).await;
    assert_eq!(first["events"].as_array().unwrap().len(), 0);
    let second = env.ok("getEvents", json!({"filters": of(&asset), "pagination": {"cursor": first["cursor"]}})).await;
    assert_eq!(second["events"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn contradictory_or_excessive_requests_are_refused() {
    let env = TestEnv::start();
    let cursor = "0000000004294967296-0000000000";
    let cases = [
        (json!({"filters": []}), "startLedger must be positive"),
        (
            json!({"startLedger": 1, "filters": [], "pagination": {"cursor": cursor}}),
            "ledger ranges and cursor cannot both be set",
        ),
        (json!({"startLedger": 1, "filters": [], "pagination": {"limit": 10_001}}), "limit must not exceed 10000"),
        (
            json!({"startLedger": 1, "filters": [{"topics": [[]]}]}),
            "filter 1 invalid: topic 1 invalid: topic must have at least 1 segment",
        ),
        (json!({"startLedger": 1, "filters": [{}, {}, {}, {}, {}, {}]}), "maximum 5 filters per request"),
    ];
    for (request, message) in cases {
        assert_eq!(env.call("getEvents", request).await.unwrap_err(), (-32_602, message.to_owned()));
    }
}
