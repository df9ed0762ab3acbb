//! The work that the index still has to do after a checkpoint. It is done in small steps between batches, so that
//! nobody waits for it. If the process ends before the work is done, the next checkpoint does it.

use std::time::{Duration, Instant};

use paychan_channel::ContractId;

use crate::checkpoint;
use crate::index::{Index, IndexError};
use crate::journal::record::Record;
use crate::state::State;

/// After this time a step begins nothing more.
const STEP: Duration = Duration::from_millis(5);

/// What is left to do.
pub(crate) struct Sweep {
    /// Frames of records before this one are in the checkpoint.
    frames_before: u64,
    frames_gone: bool,
    /// The checkpoint's last record.
    checkpoint: u64,
    kept: bool,
    /// Channels whose state must still be kept for a repair, and whose forgotten requests must still be removed.
    channels: Vec<ContractId>,
}

impl Sweep {
    /// The work after a checkpoint that replaces all records before `frames_before`, and whose last record is
    /// `checkpoint`.
    pub(super) fn after_checkpoint(frames_before: u64, checkpoint: u64, state: &State) -> Self {
        Sweep {
            frames_before,
            frames_gone: false,
            checkpoint,
            kept: false,
            channels: state.channels.keys().copied().collect(),
        }
    }

    /// Does one step. `Ok(true)` means that all is done.
    pub(super) fn step(&mut self, index: &Index, state: &State, remembered: u64) -> Result<bool, IndexError> {
        let started = Instant::now();
        while started.elapsed() < STEP {
            let Some(id) = self.channels.pop() else {
                if !self.kept {
                    index.keeps_all_since(self.checkpoint)?;
                    self.kept = true;
                }
                // The frames go last: a repair needs them until every channel's state is kept.
                self.frames_gone = self.frames_gone || index.forget_some_frames(self.frames_before)?;
                if self.frames_gone {
                    return Ok(true);
                }
                continue;
            };
            // The channel may have been dropped since.
            if let Some(channel) = state.channels.get(&id) {
                index.keep_whole(id, &Record::WholeChannel(Box::new(channel.clone())))?;
                index.forget_requests(id, checkpoint::forgotten(channel.held.accepted, remembered))?;
            }
        }
        Ok(false)
    }
}
