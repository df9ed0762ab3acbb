//! Keeps the channels' commitment keys. Decompressing a key takes a third of the time of a signature check, so it is
//! done once.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use paychan_channel::{CommitmentKey, ContractId};

use paychan_store::Admission;

/// Keys by channel. It grows with the admitted channels, not with submissions.
#[derive(Default)]
pub(super) struct Keys(RwLock<HashMap<ContractId, CommitmentKey>>);

impl Keys {
    /// The channel's key; `None` when the stored bytes are not a usable key.
    pub(super) fn of(&self, admission: &Admission) -> Option<CommitmentKey> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&admission.channel).copied();
        known.or_else(|| {
            let key = CommitmentKey::from_bytes(admission.commitment_key).ok()?;
            self.0.write().unwrap_or_else(PoisonError::into_inner).insert(admission.channel, key);
            Some(key)
        })
    }
}
