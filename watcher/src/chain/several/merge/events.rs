//! `close` events, as several endpoints tell them.

use std::collections::{BTreeMap, BTreeSet};

use paychan_channel::{ContractId, Ledger};

use super::reached_by_quorum;
use crate::chain::{CloseHint, CloseHints, EventsFrom};

/// Merges the pages of those that answered. Whoever is named by any of them is looked at; that nobody else closed is only
/// inferred up to where a quorum has looked. A deadline is believed where a quorum names it: what one endpoint's event says
/// is a reason to read the channel's entries, and those tell the deadline.
pub(in super::super) fn close_hints(pages: Vec<CloseHints>, quorum: usize) -> CloseHints {
    let ends: Vec<Ledger> = pages.iter().filter_map(|page| page.scanned_to).collect();
    let scanned_to = match ends.len() >= quorum {
        true => reached_by_quorum(ends, quorum),
        false => None,
    };
    let more = pages.iter().any(|page| page.next.is_some());
    // Cursors are each endpoint's own, so the next page starts at a ledger.
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
