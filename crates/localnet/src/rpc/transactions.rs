//! sendTransaction puts a transaction into the queue, and getTransaction finds one in the closed ledgers.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stellar_xdr::{TransactionEnvelope, TransactionMeta, TransactionMetaV4};

use super::{
    decode,
    error::RpcError,
    format::{Format, XdrFields},
};
use crate::{
    ledger::history::{ClosedLedger, ClosedTransaction},
    node::Node,
    queue,
    transaction::envelope::Submitted,
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SendRequest {
    #[serde(default)]
    transaction: String,
    xdr_format: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SendAnswer {
    /// The result and the diagnostic events of a transaction that is refused.
    #[serde(flatten)]
    xdr: XdrFields,
    status: &'static str,
    hash: String,
    latest_ledger: u32,
    latest_ledger_close_time: String,
}

pub(super) fn send(node: &mut Node, request: SendRequest) -> Result<SendAnswer, RpcError> {
    let format = Format::of(request.xdr_format.as_deref())?;
    let envelope: TransactionEnvelope =
        decode(&request.transaction).ok_or_else(|| RpcError::invalid_params("invalid_xdr"))?;
    let tx = Submitted::new(envelope, node.network_id)
        .map_err(|unencodable| RpcError::invalid_params(unencodable.to_string()))?;
    let latest = node.history.newest();
    let hash = hex::encode(tx.hash());
    let mut answer = SendAnswer {
        xdr: XdrFields::new(format),
        status: "PENDING",
        hash,
        latest_ledger: latest.sequence,
        latest_ledger_close_time: latest.close_time.to_string(),
    };
    match node.submit(tx) {
        queue::Answer::Pending => {}
        queue::Answer::Duplicate => answer.status = "DUPLICATE",
        queue::Answer::TryAgainLater => answer.status = "TRY_AGAIN_LATER",
        queue::Answer::Error { result, diagnostics } => {
            answer.status = "ERROR";
            answer.xdr.put("errorResultXdr", result.as_ref())?;
            answer.xdr.put_all("diagnosticEventsXdr", &diagnostics)?;
        }
    }
    Ok(answer)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GetRequest {
    #[serde(default)]
    hash: String,
    xdr_format: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GetAnswer {
    latest_ledger: u32,
    latest_ledger_close_time: String,
    oldest_ledger: u32,
    oldest_ledger_close_time: String,
    #[serde(flatten)]
    details: Details,
    created_at: String,
}

/// The part that getTransaction and getTransactions both answer about a transaction.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Details {
    status: &'static str,
    tx_hash: String,
    application_order: usize,
    fee_bump: bool,
    #[serde(flatten)]
    xdr: XdrFields,
    events: XdrFields,
    ledger: u32,
}

impl Details {
    /// `order` is the transaction's place in the ledger, counted from 1.
    pub(super) fn of(
        tx: &ClosedTransaction,
        ledger: &ClosedLedger,
        order: usize,
        format: Format,
    ) -> Result<Self, RpcError> {
        let TransactionMetaV4 { operations, events, diagnostic_events, .. } = &tx.meta;
        let mut xdr = XdrFields::new(format);
        xdr.put("envelopeXdr", &tx.envelope)?;
        xdr.put("resultXdr", &tx.result)?;
        xdr.put("resultMetaXdr", &TransactionMeta::V4(tx.meta.clone()))?;
        xdr.put_all("diagnosticEventsXdr", diagnostic_events.iter())?;
        let mut told = XdrFields::new(format);
        told.put_all("transactionEventsXdr", events.iter())?;
        let of_operations: Result<Vec<_>, _> =
            operations.iter().map(|operation| format.write_all(operation.events.iter())).collect();
        told.insert_list("contractEventsXdr", Value::Array(of_operations?));
        Ok(Self {
            status: if tx.successful { "SUCCESS" } else { "FAILED" },
            tx_hash: hex::encode(tx.hash),
            application_order: order,
            fee_bump: matches!(tx.envelope, TransactionEnvelope::TxFeeBump(_)),
            xdr,
            events: told,
            ledger: ledger.header.header.ledger_seq,
        })
    }
}

pub(super) fn get(node: &Node, request: GetRequest) -> Result<GetAnswer, RpcError> {
    let format = Format::of(request.xdr_format.as_deref())?;
    if request.hash.len() != 64 {
        return Err(RpcError::invalid_params(format!("unexpected hash length ({})", request.hash.len())));
    }
    let mut hash = [0; 32];
    hex::decode_to_slice(&request.hash, &mut hash)
        .map_err(|error| RpcError::invalid_params(format!("incorrect hash: {error}")))?;
    let (newest, oldest) = (node.history.newest(), node.history.oldest());
    let (details, created_at) = match node.history.transaction(&hash) {
        Some((tx, ledger, order)) => (Details::of(tx, ledger, order, format)?, ledger.header.close_time()),
        None => (Details { status: "NOT_FOUND", tx_hash: request.hash, ..Details::default() }, 0),
    };
    Ok(GetAnswer {
        latest_ledger: newest.sequence,
        latest_ledger_close_time: newest.close_time.to_string(),
        oldest_ledger: oldest.sequence,
        oldest_ledger_close_time: oldest.close_time.to_string(),
        details,
        created_at: created_at.to_string(),
    })
}
