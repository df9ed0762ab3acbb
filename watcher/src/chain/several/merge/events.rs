//! Merges `close` events from several endpoints.

use std::collections::{BTreeMap, BTreeSet};

use paychan_channel::{ContractId, Ledger};

use super::reached_by_quorum;
use crate::chain::{CloseHint, CloseHints, EventsFrom};

/// Merges the pages of the endpoints that answered. Every channel that any of them names is read. That no other channel
/// closed is inferred only up to the ledger that a quorum has searched. A deadline is believed if a quorum names it.
/// The event of one endpoint is only a reason to read the channel's entries, which show the deadline.
pub(in super::super) fn close_hints(pages: Vec<CloseHints>, quorum: usize) -> CloseHints {
    let ends: Vec<Ledger> = pages.iter().filter_map(|page| page.scanned_to).collect();
    let scanned_to = match ends.len() >= quorum {
        true => reached_by_quorum(ends, quorum),
        false => None,
    };
    let more = pages.iter().any(|page| page.next.is_some());
    // A cursor is valid at its endpoint only, so the next page starts at a ledger.
    let next = scanned_to.filter(|_| more).map(|to| EventsFrom::Ledger(to.saturating_add(1)));
    let mut told: BTreeMap<Place, BTreeMap<Option<Ledger>, usize>> = BTreeMap::new();
    for page in pages {
        let once: BTreeSet<(Place, Option<Ledger>)> =
            page.hints.iter().map(|hint| ((hint.ledger, hint.contract), hint.effective_at)).collect();
        for (place, deadline) in once {
            *told.entry(place).or_default().entry(deadline).or_default() += 1;
        }
    }
    let hint = |((ledger, contract), deadlines): (Place, BTreeMap<Option<Ledger>, usize>)| {
        let agreed = deadlines.into_iter().filter(|(_, endpoints)| *endpoints >= quorum);
        CloseHint { contract, ledger, effective_at: agreed.filter_map(|(deadline, _)| deadline).min() }
    };
    let hints = told.into_iter().map(hint).collect();
    CloseHints { hints, scanned_to, next }
}

/// The ledger of an event, and the contract that emitted it.
type Place = (Ledger, ContractId);
