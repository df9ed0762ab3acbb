//! Watches the store from outside its committer: reports when the committer stalls, and how much room is left.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tracing::{info, warn};

use crate::health::{Board, Ending};
use crate::space::{Reserve, Space, free_bytes};
use crate::{Options, StoreError};

/// How often the monitors look. The watcher must know within seconds that the committer has ended or stalls.
const INTERVAL: Duration = Duration::from_millis(500);

/// Reports the store's health, and gives up a store that hangs. It ends by itself when the store is gone, and nobody
/// waits for it.
///
/// It does not use the disk, so it works when the disk does not answer.
pub(crate) fn judge(board: &Weak<Board>, give_up_after: Duration) {
    while let Some(board) = board.upgrade() {
        give_up(&board, give_up_after);
        board.tell();
        if board.has_ended() {
            return;
        }
        drop(board);
        std::thread::sleep(INTERVAL);
    }
}

/// Measures how much room is left. It may hang when the disk does, so it has a thread of its own.
pub(crate) struct SpaceMonitor {
    board: Weak<Board>,
    dir: PathBuf,
    free_space_mark: u64,
    reserve: Reserve,
}

impl SpaceMonitor {
    pub(crate) fn new(board: &Arc<Board>, dir: &Path, options: &Options) -> Self {
        SpaceMonitor {
            board: Arc::downgrade(board),
            dir: dir.to_path_buf(),
            free_space_mark: options.free_space_mark,
            reserve: Reserve::new(dir, options.reserve_bytes),
        }
    }

    /// Looks again and again. It ends by itself when the store is gone, and nobody waits for it.
    pub(crate) fn run(self) {
        while let Some(board) = self.board.upgrade() {
            // This looks after the end too: if the store ended because the disk is full, the next start needs the room.
            self.look(&board);
            if board.has_ended() {
                return;
            }
            drop(board);
            std::thread::sleep(INTERVAL);
        }
    }

    /// Notes how much room there is. It removes the reserve when the free room is below half of the reserve's size, and
    /// makes it again when there is plenty.
    pub(crate) fn look(&self, board: &Board) {
        let free = match free_bytes(&self.dir) {
            Ok(free) => free,
            Err(error) => {
                warn!(path = %self.dir.display(), %error, "the free room can't be read");
                return;
            }
        };
        let low = free < self.free_space_mark;
        let was_low = board.space_low().is_some();
        let space = Space { path: self.dir.clone(), free, mark: self.free_space_mark };
        if low && !was_low {
            warn!(free, "{space}");
        }
        if !low && was_low {
            info!(free, path = %self.dir.display(), "there is room again: commitments are taken");
        }
        board.saw_space(low.then_some(space));
        if free < self.reserve.bytes() / 2 {
            match self.reserve.release() {
                Ok(true) => warn!(
                    free,
                    bytes = self.reserve.bytes(),
                    "the reserve was given up, so that settling can be written"
                ),
                Ok(false) => {}
                Err(error) => warn!(%error, "the reserve could not be given up"),
            }
        } else if free >= self.free_space_mark.saturating_add(self.reserve.bytes())
            && let Err(error) = self.reserve.take_up()
        {
            warn!(%error, "the reserve could not be taken up");
        }
    }
}

/// Ends a store whose committer has worked on one batch for too long. Nobody must wait for the committer any more,
/// since the disk may never answer. What it does afterwards is neither shown nor acknowledged.
pub(crate) fn give_up(board: &Board, after: Duration) {
    let busy = board.busy_for();
    if busy >= after && !board.has_ended() {
        let why = format!("writing has taken {} seconds and has not ended; the disk does not answer", busy.as_secs());
        board.end(Ending::Failed(StoreError::Failed(why.into())));
    }
}
