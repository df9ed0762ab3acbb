//! Tests with answers as the public servers write them.

use std::collections::HashSet;

use paychan_channel::{ContractId, Ledger, Stroops, WasmHash, ledger_keys, xdr};
use paychan_rpc::{
    ErrorKind, EventFilter, EventsFrom, EventsRequest, MAX_KEYS, Segment, SendStatus, TransactionAnswer, TxHash,
};
use serde_json::{Value, json};
use xdr::{Limits, ScVal, WriteXdr};

use crate::server::Server;

pub(crate) fn base64(value: &impl WriteXdr) -> String {
    value.to_xdr_base64(Limits::none()).unwrap()
}

fn counter(index: u32) -> (xdr::LedgerKey, xdr::LedgerEntryData) {
    let contract = ContractId([9; 32]).to_sc();
    let durability = xdr::ContractDataDurability::Persistent;
    let key = ScVal::U32(index);
    let entry = xdr::ContractDataEntry {
        ext: xdr::ExtensionPoint::V0,
        contract: contract.clone(),
        key: key.clone(),
        durability,
        val: ScVal::U32(index),
    };
    let key = xdr::LedgerKey::ContractData(xdr::LedgerKeyContractData { contract, key, durability });
    (key, xdr::LedgerEntryData::ContractData(entry))
}

fn written(key: &xdr::LedgerKey, data: &xdr::LedgerEntryData, live_until: u32) -> Value {
    json!({
        "key": base64(key), "xdr": base64(data), "lastModifiedLedgerSeq": 5, "liveUntilLedgerSeq": live_until,
        "extXdr": "AAAAAA==",
    })
}

#[tokio::test]
async fn numbers_are_read_whether_the_server_writes_strings_or_not() {
    let server = Server::start().await;
    server.results("getLatestLedger", [
        json!({ "id": "ab", "protocolVersion": 28, "sequence": 77, "closeTime": "1700000000", "headerXdr": "", "metadataXdr": "" }),
        json!({ "id": "ab", "protocolVersion": "22", "sequence": 77 }),
    ]);
    let latest = server.client().get_latest_ledger().await.unwrap();
    assert_eq!((latest.sequence, latest.close_time), (Ledger(77), Some(1_700_000_000)));
    let older = server.client().get_latest_ledger().await.unwrap();
    assert_eq!((older.protocol_version, older.close_time), (22, None));
    server.results(
        "getHealth",
        [json!({
            "status": "healthy", "latestLedger": 9, "oldestLedger": 2, "ledgerRetentionWindow": 120960,
        })],
    );
    assert_eq!(server.client().get_health().await.unwrap().oldest, Ledger(2));
}

#[tokio::test]
async fn fee_statistics_are_strings() {
    let server = Server::start().await;
    let fees = json!({
        "max": "900", "min": "100", "mode": "100", "p10": "100", "p20": "100", "p30": "100", "p40": "100", "p50": "150",
        "p60": "200", "p70": "300", "p80": "400", "p90": "500", "p95": "600", "p99": "700",
        "transactionCount": "10", "ledgerCount": 50,
    });
    server.results("getFeeStats", [json!({ "sorobanInclusionFee": fees, "inclusionFee": fees, "latestLedger": 3 })]);
    let stats = server.client().get_fee_stats().await.unwrap();
    assert_eq!((stats.soroban.p95, stats.classic.max, stats.latest), (Stroops(600), Stroops(900), Ledger(3)));
}

#[tokio::test]
async fn entries_are_asked_for_two_hundred_at_a_time_and_matched_by_key() {
    let server = Server::start().await;
    let entries: Vec<_> = (0..450).map(counter).collect();
    // The server leaves out missing entries (every third), and answers in an order of its own.
    let answers = entries.chunks(MAX_KEYS).zip([12, 10, 11]).map(|(batch, ledger)| {
        let found = batch.iter().rev().filter(|(_, data)| exists(data));
        let found: Vec<_> = found.map(|(key, data)| written(key, data, 99)).collect();
        json!({ "entries": found, "latestLedger": ledger })
    });
    server.results("getLedgerEntries", answers.collect::<Vec<_>>());
    let mut keys: Vec<_> = entries.iter().map(|(key, _)| key.clone()).collect();
    keys.push(keys[0].clone());
    let read = server.client().get_ledger_entries(&keys).await.unwrap();
    assert_eq!(read.latest_ledger, Ledger(10), "the lowest of the answers");
    for (key, data) in &entries {
        assert_eq!(read.get(key).unwrap().map(|entry| &entry.data), exists(data).then_some(data));
    }
    let last = read.get(&keys[449]).unwrap().or(read.get(&keys[448]).unwrap()).unwrap();
    assert_eq!((last.read_at, last.live_until), (Ledger(11), Some(Ledger(99))));
    let asked: Vec<Vec<String>> = server
        .asked("getLedgerEntries")
        .iter()
        .map(|params| serde_json::from_value(params["keys"].clone()).unwrap())
        .collect();
    assert_eq!(asked.iter().map(Vec::len).collect::<Vec<_>>(), [200, 200, 50]);
    assert!(asked.iter().all(|batch| batch.iter().collect::<HashSet<_>>().len() == batch.len()));
}

fn exists(data: &xdr::LedgerEntryData) -> bool {
    matches!(data, xdr::LedgerEntryData::ContractData(data) if matches!(data.val, ScVal::U32(n) if n % 3 != 0))
}

#[tokio::test]
async fn an_entry_that_was_not_asked_for_is_a_bad_answer() {
    let server = Server::start().await;
    let ((key, data), (other_key, other)) = (counter(1), counter(2));
    let foreign = written(&other_key, &other, 9);
    server.results("getLedgerEntries", [json!({ "entries": [foreign], "latestLedger": 1 })]);
    let error = server.client().get_ledger_entries(std::slice::from_ref(&key)).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::BadAnswer(_)), "{error}");
    server.results("getLedgerEntries", [json!({ "entries": [written(&key, &data, 0)], "latestLedger": 1 })]);
    let read = server.client().get_ledger_entries(std::slice::from_ref(&key)).await.unwrap();
    assert_eq!(read.get(&key).unwrap().unwrap().live_until, Some(Ledger(0)), "archived");
}

#[tokio::test]
async fn an_entry_that_cannot_be_decoded_is_not_missing_and_spoils_no_other() {
    let server = Server::start().await;
    let ((key, data), (other_key, other)) = (counter(1), counter(2));
    let odd = |field: &str, value: Value| {
        let mut entry = written(&key, &data, 9);
        entry[field] = value;
        entry
    };
    let another = written(&key, &other, 9);
    for entry in [another, odd("xdr", json!("AAAA")), odd("xdr", json!(7)), odd("liveUntilLedgerSeq", json!("soon"))] {
        let good = written(&other_key, &other, 9);
        server.results("getLedgerEntries", [json!({ "entries": [entry.clone(), good], "latestLedger": 1 })]);
        let read = server.client().get_ledger_entries(&[key.clone(), other_key.clone()]).await.unwrap();
        assert!(read.get(&key).is_err(), "{entry}");
        assert_eq!((read.len(), read.undecodable().count()), (2, 1));
        assert_eq!(read.get(&other_key).unwrap().map(|entry| &entry.data), Some(&other));
    }
    server.results("getLedgerEntries", [json!({ "entries": [odd("xdr", json!(""))], "latestLedger": 1 })]);
    let read = server.client().get_ledger_entries(std::slice::from_ref(&key)).await.unwrap();
    assert_eq!(read.live_until(&key), Some(Ledger(9)), "the readable part of the entry is kept");
    server.results(
        "getLedgerEntries",
        [json!({ "entries": [odd("lastModifiedLedgerSeq", json!(null))], "latestLedger": 1 })],
    );
    let read = server.client().get_ledger_entries(std::slice::from_ref(&key)).await.unwrap();
    assert_eq!(read.get(&key).unwrap().map(|entry| &entry.data), Some(&data), "nothing depends on this field");
}

#[tokio::test]
async fn no_keys_need_no_call_and_a_null_list_is_empty() {
    let server = Server::start().await;
    assert!(server.client().get_ledger_entries(&[]).await.unwrap().is_empty());
    assert!(server.asked("getLedgerEntries").is_empty());
    server.results("getLedgerEntries", [json!({ "entries": null, "latestLedger": 4 })]);
    let read = server.client().get_ledger_entries(&[ledger_keys::code(&WasmHash([1; 32]))]).await.unwrap();
    assert_eq!((read.len(), read.latest_ledger), (0, Ledger(4)));
}

#[tokio::test]
async fn events_are_asked_for_and_read() {
    let server = Server::start().await;
    let channel = ContractId([7; 32]);
    let close = ScVal::Symbol("close".try_into().unwrap());
    server.results("getEvents", [json!({
        "events": [{
            "type": "contract", "ledger": 150, "ledgerClosedAt": "2026-11-01T00:00:00Z", "contractId": channel,
            "id": "0000000644245094400-0000000000", "operationIndex": 0, "transactionIndex": 1, "txHash": "ab".repeat(32),
            "topic": [base64(&close)], "value": base64(&ScVal::U32(9)),
        }],
        "cursor": "0000000863288426495-4294967295", "latestLedger": 200, "oldestLedger": 100,
        "latestLedgerCloseTime": "1", "oldestLedgerCloseTime": "1",
    })]);
    let filters =
        vec![EventFilter { contracts: vec![], topics: vec![vec![Segment::Is(close.clone()), Segment::Rest]] }];
    let request = EventsRequest { from: EventsFrom::Ledger(Ledger(120)), filters, limit: Some(1000) };
    let page = server.client().get_events(&request).await.unwrap();
    assert_eq!((page.latest, page.oldest, page.cursor_ledger()), (Ledger(200), Ledger(100), Some(Ledger(200))));
    let [event] = page.events.as_slice() else { panic!("not one event") };
    assert_eq!((event.ledger, event.contract), (Ledger(150), Some(channel)));
    assert_eq!((event.topics.as_slice(), &event.data), ([close].as_slice(), &ScVal::U32(9)));
    assert_eq!(event.transaction, Some(TxHash([0xab; 32])));

    let next = EventsRequest { from: EventsFrom::Cursor(page.cursor), ..request };
    server.client().get_events(&next).await.unwrap();
    let asked = server.asked("getEvents");
    assert_eq!(
        asked[0],
        json!({
            "startLedger": 120, "filters": [{ "type": "contract", "topics": [["AAAADwAAAAVjbG9zZQAAAA==", "**"]] }],
            "pagination": { "limit": 1000 },
        })
    );
    assert_eq!(asked[1]["pagination"], json!({ "cursor": "0000000863288426495-4294967295", "limit": 1000 }));
    assert_eq!(asked[1].get("startLedger"), None, "a cursor excludes a start");
}

pub(crate) fn result(fee_charged: i64, result: xdr::TransactionResultResult) -> String {
    base64(&xdr::TransactionResult { fee_charged, result, ext: xdr::TransactionResultExt::V0 })
}

#[tokio::test]
async fn each_answer_to_sending_has_its_own_status() {
    let server = Server::start().await;
    let hash = "cd".repeat(32);
    let answer =
        |status: &str| json!({ "status": status, "hash": hash, "latestLedger": 8, "latestLedgerCloseTime": "1" });
    let mut error = answer("ERROR");
    error["errorResultXdr"] = json!(result(300, xdr::TransactionResultResult::TxInsufficientFee));
    server.results(
        "sendTransaction",
        [answer("PENDING"), answer("DUPLICATE"), answer("TRY_AGAIN_LATER"), error, answer("ERROR"), answer("WHAT")],
    );
    let envelope = xdr::TransactionEnvelope::Tx(xdr::TransactionV1Envelope::default());
    let client = server.client();
    for status in [SendStatus::Pending, SendStatus::Duplicate, SendStatus::TryAgainLater] {
        let sent = client.send(&envelope).await.unwrap();
        assert_eq!((sent.status, sent.hash, sent.latest_ledger), (status, TxHash([0xcd; 32]), Ledger(8)));
    }
    let SendStatus::Error { result } = client.send(&envelope).await.unwrap().status else { panic!("no error") };
    assert_eq!((result.fee_charged, result.result.name()), (300, "TxInsufficientFee"));
    for _ in 0..2 {
        assert!(matches!(client.send(&envelope).await.unwrap_err().kind, ErrorKind::BadAnswer(_)));
    }
}

#[tokio::test]
async fn the_outcome_of_a_transaction_is_read_with_its_return_value() {
    let server = Server::start().await;
    let meta = xdr::TransactionMeta::V4(xdr::TransactionMetaV4 {
        soroban_meta: Some(xdr::SorobanTransactionMetaV2 {
            ext: xdr::SorobanTransactionMetaExt::V1(xdr::SorobanTransactionMetaExtV1 {
                total_non_refundable_resource_fee_charged: 500,
                total_refundable_resource_fee_charged: 177,
                rent_fee_charged: 77,
                ..Default::default()
            }),
            return_value: Some(ScVal::U32(5)),
        }),
        ..Default::default()
    });
    let included = |status: &str, meta: &str| {
        json!({
            "status": status, "latestLedger": 20, "latestLedgerCloseTime": "1", "oldestLedger": 2, "oldestLedgerCloseTime": "1",
            "ledger": 12, "createdAt": "1700000000", "applicationOrder": 1, "feeBump": false, "txHash": "ab",
            "resultXdr": result(777, xdr::TransactionResultResult::TxSuccess(xdr::VecM::default())), "resultMetaXdr": meta,
        })
    };
    let not_found = json!({ "status": "NOT_FOUND", "latestLedger": 20, "latestLedgerCloseTime": "1", "oldestLedger": 2,
        "oldestLedgerCloseTime": "1", "createdAt": "0" });
    server.results(
        "getTransaction",
        [
            not_found,
            included("SUCCESS", &base64(&meta)),
            included("SUCCESS", "AAAACQ=="),
            included("FAILED", &base64(&meta)),
        ],
    );
    let (client, hash) = (server.client(), TxHash([1; 32]));
    let unknown = TransactionAnswer::NotFound { latest: Ledger(20), oldest: Ledger(2) };
    assert_eq!(client.get_transaction(&hash).await.unwrap(), unknown);
    let TransactionAnswer::Success(included) = client.get_transaction(&hash).await.unwrap() else {
        panic!("no success")
    };
    assert_eq!((included.ledger, included.fee_charged), (Ledger(12), Some(Stroops(777))));
    assert_eq!(included.return_value, Some(ScVal::U32(5)));
    let fees = included.resource_fees.expect("the metadata has them");
    assert_eq!((fees.non_refundable, fees.refundable, fees.rent), (Stroops(500), Stroops(177), Stroops(77)));
    assert_eq!(fees.without_rent(), Stroops(600));
    let TransactionAnswer::Success(newer) = client.get_transaction(&hash).await.unwrap() else { panic!("no success") };
    assert_eq!(
        (newer.return_value, newer.resource_fees),
        (None, None),
        "metadata of a newer protocol does not hide the result"
    );
    assert!(matches!(client.get_transaction(&hash).await.unwrap(), TransactionAnswer::Failed(_)));
    let odd = json!({ "status": "SUCCESS", "latestLedger": 20, "oldestLedger": 2, "ledger": 12, "resultXdr": "?" });
    server.results("getTransaction", [odd]);
    let TransactionAnswer::Success(odd) = client.get_transaction(&hash).await.unwrap() else { panic!("no success") };
    assert_eq!((odd.ledger, odd.fee_charged, odd.result), (Ledger(12), None, None), "it counts as in a ledger");
    assert_eq!(server.asked("getTransaction")[0], json!({ "hash": "01".repeat(32) }));
}
