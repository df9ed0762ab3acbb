//! Raises alarms while something is unsettled on a channel, when an entry that its settlement needs is archived, or
//! will be archived soon because it was not extended.

use std::collections::HashMap;

use paychan_channel::{ContractId, Ledger};

use crate::alarm::raise;
use crate::policy;
use crate::view::View;
use paychan_store::Store;

/// How short the lives of a channel's entries are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Short {
    /// An entry has less than half of the life at which it should have been extended.
    NotExtended,
    Archived,
}

/// What was reported already.
#[derive(Debug, Default)]
pub(super) struct Lives(HashMap<ContractId, Short>);

impl Lives {
    /// Raises an alarm for each channel with something unsettled whose entries are in a worse stage than was reported
    /// before. `floor` is the life below which an entry is extended, in ledgers.
    pub(super) fn report(&mut self, store: &Store, view: &View, head: Ledger, floor: u32) {
        for held in store.all_held() {
            let channel = held.channel();
            let known = view.channel(&channel).filter(|known| !known.ended);
            let owed = known.as_ref().map(|known| known.state.unsettled(held.claim_amount()));
            let (Some(known), Some(unsettled)) = (known, owed.filter(|owed| !owed.is_zero())) else {
                self.0.remove(&channel);
                continue;
            };
            let archived = policy::archived_entries(&known, head);
            let left = known.state.lives.earliest().map_or(u32::MAX, |until| until.since(head));
            let short = match (archived.is_empty(), left < floor / 2) {
                (false, _) => Some(Short::Archived),
                (true, true) => Some(Short::NotExtended),
                (true, false) => None,
            };
            if short > self.0.get(&channel).copied() {
                match short {
                    Some(Short::Archived) => raise!(
                        EntryArchived, %channel, %unsettled, entries = archived.join(", "),
                        "entries that a settlement needs are archived; the next settlement restores them"
                    ),
                    Some(Short::NotExtended) => raise!(
                        LifeShort, %channel, %unsettled, left, floor,
                        "an entry that a settlement needs will be archived soon, and its life was not extended"
                    ),
                    None => {}
                }
            }
            match short {
                Some(short) => self.0.insert(channel, short),
                None => self.0.remove(&channel),
            };
        }
    }
}
