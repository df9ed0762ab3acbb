//! getEvents: finds out which channels to read now.

use paychan_channel::{ContractId, Ledger};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stellar_xdr::{Limits, ScVal, WriteXdr};

use crate::decoding::{Number, xdr};
use crate::{Client, ErrorKind, RpcError, TxHash};

const METHOD: &str = "getEvents";

/// How many events a page has when the request does not say (go-stellar-sdk, `protocols/rpc/get_events.go`).
const DEFAULT_LIMIT: u32 = 100;

/// The most ledgers that the server searches in one call (stellar-rpc, `methods/get_events.go`).
const LEDGERS_A_CALL: u32 = 10_000;

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
    /// Any number of values, also none (`**`). It may only be the last segment; without it the number of topics must
    /// match.
    Rest,
}

/// Which events to find. The server takes 5 filters, each with 5 contracts and 5 topic filters of 4 segments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// The contracts whose events count; if empty, those of all contracts.
    pub contracts: Vec<ContractId>,
    /// The topic filters, of which one must match; if empty, all events match.
    pub topics: Vec<Vec<Segment>>,
}

/// A request for events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventsRequest {
    /// Where to start.
    pub from: EventsFrom,
    /// The filters, of which one must match; if empty, all contract events match.
    pub filters: Vec<EventFilter>,
    /// How many events a page has, at most 10,000; `None` for the server's default of 100.
    pub limit: Option<u32>,
}

/// One contract event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The ledger it happened in.
    pub ledger: Ledger,
    /// Who emitted it.
    pub contract: Option<ContractId>,
    /// Its place in history, which is also a cursor.
    pub id: String,
    /// Its topics.
    pub topics: Vec<ScVal>,
    /// Its data.
    pub data: ScVal,
    /// The transaction, where the server says so.
    pub transaction: Option<TxHash>,
}

/// An event that can't be decoded. It says nothing about the other events of the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndecodableEvent {
    /// The ledger it happened in, where at least that can be read.
    pub ledger: Option<Ledger>,
    /// Who emitted it, where at least that can be read: a contract to look at.
    pub contract: Option<ContractId>,
    /// What is wrong with it.
    pub why: String,
}

/// A page of events.
///
/// The server searches at most 10,000 ledgers in one call, so a page without events is not yet the end. The end is
/// reached when [`EventsPage::scanned_to`] is [`EventsPage::latest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventsPage {
    /// The events, in the order of history.
    pub events: Vec<Event>,
    /// The events of the page that can't be decoded, in the order of history.
    pub undecodable: Vec<UndecodableEvent>,
    /// Every event up to the end of this ledger was in this page or an earlier one. `None` when the node does not tell,
    /// as with an empty cursor after a request that started at no known ledger. Then only a sweep finds all changes.
    pub scanned_to: Option<Ledger>,
    /// Where the next page starts, whether the node uses cursors or not. Events of that ledger may come twice.
    pub next: Option<EventsFrom>,
    /// The node's cursor, as it sent it; empty if the node has none.
    pub cursor: String,
    /// The latest ledger that the node holds.
    pub latest: Ledger,
    /// The oldest ledger that the node holds.
    pub oldest: Ledger,
}

impl EventsPage {
    /// The ledger in which the cursor is; `None` when the node sent no readable cursor.
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
    // Each event is read by itself, so that a malformed one spoils only itself.
    events: Option<Vec<Value>>,
    // Some nodes have no cursors, and leave this out or empty.
    #[serde(default)]
    cursor: Option<String>,
    latest_ledger: Number<u32>,
    #[serde(default)]
    oldest_ledger: Option<Number<u32>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawEvent {
    ledger: Number<u32>,
    #[serde(default)]
    id: String,
    #[serde(default)]
    topic: Vec<String>,
    value: String,
    #[serde(default)]
    tx_hash: Value,
}

impl Client {
    /// Asks for a page of events. Events that can't be decoded are in [`EventsPage::undecodable`].
    ///
    /// If a node refuses a cursor without a start ledger, this asks again with the cursor's ledger, and from then on by
    /// ledgers only.
    ///
    /// # Errors
    /// [`ErrorKind::NodeBehind`](crate::ErrorKind::NodeBehind) when the start is ahead of the node,
    /// [`ErrorKind::HistoryGone`](crate::ErrorKind::HistoryGone) when it is before what the node holds, and any other
    /// [`RpcError`].
    pub async fn get_events(&self, request: &EventsRequest) -> Result<EventsPage, RpcError> {
        let from = match &request.from {
            EventsFrom::Cursor(cursor) if !self.takes_cursors() => {
                cursor_ledger(cursor).map_or_else(|| request.from.clone(), EventsFrom::Ledger)
            }
            from => from.clone(),
        };
        let refused = match self.ask_for_events(request, &from).await {
            Err(error) if matches!(error.kind, ErrorKind::Refused { .. }) => error,
            other => return other,
        };
        let EventsFrom::Cursor(cursor) = &from else { return Err(refused) };
        let Some(ledger) = cursor_ledger(cursor) else { return Err(refused) };
        let page = self.ask_for_events(request, &EventsFrom::Ledger(ledger)).await?;
        tracing::warn!(endpoint = self.endpoint(), %refused, "the node refuses a cursor; events are read by ledgers");
        self.stop_using_cursors();
        Ok(page)
    }

    async fn ask_for_events(&self, request: &EventsRequest, from: &EventsFrom) -> Result<EventsPage, RpcError> {
        let (start, cursor, asked) = match from {
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
        Ok(page(raw, request.limit.unwrap_or(DEFAULT_LIMIT), asked, self.takes_cursors()))
    }
}

/// Makes a page of an answer to a request that started at the ledger `asked`.
fn page(raw: Raw, limit: u32, asked: Option<Ledger>, by_cursor: bool) -> EventsPage {
    let latest = Ledger(raw.latest_ledger.0);
    let raw_events = raw.events.unwrap_or_default();
    let full = raw_events.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
    let (mut events, mut undecodable) = (Vec::new(), Vec::new());
    // Events are in the order of history, so the highest ledger is that of the last one, decodable or not.
    let mut last = None;
    for raw in raw_events {
        last = last.max(ledger_in(&raw));
        match decode(&raw) {
            Ok(event) => events.push(event),
            Err(why) => {
                undecodable.push(UndecodableEvent {
                    ledger: ledger_in(&raw),
                    contract: contract_in(&raw).ok().flatten(),
                    why,
                });
            }
        }
    }
    let cursor = raw.cursor.unwrap_or_default();
    let scanned_to = match (full, cursor_ledger(&cursor), asked) {
        // A full page may end within a ledger.
        (true, ..) => last.map(|ledger: Ledger| ledger.saturating_sub(1)),
        // Any other page reaches to its cursor, which is at the end of the searched ledgers.
        (false, Some(reached), _) => Some(reached.min(latest)),
        (false, None, Some(start)) => Some(start.saturating_add(LEDGERS_A_CALL - 1).min(latest)),
        (false, None, None) => None,
    };
    let next = match by_cursor && !cursor.is_empty() {
        true => Some(EventsFrom::Cursor(cursor.clone())),
        // When asking by ledgers, the latest ledger may be asked for again, since a later one does not exist on the
        // node yet.
        false => scanned_to.map(|scanned| EventsFrom::Ledger(scanned.saturating_add(1).min(latest))),
    };
    let oldest = Ledger(raw.oldest_ledger.map_or(0, |oldest| oldest.0));
    EventsPage { events, undecodable, scanned_to, next, cursor, latest, oldest }
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

fn decode(raw: &Value) -> Result<Event, String> {
    let contract = contract_in(raw)?;
    let RawEvent { ledger, id, topic, value, tx_hash } =
        RawEvent::deserialize(raw).map_err(|error| format!("an event is not the JSON expected: {error}"))?;
    let topics = topic.iter().map(|topic| xdr("an event's topic", topic)).collect::<Result<_, _>>()?;
    let data = xdr("an event's data", &value)?;
    // Nothing depends on the transaction, so a malformed hash is no error.
    let transaction = tx_hash.as_str().and_then(|hash| hash.parse().ok());
    Ok(Event { ledger: Ledger(ledger.0), contract, id, topics, data, transaction })
}

fn ledger_in(raw: &Value) -> Option<Ledger> {
    Number::<u32>::deserialize(raw.get("ledger")?).ok().map(|ledger| Ledger(ledger.0))
}

/// Who emitted an event. The network's own events name no contract.
fn contract_in(raw: &Value) -> Result<Option<ContractId>, String> {
    match raw.get("contractId").and_then(Value::as_str) {
        None | Some("") => Ok(None),
        Some(id) => id.parse().map(Some).map_err(|error| format!("an event's contract: {error}")),
    }
}

#[cfg(test)]
mod tests;
