//! The test's own record of what the watcher has acknowledged on one channel. Amounts are base units.

use std::collections::HashMap;

use serde_json::Value;

/// A charge that was requested.
#[derive(Clone)]
pub(super) struct Sale {
    /// The body, to repeat the same request.
    pub(super) body: Value,
    pub(super) price: i128,
    /// Whether the watcher has acknowledged the charge. If not, the answer was lost.
    pub(super) acknowledged: bool,
    /// The requested credit, and whether it was acknowledged.
    pub(super) credit: Option<(i128, bool)>,
    /// Whether an earlier check has found it.
    pub(super) checked: bool,
}

#[derive(Default)]
pub(super) struct Memory {
    /// The highest acknowledged commitment.
    pub(super) highest: i128,
    /// The highest signed commitment. The next one is above it.
    pub(super) signed: i128,
    pub(super) sales: HashMap<String, Sale>,
    /// How many requests were made. It makes each id unique.
    pub(super) requests: u64,
    pub(super) acknowledged: u64,
}

impl Memory {
    pub(super) fn next_id(&mut self) -> String {
        self.requests += 1;
        format!("request-{}", self.requests)
    }

    /// The sum of all charges less their credits.
    pub(super) fn spent(&self) -> i128 {
        let taken = self.sales.values().filter(|sale| sale.acknowledged);
        taken.map(|sale| sale.price - sale.credit.map_or(0, |(back, given)| if given { back } else { 0 })).sum()
    }
}

/// An amount in an answer, which is a string of digits.
pub(super) fn units(answer: &Value, name: &str) -> i128 {
    answer[name].as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no amount {name} in {answer}"))
}
