//! Diagnostic events that say why the network (not a contract) refused something: topics `error` and its code, then the
//! reason with figures. Same form and words as stellar-core's, so that tools can show them.

use stellar_xdr::{
    ContractEvent, ContractEventBody, ContractEventType, ContractEventV0, DiagnosticEvent,
    ExtensionPoint, ScError, ScErrorCode, ScString, ScSymbol, ScVal, ScVec,
};

/// Which part of the network refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Budget,
    Storage,
    Value,
}

/// A refusal with its figures (usually: asked for, allowed).
pub(crate) fn error(
    part: Part,
    code: ScErrorCode,
    reason: &str,
    figures: &[u64],
) -> DiagnosticEvent {
    let error = match part {
        Part::Budget => ScError::Budget(code),
        Part::Storage => ScError::Storage(code),
        Part::Value => ScError::Value(code),
    };
    let reason = ScVal::String(ScString(reason.try_into().expect("reasons are short")));
    let data = if figures.is_empty() {
        reason
    } else {
        let list: Vec<ScVal> = std::iter::once(reason)
            .chain(figures.iter().map(|n| ScVal::U64(*n)))
            .collect();
        ScVal::Vec(Some(ScVec(list.try_into().expect("a few figures"))))
    };
    let topics = vec![
        ScVal::Symbol(ScSymbol("error".try_into().expect("a short symbol"))),
        ScVal::Error(error),
    ];
    DiagnosticEvent {
        in_successful_contract_call: false,
        event: ContractEvent {
            ext: ExtensionPoint::V0,
            contract_id: None,
            type_: ContractEventType::Diagnostic,
            body: ContractEventBody::V0(ContractEventV0 {
                topics: topics.try_into().expect("two topics"),
                data,
            }),
        },
    }
}

/// More was asked for than is allowed.
pub(crate) fn exceeded(part: Part, reason: &str, asked: u64, allowed: u64) -> DiagnosticEvent {
    error(part, ScErrorCode::ExceededLimit, reason, &[asked, allowed])
}
