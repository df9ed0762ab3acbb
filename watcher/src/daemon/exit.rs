//! What the process says with its exit code.

use std::process::ExitCode;

/// Shown by `--help`.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done, or stopped as asked (SIGTERM, SIGINT)
  1  failed in a way that starting again may mend: the disk, the network, the address to listen on
  2  the command line or the configuration is wrong
  3  another process holds the store
  4  the store must be looked at by a person first: damaged, or of another network or a newer version
  5  the endpoint serves another network than the configured one";

/// Why the daemon or one of its commands ended. What is printed is in [`RunError`](super::RunError).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Something failed that may be better at the next start.
    Failed,
    /// The command line or the configuration is wrong.
    Config,
    /// Another process holds the store.
    StoreHeld,
    /// The store needs a person.
    StoreDamaged,
    /// The endpoint serves another network.
    WrongNetwork,
}

impl Exit {
    /// Its number.
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
