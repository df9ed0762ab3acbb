//! Why the daemon, or one of its commands, ended.

use crate::chain::{ChainError, ChainErrorKind};
use crate::config::ConfigError;
use crate::floor::FloorError;
use crate::status::StatusError;
use paychan_store::StoreError;

use super::Exit;

/// Why it ended, for a person, and with which exit code.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration, or a secret that it names.
    #[error("configuration: {0}")]
    Config(#[from] ConfigError),
    /// The configured terms and the network's own settings don't go together.
    #[error("configuration: {0}")]
    Floor(#[from] FloorError),
    /// The store.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// The endpoint.
    #[error("network: {0}")]
    Chain(#[from] ChainError),
    /// Status can't be shown.
    #[error("status: {0}")]
    Status(#[from] StatusError),
    /// The API's address can't be listened on.
    #[error("the API can't listen on {listen}: {why}; free the address, or give `listen` another one")]
    Listen {
        /// The configured address.
        listen: String,
        /// What the system said.
        why: String,
    },
    /// A part that must run for ever ended. Starting again is the remedy.
    #[error("{part} ended: {why}")]
    Part {
        /// Which.
        part: &'static str,
        /// How.
        why: String,
    },
    /// Something about the process itself.
    #[error("{0}")]
    Other(String),
}

impl RunError {
    /// The exit code that says it.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Config(_) | Self::Floor(_) => Exit::Config,
            Self::Store(error) => of_store(error),
            Self::Chain(error) => match error.kind {
                ChainErrorKind::WrongNetwork => Exit::WrongNetwork,
                // Only a URL that is none is refused before anything was asked.
                ChainErrorKind::Refused => Exit::Config,
                _ => Exit::Failed,
            },
            Self::Status(StatusError::Journal(error)) => of_store(error),
            Self::Status(_) | Self::Listen { .. } | Self::Part { .. } | Self::Other(_) => Exit::Failed,
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
