//! The exit codes of the process.

use std::process::ExitCode;

/// The text that `--help` shows.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done, or stopped as asked (SIGTERM, SIGINT)
  1  failed, but a restart may help: the disk, the network, the address to listen on
  2  the command line or the configuration is wrong
  3  another process holds the store
  4  a person must look at the store first: it is damaged, or of another network or a newer version
  5  the endpoint serves another network than the configured one";

/// The kind of end of the daemon or one of its commands. [`RunError`](super::RunError) has the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Something failed that may work at the next start.
    Failed,
    /// The command line or the configuration is wrong.
    Config,
    /// Another process holds the store.
    StoreHeld,
    /// A person must look at the store.
    StoreDamaged,
    /// The endpoint serves another network.
    WrongNetwork,
}

impl Exit {
    /// The number of the exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Config => 2,
            Self::StoreHeld => 3,
            Self::StoreDamaged => 4,
            Self::WrongNetwork => 5,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exit_code_is_documented_and_none_is_used_twice() {
        let all = [Exit::Failed, Exit::Config, Exit::StoreHeld, Exit::StoreDamaged, Exit::WrongNetwork];
        let mut seen = std::collections::BTreeSet::new();
        for exit in all {
            assert!(seen.insert(exit.code()), "{exit:?} shares its code");
            assert!(EXIT_CODES.contains(&format!("\n  {}  ", exit.code())), "{exit:?} is not documented");
        }
    }
}
