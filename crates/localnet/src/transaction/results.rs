//! Builds results: a transaction's code, and the codes of its operations.

use stellar_xdr::{
    AccountMergeResult, BumpSequenceResult, ChangeTrustResult, ClawbackResult, CreateAccountResult,
    ExtendFootprintTtlResult, Hash, InnerTransactionResult, InnerTransactionResultExt, InnerTransactionResultPair,
    InnerTransactionResultResult as Inner, InvokeHostFunctionResult, ManageDataResult, Operation, OperationBody,
    OperationResult, OperationResultTr, PaymentResult, RestoreFootprintResult, SetOptionsResult,
    SetTrustLineFlagsResult, TransactionResult, TransactionResultExt, TransactionResultResult as Outer,
};

use super::envelope::Submitted;

/// A result with the fee charged, in stroops.
pub(crate) fn transaction(fee_charged: i64, result: Outer) -> TransactionResult {
    TransactionResult { fee_charged, result, ext: TransactionResultExt::V0 }
}

/// The result of the transaction itself. With a fee bump it is put into the fee bump's result.
pub(crate) fn of_inner(tx: &Submitted, fee_charged: i64, result: Outer) -> TransactionResult {
    if tx.fee_bump().is_none() {
        return transaction(fee_charged, result);
    }
    let succeeded = matches!(result, Outer::TxSuccess(_));
    let pair = InnerTransactionResultPair {
        transaction_hash: Hash(tx.inner_hash()),
        result: InnerTransactionResult {
            // The XDR says of it: "Always 0. Here for binary compatibility."
            fee_charged: 0,
            result: inner(result),
            ext: InnerTransactionResultExt::V0,
        },
    };
    transaction(
        fee_charged,
        if succeeded { Outer::TxFeeBumpInnerSuccess(pair) } else { Outer::TxFeeBumpInnerFailed(pair) },
    )
}

/// The same code in the type that results inside of fee bumps have.
fn inner(result: Outer) -> Inner {
    match result {
        Outer::TxSuccess(operations) => Inner::TxSuccess(operations),
        Outer::TxFailed(operations) => Inner::TxFailed(operations),
        Outer::TxTooEarly => Inner::TxTooEarly,
        Outer::TxTooLate => Inner::TxTooLate,
        Outer::TxMissingOperation => Inner::TxMissingOperation,
        Outer::TxBadSeq => Inner::TxBadSeq,
        Outer::TxBadAuth => Inner::TxBadAuth,
        Outer::TxInsufficientBalance => Inner::TxInsufficientBalance,
        Outer::TxNoAccount => Inner::TxNoAccount,
        Outer::TxInsufficientFee => Inner::TxInsufficientFee,
        Outer::TxBadAuthExtra => Inner::TxBadAuthExtra,
        Outer::TxNotSupported => Inner::TxNotSupported,
        Outer::TxBadSponsorship => Inner::TxBadSponsorship,
        Outer::TxBadMinSeqAgeOrGap => Inner::TxBadMinSeqAgeOrGap,
        Outer::TxMalformed => Inner::TxMalformed,
        Outer::TxSorobanInvalid => Inner::TxSorobanInvalid,
        // Nothing here gives a transaction inside of a fee bump any other code.
        _ => Inner::TxInternalError,
    }
}

/// The result of a transaction with a failed operation, with the operations' results in order.
pub(crate) fn failed(operations: Vec<OperationResult>) -> Outer {
    Outer::TxFailed(operations.try_into().expect("100 operations at most"))
}

/// The result of a transaction whose operations all took effect, with their results in order.
pub(crate) fn succeeded(operations: Vec<OperationResult>) -> Outer {
    Outer::TxSuccess(operations.try_into().expect("100 operations at most"))
}

/// The result that an operation has in a refused transaction when another operation is the reason.
pub(crate) fn untouched(operation: &Operation) -> OperationResult {
    let inner = match &operation.body {
        OperationBody::CreateAccount(_) => OperationResultTr::CreateAccount(CreateAccountResult::Success),
        OperationBody::Payment(_) => OperationResultTr::Payment(PaymentResult::Success),
        OperationBody::ChangeTrust(_) => OperationResultTr::ChangeTrust(ChangeTrustResult::Success),
        OperationBody::SetOptions(_) => OperationResultTr::SetOptions(SetOptionsResult::Success),
        OperationBody::SetTrustLineFlags(_) => OperationResultTr::SetTrustLineFlags(SetTrustLineFlagsResult::Success),
        OperationBody::Clawback(_) => OperationResultTr::Clawback(ClawbackResult::Success),
        OperationBody::AccountMerge(_) => OperationResultTr::AccountMerge(AccountMergeResult::Success(0)),
        OperationBody::ManageData(_) => OperationResultTr::ManageData(ManageDataResult::Success),
        OperationBody::BumpSequence(_) => OperationResultTr::BumpSequence(BumpSequenceResult::Success),
        OperationBody::InvokeHostFunction(_) => {
            OperationResultTr::InvokeHostFunction(InvokeHostFunctionResult::Success(Hash([0; 32])))
        }
        OperationBody::ExtendFootprintTtl(_) => {
            OperationResultTr::ExtendFootprintTtl(ExtendFootprintTtlResult::Success)
        }
        OperationBody::RestoreFootprint(_) => OperationResultTr::RestoreFootprint(RestoreFootprintResult::Success),
        _ => return OperationResult::OpNotSupported,
    };
    OperationResult::OpInner(inner)
}

/// Whether the operation took effect.
pub(crate) fn is_success(result: &OperationResult) -> bool {
    let OperationResult::OpInner(inner) = result else {
        return false;
    };
    match inner {
        OperationResultTr::CreateAccount(code) => *code == CreateAccountResult::Success,
        OperationResultTr::Payment(code) => *code == PaymentResult::Success,
        OperationResultTr::ChangeTrust(code) => *code == ChangeTrustResult::Success,
        OperationResultTr::SetOptions(code) => *code == SetOptionsResult::Success,
        OperationResultTr::SetTrustLineFlags(code) => *code == SetTrustLineFlagsResult::Success,
        OperationResultTr::Clawback(code) => *code == ClawbackResult::Success,
        OperationResultTr::AccountMerge(code) => matches!(code, AccountMergeResult::Success(_)),
        OperationResultTr::ManageData(code) => *code == ManageDataResult::Success,
        OperationResultTr::BumpSequence(code) => *code == BumpSequenceResult::Success,
        OperationResultTr::InvokeHostFunction(code) => matches!(code, InvokeHostFunctionResult::Success(_)),
        OperationResultTr::ExtendFootprintTtl(code) => *code == ExtendFootprintTtlResult::Success,
        OperationResultTr::RestoreFootprint(code) => *code == RestoreFootprintResult::Success,
        _ => false,
    }
}
