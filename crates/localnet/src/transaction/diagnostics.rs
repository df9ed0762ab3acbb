//! Diagnostic events that say why the network itself, and not a contract, refused something. The topics are `error` and
//! its code; the data is the reason with its figures. Their form and words are stellar-core's, so that tools can show
//! them.

use stellar_xdr::{
    ContractEvent, ContractEventBody, ContractEventType, ContractEventV0, DiagnosticEvent, ExtensionPoint, ScError,
    ScErrorCode, ScString, ScSymbol, ScVal, ScVec,
};

/// The part of the network that refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Budget,
    Storage,
    Value,
}

/// Why something was refused. The figures are what was asked for and what is allowed.
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

/// A refusal because more was asked for than is allowed.
pub(crate) fn exceeded(part: Part, text: &'static str, asked: u64, allowed: u64) -> Reason {
    Reason { part, code: ScErrorCode::ExceededLimit, text, figures: Some([asked, allowed]) }
}

/// The event that this network lacks something that the public networks have.
pub(crate) fn not_implemented(what: &str) -> DiagnosticEvent {
    let text = format!("paychan-localnet does not implement {what}");
    event(ScError::Context(ScErrorCode::InvalidAction), string(&text))
}

impl Reason {
    /// The diagnostic event for this reason.
    pub(crate) fn event(self) -> DiagnosticEvent {
        let error = match self.part {
            Part::Budget => ScError::Budget(self.code),
            Part::Storage => ScError::Storage(self.code),
            Part::Value => ScError::Value(self.code),
        };
        let data = match self.figures {
            None => string(self.text),
            Some([asked, allowed]) => {
                let list = vec![string(self.text), ScVal::U64(asked), ScVal::U64(allowed)];
                ScVal::Vec(Some(ScVec(list.try_into().expect("three values"))))
            }
        };
        event(error, data)
    }
}

fn string(text: &str) -> ScVal {
    ScVal::String(ScString(text.try_into().expect("shorter than 2^32 bytes")))
}

fn event(error: ScError, data: ScVal) -> DiagnosticEvent {
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
