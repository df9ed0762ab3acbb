//! What can go wrong with the store, by kind.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use paychan_channel::{Amount, ContractId, NetworkId};

use crate::{Refusal, RequestId};

/// What an operator types when the journal is damaged.
pub const REPAIR_COMMAND: &str = "paychan-watcher repair --config FILE";

/// Why the store could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another process has the directory. Nothing was touched.
    #[error(
        "the store in {} is held by another process; stop that one first, or give this one its own directory",
        .dir.display()
    )]
    HeldByAnotherProcess {
        /// The directory.
        dir: PathBuf,
    },
    /// The journal is not what a crash or a power cut leaves. Nothing was changed on disk.
    #[error("{0}")]
    Damaged(Box<Damage>),
    /// The journal was written for another network. Nothing was touched.
    #[error(
        "the journal segment {segment} belongs to the network {found}, and this watcher is configured for {expected}; \
         give each network its own directory"
    )]
    WrongNetwork {
        /// The segment's file name.
        segment: String,
        /// The network in it.
        found: NetworkId,
        /// The configured network.
        expected: NetworkId,
    },
    /// A newer watcher wrote the journal. Nothing was touched.
    #[error(
        "the journal segment {segment} has format version {found}, and this watcher knows version {known}; \
         run the newer watcher"
    )]
    NewerVersion {
        /// The segment's file name.
        segment: String,
        /// The version in it.
        found: u16,
        /// The version that this program writes.
        known: u16,
    },
    /// The disk said no.
    #[error("{doing} {}: {message}", .path.display())]
    Io {
        /// What was being done: "creating the directory".
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// The kind of failure.
        kind: io::ErrorKind,
        /// What the system said.
        message: String,
    },
    /// The index could not be used, even after it was built anew.
    #[error("the index (sled) failed while {doing}: {message}; it may be deleted, the next start builds it anew")]
    Index {
        /// What was being done.
        doing: &'static str,
        /// What sled said.
        message: String,
    },
    /// The channel was never admitted. Nothing was written.
    #[error("the channel {0} is not admitted; admit it first")]
    UnknownChannel(ContractId),
    /// No signed transaction with this hash waits for an outcome. Nothing was written.
    #[error("no signed transaction {} waits for an outcome", hex::encode(.0))]
    UnknownTransaction([u8; 32]),
    /// A transaction is larger than a record can be. Nothing was written.
    #[error("a record of {given} bytes was to be written, and at most {limit} fit")]
    TooLarge {
        /// Bytes of the record.
        given: usize,
        /// Bytes that fit.
        limit: usize,
    },
    /// More requests wait than the committer takes on. This one was not written.
    #[error("the store has {waiting} requests waiting and takes no more; try again later")]
    Busy {
        /// How many wait.
        waiting: usize,
    },
    /// The store was shut down. This request was not written.
    #[error("the store is shutting down and takes nothing more")]
    Stopping,
    /// The disk failed and the store has stopped for good. Whether this request is on disk is unknown: after a restart
    /// the same question has a certain answer.
    #[error("the store has stopped: {0}; restart the watcher, then ask again")]
    Failed(Arc<str>),
}

/// Where the journal is damaged, and how.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the journal is damaged: segment {segment}, byte {offset}: {what}. This is not what a crash or a power cut leaves, \
     so nothing was changed and nothing is acknowledged. `{REPAIR_COMMAND}` copies the journal aside, keeps all that \
     can be read and says what is lost"
)]
pub struct Damage {
    /// The segment's file name.
    pub segment: String,
    /// Bytes from the segment's start.
    pub offset: u64,
    /// What is wrong there.
    pub what: DamageKind,
}

/// What is wrong with a journal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DamageKind {
    /// The segment's header is cut, or its checksum is wrong, or it does not fit the file's name.
    #[error("the segment's header is unreadable ({0})")]
    Header(&'static str),
    /// A record's checksum is wrong, or a record is cut where no crash cuts one.
    #[error("the record after number {after} is unreadable ({why})")]
    Frame {
        /// The number of the last readable record before it.
        after: u64,
        /// Why not.
        why: String,
    },
    /// Records are missing or out of order.
    #[error("record number {expected} was expected and {found} found: records are missing")]
    Sequence {
        /// The number that comes next.
        expected: u64,
        /// The number found.
        found: u64,
    },
    /// A record's checksum is right and its content is not a record.
    #[error("record {sequence} can't be understood: {why}")]
    Record {
        /// The record's number.
        sequence: u64,
        /// Why not.
        why: String,
    },
    /// A record contradicts those before it, as an amount that goes down does.
    #[error("record {sequence} contradicts what is before it: {why}")]
    Contradiction {
        /// The record's number.
        sequence: u64,
        /// How.
        why: String,
    },
    /// The highest commitment of a channel is not signed by the channel's key.
    #[error("the highest commitment of channel {channel}, for {amount}, has a bad signature or key")]
    Signature {
        /// The channel.
        channel: ContractId,
        /// The amount.
        amount: Amount,
    },
    /// The index has seen records that the journal does not hold: acknowledged records are gone from the journal.
    #[error("it ends at record {journal}, and the index has seen record {index}: the journal's end is missing")]
    BehindIndex {
        /// The journal's last record.
        journal: u64,
        /// The last record that the index has seen.
        index: u64,
    },
}

impl StoreError {
    pub(crate) fn io(doing: &'static str, path: &Path, error: &io::Error) -> Self {
        StoreError::Io { doing, path: path.to_path_buf(), kind: error.kind(), message: error.to_string() }
    }

    pub(crate) fn damaged(segment: &str, offset: u64, what: DamageKind) -> Self {
        StoreError::Damaged(Box::new(Damage { segment: segment.to_owned(), offset, what }))
    }
}

/// Why a commitment was not accepted. But for [`AcceptError::Store`], it was not written, and the state that the answer
/// names is on disk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// The channel was never admitted.
    #[error("the channel {0} is not admitted; admit it first")]
    UnknownChannel(ContractId),
    /// The highest commitment is above this amount. That one is on disk.
    #[error(
        "a commitment for {offered} is not above the highest known, {highest}; sign a cumulative total, not a price"
    )]
    NotHigher {
        /// What was offered, base units.
        offered: Amount,
        /// The highest known, base units.
        highest: Amount,
    },
    /// This very amount is the highest already, submitted under another id: it can't buy twice. It is on disk.
    #[error("a commitment for {highest} is already held, submitted under another request id")]
    AlreadyHeld {
        /// The highest known, base units.
        highest: Amount,
    },
    /// The id was used for another amount on this channel.
    #[error(
        "the request id {request_id} was used for {accepted} on this channel, and {offered} is offered under it now; \
         give each submission its own id"
    )]
    RequestIdReused {
        /// The id.
        request_id: RequestId,
        /// What was offered, base units.
        offered: Amount,
        /// What was accepted under the id, base units.
        accepted: Amount,
    },
    /// A close was about to be signed: the channel takes no more. The fence and the highest are on disk.
    #[error("the channel is being closed with {highest}; it takes no more commitments")]
    Fenced {
        /// The highest known, base units, which the close carries.
        highest: Amount,
    },
    /// The gate refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store could not say.
    #[error(transparent)]
    Store(#[from] StoreError),
}
