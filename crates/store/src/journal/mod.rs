//! The journal: the truth, as an append-only log of records.
//!
//! ```text
//! Journal (seam)  files of one directory, and when they are durable     disk       the real one
//! segments        how those files are named, and which are read    frame      how records lie in them
//! record          what the records say                                  write      adding to the log, checkpoints
//! read            reading all of it, strictly                           salvage    reading what is left of a damaged one
//! ```
//!
//! **The seam.** [`Journal`] is all that the store needs: to read and append to files, and to make them durable. The
//! real one is a directory. Another one could be remote: it would have to keep the same promises, and to refuse a
//! writer as soon as another one has opened it, since two writers would both acknowledge. On one machine the lock file
//! does that.
//!
//! **Changing the format.** A kind of record never changes its meaning or its fields. A change needs a new kind
//! ([`record`]) and a new [`frame::VERSION`]. A program refuses a journal of a newer version, and reads all older ones.
//! Files that each version wrote are kept in `tests/fixtures`, and a test opens them.

pub(crate) mod disk;
pub(crate) mod frame;
pub(crate) mod read;
pub(crate) mod record;
pub(crate) mod salvage;
pub(crate) mod segments;
pub(crate) mod write;

use std::io::{self, Read};

/// The journal's directory, as the committer sees it: its files, and when they are durable.
///
/// This survives a power cut, and an implementation must promise it:
/// - appended bytes survive once [`Journal::sync`] has returned; before that, any first part of them may;
/// - a change of a file's name ([`Journal::create`], [`Journal::rename`], [`Journal::remove`]) survives once
///   [`Journal::sync_directory`] has returned; before that, it may or may not;
/// - after any error the store uses the journal no more: a second fsync does not write again what the first one failed
///   to write.
pub trait Journal: Send {
    /// The names of all files, in any order.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Reads a file from its start.
    fn read(&self, name: &str) -> io::Result<Box<dyn Read>>;

    /// Makes a new, empty file, which replaces any file of that name. Later appends go to it.
    fn create(&mut self, name: &str) -> io::Result<()>;

    /// Cuts a file to `length` bytes. Later appends go to it.
    fn resume(&mut self, name: &str, length: u64) -> io::Result<()>;

    /// Adds bytes to the end of the current file.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes the whole current file durable: bytes and length.
    fn sync(&mut self) -> io::Result<()>;

    /// Gives a file another name, and replaces any file of that name. If it was the current file, it stays so.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    fn remove(&mut self, name: &str) -> io::Result<()>;

    /// Makes the names of the files durable.
    fn sync_directory(&mut self) -> io::Result<()>;
}
