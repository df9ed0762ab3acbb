#![allow(clippy::unwrap_used, reason = "a test that fails should stop where it fails")]

use stellar_xdr::{
    ContractEvent, ContractEventBody, ContractEventType, ContractEventV0, ExtensionPoint, ScString, ScVec,
};

use super::*;

const CHANNEL: ContractId = ContractId([1; 32]);
const TOKEN: ContractId = ContractId([2; 32]);
const PARTIES: Parties = Parties { channel: Some(CHANNEL), token: Some(TOKEN) };

fn text(text: &str) -> ScVal {
    ScVal::String(ScString(text.try_into().unwrap()))
}

fn note(contract: Option<ContractId>, error: ScError, data: ScVal) -> DiagnosticEvent {
    let topics = vec![ScVal::Symbol("error".try_into().unwrap()), ScVal::Error(error)];
    DiagnosticEvent {
        in_successful_contract_call: false,
        event: ContractEvent {
            ext: ExtensionPoint::V0,
            contract_id: contract.map(|id| XdrContractId(Hash(id.0))),
            type_: ContractEventType::Diagnostic,
            body: ContractEventBody::V0(ContractEventV0 { topics: topics.try_into().unwrap(), data }),
        },
    }
}

fn failure(events: Vec<DiagnosticEvent>, error: &str) -> CallFailure {
    CallFailure::of_simulation(&SimulationFailure { error: error.to_owned(), events }, &PARTIES)
}

#[test]
fn a_number_is_read_as_an_error_of_the_contract_that_gave_it() {
    let of = |contract, code| failure(vec![note(contract, ScError::Contract(code), ScVal::Void)], "");
    assert_eq!(of(Some(CHANNEL), 5), CallFailure::Channel(ContractError::InsufficientDeposit));
    assert_eq!(of(Some(TOKEN), 10), CallFailure::Token { token: TOKEN, error: SacError::Balance });
    let stranger = ContractId([9; 32]);
    assert_eq!(of(Some(stranger), 5), CallFailure::Number { contract: Some(stranger), code: 5 });
    assert_eq!(of(Some(CHANNEL), 77), CallFailure::Number { contract: Some(CHANNEL), code: 77 });
}

#[test]
fn the_first_error_and_not_the_last_is_the_cause() {
    let events = vec![
        note(Some(TOKEN), ScError::Contract(13), ScVal::Void),
        note(Some(CHANNEL), ScError::Contract(13), text("escalating error to VM trap")),
    ];
    assert_eq!(failure(events, ""), CallFailure::Token { token: TOKEN, error: SacError::TrustlineMissing });
}

#[test]
fn a_bad_signature_and_a_missing_authorization_are_recognised() {
    let crypto = note(None, ScError::Crypto(ScErrorCode::InvalidInput), text("failed ED25519 verification"));
    assert_eq!(failure(vec![crypto], ""), CallFailure::Signature);
    let auth = note(None, ScError::Auth(ScErrorCode::InvalidAction), ScVal::Void);
    assert_eq!(failure(vec![auth], ""), CallFailure::NotAuthorized);
}

#[test]
fn a_missing_value_is_reported_in_the_hosts_words() {
    let words =
        ScVal::Vec(Some(ScVec(vec![text("trying to get non-existing value"), ScVal::Void].try_into().unwrap())));
    let missing = note(None, ScError::Storage(ScErrorCode::MissingValue), words);
    assert_eq!(failure(vec![missing], ""), CallFailure::Missing("trying to get non-existing value".to_owned()));
}

#[test]
fn without_events_the_text_is_read() {
    let of = |error| failure(vec![], error);
    let refunded = "HostError: Error(Contract, #6)\n\nEvent log (newest first):\n 0: something";
    assert_eq!(of(refunded), CallFailure::Channel(ContractError::Refunded));
    assert_eq!(of("HostError: Error(Crypto, InvalidInput)"), CallFailure::Signature);
    assert_eq!(of("HostError: Error(Auth, InvalidAction)"), CallFailure::NotAuthorized);
    assert!(matches!(of("HostError: Error(Budget, ExceededLimit)"), CallFailure::TooExpensive(_)));
    assert_eq!(of("something else Event log"), CallFailure::Other("something else".to_owned()));
    assert_eq!(of("Error(Contract, #99999999999)"), CallFailure::Other("Error(Contract, #99999999999)".to_owned()));
}

#[test]
fn other_events_are_ignored() {
    let mut other = note(Some(CHANNEL), ScError::Contract(5), ScVal::Void);
    let ContractEventBody::V0(body) = &mut other.event.body;
    body.topics = vec![ScVal::Symbol("fn_call".try_into().unwrap())].try_into().unwrap();
    assert_eq!(CallFailure::of_events(&[other], &PARTIES), None);
}
