//! The filters of getEvents requests.

use serde::Deserialize;
use stellar_xdr::{ContractEvent, ContractEventBody, ContractEventType, ScVal};

use super::decode;

const MAX_FILTERS: usize = 5;
const MAX_CONTRACT_IDS: usize = 5;
const MAX_TOPIC_FILTERS: usize = 5;
const MAX_SEGMENTS: usize = 4;

/// A filter as the client sent it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SentFilter {
    #[serde(default, rename = "type")]
    kinds: String,
    #[serde(default)]
    contract_ids: Vec<String>,
    #[serde(default)]
    topics: Vec<Vec<String>>,
}

/// A filter that was read. An empty part matches every event.
#[derive(Debug)]
pub(super) struct Filter {
    kinds: Vec<ContractEventType>,
    contracts: Vec<[u8; 32]>,
    topics: Vec<TopicFilter>,
}

#[derive(Debug)]
struct TopicFilter {
    segments: Vec<Segment>,
    /// The filter ended in `**`, so the event may have more topics.
    open: bool,
}

#[derive(Debug)]
enum Segment {
    Any,
    Is(ScVal),
}

/// Reads the filters of a request.
///
/// # Errors
/// What is wrong, and where: filters and their parts are counted from 1.
pub(super) fn read(sent: &[SentFilter]) -> Result<Vec<Filter>, String> {
    if sent.len() > MAX_FILTERS {
        return Err(format!("maximum {MAX_FILTERS} filters per request"));
    }
    sent.iter()
        .zip(1..)
        .map(|(filter, place)| read_one(filter).map_err(|error| format!("filter {place} invalid: {error}")))
        .collect()
}

fn read_one(sent: &SentFilter) -> Result<Filter, String> {
    let kinds = sent
        .kinds
        .split(',')
        .filter(|kind| !(kind.is_empty() && sent.kinds.is_empty()))
        .map(|kind| match kind {
            "system" => Ok(ContractEventType::System),
            "contract" => Ok(ContractEventType::Contract),
            _ => Err("filter type invalid: if set, type must be either 'system' or 'contract'".to_owned()),
        })
        .collect::<Result<_, _>>()?;
    if sent.contract_ids.len() > MAX_CONTRACT_IDS {
        return Err(format!("maximum {MAX_CONTRACT_IDS} contract IDs per filter"));
    }
    if sent.topics.len() > MAX_TOPIC_FILTERS {
        return Err(format!("maximum {MAX_TOPIC_FILTERS} topics per filter"));
    }
    let contracts = sent
        .contract_ids
        .iter()
        .zip(1..)
        .map(|(id, place)| match id.parse::<stellar_strkey::Contract>() {
            Ok(contract) => Ok(contract.0),
            Err(_) => Err(format!("contract ID {place} invalid")),
        })
        .collect::<Result<_, _>>()?;
    let topics = sent
        .topics
        .iter()
        .zip(1..)
        .map(|(topic, place)| read_topic(topic).map_err(|error| format!("topic {place} invalid: {error}")))
        .collect::<Result<_, _>>()?;
    Ok(Filter { kinds, contracts, topics })
}

fn read_topic(sent: &[String]) -> Result<TopicFilter, String> {
    let (segments, open) = match sent {
        [] => return Err("topic must have at least 1 segment".to_owned()),
        [segments @ .., last] if last == "**" => (segments, true),
        segments => (segments, false),
    };
    if let Some(at) = segments.iter().position(|segment| segment == "**") {
        return Err(format!("segment {} invalid: wildcard '**' is only allowed as the last segment", at + 1));
    }
    if segments.len() > MAX_SEGMENTS {
        return Err(format!("topic cannot have more than {MAX_SEGMENTS} segments"));
    }
    let segments = segments
        .iter()
        .zip(1..)
        .map(|(segment, place)| match segment.as_str() {
            "*" => Ok(Segment::Any),
            base64 => decode(base64)
                .map(Segment::Is)
                .ok_or_else(|| format!("segment {place} invalid: neither '*' nor an ScVal in base64")),
        })
        .collect::<Result<_, _>>()?;
    Ok(TopicFilter { segments, open })
}

/// Whether one of the filters asks for the event. Without filters, all events are asked for.
pub(super) fn matches(filters: &[Filter], event: &ContractEvent) -> bool {
    filters.is_empty() || filters.iter().any(|filter| filter.matches(event))
}

impl Filter {
    fn matches(&self, event: &ContractEvent) -> bool {
        let contract = event.contract_id.as_ref().map(|id| id.0.0);
        let ContractEventBody::V0(body) = &event.body;
        (self.kinds.is_empty() || self.kinds.contains(&event.type_))
            && (self.contracts.is_empty() || contract.is_some_and(|id| self.contracts.contains(&id)))
            && (self.topics.is_empty() || self.topics.iter().any(|topic| topic.matches(&body.topics)))
    }
}

impl TopicFilter {
    fn matches(&self, topics: &[ScVal]) -> bool {
        let right_number =
            if self.open { topics.len() >= self.segments.len() } else { topics.len() == self.segments.len() };
        right_number
            && self.segments.iter().zip(topics).all(|(segment, topic)| match segment {
                Segment::Any => true,
                Segment::Is(value) => value == topic,
            })
    }
}

#[cfg(test)]
mod tests;
