//! What the watcher last said of channels.

use std::collections::HashMap;
use std::mem;

use paychan_channel::ContractId;

use super::super::charges::Standing;

/// After this many channels, those that were not written since the last time are forgotten.
const GENERATION: usize = 4_096;

/// The channels' standings. At most twice [`GENERATION`] are kept, and each change takes the same short time.
#[derive(Default)]
pub(in super::super) struct Standings {
    young: HashMap<ContractId, Standing>,
    old: HashMap<ContractId, Standing>,
}

impl Standings {
    pub(in super::super) fn get(&self, id: &ContractId) -> Option<Standing> {
        self.young.get(id).or_else(|| self.old.get(id)).copied()
    }

    pub(in super::super) fn put(&mut self, id: &ContractId, standing: Standing) {
        if self.young.len() >= GENERATION && !self.young.contains_key(id) {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(*id, standing);
    }

    /// Changes what is known of a channel, if anything is.
    pub(in super::super) fn change(&mut self, id: &ContractId, change: impl FnOnce(&mut Standing)) {
        if let Some(mut standing) = self.get(id) {
            change(&mut standing);
            self.put(id, standing);
        }
    }

    pub(in super::super) fn forget(&mut self, id: &ContractId) {
        self.young.remove(id);
        self.old.remove(id);
    }
}
