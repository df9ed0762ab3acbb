//! sendTransaction and getTransaction.

use serde::{Deserialize, Serialize};
use stellar_xdr::{TransactionEnvelope, TransactionMeta, TransactionMetaV4};

use super::{check_format, decode, encode, encode_all, error::RpcError};
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
    #[serde(skip_serializing_if = "Option::is_none")]
    error_result_xdr: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    diagnostic_events_xdr: Vec<String>,
    status: &'static str,
    hash: String,
    latest_ledger: u32,
    latest_ledger_close_time: String,
}

pub(super) fn send(node: &mut Node, request: SendRequest) -> Result<SendAnswer, RpcError> {
    check_format(request.xdr_format.as_deref())?;
    let envelope: TransactionEnvelope =
        decode(&request.transaction).ok_or_else(|| RpcError::invalid_params("invalid_xdr"))?;
    let tx = Submitted::new(envelope, node.network_id)
        .map_err(|not_implemented| RpcError::invalid_params(not_implemented.to_string()))?;
    let latest = node.history.newest();
    let hash = hex::encode(tx.hash());
    let mut answer = SendAnswer {
        error_result_xdr: None,
        diagnostic_events_xdr: Vec::new(),
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
            answer.error_result_xdr = Some(encode(result.as_ref())?);
            answer.diagnostic_events_xdr = encode_all(&diagnostics)?;
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

/// What getTransaction and getTransactions tell of a transaction.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Details {
    status: &'static str,
    tx_hash: String,
    application_order: usize,
    fee_bump: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    envelope_xdr: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    result_xdr: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    result_meta_xdr: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    diagnostic_events_xdr: Vec<String>,
    events: Events,
    ledger: u32,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Events {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    transaction_events_xdr: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    contract_events_xdr: Vec<Vec<String>>,
}

impl Details {
    pub(super) fn of(tx: &ClosedTransaction, ledger: &ClosedLedger, order: usize) -> Result<Self, RpcError> {
        let TransactionMetaV4 { operations, events, diagnostic_events, .. } = &tx.meta;
        Ok(Self {
            status: if tx.successful { "SUCCESS" } else { "FAILED" },
            tx_hash: hex::encode(tx.hash),
            application_order: order,
            fee_bump: false,
            envelope_xdr: encode(&tx.envelope)?,
            result_xdr: encode(&tx.result)?,
            result_meta_xdr: encode(&TransactionMeta::V4(tx.meta.clone()))?,
            diagnostic_events_xdr: encode_all(diagnostic_events.iter())?,
            events: Events {
                transaction_events_xdr: encode_all(events.iter())?,
                contract_events_xdr: operations
                    .iter()
                    .map(|operation| encode_all(operation.events.iter()))
                    .collect::<Result<_, _>>()?,
            },
            ledger: ledger.header.header.ledger_seq,
        })
    }
}

pub(super) fn get(node: &Node, request: GetRequest) -> Result<GetAnswer, RpcError> {
    check_format(request.xdr_format.as_deref())?;
    if request.hash.len() != 64 {
        return Err(RpcError::invalid_params(format!("unexpected hash length ({})", request.hash.len())));
    }
    let mut hash = [0; 32];
    hex::decode_to_slice(&request.hash, &mut hash)
        .map_err(|error| RpcError::invalid_params(format!("incorrect hash: {error}")))?;
    let (newest, oldest) = (node.history.newest(), node.history.oldest());
    let (details, created_at) = match node.history.transaction(&hash) {
        Some((tx, ledger, order)) => (Details::of(tx, ledger, order)?, ledger.header.close_time()),
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
