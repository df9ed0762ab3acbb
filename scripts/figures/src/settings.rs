//! The network settings that rent depends on most.

use serde::Serialize;

/// How long a new entry lives. Opening a channel pays rent for this life. Every other setting is testnet's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Settings {
    /// 120,960 ledgers, which are 7 days of 5-second ledgers, as on testnet.
    Testnet,
    /// 2,073,600 ledgers, which are 120 days of 5-second ledgers, as on the public network.
    LongLives,
}

impl Settings {
    /// The life of a new persistent entry, in ledgers.
    pub(crate) fn min_life(self) -> u32 {
        match self {
            Self::Testnet => 120_960,
            Self::LongLives => 2_073_600,
        }
    }

    /// The settings, as a table's title names them.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Testnet => "entries live for at least 7 days, as on testnet",
            Self::LongLives => "entries live for at least 120 days, as on the public network",
        }
    }
}
