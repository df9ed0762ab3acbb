//! Building results: a transaction's code, and the codes of its operations.

use stellar_xdr::{
    ChangeTrustResult, ClawbackResult, CreateAccountResult, ExtendFootprintTtlResult, Hash, InvokeHostFunctionResult,
    Operation, OperationBody, OperationResult, OperationResultTr, PaymentResult, RestoreFootprintResult,
    SetOptionsResult, SetTrustLineFlagsResult, TransactionResult, TransactionResultExt, TransactionResultResult,
};

/// A result with the fee charged, in stroops.
pub(crate) fn transaction(fee_charged: i64, result: TransactionResultResult) -> TransactionResult {
    TransactionResult { fee_charged, result, ext: TransactionResultExt::V0 }
}

/// All operations in order, failed.
pub(crate) fn failed(operations: Vec<OperationResult>) -> TransactionResultResult {
    TransactionResultResult::TxFailed(operations.try_into().expect("100 operations at most"))
}

/// All operations in order, done.
pub(crate) fn succeeded(operations: Vec<OperationResult>) -> TransactionResultResult {
    TransactionResultResult::TxSuccess(operations.try_into().expect("100 operations at most"))
}

/// The result an operation has before anything was said of it.
pub(crate) fn untouched(operation: &Operation) -> OperationResult {
    let inner = match &operation.body {
        OperationBody::CreateAccount(_) => OperationResultTr::CreateAccount(CreateAccountResult::Success),
        OperationBody::Payment(_) => OperationResultTr::Payment(PaymentResult::Success),
        OperationBody::ChangeTrust(_) => OperationResultTr::ChangeTrust(ChangeTrustResult::Success),
        OperationBody::SetOptions(_) => OperationResultTr::SetOptions(SetOptionsResult::Success),
        OperationBody::SetTrustLineFlags(_) => OperationResultTr::SetTrustLineFlags(SetTrustLineFlagsResult::Success),
        OperationBody::Clawback(_) => OperationResultTr::Clawback(ClawbackResult::Success),
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

/// Did the operation do what it was to do?
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
        OperationResultTr::InvokeHostFunction(code) => {
            matches!(code, InvokeHostFunctionResult::Success(_))
        }
        OperationResultTr::ExtendFootprintTtl(code) => *code == ExtendFootprintTtlResult::Success,
        OperationResultTr::RestoreFootprint(code) => *code == RestoreFootprintResult::Success,
        _ => false,
    }
}
