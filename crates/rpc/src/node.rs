//! What a node reports of itself: getHealth, getNetwork, getLatestLedger.

use paychan_channel::Ledger;
use serde::Deserialize;

use crate::decoding::Number;
use crate::{Client, RpcError};

/// The answer of `getHealth`. An unhealthy node answers with [`ErrorKind::NodeBehind`](crate::ErrorKind::NodeBehind).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// The latest ledger that the node holds.
    pub latest: Ledger,
    /// The oldest ledger that the node holds.
    pub oldest: Ledger,
}

/// The answer of `getNetwork`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkInfo {
    /// The network's passphrase.
    pub passphrase: String,
    /// The protocol that the network runs.
    pub protocol_version: u32,
    /// The URL that gives test money, on a test network.
    pub friendbot_url: Option<String>,
}

/// The answer of `getLatestLedger`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LatestLedger {
    /// Its number.
    pub sequence: Ledger,
    /// When it closed, in seconds since 1970 UTC, if the node says so (stellar-rpc from v24 on).
    pub close_time: Option<u64>,
    /// The protocol version of the ledger.
    pub protocol_version: u32,
}

impl LatestLedger {
    /// When it closed, in milliseconds since 1970 UTC, if the node says so.
    #[must_use]
    pub fn closed_at_unix_ms(&self) -> Option<u64> {
        self.close_time?.checked_mul(1_000)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawHealth {
    latest_ledger: Number<u32>,
    oldest_ledger: Number<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawNetwork {
    passphrase: String,
    protocol_version: Number<u32>,
    #[serde(default)]
    friendbot_url: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawLatest {
    sequence: Number<u32>,
    #[serde(default)]
    close_time: Option<Number<u64>>,
    protocol_version: Number<u32>,
}

/// The `params` of a method that has none.
pub(crate) const NONE: Option<()> = None;

impl Client {
    /// Asks whether the node follows the network.
    ///
    /// # Errors
    /// [`ErrorKind::NodeBehind`](crate::ErrorKind::NodeBehind) when it does not; any other [`RpcError`].
    pub async fn get_health(&self) -> Result<Health, RpcError> {
        let raw: RawHealth = self.call("getHealth", NONE).await?;
        Ok(Health { latest: Ledger(raw.latest_ledger.0), oldest: Ledger(raw.oldest_ledger.0) })
    }

    /// Asks which network the node serves. To check that it is the right one, use [`Client::check_network`].
    ///
    /// # Errors
    /// Any [`RpcError`].
    pub async fn get_network(&self) -> Result<NetworkInfo, RpcError> {
        let raw: RawNetwork = self.call("getNetwork", NONE).await?;
        Ok(NetworkInfo {
            passphrase: raw.passphrase,
            protocol_version: raw.protocol_version.0,
            friendbot_url: raw.friendbot_url.filter(|url| !url.is_empty()),
        })
    }

    /// Asks for the latest ledger.
    ///
    /// # Errors
    /// Any [`RpcError`].
    pub async fn get_latest_ledger(&self) -> Result<LatestLedger, RpcError> {
        let raw: RawLatest = self.call("getLatestLedger", NONE).await?;
        Ok(LatestLedger {
            sequence: Ledger(raw.sequence.0),
            close_time: raw.close_time.map(|time| time.0),
            protocol_version: raw.protocol_version.0,
        })
    }
}
