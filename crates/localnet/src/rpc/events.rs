//! getEvents: the events of closed ledgers, one page at a time.

use serde::{Deserialize, Serialize};
use stellar_xdr::{ContractEventBody, ContractEventType};

use super::{
    error::RpcError,
    event_filter::{self, SentFilter},
    format::{Format, XdrFields},
};
use crate::{
    ledger::{cursor::Cursor, history::StoredEvent},
    node::Node,
};

/// The most ledgers that one request searches.
const SCAN_LIMIT: u32 = 10_000;
/// How many events one answer has by default. `MAX_LIMIT` is the most.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 10_000;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    #[serde(default)]
    start_ledger: u32,
    #[serde(default)]
    end_ledger: u32,
    #[serde(default)]
    filters: Option<Vec<SentFilter>>,
    pagination: Option<Pagination>,
    xdr_format: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Pagination {
    cursor: Option<String>,
    #[serde(default)]
    limit: usize,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer {
    events: Vec<Event>,
    cursor: String,
    latest_ledger: u32,
    oldest_ledger: u32,
    latest_ledger_close_time: String,
    oldest_ledger_close_time: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(rename = "type")]
    kind: &'static str,
    ledger: u32,
    ledger_closed_at: String,
    contract_id: String,
    id: String,
    operation_index: u32,
    transaction_index: u32,
    in_successful_contract_call: bool,
    tx_hash: String,
    /// The topics and the value.
    #[serde(flatten)]
    xdr: XdrFields,
}

/// Answers events in order, from a ledger or after a cursor. If the page is not full, its cursor is the end of the searched
/// ledgers.
pub(super) fn get(node: &Node, request: Request) -> Result<Answer, RpcError> {
    let format = Format::of(request.xdr_format.as_deref())?;
    let cursor = match request.pagination.as_ref().and_then(|page| page.cursor.as_deref()) {
        None => None,
        Some(text) => {
            let cursor = Cursor::parse(text)
                .ok_or_else(|| RpcError::invalid_params(format!("invalid parameters: invalid event id {text}")))?;
            Some(cursor)
        }
    };
    if cursor.is_some() && (request.start_ledger != 0 || request.end_ledger != 0) {
        return Err(RpcError::invalid_params("ledger ranges and cursor cannot both be set"));
    }
    if cursor.is_none() && request.start_ledger == 0 {
        return Err(RpcError::invalid_params("startLedger must be positive"));
    }
    let limit = match request.pagination.map_or(0, |page| page.limit) {
        0 => DEFAULT_LIMIT,
        limit if limit > MAX_LIMIT => {
            return Err(RpcError::invalid_params(format!("limit must not exceed {MAX_LIMIT}")));
        }
        limit => limit,
    };
    let filters =
        event_filter::read(request.filters.as_deref().unwrap_or_default()).map_err(RpcError::invalid_params)?;

    let (newest, oldest) = (node.history.newest(), node.history.oldest());
    let start = cursor.map_or(request.start_ledger, |cursor| cursor.ledger);
    if start < oldest.sequence || start > newest.sequence {
        return Err(RpcError::invalid_request(format!(
            "startLedger must be within the ledger range: {} - {}",
            oldest.sequence, newest.sequence
        )));
    }
    let mut end = start.saturating_add(SCAN_LIMIT).min(newest.sequence.saturating_add(1));
    if request.end_ledger != 0 {
        end = end.min(request.end_ledger);
    }
    let mut found = Vec::new();
    'ledgers: for ledger in node.history.range(start, end) {
        let closed_at = rfc3339(ledger.header.close_time());
        for stored in &ledger.events {
            if cursor.is_some_and(|cursor| stored.cursor <= cursor) || !event_filter::matches(&filters, &stored.event) {
                continue;
            }
            found.push(event(stored, &closed_at, format)?);
            if found.len() >= limit {
                break 'ledgers;
            }
        }
    }
    let cursor = match found.last() {
        Some(last) if found.len() >= limit => last.id.clone(),
        _ => Cursor::end_of(end.saturating_sub(1)).to_string(),
    };
    Ok(Answer {
        events: found,
        cursor,
        latest_ledger: newest.sequence,
        oldest_ledger: oldest.sequence,
        latest_ledger_close_time: newest.close_time.to_string(),
        oldest_ledger_close_time: oldest.close_time.to_string(),
    })
}

fn event(stored: &StoredEvent, closed_at: &str, format: Format) -> Result<Event, RpcError> {
    let ContractEventBody::V0(body) = &stored.event.body;
    let mut xdr = XdrFields::new(format);
    xdr.put_all("topic", body.topics.iter())?;
    xdr.put("value", &body.data)?;
    Ok(Event {
        kind: match stored.event.type_ {
            ContractEventType::System => "system",
            ContractEventType::Contract => "contract",
            ContractEventType::Diagnostic => "diagnostic",
        },
        ledger: stored.cursor.ledger,
        ledger_closed_at: closed_at.to_owned(),
        contract_id: stored
            .event
            .contract_id
            .as_ref()
            .map(|id| stellar_strkey::Contract(id.0.0).to_string().to_string())
            .unwrap_or_default(),
        id: stored.cursor.to_string(),
        operation_index: stored.cursor.operation,
        transaction_index: stored.cursor.transaction,
        in_successful_contract_call: stored.in_successful_call,
        tx_hash: hex::encode(stored.transaction),
        xdr,
    })
}

/// Unix seconds as `2026-11-22T17:40:00Z`. The calendar is the Gregorian one. It is counted in eras of 400 years that start
/// on the first of March, so that the leap day is the last day of a year.
fn rfc3339(seconds: u64) -> String {
    const DAYS_TO_EPOCH: u64 = 719_468;
    const DAYS_OF_ERA: u64 = 146_097;
    let days = seconds / 86_400 + DAYS_TO_EPOCH;
    let (era, day_of_era) = (days / DAYS_OF_ERA, days % DAYS_OF_ERA);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_public_server_writes_them() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ];
        for (seconds, text) in cases {
            assert_eq!(rfc3339(seconds), text);
        }
    }
}
