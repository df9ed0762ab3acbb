//! What a transaction did, read from its result, its events and its diagnostic events.

use paychan_localnet::Included;
use stellar_xdr::{
    ContractEvent, ContractEventBody, ContractEventV0, ContractId, DiagnosticEvent, InvokeHostFunctionResult,
    OperationResult, OperationResultTr, ScAddress, ScError, ScErrorCode, ScVal, TransactionResultResult,
};

use crate::{
    model::{Event, Party, Refusal, Rules},
    xdr,
};

/// The addresses that events are read with.
pub(crate) struct Names<'a> {
    pub(crate) rules: Rules,
    pub(crate) parties: [ScAddress; 3],
    pub(crate) channel: &'a ContractId,
    pub(crate) token: &'a ContractId,
    pub(crate) commitment_key: [u8; 32],
}

/// What a transaction did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The channel's events, or why there was no effect.
    pub result: Result<Vec<Event>, Refusal>,
    /// The movements of tokens, as the token's own events say.
    pub movements: Vec<Movement>,
}

/// Tokens that moved, as the token's own events say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    /// The holder who sent them. `None` is the issuer.
    pub from: Option<ScAddress>,
    /// The holder who received them. `None` is the issuer.
    pub to: Option<ScAddress>,
    /// The amount, in base units.
    pub amount: i128,
}

pub(crate) fn answer(included: &Included, names: &Names<'_>) -> Result<Answer, String> {
    if !included.successful {
        let refusal = if is_over_limit(&included.result.result) {
            Refusal::Resources
        } else {
            refusal(&included.meta.diagnostic_events, names)
                .unwrap_or_else(|| Refusal::Other(format!("{:?}", included.result.result)))
        };
        return Ok(Answer { result: Err(refusal), movements: Vec::new() });
    }
    let mut events = Vec::new();
    let mut movements = Vec::new();
    for event in included.meta.operations.iter().flat_map(|it| it.events.iter()) {
        match &event.contract_id {
            Some(contract) if contract == names.channel => events.push(read(event, names)?),
            Some(contract) if contract == names.token => movements.extend(movement(event)?),
            other => return Err(format!("an event came from {other:?}, which is neither the channel nor the token")),
        }
    }
    Ok(Answer { result: Ok(events), movements })
}

fn is_over_limit(result: &TransactionResultResult) -> bool {
    let TransactionResultResult::TxFailed(operations) = result else {
        return false;
    };
    matches!(
        operations.as_slice(),
        [OperationResult::OpInner(OperationResultTr::InvokeHostFunction(
            InvokeHostFunctionResult::ResourceLimitExceeded | InvokeHostFunctionResult::InsufficientRefundableFee
        ))]
    )
}

/// Why a call failed, read from its diagnostic events in order. A contract can't catch the error that the transaction
/// exceeds its resources, so that error is the reason wherever it stands. Otherwise the first error is the cause, and
/// the others follow from it.
pub(crate) fn refusal(events: &[DiagnosticEvent], names: &Names<'_>) -> Option<Refusal> {
    let mut first = None;
    for DiagnosticEvent { event, .. } in events {
        let ContractEventBody::V0(ContractEventV0 { topics, .. }) = &event.body;
        let [topic, ScVal::Error(error)] = topics.as_slice() else {
            continue;
        };
        if xdr::as_symbol(topic).as_deref() != Some("error") {
            continue;
        }
        let refusal = match error {
            ScError::Storage(ScErrorCode::ExceededLimit) | ScError::Budget(ScErrorCode::ExceededLimit) => {
                return Some(Refusal::Resources);
            }
            ScError::Contract(code) if event.contract_id.as_ref() == Some(names.channel) => Refusal::Contract(*code),
            ScError::Contract(_) if event.contract_id.as_ref() == Some(names.token) => Refusal::Token,
            ScError::Auth(_) => Refusal::Auth,
            ScError::Crypto(_) => Refusal::Signature,
            ScError::WasmVm(ScErrorCode::MissingValue) => Refusal::NoFunction,
            other => Refusal::Other(format!("{other:?} of {:?}", event.contract_id)),
        };
        first.get_or_insert(refusal);
    }
    first
}

/// One of the channel's events, which must have exactly the layout that the README describes.
fn read(event: &ContractEvent, names: &Names<'_>) -> Result<Event, String> {
    read_event(event, names).ok_or_else(|| format!("this is no event of the channel: {event:?}"))
}

fn read_event(event: &ContractEvent, names: &Names<'_>) -> Option<Event> {
    let ContractEventBody::V0(ContractEventV0 { topics, data }) = &event.body;
    let (name, topics) = topics.split_first()?;
    let name = xdr::as_symbol(name)?;
    let funder = &names.parties[Party::Funder.index()];
    let recipient = &names.parties[Party::Recipient.index()];
    // The addresses that the event names, each with the field that has it where no topic has it.
    let named: &[(&str, &ScAddress)] = match name.as_str() {
        "open" => &[("from", funder), ("to", recipient)],
        "deposit" => &[("from", funder)],
        "withdraw" => &[("to", recipient)],
        "refund" => &[("from", funder)],
        "close" => &[],
        _ => return None,
    };
    let in_topics = names.rules != Rules::Reference;
    let is_named = |value: Option<&ScVal>, address: &ScAddress| {
        value.is_some_and(|value| *value == ScVal::Address(address.clone()))
    };
    let (expected_topics, named_fields) = if in_topics { (named.len(), 0) } else { (0, named.len()) };
    let all_named = named.iter().enumerate().all(|(place, (field, address))| {
        if in_topics { is_named(topics.get(place), address) } else { is_named(xdr::field(data, field), address) }
    });
    if topics.len() != expected_topics || !all_named {
        return None;
    }
    let amount = || xdr::as_i128(xdr::field(data, "amount")?);
    let ledgers = |field| match xdr::field(data, field) {
        Some(ScVal::U32(ledgers)) => Some(*ledgers),
        _ => None,
    };
    let (read, fields) = match name.as_str() {
        "open" => {
            let token = ScAddress::Contract(names.token.clone());
            let key = xdr::bytes(&names.commitment_key);
            if !is_named(xdr::field(data, "token"), &token) || *xdr::field(data, "commitment_key")? != key {
                return None;
            }
            let wait = ledgers("refund_waiting_period")?;
            (Event::Open { amount: amount()?, wait }, 4)
        }
        "deposit" => (Event::Deposit { amount: amount()? }, 1),
        "withdraw" => (Event::Withdraw { amount: amount()? }, 1),
        "refund" => (Event::Refund { amount: amount()? }, 1),
        _ => {
            let effective_at_ledger = ledgers("effective_at_ledger")?;
            (Event::Close { effective_at_ledger }, 1)
        }
    };
    let ScVal::Map(Some(map)) = data else {
        return None;
    };
    (map.0.len() == fields + named_fields).then_some(read)
}

/// One of the token's events, if it moves tokens.
fn movement(event: &ContractEvent) -> Result<Option<Movement>, String> {
    let unknown = || format!("this is no event of an asset: {event:?}");
    let ContractEventBody::V0(ContractEventV0 { topics, data }) = &event.body;
    let (name, rest) = topics.split_first().ok_or_else(unknown)?;
    let address = |place: usize| match rest.get(place) {
        Some(ScVal::Address(address)) => Ok(Some(address.clone())),
        _ => Err(unknown()),
    };
    let (from, to) = match xdr::as_symbol(name).as_deref() {
        Some("transfer") => (address(0)?, address(1)?),
        Some("mint") => (None, address(0)?),
        Some("burn" | "clawback") => (address(0)?, None),
        Some("set_authorized") => return Ok(None),
        _ => return Err(unknown()),
    };
    let amount = xdr::as_i128(data).or_else(|| xdr::as_i128(xdr::field(data, "amount")?)).ok_or_else(unknown)?;
    Ok(Some(Movement { from, to, amount }))
}
