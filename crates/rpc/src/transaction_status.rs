//! sendTransaction and getTransaction: hands a transaction over, and asks for its outcome.

use paychan_channel::{Ledger, Stroops};
use serde::{Deserialize, Serialize};
use stellar_xdr::{
    DiagnosticEvent, Limits, OperationResult, ScVal, SorobanTransactionMetaExt, TransactionEnvelope, TransactionMeta,
    TransactionResult, TransactionResultResult, WriteXdr,
};

use crate::decoding::{Number, xdr};
use crate::{Client, RpcError, TxHash};

/// The answer of `sendTransaction`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendAnswer {
    /// The transaction's hash, as the server computed it.
    pub hash: TxHash,
    /// The node's latest ledger.
    pub latest_ledger: Ledger,
    /// What the node did with it.
    pub status: SendStatus,
}

/// What a node has done with a transaction. None of these is final: only a ledger decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendStatus {
    /// The node took it into the queue.
    Pending,
    /// It is in the queue already.
    Duplicate,
    /// The node did not take it now: the source account has another one in the queue, or this one was dropped lately.
    TryAgainLater,
    /// The node refused it, and will not take it later.
    Error {
        /// The network's result. For `TxInsufficientFee`, `fee_charged` is the fee that would be enough.
        result: Box<TransactionResult>,
    },
}

/// Why a node refused a transaction, as far as it matters to the sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendRefusal {
    /// The bid is too low, and the node now refuses this hash for some ledgers: sign again with a higher bid
    /// ([`raised_bid`](crate::raised_bid)).
    InsufficientFee {
        /// The fee that would have been enough, in stroops, as the network names it.
        needed: Stroops,
    },
    /// The sequence number is not the account's next.
    BadSequence,
    /// The transaction's bounds have passed.
    TooLate,
    /// The source account does not exist, or can't pay the fee.
    InsufficientBalance,
    /// Another reason.
    Other {
        /// The network's code.
        code: String,
    },
}

impl SendRefusal {
    /// What a result in [`SendStatus::Error`] means.
    #[must_use]
    pub fn of(result: &TransactionResult) -> SendRefusal {
        match &result.result {
            TransactionResultResult::TxInsufficientFee => {
                SendRefusal::InsufficientFee { needed: Stroops(result.fee_charged) }
            }
            TransactionResultResult::TxBadSeq => SendRefusal::BadSequence,
            TransactionResultResult::TxTooLate => SendRefusal::TooLate,
            TransactionResultResult::TxInsufficientBalance | TransactionResultResult::TxNoAccount => {
                SendRefusal::InsufficientBalance
            }
            _ => SendRefusal::Other { code: result_code(result) },
        }
    }
}

/// The network's result as codes: the transaction's code, and that of its one operation.
#[must_use]
pub fn result_code(result: &TransactionResult) -> String {
    let name = result.result.name();
    match &result.result {
        TransactionResultResult::TxFailed(operations) | TransactionResultResult::TxSuccess(operations) => {
            match operations.first() {
                Some(OperationResult::OpInner(inner)) => format!("{name}: {inner:?}"),
                Some(other) => format!("{name}: {}", other.name()),
                None => name.to_owned(),
            }
        }
        _ => name.to_owned(),
    }
}

/// The answer of `getTransaction`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransactionAnswer {
    /// It is in no ledger from `oldest` to `latest`. This is final only when `latest` has passed the transaction's
    /// bounds and `oldest` is not after the ledger at which it was sent.
    NotFound {
        /// The latest ledger that the node holds.
        latest: Ledger,
        /// The oldest ledger that the node holds.
        oldest: Ledger,
    },
    /// It is in a ledger and succeeded.
    Success(Included),
    /// It is in a ledger and failed: the fee is paid, and nothing else happened.
    Failed(Included),
}

/// A transaction that is in a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Included {
    /// The ledger.
    pub ledger: Ledger,
    /// The fee paid, after the refund of what was not used; `None` when the result can't be decoded.
    pub fee_charged: Option<Stroops>,
    /// The network's result; `None` when it can't be decoded.
    pub result: Option<TransactionResult>,
    /// What the contract call returned. `None` also when the server sent no metadata that this version understands.
    pub return_value: Option<ScVal>,
    /// The host's diagnostic events, oldest first; empty unless the node keeps them.
    pub diagnostics: Vec<DiagnosticEvent>,
    /// What the resources cost. `None` for classic transactions, and without metadata that this version understands.
    pub resource_fees: Option<ResourceFees>,
}

/// What the network charged for a Soroban transaction's resources. [`Included::fee_charged`] is this and the bid for
/// inclusion (stellar-xdr, `SorobanTransactionMetaExtV1`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResourceFees {
    /// For instructions, entries, bytes read and written, and the transaction's size, as declared, whether used or not.
    pub non_refundable: Stroops,
    /// For rent and events, as used.
    pub refundable: Stroops,
    /// The part of `refundable` that is rent.
    pub rent: Stroops,
}

impl ResourceFees {
    /// All but rent, which is the cost of a call that extends no entry's life.
    #[must_use]
    pub fn without_rent(&self) -> Stroops {
        Stroops(self.non_refundable.0.saturating_add(self.refundable.0).saturating_sub(self.rent.0))
    }
}

#[derive(Serialize)]
struct SendParams {
    transaction: String,
}

#[derive(Serialize)]
struct GetParams {
    hash: TxHash,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSend {
    status: String,
    hash: TxHash,
    latest_ledger: Number<u32>,
    #[serde(default)]
    error_result_xdr: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawGet {
    status: String,
    latest_ledger: Number<u32>,
    #[serde(default)]
    oldest_ledger: Option<Number<u32>>,
    #[serde(default)]
    ledger: Option<Number<u32>>,
    #[serde(default)]
    result_xdr: Option<String>,
    #[serde(default)]
    result_meta_xdr: Option<String>,
    #[serde(default)]
    diagnostic_events_xdr: Option<Vec<String>>,
}

impl Client {
    /// Hands a signed transaction over. Handing over the same bytes again does no harm.
    ///
    /// # Errors
    /// Any [`RpcError`]. After `Timeout` or `Transport`, the transaction may still have arrived.
    pub async fn send(&self, envelope: &TransactionEnvelope) -> Result<SendAnswer, RpcError> {
        const METHOD: &str = "sendTransaction";
        let transaction = envelope
            .to_xdr_base64(Limits::none())
            .map_err(|error| self.bad(METHOD, format!("the transaction has no encoding: {error}")))?;
        let raw: RawSend = self.call(METHOD, Some(SendParams { transaction })).await?;
        decode_send(raw).map_err(|what| self.bad(METHOD, what))
    }

    /// Asks for the outcome of a transaction.
    ///
    /// # Errors
    /// Any [`RpcError`].
    pub async fn get_transaction(&self, hash: &TxHash) -> Result<TransactionAnswer, RpcError> {
        const METHOD: &str = "getTransaction";
        let raw: RawGet = self.call(METHOD, Some(GetParams { hash: *hash })).await?;
        decode_get(raw).map_err(|what| self.bad(METHOD, what))
    }
}

fn decode_send(raw: RawSend) -> Result<SendAnswer, String> {
    let status = match raw.status.as_str() {
        "PENDING" => SendStatus::Pending,
        "DUPLICATE" => SendStatus::Duplicate,
        "TRY_AGAIN_LATER" => SendStatus::TryAgainLater,
        "ERROR" => {
            let result = raw.error_result_xdr.ok_or("an error without a result")?;
            SendStatus::Error { result: Box::new(xdr("the result", &result)?) }
        }
        other => return Err(format!("the status {other}")),
    };
    Ok(SendAnswer { hash: raw.hash, latest_ledger: Ledger(raw.latest_ledger.0), status })
}

fn decode_get(raw: RawGet) -> Result<TransactionAnswer, String> {
    match raw.status.as_str() {
        "NOT_FOUND" => Ok(TransactionAnswer::NotFound {
            latest: Ledger(raw.latest_ledger.0),
            oldest: Ledger(raw.oldest_ledger.ok_or("no oldest ledger")?.0),
        }),
        "SUCCESS" => included(raw).map(TransactionAnswer::Success),
        "FAILED" => included(raw).map(TransactionAnswer::Failed),
        other => Err(format!("the status {other}")),
    }
}

fn included(raw: RawGet) -> Result<Included, String> {
    let ledger = Ledger(raw.ledger.ok_or("no ledger")?.0);
    // It matters most that the transaction is in a ledger, and whether it succeeded. A result or metadata of a newer
    // protocol must not hide that: the caller would wait for ever.
    let result: Option<TransactionResult> = raw.result_xdr.and_then(|result| xdr("the result", &result).ok());
    let meta = raw.result_meta_xdr.and_then(|meta| xdr("the metadata", &meta).ok());
    let mut noted = meta.map(from_meta).unwrap_or_default();
    if let Some(events) = raw.diagnostic_events_xdr {
        noted.diagnostics = events.iter().filter_map(|event| xdr("an event", event).ok()).collect();
    }
    Ok(Included {
        ledger,
        fee_charged: result.as_ref().map(|result| Stroops(result.fee_charged)),
        result,
        return_value: noted.return_value,
        diagnostics: noted.diagnostics,
        resource_fees: noted.resource_fees,
    })
}

/// The parts of a transaction's metadata that are read.
#[derive(Default)]
struct Noted {
    return_value: Option<ScVal>,
    diagnostics: Vec<DiagnosticEvent>,
    resource_fees: Option<ResourceFees>,
}

fn from_meta(meta: TransactionMeta) -> Noted {
    match meta {
        TransactionMeta::V3(meta) => meta.soroban_meta.map_or_else(Noted::default, |soroban| Noted {
            return_value: Some(soroban.return_value),
            diagnostics: soroban.diagnostic_events.into_vec(),
            resource_fees: fees(soroban.ext),
        }),
        TransactionMeta::V4(meta) => {
            let diagnostics = meta.diagnostic_events.into_vec();
            let (return_value, resource_fees) =
                meta.soroban_meta.map_or((None, None), |soroban| (soroban.return_value, fees(soroban.ext)));
            Noted { return_value, diagnostics, resource_fees }
        }
        TransactionMeta::V0(_) | TransactionMeta::V1(_) | TransactionMeta::V2(_) => Noted::default(),
    }
}

fn fees(ext: SorobanTransactionMetaExt) -> Option<ResourceFees> {
    match ext {
        SorobanTransactionMetaExt::V0 => None,
        SorobanTransactionMetaExt::V1(fees) => Some(ResourceFees {
            non_refundable: Stroops(fees.total_non_refundable_resource_fee_charged),
            refundable: Stroops(fees.total_refundable_resource_fee_charged),
            rent: Stroops(fees.rent_fee_charged),
        }),
    }
}
