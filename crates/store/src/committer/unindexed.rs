//! What the journal has and the index does not have yet.
//!
//! Each change of the index wakes all of sled's threads, and with many small batches that costs more than the journal itself. So
//! the index follows the journal with some delay: it may be older than the journal, and is never newer.

use std::collections::{HashMap, HashSet};

use paychan_channel::ContractId;

use crate::digest::Digest;
use crate::index::Updates;
use crate::request::Remembered;

/// The index gets what it lacks after this many records, even if no pause comes, so that a start has little to add.
const MUCH: u64 = 512;

/// Records that are in the journal, or in the batch that is made at the moment, and not in the index.
#[derive(Default)]
pub(crate) struct Unindexed {
    /// What they change in the index.
    pub(super) updates: Updates,
    /// The requests that they took or credited.
    pub(super) requests: HashMap<(ContractId, Digest), Remembered>,
    /// The channels that they dropped, whose requests the index still has.
    pub(super) dropped: HashSet<ContractId>,
}

impl Unindexed {
    pub(super) fn is_empty(&self) -> bool {
        self.updates.records() == 0
    }

    pub(super) fn is_much(&self) -> bool {
        self.updates.records() >= MUCH
    }
}
