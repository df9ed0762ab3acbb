//! The journal: the truth, as an append-only log of records.
//!
//! ```text
//! Journal (seam)  files of one directory, and when they are durable     disk       the real one
//! segments        how those files are named, and which are read    frame      how records lie in them
//! record          what the records say                                  write      adding to the log, checkpoints
//! read            reading all of it, strictly                           salvage    reading what is left of a damaged one
//! ```
//!
//! **The seam.** All that the store asks of a journal is [`Journal`]: to read and add to files, and to make them durable.
//! The real one is a directory. Another one could be remote: it would have to keep to the same promises, and it would
//! have to be fenced, that is, refuse a writer as soon as another one has opened it, since two writers would both
//! acknowledge. On one machine the lock file does that.
//!
//! **Changing the format.** A kind of record never changes its meaning or its fields. What has to change gets a new kind
//! ([`record`]) and a new [`frame::VERSION`]; a program refuses a journal of a newer version, and reads all older ones.
//! Files that each version wrote are kept in `tests/fixtures`, and a test opens them.

pub(crate) mod disk;
pub(crate) mod frame;
pub(crate) mod read;
pub(crate) mod record;
pub(crate) mod salvage;
pub(crate) mod segments;
pub(crate) mod write;

use std::io::{self, Read};

/// The journal's directory, as the committer sees it: files in one directory, and when they are durable.
///
/// What survives a power cut, and what an implementation must keep to:
/// - bytes appended: only once [`Journal::sync`] returned; before that any first part of them may be there;
/// - a file's name ([`Journal::create`], [`Journal::rename`], [`Journal::remove`]): only once
///   [`Journal::sync_directory`] returned; before that either is possible;
/// - after any error nothing is asked of it again: retrying an fsync is no retry.
pub trait Journal: Send {
    /// The names of all files, in any order.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Reads a file from its start.
    fn read(&self, name: &str) -> io::Result<Box<dyn Read>>;

    /// Makes a new, empty file, in the place of any of that name, and makes it the one that is appended to.
    fn create(&mut self, name: &str) -> io::Result<()>;

    /// Cuts a file to `length` bytes and makes it the one that is appended to.
    fn resume(&mut self, name: &str, length: u64) -> io::Result<()>;

    /// Adds bytes to the file that is appended to.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes all of the file that is appended to durable: bytes and length.
    fn sync(&mut self) -> io::Result<()>;

    /// Gives a file another name, in the place of any of that name. It stays the one that is appended to.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// Takes a file away.
    fn remove(&mut self, name: &str) -> io::Result<()>;

    /// Makes the names durable.
    fn sync_directory(&mut self) -> io::Result<()>;
}
