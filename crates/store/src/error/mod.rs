//! What can go wrong with the store, by kind.

mod damage;
mod refused;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use paychan_channel::{Amount, ContractId, NetworkId};

use crate::space::{Space, explained};

pub use damage::{Damage, DamageKind};
pub use refused::{AcceptError, ChargeError, CloseError, CreditError, DropError};

/// What an operator types when the journal is damaged.
pub const REPAIR_COMMAND: &str = "paychan-watcher repair --config FILE";

/// Why the store could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another process holds the directory. Nothing was touched.
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
    /// An operation on the disk failed.
    #[error("{doing} {}: {message}", .path.display())]
    Io {
        /// What was being done: "creating the directory".
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The kind of failure.
        kind: io::ErrorKind,
        /// The system's message.
        message: String,
    },
    /// The index could not be used, even after it was built again.
    #[error("the index (sled) failed while {doing}: {message}; it may be deleted, the next start builds it again")]
    Index {
        /// What was being done.
        doing: &'static str,
        /// sled's message.
        message: String,
    },
    /// The channel was never admitted. Nothing was written.
    #[error("the channel {0} is not admitted; admit it first")]
    UnknownChannel(ContractId),
    /// No signed transaction with this hash waits for an outcome. Nothing was written.
    #[error("no signed transaction {} waits for an outcome", hex::encode(.0))]
    UnknownTransaction([u8; 32]),
    /// A transaction would pay out more than the channel is to be closed with. Nothing was written: it must not be sent.
    #[error("the channel {channel} is to be closed with {agreed} base units, and a transaction would pay out {amount}")]
    AboveAgreed {
        /// The channel.
        channel: ContractId,
        /// What was agreed, base units.
        agreed: Amount,
        /// What the transaction pays out in total, base units.
        amount: Amount,
    },
    /// A transaction is larger than a record can be. Nothing was written.
    #[error("a record has {given} bytes, and at most {limit} fit")]
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
    /// The store can't be written any more, or was opened only to settle what it holds. If this happened while the
    /// request waited, it is not known whether the request is on disk; after a new start the same request gets a
    /// certain answer.
    #[error(
        "the store takes nothing and only settles: {0}; it takes requests again after a new start that finds it sound"
    )]
    Failed(Arc<str>),
    /// The disk has so little free room that the store takes nothing new. This request was not written.
    #[error("{0}")]
    SpaceLow(Box<Space>),
    /// A start waited for too long.
    #[error(
        "the store in {} did not open within {seconds} seconds: {waiting_for} has not ended; the disk does not answer",
        .dir.display()
    )]
    StartHangs {
        /// The store's directory.
        dir: PathBuf,
        /// What the start waits for.
        waiting_for: &'static str,
        /// How long the start has waited.
        seconds: u64,
    },
}

impl StoreError {
    /// Adds how much room is free, when too little room may be the reason.
    pub(crate) fn explained(mut self, dir: &Path, mark: u64) -> Self {
        if let StoreError::Io { message, .. } | StoreError::Index { message, .. } = &mut self {
            *message = explained(message, dir, mark);
        }
        self
    }

    /// Which kind of failure it is, for code: stable, in lower case.
    pub fn kind(&self) -> &'static str {
        match self {
            StoreError::HeldByAnotherProcess { .. } => "store_held",
            StoreError::Damaged(_) => "journal_damaged",
            StoreError::WrongNetwork { .. } => "wrong_network",
            StoreError::NewerVersion { .. } => "newer_version",
            StoreError::Io { .. } => "disk_failed",
            StoreError::Index { .. } => "index_failed",
            StoreError::UnknownChannel(_) => "unknown_channel",
            StoreError::UnknownTransaction(_) => "unknown_transaction",
            StoreError::AboveAgreed { .. } => "above_agreed",
            StoreError::TooLarge { .. } => "too_large",
            StoreError::Busy { .. } => "busy",
            StoreError::Stopping => "stopping",
            StoreError::Failed(_) => "settle_only",
            StoreError::SpaceLow(_) => "space_low",
            StoreError::StartHangs { .. } => "start_hangs",
        }
    }

    pub(crate) fn io(doing: &'static str, path: &Path, error: &io::Error) -> Self {
        StoreError::Io { doing, path: path.to_path_buf(), kind: error.kind(), message: error.to_string() }
    }

    pub(crate) fn damaged(segment: &str, offset: u64, what: DamageKind) -> Self {
        StoreError::Damaged(Box::new(Damage { segment: segment.to_owned(), offset, what }))
    }
}
