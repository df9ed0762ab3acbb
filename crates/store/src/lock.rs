//! The lock that lets only one process use the store.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use crate::StoreError;

/// The lock is held as long as this value lives. The system releases it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "the lock is held by keeping the file open")] File);

pub(crate) fn lock(dir: &Path) -> Result<Lock, StoreError> {
    let path = dir.join("lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|error| StoreError::io("opening the lock file", &path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(StoreError::HeldByAnotherProcess { dir: dir.to_path_buf() }),
        Err(TryLockError::Error(error)) => Err(StoreError::io("locking", &path, &error)),
    }
}
