//! getTransactions and getLedgers: closed ledgers and their transactions in order, one page at a time. Ledgers that were
//! jumped over never closed, so they are left out.

use serde::{Deserialize, Serialize};

use super::{
    error::RpcError,
    format::{Format, XdrFields},
    transactions::Details,
};
use crate::{ledger::cursor::Cursor, node::Node};

/// How many items a page has by default. `MAX_LIMIT` is the most. stellar-rpc has these limits for both methods.
const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 200;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    #[serde(default)]
    start_ledger: u32,
    pagination: Option<Pagination>,
    xdr_format: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Pagination {
    #[serde(default)]
    cursor: String,
    #[serde(default)]
    limit: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Transactions {
    transactions: Vec<Transaction>,
    latest_ledger: u32,
    latest_ledger_close_timestamp: u64,
    oldest_ledger: u32,
    oldest_ledger_close_timestamp: u64,
    cursor: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Transaction {
    #[serde(flatten)]
    details: Details,
    created_at: u64,
}

/// Checks which page is asked for. Answers its size, and the cursor after which it starts.
fn page(node: &Node, request: &Request) -> Result<(usize, Option<u64>), RpcError> {
    let (first, last) = (node.history.oldest().sequence, node.history.newest().sequence);
    let none = Pagination::default();
    let pagination = request.pagination.as_ref().unwrap_or(&none);
    let start = request.start_ledger;
    if pagination.limit > MAX_LIMIT {
        return Err(RpcError::invalid_request(format!("limit must not exceed {MAX_LIMIT}")));
    }
    let limit = if pagination.limit == 0 { DEFAULT_LIMIT } else { pagination.limit };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if pagination.cursor.is_empty() {
        if start < first || start > last {
            return Err(RpcError::invalid_request(format!(
                "start ledger ({start}) must be between the oldest ledger: {first} and the latest ledger: {last} for \
                 this rpc instance"
            )));
        }
        return Ok((limit, None));
    }
    if start != 0 {
        return Err(RpcError::invalid_request(format!(
            "startLedger ({start}) and cursor ({}) cannot both be set",
            pagination.cursor
        )));
    }
    let cursor = pagination
        .cursor
        .parse()
        .map_err(|_| RpcError::invalid_params(format!("cursor '{}' is not a number", pagination.cursor)))?;
    Ok((limit, Some(cursor)))
}

pub(super) fn transactions(node: &Node, request: Request) -> Result<Transactions, RpcError> {
    let format = Format::of(request.xdr_format.as_deref())?;
    let (limit, cursor) = page(node, &request)?;
    let (newest, oldest) = (node.history.newest(), node.history.oldest());
    let after = match cursor {
        None => Cursor::start_of(request.start_ledger),
        Some(position) => Cursor::parse(&format!("{position}-0"))
            .ok_or_else(|| RpcError::invalid_params(format!("cursor '{position}' is not a position")))?,
    };
    let mut transactions = Vec::new();
    let mut last = after;
    'ledgers: for ledger in node.history.range(after.ledger, newest.sequence.saturating_add(1)) {
        let sequence = ledger.header.header.ledger_seq;
        last = Cursor { operation: 1, ..Cursor::start_of(sequence) };
        for (tx, order) in ledger.transactions.iter().zip(1_u32..) {
            if sequence == after.ledger && order <= after.transaction {
                continue;
            }
            last.transaction = order;
            transactions.push(Transaction {
                details: Details::of(tx, ledger, usize::try_from(order).unwrap_or(usize::MAX), format)?,
                created_at: ledger.header.close_time(),
            });
            if transactions.len() >= limit {
                break 'ledgers;
            }
        }
    }
    Ok(Transactions {
        transactions,
        latest_ledger: newest.sequence,
        latest_ledger_close_timestamp: newest.close_time,
        oldest_ledger: oldest.sequence,
        oldest_ledger_close_timestamp: oldest.close_time,
        cursor: last.position().to_string(),
    })
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ledgers {
    ledgers: Vec<Ledger>,
    latest_ledger: u32,
    latest_ledger_close_time: u64,
    oldest_ledger: u32,
    oldest_ledger_close_time: u64,
    cursor: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Ledger {
    hash: String,
    sequence: u32,
    ledger_close_time: String,
    #[serde(flatten)]
    xdr: XdrFields,
}

pub(super) fn ledgers(node: &Node, request: Request) -> Result<Ledgers, RpcError> {
    let format = Format::of(request.xdr_format.as_deref())?;
    let (limit, cursor) = page(node, &request)?;
    let (newest, oldest) = (node.history.newest(), node.history.oldest());
    let start = match cursor {
        None => request.start_ledger,
        Some(cursor) => u32::try_from(cursor)
            .ok()
            .and_then(|cursor| cursor.checked_add(1))
            .filter(|start| (oldest.sequence..=newest.sequence).contains(start))
            .ok_or_else(|| {
                RpcError::invalid_params(format!(
                    "cursor ('{cursor}') must be between the oldest ledger: {} and the latest ledger: {} for this rpc \
                     instance",
                    oldest.sequence, newest.sequence
                ))
            })?,
    };
    let ledgers = node
        .history
        .range(start, newest.sequence.saturating_add(1))
        .take(limit)
        .map(|ledger| {
            let mut xdr = XdrFields::new(format);
            xdr.put("headerXdr", &ledger.header_entry())?;
            xdr.put("metadataXdr", &ledger.meta())?;
            Ok(Ledger {
                hash: hex::encode(ledger.header.hash),
                sequence: ledger.header.header.ledger_seq,
                ledger_close_time: ledger.header.close_time().to_string(),
                xdr,
            })
        })
        .collect::<Result<Vec<_>, RpcError>>()?;
    let cursor = ledgers.last().map_or(start.saturating_sub(1), |ledger| ledger.sequence).to_string();
    Ok(Ledgers {
        ledgers,
        latest_ledger: newest.sequence,
        latest_ledger_close_time: newest.close_time,
        oldest_ledger: oldest.sequence,
        oldest_ledger_close_time: oldest.close_time,
        cursor,
    })
}
