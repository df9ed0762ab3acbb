#![allow(clippy::unwrap_used, reason = "a test that fails here says where")]

use paychan_channel::AccountId;
use serde_json::json;

use super::*;

fn allowed() -> Allowed {
    Allowed {
        network: NetworkName::testnet(),
        recipient: Address::Account(AccountId([1; 32])),
        token: ContractId([2; 32]),
        deposit: Amount::from(1_000),
        code: WasmHash([3; 32]),
        waiting_period: 17_280,
    }
}

fn details() -> Value {
    json!({
        "network": "stellar:testnet",
        "recipient": Address::Account(AccountId([1; 32])),
        "tokens": [
            { "contract": ContractId([9; 32]), "minimumDeposit": "1" },
            { "contract": ContractId([2; 32]), "minimumDeposit": "1000" },
        ],
        "trustedCode": [WasmHash([8; 32]), WasmHash([3; 32])],
        "minimumWaitingPeriod": 17_280,
    })
}

fn why(change: impl Fn(&mut Value)) -> Option<String> {
    let mut details = details();
    change(&mut details);
    disagreement(&allowed(), details.as_object().unwrap())
}

#[test]
fn a_server_that_wants_what_was_allowed_gets_a_channel() {
    assert_eq!(why(|_| {}), None);
    assert_eq!(why(|details| details["minimumWaitingPeriod"] = json!(1)), None, "longer than it asks for is fine");
}

#[test]
fn each_term_is_pinned_on_its_own() {
    let other = |name: &'static str, value: Value| why(move |details| details[name] = value.clone()).unwrap();
    assert!(other("network", json!("stellar:pubnet")).contains("stellar:pubnet"));
    assert!(other("recipient", json!(Address::Account(AccountId([7; 32])))).contains("--to"));
    assert!(other("tokens", json!([{ "contract": ContractId([9; 32]), "minimumDeposit": "1" }])).contains("--token"));
    assert!(
        other("tokens", json!([{ "contract": ContractId([2; 32]), "minimumDeposit": "1001" }])).contains("--deposit")
    );
    assert!(other("trustedCode", json!([WasmHash([8; 32])])).contains("--wasm"));
    assert!(other("minimumWaitingPeriod", json!(17_281)).contains("--refund-waiting-period"));
}

#[test]
fn terms_that_are_missing_or_malformed_open_nothing() {
    for name in ["network", "recipient", "tokens", "trustedCode", "minimumWaitingPeriod"] {
        let missing = why(|details| drop(details.as_object_mut().unwrap().remove(name)));
        assert!(missing.is_some_and(|why| why.contains("does not say")), "{name}");
        assert!(why(|details| details[name] = json!({})).is_some(), "{name}");
    }
}
