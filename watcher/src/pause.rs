//! The operator's pause. While it lasts, nothing is taken and settling goes on. An empty file keeps it over restarts.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::info;

use crate::view::View;

/// The file's name in the data directory. While it exists, the watcher starts paused.
const FILE: &str = "paused";

/// Pauses and resumes the taking of money.
pub struct Pause {
    file: PathBuf,
    view: Arc<View>,
}

impl Pause {
    /// The pause of the watcher with this data directory. A pause from before the start goes on.
    pub fn of(data_dir: &Path, view: Arc<View>) -> Self {
        let file = data_dir.join(FILE);
        // If the disk does not answer, the watcher stays paused, since a pause loses nothing.
        if file.try_exists().unwrap_or(true) {
            info!(file = %file.display(), "the watcher is paused since before this start: it settles and takes nothing");
            view.pause(true);
        }
        Self { file, view }
    }

    /// Pauses the taking of money. It takes effect at once, even if the disk fails.
    ///
    /// # Errors
    /// The file can't be written. The pause then ends with this process.
    pub fn begin(&self) -> io::Result<()> {
        self.view.pause(true);
        info!("paused by the operator: nothing is taken, and settling goes on");
        File::create(&self.file)?.sync_all()?;
        self.sync_directory()
    }

    /// Ends the pause.
    ///
    /// # Errors
    /// The file can't be removed. The next start is then paused again.
    pub fn end(&self) -> io::Result<()> {
        self.view.pause(false);
        info!("resumed by the operator");
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed.and_then(|()| self.sync_directory()),
        }
    }

    /// Makes the creation or the removal of the file durable.
    fn sync_directory(&self) -> io::Result<()> {
        self.file.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_pause_outlives_the_process_until_it_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let start = || {
            let view = Arc::new(View::new());
            (Pause::of(dir.path(), view.clone()), view)
        };
        let (pause, view) = start();
        assert!(!view.is_paused());
        pause.begin().unwrap();
        assert!(view.is_paused());
        let (pause, view) = start();
        assert!(view.is_paused(), "after a restart");
        pause.end().unwrap();
        pause.end().unwrap();
        assert!(!view.is_paused());
        assert!(!start().1.is_paused(), "after another restart");
    }

    #[test]
    fn where_the_disk_does_not_tell_it_is_paused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("no-directory");
        fs::write(&file, "").unwrap();
        let view = Arc::new(View::new());
        // Asking for a file below something that is no directory is an error, and no answer.
        Pause::of(&file, view.clone());
        assert!(view.is_paused());
    }

    #[test]
    fn a_pause_that_can_not_be_written_holds_for_this_process() {
        let view = Arc::new(View::new());
        let pause = Pause::of(Path::new("/nowhere"), view.clone());
        pause.begin().unwrap_err();
        assert!(view.is_paused());
    }
}
