#![allow(clippy::unwrap_used, reason = "tests")]
use super::*;

#[test]
fn the_ledger_of_a_cursor_is_read() {
    assert_eq!(cursor_ledger("0000005519426093056-0000000001"), Some(Ledger(1_285)));
    assert_eq!(cursor_ledger("nothing"), None);
}

#[test]
fn a_filter_for_close_is_written_as_the_server_reads_it() {
    let close = ScVal::Symbol("close".try_into().unwrap());
    let filter = EventFilter { contracts: vec![], topics: vec![vec![Segment::Is(close), Segment::Rest]] };
    let json = serde_json::to_string(&param_filter(&filter).unwrap()).unwrap();
    assert_eq!(json, r#"{"type":"contract","topics":[["AAAADwAAAAVjbG9zZQAAAA==","**"]]}"#);
}

fn raw(answer: serde_json::Value) -> Raw {
    serde_json::from_value(answer).unwrap()
}

fn event(ledger: u32, value: &str) -> serde_json::Value {
    let contract = ContractId([7; 32]).to_string();
    serde_json::json!({ "ledger": ledger, "contractId": contract, "id": "x", "topic": [], "value": value })
}

/// `ScVal::Void`.
const VOID: &str = "AAAAAQ==";

#[test]
fn an_event_that_cannot_be_decoded_is_reported_and_the_rest_of_the_page_counts() {
    let odd = [event(7, "AAA"), serde_json::json!(3), serde_json::json!({ "ledger": "x", "value": VOID })];
    let mut events = vec![event(6, VOID)];
    events.extend(odd);
    events.push(event(8, VOID));
    let page = page(
        raw(serde_json::json!({ "events": events, "cursor": "0000000042949672960-0000000001", "latestLedger": 10 })),
        100,
        Some(Ledger(5)),
        true,
    );
    assert_eq!(page.events.iter().map(|event| event.ledger).collect::<Vec<_>>(), [Ledger(6), Ledger(8)]);
    let told: Vec<_> = page.undecodable.iter().map(|event| (event.ledger, event.contract)).collect();
    assert_eq!(told, [(Some(Ledger(7)), Some(ContractId([7; 32]))), (None, None), (None, None)]);
    assert_eq!(page.scanned_to, Some(Ledger(10)));
}

#[test]
fn a_full_page_may_end_within_a_ledger_even_if_its_last_event_is_malformed() {
    let answer = serde_json::json!({ "events": [event(6, VOID), event(8, "?")], "cursor": "", "latestLedger": 10 });
    let page = page(raw(answer), 2, Some(Ledger(5)), true);
    assert_eq!((page.scanned_to, page.next), (Some(Ledger(7)), Some(EventsFrom::Ledger(Ledger(8)))));
}

#[test]
fn without_a_cursor_a_page_reaches_as_far_as_one_call_searches() {
    for cursor in [serde_json::json!({ "cursor": "" }), serde_json::json!({ "cursor": null }), serde_json::json!({})] {
        let mut answer = serde_json::json!({ "events": null, "latestLedger": 30_000 });
        answer.as_object_mut().unwrap().extend(cursor.as_object().unwrap().clone());
        let page = page(raw(answer.clone()), 100, Some(Ledger(5)), true);
        assert_eq!(page.scanned_to, Some(Ledger(10_004)));
        assert_eq!(page.next, Some(EventsFrom::Ledger(Ledger(10_005))));
        let at_the_end = super::page(raw(answer.clone()), 100, Some(Ledger(29_000)), true);
        assert_eq!(at_the_end.next, Some(EventsFrom::Ledger(Ledger(30_000))), "the node has this ledger");
        assert_eq!(super::page(raw(answer), 100, None, true).next, None);
    }
}
