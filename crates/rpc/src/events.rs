//! getEvents: where to look now.

use paychan_channel::{ContractId, Ledger};
use serde::{Deserialize, Serialize};
use stellar_xdr::{Limits, ScVal, WriteXdr};

use crate::decoding::{Number, xdr};
use crate::{Client, RpcError, TxHash};

const METHOD: &str = "getEvents";

/// Where to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventsFrom {
    /// At this ledger, including it.
    Ledger(Ledger),
    /// After the last page, by its cursor.
    Cursor(String),
}

/// One part of a topic filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Exactly this value.
    Is(ScVal),
    /// One value, whatever it is (`*`).
    Any,
    /// Any number of values, none included; last only (`**`). Without it the number of topics must match.
    Rest,
}

/// Which events. The server takes 5 filters, each with 5 contracts and 5 topic filters of 4 segments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Any of these contracts; empty: all.
    pub contracts: Vec<ContractId>,
    /// Any of these topic filters; empty: all.
    pub topics: Vec<Vec<Segment>>,
}

/// A question for events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventsRequest {
    /// Where to start.
    pub from: EventsFrom,
    /// Any of these filters; empty: all contract events.
    pub filters: Vec<EventFilter>,
    /// Events a page, at most 10,000; `None`: the server's 100.
    pub limit: Option<u32>,
}

/// One contract event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The ledger it happened in.
    pub ledger: Ledger,
    /// Who emitted it.
    pub contract: Option<ContractId>,
    /// Its place in history; a cursor.
    pub id: String,
    /// Its topics.
    pub topics: Vec<ScVal>,
    /// Its data.
    pub data: ScVal,
    /// The transaction, where the server says so.
    pub transaction: Option<TxHash>,
}

/// A page of events.
///
/// The server looks through at most 10,000 ledgers a call: a page without events is not yet the end. The end is a cursor
/// that has reached [`EventsPage::latest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventsPage {
    /// In the order of history.
    pub events: Vec<Event>,
    /// Where the next page starts.
    pub cursor: String,
    /// The latest ledger that the node holds.
    pub latest: Ledger,
    /// The oldest ledger that the node holds.
    pub oldest: Ledger,
}

impl EventsPage {
    /// The ledger that the cursor stands in.
    #[must_use]
    pub fn cursor_ledger(&self) -> Option<Ledger> {
        cursor_ledger(&self.cursor)
    }
}

/// The ledger in a cursor `TOID-INDEX`: the upper 32 of the 63 bits of TOID (SEP-35).
fn cursor_ledger(cursor: &str) -> Option<Ledger> {
    let (toid, _) = cursor.split_once('-')?;
    let toid: u64 = toid.parse().ok()?;
    u32::try_from(toid >> 32).ok().map(Ledger)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Params {
    #[serde(skip_serializing_if = "Option::is_none")]
    start_ledger: Option<u32>,
    filters: Vec<ParamFilter>,
    pagination: Pagination,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ParamFilter {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    contract_ids: Vec<ContractId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    topics: Vec<Vec<String>>,
}

#[derive(Serialize)]
struct Pagination {
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    events: Option<Vec<RawEvent>>,
    cursor: String,
    latest_ledger: Number<u32>,
    #[serde(default)]
    oldest_ledger: Option<Number<u32>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawEvent {
    ledger: Number<u32>,
    #[serde(default)]
    contract_id: String,
    id: String,
    #[serde(default)]
    topic: Vec<String>,
    value: String,
    #[serde(default)]
    tx_hash: Option<TxHash>,
}

impl Client {
    /// Asks for a page of events.
    ///
    /// # Errors
    /// [`ErrorKind::NodeBehind`](crate::ErrorKind::NodeBehind) when the start is ahead of the node,
    /// [`ErrorKind::HistoryGone`](crate::ErrorKind::HistoryGone) when it is before what the node holds, and any other
    /// [`RpcError`].
    pub async fn get_events(&self, request: &EventsRequest) -> Result<EventsPage, RpcError> {
        let (start, cursor, asked) = match &request.from {
            EventsFrom::Ledger(ledger) => (Some(ledger.0), None, Some(*ledger)),
            EventsFrom::Cursor(cursor) => (None, Some(cursor.clone()), cursor_ledger(cursor)),
        };
        let filters = request
            .filters
            .iter()
            .map(param_filter)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| self.bad(METHOD, format!("a topic has no encoding: {error}")))?;
        let filters = match filters.is_empty() {
            true => vec![ParamFilter { kind: "contract", contract_ids: Vec::new(), topics: Vec::new() }],
            false => filters,
        };
        let pagination = Pagination { cursor, limit: request.limit };
        let params = Params { start_ledger: start, filters, pagination };
        let raw: Raw = self.call_from(METHOD, Some(params), asked).await?;
        let events = raw
            .events
            .unwrap_or_default()
            .into_iter()
            .map(decode)
            .collect::<Result<_, _>>()
            .map_err(|what| self.bad(METHOD, what))?;
        Ok(EventsPage {
            events,
            cursor: raw.cursor,
            latest: Ledger(raw.latest_ledger.0),
            oldest: Ledger(raw.oldest_ledger.map_or(0, |oldest| oldest.0)),
        })
    }
}

fn param_filter(filter: &EventFilter) -> Result<ParamFilter, stellar_xdr::Error> {
    let segment = |segment: &Segment| match segment {
        Segment::Is(value) => value.to_xdr_base64(Limits::none()),
        Segment::Any => Ok("*".to_owned()),
        Segment::Rest => Ok("**".to_owned()),
    };
    let topics = filter.topics.iter().map(|topic| topic.iter().map(segment).collect()).collect::<Result<_, _>>()?;
    Ok(ParamFilter { kind: "contract", contract_ids: filter.contracts.clone(), topics })
}

fn decode(raw: RawEvent) -> Result<Event, String> {
    let contract = match raw.contract_id.as_str() {
        "" => None,
        id => Some(id.parse().map_err(|error| format!("an event's contract: {error}"))?),
    };
    let topics = raw.topic.iter().map(|topic| xdr("an event's topic", topic)).collect::<Result<_, _>>()?;
    Ok(Event {
        ledger: Ledger(raw.ledger.0),
        contract,
        id: raw.id,
        topics,
        data: xdr("an event's data", &raw.value)?,
        transaction: raw.tx_hash,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_cursor_tells_its_ledger() {
        assert_eq!(cursor_ledger("0000005519426093056-0000000001"), Some(Ledger(1_285)));
        assert_eq!(cursor_ledger("nothing"), None);
    }

    #[test]
    fn a_filter_for_close_is_written_as_the_server_reads_it() {
        let close = ScVal::Symbol("close".try_into().unwrap());
        let filter = EventFilter { contracts: vec![], topics: vec![vec![Segment::Is(close), Segment::Rest]] };
        let json = serde_json::to_string(&param_filter(&filter).unwrap()).unwrap();
        assert_eq!(json, r#"{"type":"contract","topics":[["AAAADwAAAAVjbG9zZQAAAA==","**"]]}"#);
    }
}
