//! Turns the sum of all records into the records of a checkpoint.

use crate::StoreError;
use crate::index::Index;
use crate::journal::record::Record;
use crate::state::State;

/// All that a checkpoint has to hold, between its start and its end.
///
/// Amounts, signatures, fences and transactions come from the journal itself. Only the requests come from the index:
/// each channel's last `remembered` ones.
pub(crate) fn records<'a>(
    state: &'a State,
    index: &'a Index,
    remembered: u64,
) -> impl Iterator<Item = Result<Record, StoreError>> + 'a {
    let channels = state.channels.values().flat_map(move |channel| {
        let id = channel.held.channel();
        let forgotten = forgotten(channel.held.accepted, remembered);
        let whole = std::iter::once(Ok(Record::WholeChannel(Box::new(channel.clone()))));
        let (requests, error) = match index.requests(id) {
            Ok(requests) => (requests, None),
            Err(error) => (Vec::new(), Some(Err(error.into()))),
        };
        let requests = requests
            .into_iter()
            .filter(move |request| request.number > forgotten)
            .map(move |request| Ok(Record::Remembered { channel: id, request }));
        whole.chain(requests).chain(error)
    });
    let outcomes = state.outcomes.iter().flat_map(|(channel, kept)| {
        kept.iter().map(|decided| Ok(Record::WholeDecided { channel: *channel, decided: decided.clone() }))
    });
    let in_flight = state.in_flight.iter().map(|transaction| Ok(Record::Signed(transaction.clone())));
    let lanes = state.lanes.iter().map(|(lane, sequence)| Ok(Record::LaneUsed { lane: *lane, sequence: *sequence }));
    channels.chain(outcomes).chain(in_flight).chain(lanes)
}

/// The number of the last request whose id is no longer remembered, for a channel with `accepted` requests; zero when
/// all ids are remembered.
pub(crate) fn forgotten(accepted: u64, remembered: u64) -> u64 {
    accepted.saturating_sub(remembered.max(1))
}
