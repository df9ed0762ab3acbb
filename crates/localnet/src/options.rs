//! The options of a local network.

/// How a local network runs. With `Options::default()` it closes a ledger each second and uses free loopback ports.
#[derive(Clone, Debug)]
pub struct Options {
    /// The network's passphrase. Signatures are valid on networks with the same passphrase only.
    pub passphrase: String,
    /// Milliseconds between two ledgers. In manual mode no ledger closes by itself; then this is the time that one
    /// ledger counts for in a jump. Clients read it from the network's settings (CAP-70).
    pub ledger_ms: u32,
    /// Whether ledgers close only when [`Localnet::close_ledger`](crate::Localnet::close_ledger) or the control
    /// endpoint asks for it. A friendbot request closes one too, so that it can answer.
    pub manual: bool,
    /// The loopback port of the JSON-RPC; 0 is any free one.
    pub rpc_port: u16,
    /// The loopback port of the control endpoint; 0 is any free one.
    pub control_port: u16,
    /// The longest life of an entry, in ledgers.
    pub max_entry_ttl: u32,
    /// The shortest life of a new temporary entry, in ledgers.
    pub min_temporary_ttl: u32,
    /// The shortest life of a new or restored persistent entry, in ledgers.
    pub min_persistent_ttl: u32,
}

/// The passphrase of stellar/quickstart's local network. Tools call that network "standalone" or "local".
pub const STANDALONE_PASSPHRASE: &str = "Standalone Network ; February 2017";

impl Default for Options {
    fn default() -> Self {
        Self {
            passphrase: STANDALONE_PASSPHRASE.to_owned(),
            ledger_ms: 1_000,
            manual: false,
            rpc_port: 0,
            control_port: 0,
            // The lives of the public test network.
            max_entry_ttl: 3_110_400,
            min_temporary_ttl: 720,
            min_persistent_ttl: 120_960,
        }
    }
}

/// Why options are not usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// There are zero milliseconds between ledgers.
    #[error("--ledger-ms is 0; give at least 1, or --manual to close ledgers only on request")]
    NoInterval,
    /// A life is zero ledgers.
    #[error("--{option} is 0 ledgers; an entry must live for at least 1")]
    NoLife {
        /// The option's name.
        option: &'static str,
    },
    /// A shortest life is above the longest.
    #[error("--{option} is {least} ledgers, above --max-entry-ttl, which is {most}")]
    LeastAboveMost {
        /// The option's name.
        option: &'static str,
        /// The shortest life, in ledgers.
        least: u32,
        /// The longest life, in ledgers.
        most: u32,
    },
}

impl Options {
    /// Checks that the options don't contradict each other.
    ///
    /// # Errors
    /// The option that is wrong.
    pub fn check(&self) -> Result<(), OptionsError> {
        if self.ledger_ms == 0 {
            return Err(OptionsError::NoInterval);
        }
        let lives = [
            ("max-entry-ttl", self.max_entry_ttl),
            ("min-temporary-ttl", self.min_temporary_ttl),
            ("min-persistent-ttl", self.min_persistent_ttl),
        ];
        for (option, ledgers) in lives {
            if ledgers == 0 {
                return Err(OptionsError::NoLife { option });
            }
            if ledgers > self.max_entry_ttl {
                return Err(OptionsError::LeastAboveMost { option, least: ledgers, most: self.max_entry_ttl });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_that_contradict_each_other_are_refused_by_name() {
        let options = Options { min_temporary_ttl: 20, max_entry_ttl: 10, min_persistent_ttl: 5, ..Options::default() };
        assert_eq!(
            options.check(),
            Err(OptionsError::LeastAboveMost { option: "min-temporary-ttl", least: 20, most: 10 })
        );
        let options = Options { min_persistent_ttl: 0, ..Options::default() };
        assert_eq!(options.check(), Err(OptionsError::NoLife { option: "min-persistent-ttl" }));
        assert_eq!(Options { ledger_ms: 0, ..Options::default() }.check(), Err(OptionsError::NoInterval));
        assert_eq!(Options::default().check(), Ok(()));
    }
}
