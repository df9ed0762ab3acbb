//! The records of the store, one per line. Amounts are decimal strings of base units.

use paychan_channel::{Amount, ContractId};
use serde::{Deserialize, Serialize};

use crate::wire::{Receipt, Timestamp};

/// A record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// A total is about to be signed.
    Signed(Signed),
    /// How a payment was answered.
    Answered(Answered),
    /// The total was raised to the server's, since this store had lost its own.
    Resynced(Resynced),
    /// A channel is no longer used.
    Left(Left),
    /// A channel is about to be opened.
    Opening(Opening),
}

/// A payment. It is synced before its voucher is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// The payment's number in the store.
    pub id: u64,
    /// The time, RFC 3339.
    pub at: String,
    /// The channel.
    pub channel: ContractId,
    /// The total over the channel's life.
    pub total: Amount,
    /// How much the total is above the highest one that was signed before.
    pub raise: Amount,
    /// The price of the request.
    pub price: Amount,
    /// The server that is paid: host and port.
    pub host: String,
    /// The request's method.
    pub method: String,
    /// The request's address without its query, which may hold secrets.
    pub url: String,
}

/// How a payment was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// The payment's number.
    pub id: u64,
    /// The HTTP status; `None` when no answer came.
    pub status: Option<u16>,
    /// The receipt, if one came.
    pub receipt: Option<Receipt>,
}

/// The content of [`Record::Resynced`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resynced {
    /// The time, RFC 3339.
    pub at: String,
    /// The channel.
    pub channel: ContractId,
    /// The total that counts as signed from now on.
    pub total: Amount,
    /// The server that has proven it with a signature of the commitment key; `None` when the user believed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proven_by: Option<String>,
    /// How much a proven total is above the highest one that was known before. Caps count it as if it had been paid to that
    /// server at this time, since it is not known when it was paid.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub learnt: Amount,
}

/// The content of [`Record::Left`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// The time, RFC 3339.
    pub at: String,
    /// The channel.
    pub channel: ContractId,
    /// What the server said.
    pub why: String,
}

/// A channel that is about to be opened for a server. The record is synced before anything is sent to the network, so
/// that a repetition finds the channel and does not open a second one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// The time, RFC 3339.
    pub at: String,
    /// The server: host and port.
    pub host: String,
    /// The channel. Its address follows from the network, the funder and the salt.
    pub channel: ContractId,
    /// The salt, 64 hexadecimal digits.
    pub salt: String,
}

impl Record {
    /// How much the record adds to what was signed away, as caps count it. Base units.
    #[must_use]
    pub fn signed_away(&self) -> Amount {
        match self {
            Self::Signed(signed) => signed.raise,
            Self::Resynced(resynced) => resynced.learnt,
            _ => Amount::ZERO,
        }
    }
}

// The attribute wants a function of a reference.
fn is_zero(amount: &Amount) -> bool {
    amount.is_zero()
}

/// The day of a time of a record, counted from the Unix epoch.
pub(super) fn day(at: &str) -> i64 {
    Timestamp::parse(at).map_or(0, Timestamp::day)
}
