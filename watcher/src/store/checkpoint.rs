//! The sum of all records, as records.

use super::StoreError;
use super::index::Index;
use super::record::Record;
use super::state::State;

/// All that a checkpoint has to hold, between its start and its end.
///
/// Amounts, signatures, fences and transactions come from what the journal itself said; of the index only the request
/// ids, of which each channel's last `remembered` are kept.
pub(super) fn records<'a>(
    state: &'a State,
    index: &'a Index,
    remembered: u64,
) -> impl Iterator<Item = Result<Record, StoreError>> + 'a {
    let channels = state.channels.values().flat_map(move |channel| {
        let id = channel.held.channel();
        let forgotten = channel.held.accepted.saturating_sub(remembered.max(1));
        let whole = std::iter::once(Ok(Record::WholeChannel(Box::new(channel.clone()))));
        let (requests, error) = match index.requests(id) {
            Ok(requests) => (requests, None),
            Err(error) => (Vec::new(), Some(Err(error.into()))),
        };
        let requests = requests
            .into_iter()
            .filter(move |request| request.number > forgotten)
            .map(move |request| {
                Ok(Record::Remembered {
                    channel: id,
                    number: request.number,
                    amount: request.amount,
                    request_id: request.request_id,
                })
            });
        whole.chain(requests).chain(error)
    });
    let outcomes = state.outcomes.iter().flat_map(|(channel, kept)| {
        kept.iter().map(|decided| {
            Ok(Record::WholeDecided {
                channel: *channel,
                decided: decided.clone(),
            })
        })
    });
    let in_flight = state
        .in_flight
        .iter()
        .map(|transaction| Ok(Record::Signed(transaction.clone())));
    channels.chain(outcomes).chain(in_flight)
}
