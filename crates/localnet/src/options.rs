//! What a local network is started with.

/// How a local network runs. `Options::default()` closes a ledger each second on free loopback ports.
#[derive(Clone, Debug)]
pub struct Options {
    /// Passphrase of the network: signatures are valid on it alone.
    pub passphrase: String,
    /// Milliseconds between two ledgers. In manual mode nothing closes by itself; then it is the time that a ledger
    /// stands for when ledgers are jumped over. Clients read it from the network's settings (CAP-70).
    pub ledger_ms: u32,
    /// Ledgers close only when told: by [`Localnet::close_ledger`](crate::Localnet::close_ledger), by the control
    /// endpoint, or by a friendbot request, which closes one so that it can answer.
    pub manual: bool,
    /// Loopback port of the JSON-RPC; 0 is any free one.
    pub rpc_port: u16,
    /// Loopback port of the control endpoint; 0 is any free one.
    pub control_port: u16,
    /// Ledgers that an entry can live for at most.
    pub max_entry_ttl: u32,
    /// Ledgers that a new temporary entry lives for at least.
    pub min_temporary_ttl: u32,
    /// Ledgers that a new or restored persistent entry lives for at least.
    pub min_persistent_ttl: u32,
}

/// The passphrase of stellar/quickstart's local network, which tools know as "standalone" or "local".
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

/// Why options can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// Zero milliseconds between ledgers.
    #[error("--ledger-ms is 0; give at least 1, or --manual to close ledgers only when told")]
    NoInterval,
    /// A life of zero ledgers.
    #[error("--{option} is 0 ledgers; an entry must live for at least 1")]
    NoLife {
        /// The option's name.
        option: &'static str,
    },
    /// A least life above the greatest.
    #[error("--{option} is {least} ledgers, above --max-entry-ttl, which is {most}")]
    LeastAboveMost {
        /// The option's name.
        option: &'static str,
        /// Ledgers asked for.
        least: u32,
        /// Ledgers allowed.
        most: u32,
    },
}

impl Options {
    /// Checks that the options make sense together.
    ///
    /// # Errors
    /// Names the option that is wrong.
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

    pub(crate) fn close_interval_ms(&self) -> u32 {
        self.ledger_ms
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
