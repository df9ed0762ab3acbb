//! Reads what inclusion costs now, and what the network charges for writing.

use paychan_channel::{Ledger, Stroops};
use serde::Deserialize;
use stellar_xdr::{ConfigSettingEntry, ConfigSettingId, LedgerEntryData, LedgerKey, LedgerKeyConfigSetting};

use crate::decoding::Number;
use crate::node::NONE;
use crate::{Client, RpcError};

/// Inclusion fees that were paid lately, per operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeeDistribution {
    /// The lowest fee.
    pub min: Stroops,
    /// The highest fee.
    pub max: Stroops,
    /// Half of the transactions paid at most this.
    pub p50: Stroops,
    /// 90 of 100 transactions paid at most this.
    pub p90: Stroops,
    /// 95 of 100 transactions paid at most this.
    pub p95: Stroops,
    /// 99 of 100 transactions paid at most this.
    pub p99: Stroops,
    /// How many ledgers these figures cover.
    pub ledgers: u32,
}

/// The answer of `getFeeStats`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeeStats {
    /// For transactions that call contracts (also extend and restore).
    pub soroban: FeeDistribution,
    /// For all others.
    pub classic: FeeDistribution,
    /// The node's latest ledger.
    pub latest: Ledger,
}

/// What to bid after the network refused a fee as too low (`txINSUFFICIENT_FEE`): what it asks for, or `None` if that
/// is above `cap`. All amounts are stroops.
///
/// `needed` is what the refusal names, `fee` the whole fee of the refused transaction, and `bid` the part of it that
/// was for inclusion. The refusal names the whole fee; where it names less than was offered, it means the inclusion
/// alone (stellar-core has done both, `TransactionQueue.cpp`). If the refusal names no more than was bid, the bid is
/// doubled.
#[must_use]
pub fn raised_bid(needed: Stroops, fee: Stroops, bid: Stroops, cap: Stroops) -> Option<Stroops> {
    let for_resources = fee.0.saturating_sub(bid.0);
    let asked = match needed.0 {
        whole if whole > fee.0 => whole.saturating_sub(for_resources),
        inclusion if inclusion > bid.0 => inclusion,
        _ => bid.0.saturating_mul(2),
    };
    (asked <= cap.0).then_some(Stroops(asked))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    soroban_inclusion_fee: RawDistribution,
    inclusion_fee: RawDistribution,
    latest_ledger: Number<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDistribution {
    min: Number<i64>,
    max: Number<i64>,
    p50: Number<i64>,
    p90: Number<i64>,
    p95: Number<i64>,
    p99: Number<i64>,
    ledger_count: Number<u32>,
}

impl From<RawDistribution> for FeeDistribution {
    fn from(raw: RawDistribution) -> FeeDistribution {
        FeeDistribution {
            min: Stroops(raw.min.0),
            max: Stroops(raw.max.0),
            p50: Stroops(raw.p50.0),
            p90: Stroops(raw.p90.0),
            p95: Stroops(raw.p95.0),
            p99: Stroops(raw.p99.0),
            ledgers: raw.ledger_count.0,
        }
    }
}

impl Client {
    /// Asks what inclusion has cost in the last ledgers.
    ///
    /// # Errors
    /// Any [`RpcError`].
    pub async fn get_fee_stats(&self) -> Result<FeeStats, RpcError> {
        let raw: Raw = self.call("getFeeStats", NONE).await?;
        Ok(FeeStats {
            soroban: raw.soroban_inclusion_fee.into(),
            classic: raw.inclusion_fee.into(),
            latest: Ledger(raw.latest_ledger.0),
        })
    }

    /// Reads one of the network's settings from the ledger.
    ///
    /// # Errors
    /// Any [`RpcError`], also when the network does not have the setting.
    pub async fn get_config_setting(&self, id: ConfigSettingId) -> Result<ConfigSettingEntry, RpcError> {
        let key = LedgerKey::ConfigSetting(LedgerKeyConfigSetting { config_setting_id: id });
        let entries = self.get_ledger_entries(std::slice::from_ref(&key)).await?;
        let entry = entries.get(&key).map_err(|error| self.bad("getLedgerEntries", error.to_string()))?;
        match entry.map(|entry| &entry.data) {
            Some(LedgerEntryData::ConfigSetting(setting)) => Ok(setting.clone()),
            _ => Err(self.bad("getLedgerEntries", format!("the network has no setting {}", id.name()))),
        }
    }

    /// Reads what the network charges for writing 1,024 bytes (`fee_write1_kb`; soroban-env-host, `fees.rs`).
    ///
    /// It changes only when the network votes on its settings, so it need not be asked for each transaction.
    ///
    /// # Errors
    /// Any [`RpcError`].
    pub async fn get_write_fee_per_kb(&self) -> Result<Stroops, RpcError> {
        match self.get_config_setting(ConfigSettingId::ContractLedgerCostExtV0).await? {
            ConfigSettingEntry::ContractLedgerCostExtV0(cost) => Ok(Stroops(cost.fee_write1_kb)),
            _ => Err(self.bad("getLedgerEntries", "another setting than the one asked for")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raised(needed: i64, cap: i64) -> Option<i64> {
        // 100 are bid, 60,000 are for resources.
        raised_bid(Stroops(needed), Stroops(60_100), Stroops(100), Stroops(cap)).map(Stroops::get)
    }

    #[test]
    fn the_bid_rises_to_what_the_network_asks_for_and_not_above_the_cap() {
        assert_eq!(raised(60_700, 1_000), Some(700), "the whole fee was named");
        assert_eq!(raised(700, 1_000), Some(700), "the inclusion alone was named");
        assert_eq!(raised(0, 1_000), Some(200), "nothing useful was named");
        assert_eq!(raised(61_000, 1_000), Some(1_000));
        assert_eq!(raised(61_001, 1_000), None);
        assert_eq!(raised(i64::MAX, 1_000), None);
    }
}
