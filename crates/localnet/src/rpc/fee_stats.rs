//! getFeeStats: answers what inclusion has cost lately.

use serde::Serialize;

use crate::{
    ledger::history::{ClosedTransaction, InclusionFee},
    node::Node,
};

/// The latest ledgers whose Soroban fees count (stellar-rpc: `soroban-fee-stats-retention-window`).
const SOROBAN_WINDOW: u32 = 50;
/// The latest ledgers whose classic fees count (stellar-rpc: `classic-fee-stats-retention-window`).
const CLASSIC_WINDOW: u32 = 10;

/// A ledger that others' transactions fill counts as having this many of them, in each phase.
const OTHERS: usize = 100;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer {
    soroban_inclusion_fee: Distribution,
    inclusion_fee: Distribution,
    latest_ledger: u32,
}

/// Stroops for one operation, as decimal strings.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Distribution {
    max: String,
    min: String,
    mode: String,
    p10: String,
    p20: String,
    p30: String,
    p40: String,
    p50: String,
    p60: String,
    p70: String,
    p80: String,
    p90: String,
    p95: String,
    p99: String,
    transaction_count: String,
    ledger_count: u32,
}

pub(super) fn get(node: &Node) -> Answer {
    let soroban = |tx: &ClosedTransaction| match tx.inclusion_fee {
        InclusionFee::Soroban(fee) => Some(fee),
        InclusionFee::Classic(_) => None,
    };
    let classic = |tx: &ClosedTransaction| match tx.inclusion_fee {
        InclusionFee::Classic(fee) => Some(fee),
        InclusionFee::Soroban(_) => None,
    };
    Answer {
        soroban_inclusion_fee: window(node, SOROBAN_WINDOW, soroban),
        inclusion_fee: window(node, CLASSIC_WINDOW, classic),
        latest_ledger: node.history.newest().sequence,
    }
}

fn window(node: &Node, ledgers: u32, fee: impl Fn(&ClosedTransaction) -> Option<u64>) -> Distribution {
    let end = node.history.newest().sequence.saturating_add(1);
    let start = end.saturating_sub(ledgers).max(node.history.oldest().sequence);
    let mut fees = Vec::new();
    for ledger in node.history.range(start, end) {
        fees.extend(ledger.transactions.iter().filter_map(&fee));
        // Others' transactions that filled the ledger are not in it, but their bids count.
        fees.extend(ledger.filled_at.iter().flat_map(|bid| std::iter::repeat_n(u64::from(*bid), OTHERS)));
    }
    distribution(fees, end - start)
}

fn distribution(mut fees: Vec<u64>, ledgers: u32) -> Distribution {
    fees.sort_unstable();
    // The nearest rank: the lowest fee that at least `percent` of all fees don't exceed.
    let percentile = |percent: usize| {
        let rank = (percent * fees.len()).div_ceil(100);
        fees.get(rank.saturating_sub(1)).copied().unwrap_or(0).to_string()
    };
    Distribution {
        max: fees.last().copied().unwrap_or(0).to_string(),
        min: fees.first().copied().unwrap_or(0).to_string(),
        mode: mode(&fees).to_string(),
        p10: percentile(10),
        p20: percentile(20),
        p30: percentile(30),
        p40: percentile(40),
        p50: percentile(50),
        p60: percentile(60),
        p70: percentile(70),
        p80: percentile(80),
        p90: percentile(90),
        p95: percentile(95),
        p99: percentile(99),
        transaction_count: fees.len().to_string(),
        ledger_count: if fees.is_empty() { 0 } else { ledgers },
    }
}

/// The most frequent of sorted fees; if there are several, the lowest of them.
fn mode(fees: &[u64]) -> u64 {
    let mut best = (0, 0);
    for run in fees.chunk_by(|a, b| a == b) {
        if run.len() > best.0 {
            best = (run.len(), run[0]);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let stats = distribution(vec![300, 100, 100, 200], 7);
        assert_eq!((stats.min.as_str(), stats.max.as_str(), stats.mode.as_str()), ("100", "300", "100"));
        assert_eq!((stats.p50.as_str(), stats.p60.as_str(), stats.p90.as_str()), ("100", "200", "300"));
        assert_eq!((stats.transaction_count.as_str(), stats.ledger_count), ("4", 7));
    }

    #[test]
    fn without_fees_all_figures_are_zero() {
        let stats = distribution(Vec::new(), 7);
        assert_eq!((stats.p99.as_str(), stats.transaction_count.as_str(), stats.ledger_count), ("0", "0", 0));
    }
}
