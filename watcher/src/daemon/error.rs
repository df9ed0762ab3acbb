//! The errors with which the daemon or one of its commands ends.

use crate::chain::{ChainError, ChainErrorKind};
use crate::config::ConfigError;
use crate::floor::FloorError;
use crate::status::StatusError;
use paychan_store::{Space, StoreError};

use super::Exit;

/// Why the daemon or a command ended, with text for a person and an exit code.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration is wrong, or a secret that it names.
    #[error("configuration: {0}")]
    Config(#[from] ConfigError),
    /// The configured terms and the network's settings contradict each other.
    #[error("configuration: {0}")]
    Floor(#[from] FloorError),
    /// The store failed.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// The endpoint failed.
    #[error("network: {0}")]
    Chain(#[from] ChainError),
    /// The status can't be shown.
    #[error("status: {0}")]
    Status(#[from] StatusError),
    /// The journal's disk has so little room that nothing would be taken.
    #[error("disk: {0}")]
    Disk(Space),
    /// The watcher can't listen on the API's address.
    #[error("the API can't listen on {listen}: {why}; free the address, or give `listen` another one")]
    Listen {
        /// The configured address.
        listen: String,
        /// The system's error.
        why: String,
    },
    /// A part that must not end has ended. A restart is the remedy.
    #[error("{part} ended: {why}")]
    Part {
        /// The part.
        part: &'static str,
        /// How it ended.
        why: String,
    },
    /// Something else failed.
    #[error("{0}")]
    Other(String),
}

impl RunError {
    /// The exit code of the error.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Config(_) | Self::Floor(_) => Exit::Config,
            Self::Store(error) => of_store(error),
            Self::Chain(error) => match error.kind {
                ChainErrorKind::WrongNetwork => Exit::WrongNetwork,
                // Before any question, only an invalid URL is refused.
                ChainErrorKind::Refused => Exit::Config,
                _ => Exit::Failed,
            },
            Self::Status(StatusError::Journal(error)) => of_store(error),
            Self::Status(_) | Self::Disk(_) | Self::Listen { .. } | Self::Part { .. } | Self::Other(_) => Exit::Failed,
        }
    }
}

fn of_store(error: &StoreError) -> Exit {
    match error {
        StoreError::HeldByAnotherProcess { .. } => Exit::StoreHeld,
        StoreError::Damaged(_) | StoreError::WrongNetwork { .. } | StoreError::NewerVersion { .. } => {
            Exit::StoreDamaged
        }
        _ => Exit::Failed,
    }
}
