//! Says why a contract call failed, from the diagnostic events that the host emitted.

use paychan_channel::{ContractError, ContractId};
use stellar_xdr::{ContractEventBody, ContractId as XdrContractId, DiagnosticEvent, Hash, ScError, ScErrorCode, ScVal};

use crate::SimulationFailure;
use crate::error::printable;

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallFailure {
    /// The channel contract refused.
    #[error("the channel refused: {0}")]
    Channel(ContractError),
    /// The token, a Stellar asset contract, refused.
    #[error("the token {token} refused: {error}")]
    Token {
        /// The token.
        token: ContractId,
        /// Why.
        error: SacError,
    },
    /// Some contract failed with a number whose meaning is not known here.
    #[error("{} failed with its error number {code}", contract_words(contract))]
    Number {
        /// Which contract, where the host says so.
        contract: Option<ContractId>,
        /// Its number.
        code: u32,
    },
    /// The commitment's signature is not the commitment key's.
    #[error("the signature does not verify: it must be the commitment key's over this network, channel and amount")]
    Signature,
    /// Somebody who must authorize the call has not.
    #[error("the call is not authorized by everyone who must authorize it")]
    NotAuthorized,
    /// The contract or one of its entries does not exist.
    #[error("something that the call needs does not exist: {0}")]
    Missing(String),
    /// The call costs more than a transaction may use.
    #[error("the call needs more resources than a transaction may use: {0}")]
    TooExpensive(String),
    /// Another failure, in the host's own words.
    #[error("{0}")]
    Other(String),
}

/// Errors of the Stellar asset contract (soroban-env-host, `builtin_contracts/contract_error.rs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[repr(u32)]
pub enum SacError {
    /// Error 2.
    #[error("it does not support this operation")]
    OperationNotSupported = 2,
    /// Error 4.
    #[error("not authorized")]
    Unauthorized = 4,
    /// Error 5.
    #[error("a signature is missing or wrong")]
    Authentication = 5,
    /// Error 6.
    #[error("the account does not exist")]
    AccountMissing = 6,
    /// Error 8.
    #[error("the amount is negative")]
    NegativeAmount = 8,
    /// Error 10.
    #[error("the balance is too low, or the receiver's limit too small")]
    Balance = 10,
    /// Error 11.
    #[error("the issuer has not authorized this holder")]
    BalanceDeauthorized = 11,
    /// Error 12.
    #[error("the balance would become larger than it can be")]
    Overflow = 12,
    /// Error 13.
    #[error("the account has no trustline to this asset")]
    TrustlineMissing = 13,
    /// Error 14.
    #[error("the account would fall below its reserve of XLM")]
    InsufficientReserve = 14,
}

impl SacError {
    const ALL: [SacError; 10] = [
        SacError::OperationNotSupported,
        SacError::Unauthorized,
        SacError::Authentication,
        SacError::AccountMissing,
        SacError::NegativeAmount,
        SacError::Balance,
        SacError::BalanceDeauthorized,
        SacError::Overflow,
        SacError::TrustlineMissing,
        SacError::InsufficientReserve,
    ];

    /// The error with this number.
    #[must_use]
    pub fn from_code(code: u32) -> Option<SacError> {
        Self::ALL.into_iter().find(|error| *error as u32 == code)
    }
}

/// The contracts whose error numbers are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Parties {
    /// The channel called.
    pub channel: Option<ContractId>,
    /// Its token, when it is a Stellar asset contract.
    pub token: Option<ContractId>,
}

impl CallFailure {
    /// Why a simulated call would fail.
    #[must_use]
    pub fn of_simulation(failure: &SimulationFailure, parties: &Parties) -> CallFailure {
        CallFailure::of_events(&failure.events, parties)
            .or_else(|| of_text(&failure.error, parties))
            .unwrap_or_else(|| CallFailure::Other(first_line(&failure.error)))
    }

    /// Why a call failed, from the host's diagnostic events. The first error is the cause; the later ones show how it
    /// was passed on.
    #[must_use]
    pub fn of_events(events: &[DiagnosticEvent], parties: &Parties) -> Option<CallFailure> {
        events.iter().find_map(|event| {
            let ContractEventBody::V0(body) = &event.event.body;
            let [ScVal::Symbol(name), ScVal::Error(error), ..] = body.topics.as_slice() else {
                return None;
            };
            if name.0.as_slice() != b"error" {
                return None;
            }
            let contract = event.event.contract_id.as_ref().map(|XdrContractId(Hash(id))| ContractId(*id));
            Some(of_error(error, contract, parties, &words(&body.data)))
        })
    }
}

fn of_error(error: &ScError, contract: Option<ContractId>, parties: &Parties, words: &str) -> CallFailure {
    match error {
        ScError::Contract(code) => of_number(*code, contract, parties),
        ScError::Crypto(_) => CallFailure::Signature,
        ScError::Auth(_) => CallFailure::NotAuthorized,
        ScError::Storage(ScErrorCode::MissingValue) => CallFailure::Missing(words.to_owned()),
        ScError::Budget(_) => CallFailure::TooExpensive(words.to_owned()),
        other => CallFailure::Other(format!("{}: {words}", other.name())),
    }
}

fn of_number(code: u32, contract: Option<ContractId>, parties: &Parties) -> CallFailure {
    let is = |party: Option<ContractId>| contract.is_some() && contract == party;
    if is(parties.token)
        && let (Some(token), Some(error)) = (contract, SacError::from_code(code))
    {
        return CallFailure::Token { token, error };
    }
    // The caller does not yet know the address of a contract whose constructor fails, so the number then counts as the
    // channel's.
    if (is(parties.channel) || (contract.is_none() && parties.channel.is_some()))
        && let Some(error) = ContractError::from_code(code)
    {
        return CallFailure::Channel(error);
    }
    CallFailure::Number { contract, code }
}

/// Reads `HostError: Error(Contract, #5)` when the node sent no events.
fn of_text(error: &str, parties: &Parties) -> Option<CallFailure> {
    if let Some((_, rest)) = error.split_once("Error(Contract, #") {
        let (code, _) = rest.split_once(')')?;
        return Some(of_number(code.parse().ok()?, None, parties));
    }
    if error.contains("Error(Crypto,") {
        return Some(CallFailure::Signature);
    }
    if error.contains("Error(Auth,") {
        return Some(CallFailure::NotAuthorized);
    }
    if error.contains("Error(Storage, MissingValue)") {
        return Some(CallFailure::Missing(first_line(error)));
    }
    if error.contains("Error(Budget,") {
        return Some(CallFailure::TooExpensive(first_line(error)));
    }
    None
}

/// The host's text in an error event: a string, or a vec that starts with one.
fn words(data: &ScVal) -> String {
    match data {
        ScVal::String(text) => printable(&String::from_utf8_lossy(text.0.as_slice())),
        ScVal::Vec(Some(items)) => items.0.first().map(words).unwrap_or_default(),
        _ => String::new(),
    }
}

fn first_line(text: &str) -> String {
    text.split("Event log").next().unwrap_or(text).trim().to_owned()
}

fn contract_words(contract: &Option<ContractId>) -> String {
    contract.map_or_else(|| "a contract".to_owned(), |contract| format!("the contract {contract}"))
}

#[cfg(test)]
mod tests;
