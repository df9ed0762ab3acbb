//! Room on the disk: how much is free, and a reserve file that is removed when the room is short.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

/// Too little room is free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space {
    /// The store's directory.
    pub path: PathBuf,
    /// Bytes that are free for this process on its file system.
    pub free: u64,
    /// Free bytes below which the store takes nothing new.
    pub mark: u64,
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Space { path, free, mark } = self;
        let path = path.display();
        write!(
            f,
            "{free} bytes are free at {path}, and the store takes nothing below {mark}; make room there. Of the store's files, \
             copies that a repair made ({path}/journal.damaged-*) may be deleted, and while the watcher is down \
             {path}/db, which the next start builds again; never anything in {path}/journal"
        )
    }
}

/// Bytes that this process may still write on the file system that `path` is on.
///
/// # Errors
/// The system's error.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let stat = statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Adds to an error how much room is free, when too little room may be the reason.
pub(crate) fn explained(what: &str, dir: &Path, mark: u64) -> String {
    match free_bytes(dir) {
        Ok(free) if free < mark => format!("{what}. {}", Space { path: dir.to_path_buf(), free, mark }),
        _ => what.to_owned(),
    }
}

/// A file that only takes up room, so that removing it makes room.
#[derive(Debug)]
pub(crate) struct Reserve {
    path: PathBuf,
    bytes: u64,
}

impl Reserve {
    pub(crate) fn new(dir: &Path, bytes: u64) -> Self {
        Reserve { path: dir.join("reserve"), bytes }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Removes the file. `Ok(false)` means that there was none.
    pub(crate) fn release(&self) -> io::Result<bool> {
        match fs::remove_file(&self.path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes the file, unless it is there already. If it does not fit whole, it is removed.
    pub(crate) fn take_up(&self) -> io::Result<()> {
        if self.bytes == 0 || fs::metadata(&self.path).is_ok_and(|found| found.len() == self.bytes) {
            return Ok(());
        }
        let taken = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&self.path)
            .and_then(|file| fill(&file, self.bytes));
        if taken.is_err() {
            let _ = self.release();
        }
        taken
    }
}

fn fill(mut file: &File, bytes: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), 0, bytes) {
        Ok(()) => return Ok(()),
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {}
        Err(error) => return Err(error.into()),
    }
    // This file system can't reserve room, so bytes are written to take it up.
    let piece = [0; 1 << 16];
    let mut left = bytes;
    while left > 0 {
        let now = left.min(piece.len() as u64);
        file.write_all(&piece[..usize::try_from(now).unwrap_or(piece.len())])?;
        left -= now;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here says where")]
    use super::*;

    #[test]
    fn a_reserve_takes_up_its_bytes_and_gives_them_back() {
        let dir = tempfile::tempdir().unwrap();
        let reserve = Reserve::new(dir.path(), 1 << 20);
        reserve.take_up().unwrap();
        reserve.take_up().unwrap();
        assert_eq!(fs::metadata(dir.path().join("reserve")).unwrap().len(), 1 << 20);
        assert_eq!((reserve.release().unwrap(), reserve.release().unwrap()), (true, false));
        assert!(free_bytes(dir.path()).unwrap() > 0);
    }
}
