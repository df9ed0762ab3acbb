//! The outcome of a submitted transaction, in types and in words.

use paychan_channel::{Ledger, Stroops};
use stellar_xdr::{ScVal, TransactionResult, TransactionResultResult};

use super::Prepared;
use crate::{AccountError, AuthError, BuildError, CallFailure, Included, NotMeant, ResourceFees, RpcError, TxHash};

/// A transaction that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// Its hash.
    pub hash: TxHash,
    /// The ledger that it is in.
    pub ledger: Ledger,
    /// The fee paid, after refunds; the most that it can be if the network's result can't be decoded.
    pub fee_charged: Stroops,
    /// What the call returned.
    pub return_value: Option<ScVal>,
    /// What the resources cost, if the node says so.
    pub resource_fees: Option<ResourceFees>,
}

/// Why a transaction did not succeed, or is not known to have succeeded.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The simulation failed, so the transaction was not sent. Nothing was paid.
    #[error("not sent, because it would fail: {0}")]
    WouldFail(CallFailure),
    /// An archived entry must be restored by a transaction of its own. Nothing was sent.
    #[error(
        "not sent: an archived entry must be restored by a RestoreFootprint transaction first, then the call repeated"
    )]
    RestoreFirst,
    /// A node refused it. Nothing was paid.
    #[error("the network refused the transaction {hash}: {}", rejection(result))]
    Rejected {
        /// Its hash.
        hash: TxHash,
        /// The network's result.
        result: Box<TransactionResult>,
    },
    /// The transaction is in a ledger and failed: the fee is paid, and nothing else happened.
    #[error(
        "the transaction {hash} failed in ledger {ledger} (fee {fee_charged} stroops): {}",
        failed_words(failure.as_ref(), result.as_deref())
    )]
    Failed {
        /// Its hash.
        hash: TxHash,
        /// The ledger that it is in.
        ledger: Ledger,
        /// The fee paid.
        fee_charged: Stroops,
        /// The network's result; `None` when it can't be decoded.
        result: Option<Box<TransactionResult>>,
        /// Why it failed, if the node keeps diagnostic events.
        failure: Option<CallFailure>,
    },
    /// The transaction was not included in time and never will be. Nothing was paid, and it may be tried again.
    #[error(
        "the transaction {hash} was not included by ledger {bound} and never will be; try again, perhaps with a higher fee"
    )]
    Expired {
        /// Its hash.
        hash: TxHash,
        /// The first ledger that it can't be in.
        bound: Ledger,
    },
    /// The outcome is not known: **don't send another transaction before it is**.
    #[error(
        "it is not known whether the transaction {hash} was included ({why}); ask for that hash before doing anything \
         else. It can't be included from ledger {bound} on"
    )]
    Undecided {
        /// Its hash.
        hash: TxHash,
        /// The first ledger that it can't be in.
        bound: Ledger,
        /// Why the outcome is not known.
        why: String,
    },
    /// The simulation asks for something that is not meant. Nothing was signed.
    #[error(transparent)]
    NotMeant(#[from] NotMeant),
    /// An authorization that is needed can't be given.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The transaction could not be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The source account could not be read.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The endpoint gave no usable answer; nothing was sent.
    #[error(transparent)]
    Rpc(#[from] RpcError),
}

impl SubmitError {
    /// The whole fee (inclusion and resources) that the network asks for, if it refused the transaction for its fee.
    /// Then this one never gets into a ledger, and another one may be signed with that fee.
    #[must_use]
    pub fn fee_asked(&self) -> Option<Stroops> {
        match self {
            SubmitError::Rejected { result, .. } => matches!(result.result, TransactionResultResult::TxInsufficientFee)
                .then_some(Stroops(result.fee_charged)),
            _ => None,
        }
    }
}

pub(super) fn submitted(prepared: &Prepared, included: Included) -> Submitted {
    Submitted {
        hash: prepared.hash,
        ledger: included.ledger,
        fee_charged: included.fee_charged.unwrap_or_else(|| prepared.fee()),
        return_value: included.return_value,
        resource_fees: included.resource_fees,
    }
}

pub(super) fn failed(prepared: &Prepared, included: Included) -> SubmitError {
    SubmitError::Failed {
        hash: prepared.hash,
        ledger: included.ledger,
        fee_charged: included.fee_charged.unwrap_or_else(|| prepared.fee()),
        failure: CallFailure::of_events(&included.diagnostics, &prepared.parties),
        result: included.result.map(Box::new),
    }
}

fn failed_words(failure: Option<&CallFailure>, result: Option<&TransactionResult>) -> String {
    match (failure, result) {
        (Some(failure), _) => failure.to_string(),
        (None, Some(result)) => rejection(result),
        (None, None) => "its result can't be decoded".to_owned(),
    }
}

/// The network's result in words.
fn rejection(result: &TransactionResult) -> String {
    use TransactionResultResult as R;
    match &result.result {
        R::TxBadSeq => "its sequence number was used by another transaction of the same account; try again".to_owned(),
        R::TxInsufficientFee => {
            format!("its fee is too low; {} stroops would do", result.fee_charged)
        }
        R::TxInsufficientBalance => "the source account has too little XLM for the fee and its reserve".to_owned(),
        R::TxNoAccount => "the source account does not exist".to_owned(),
        R::TxBadAuth => "a signature is missing or wrong; check the secret key and the network".to_owned(),
        R::TxBadAuthExtra => "it has a signature that is not needed".to_owned(),
        R::TxTooLate => "it came too late; try again".to_owned(),
        R::TxTooEarly => "it came too early; try again".to_owned(),
        R::TxSorobanInvalid => "its resources are more than the network allows, or do not fit its fee".to_owned(),
        R::TxFrozenKeyAccessed => "it touches an entry that the network has frozen (CAP-77)".to_owned(),
        other => format!("{} {}", other.name(), operation_results(other)).trim().to_owned(),
    }
}

/// The first operation that failed, as the network names its result.
fn operation_results(result: &TransactionResultResult) -> String {
    let TransactionResultResult::TxFailed(results) = result else {
        return String::new();
    };
    results.iter().map(|result| format!("{result:?}")).next().unwrap_or_default()
}
