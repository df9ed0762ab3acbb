//! A transaction in a closed ledger.

use serde_json::Value;
use stellar_xdr::*;

use super::build::xdr;

/// A transaction as getTransaction answers it.
pub struct Closed(pub Value);

impl Closed {
    pub fn result(&self) -> TransactionResult {
        xdr(&self.0["resultXdr"])
    }

    pub fn meta(&self) -> TransactionMetaV4 {
        match xdr(&self.0["resultMetaXdr"]) {
            TransactionMeta::V4(meta) => meta,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    pub fn succeeded(self) -> Self {
        assert_eq!(self.0["status"], "SUCCESS", "{:?} {:?}", self.result(), self.meta().diagnostic_events);
        self
    }

    /// The result of the only operation of a transaction that failed.
    #[track_caller]
    pub fn failed_with(&self) -> OperationResultTr {
        assert_eq!(self.0["status"], "FAILED", "{}", self.0);
        match self.result().result {
            TransactionResultResult::TxFailed(operations) => match operations.as_slice() {
                [OperationResult::OpInner(inner)] => inner.clone(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }

    pub fn return_value(&self) -> ScVal {
        self.meta().soroban_meta.and_then(|meta| meta.return_value).expect("a return value")
    }
}
