//! Numbers that are no token amounts: ledgers and stroops.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::NumberError;

/// A ledger's sequence number. Time is counted in ledgers; nothing here assumes how long a ledger takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ledger(pub u32);

impl Ledger {
    /// The sequence number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// `ledgers` later, or `None` beyond the last number.
    #[must_use]
    pub fn checked_add(self, ledgers: u32) -> Option<Ledger> {
        self.0.checked_add(ledgers).map(Ledger)
    }

    /// `ledgers` earlier, or `None` before 0.
    #[must_use]
    pub fn checked_sub(self, ledgers: u32) -> Option<Ledger> {
        self.0.checked_sub(ledgers).map(Ledger)
    }

    /// `ledgers` later, at most the last number.
    #[must_use]
    pub fn saturating_add(self, ledgers: u32) -> Ledger {
        Ledger(self.0.saturating_add(ledgers))
    }

    /// `ledgers` earlier, at least 0.
    #[must_use]
    pub fn saturating_sub(self, ledgers: u32) -> Ledger {
        Ledger(self.0.saturating_sub(ledgers))
    }

    /// How many ledgers after `earlier` this one is; 0 when it is not after.
    #[must_use]
    pub fn since(self, earlier: Ledger) -> u32 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Ledger {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Ledger, NumberError> {
        digits(text).map(Ledger).ok_or(NumberError { expected: "a ledger number", max: i64::from(u32::MAX) })
    }
}

/// The network's fee unit: a ten-millionth of one XLM. The number may be negative, as a difference.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stroops(pub i64);

impl Stroops {
    /// Decimals of XLM: one XLM is 10^7 stroops.
    pub const DECIMALS: u32 = 7;

    /// The least that the network takes for the inclusion of one operation: the base fee of every public network
    /// (stellar-docs, `learn/fundamentals/fees-resource-limits-metering.mdx`).
    pub const BASE_FEE: Stroops = Stroops(100);

    /// The number of stroops.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The sum, or `None` when it does not fit.
    #[must_use]
    pub fn checked_add(self, other: Stroops) -> Option<Stroops> {
        self.0.checked_add(other.0).map(Stroops)
    }

    /// The difference, or `None` when it does not fit.
    #[must_use]
    pub fn checked_sub(self, other: Stroops) -> Option<Stroops> {
        self.0.checked_sub(other.0).map(Stroops)
    }

    /// The sum, limited to the range of `i64`.
    #[must_use]
    pub fn saturating_add(self, other: Stroops) -> Stroops {
        Stroops(self.0.saturating_add(other.0))
    }
}

impl fmt::Display for Stroops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Stroops {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Stroops, NumberError> {
        digits(text).map(Stroops).ok_or(NumberError { expected: "a number of stroops", max: i64::MAX })
    }
}

/// Reads digits only: Rust's own parser would also take a leading plus sign.
fn digits<T: FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}
