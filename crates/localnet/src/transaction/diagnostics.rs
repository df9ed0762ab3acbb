//! Diagnostic events that say why the network (not a contract) refused something: topics `error` and its code, then the
//! reason with figures. Same form and words as stellar-core's, so that tools can show them.

use stellar_xdr::{
    ContractEvent, ContractEventBody, ContractEventType, ContractEventV0, DiagnosticEvent, ExtensionPoint, ScError,
    ScErrorCode, ScString, ScSymbol, ScVal, ScVec,
};

/// Which part of the network refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Budget,
    Storage,
    Value,
}

/// Why something was refused, with its figures (usually: asked for, allowed).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reason {
    part: Part,
    code: ScErrorCode,
    text: &'static str,
    figures: Option<[u64; 2]>,
}

/// A refusal without figures.
pub(crate) fn error(part: Part, code: ScErrorCode, text: &'static str) -> Reason {
    Reason { part, code, text, figures: None }
}

/// More was asked for than is allowed.
pub(crate) fn exceeded(part: Part, text: &'static str, asked: u64, allowed: u64) -> Reason {
    Reason { part, code: ScErrorCode::ExceededLimit, text, figures: Some([asked, allowed]) }
}

impl Reason {
    /// The event that tells it.
    pub(crate) fn event(self) -> DiagnosticEvent {
        let error = match self.part {
            Part::Budget => ScError::Budget(self.code),
            Part::Storage => ScError::Storage(self.code),
            Part::Value => ScError::Value(self.code),
        };
        let text = ScVal::String(ScString(self.text.try_into().expect("texts are short")));
        let data = match self.figures {
            None => text,
            Some([asked, allowed]) => {
                let list = vec![text, ScVal::U64(asked), ScVal::U64(allowed)];
                ScVal::Vec(Some(ScVec(list.try_into().expect("three values"))))
            }
        };
        let topics = vec![ScVal::Symbol(ScSymbol("error".try_into().expect("a short symbol"))), ScVal::Error(error)];
        DiagnosticEvent {
            in_successful_contract_call: false,
            event: ContractEvent {
                ext: ExtensionPoint::V0,
                contract_id: None,
                type_: ContractEventType::Diagnostic,
                body: ContractEventBody::V0(ContractEventV0 { topics: topics.try_into().expect("two topics"), data }),
            },
        }
    }
}
