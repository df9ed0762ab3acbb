#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use stellar_xdr::{ContractEventV0, ContractId, ExtensionPoint, Hash, Limits, ScSymbol, WriteXdr};

use super::*;

fn symbol(name: &str) -> ScVal {
    ScVal::Symbol(ScSymbol(name.try_into().unwrap()))
}

fn base64(value: &ScVal) -> String {
    value.to_xdr_base64(Limits::none()).unwrap()
}

fn event(topics: &[&str]) -> ContractEvent {
    let topics: Vec<_> = topics.iter().map(|name| symbol(name)).collect();
    ContractEvent {
        ext: ExtensionPoint::V0,
        contract_id: Some(ContractId(Hash([3; 32]))),
        type_: ContractEventType::Contract,
        body: ContractEventBody::V0(ContractEventV0 { topics: topics.try_into().unwrap(), data: ScVal::Void }),
    }
}

fn topic(segments: &[&str]) -> Vec<Filter> {
    let topics = vec![segments.iter().map(|text| (*text).to_owned()).collect()];
    read(&[SentFilter { topics, ..SentFilter::default() }]).unwrap()
}

#[test]
fn topics_match_exactly_by_wildcard_and_with_an_open_end() {
    let close = base64(&symbol("close"));
    let cases: [(&[&str], &[&str], bool); 7] = [
        (&[&close], &["close"], true),
        (&[&close], &["close", "x"], false),
        (&[&close, "**"], &["close", "x"], true),
        (&[&close, "**"], &["close"], true),
        (&["*", &close], &["x", "close"], true),
        (&["*", &close], &["close", "x"], false),
        (&["**"], &[], true),
    ];
    for (filter, topics, expected) in cases {
        assert_eq!(matches(&topic(filter), &event(topics)), expected, "{filter:?} on {topics:?}");
    }
}

#[test]
fn contracts_and_kinds_exclude_events_and_more_filters_include_more() {
    let here = stellar_strkey::Contract([3; 32]).to_string().to_string();
    let elsewhere = stellar_strkey::Contract([4; 32]).to_string().to_string();
    let by_contract = |id: &str| SentFilter { contract_ids: vec![id.to_owned()], ..SentFilter::default() };
    let by_kind = |kinds: &str| SentFilter { kinds: kinds.to_owned(), ..SentFilter::default() };
    let event = event(&["x"]);
    assert!(matches(&read(&[by_contract(&here)]).unwrap(), &event));
    assert!(!matches(&read(&[by_contract(&elsewhere)]).unwrap(), &event));
    assert!(matches(&read(&[by_contract(&elsewhere), by_kind("contract")]).unwrap(), &event));
    assert!(!matches(&read(&[by_kind("system")]).unwrap(), &event));
    assert!(matches(&read(&[by_kind("system,contract")]).unwrap(), &event));
    assert!(matches(&[], &event));
}

#[test]
fn an_error_names_the_place_in_the_request() {
    let filter = |topics: Vec<Vec<&str>>| SentFilter {
        topics: topics.into_iter().map(|t| t.into_iter().map(str::to_owned).collect()).collect(),
        ..SentFilter::default()
    };
    let cases = [
        (vec![filter(vec![vec![]])], "filter 1 invalid: topic 1 invalid: topic must have at least 1 segment"),
        (
            vec![filter(vec![vec!["*"], vec!["**", "*"]])],
            "filter 1 invalid: topic 2 invalid: segment 1 invalid: wildcard '**' is only allowed as the last segment",
        ),
        (vec![filter(vec![vec!["*"; 5]])], "filter 1 invalid: topic 1 invalid: topic cannot have more than 4 segments"),
        (
            vec![SentFilter::default(), SentFilter { kinds: "diagnostic".to_owned(), ..SentFilter::default() }],
            "filter 2 invalid: filter type invalid: if set, type must be either 'system' or 'contract'",
        ),
        (
            vec![SentFilter { contract_ids: vec!["C".to_owned()], ..SentFilter::default() }],
            "filter 1 invalid: contract ID 1 invalid",
        ),
        ((0..6).map(|_| SentFilter::default()).collect(), "maximum 5 filters per request"),
    ];
    for (sent, expected) in cases {
        assert_eq!(read(&sent).unwrap_err(), expected);
    }
}
