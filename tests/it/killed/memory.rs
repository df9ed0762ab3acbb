//! What the watcher has acknowledged on one channel, kept apart from the watcher. Base units.

use std::collections::HashMap;

use serde_json::Value;

/// A charge that was asked for.
#[derive(Clone)]
pub(super) struct Sale {
    /// The body, to ask the same again.
    pub(super) body: Value,
    pub(super) price: i128,
    /// Whether the watcher has acknowledged it. If not, its answer was lost.
    pub(super) acknowledged: bool,
    /// What was asked to be given back of it, and whether that was acknowledged.
    pub(super) credit: Option<(i128, bool)>,
    /// Whether it was found at a check before.
    pub(super) checked: bool,
}

#[derive(Default)]
pub(super) struct Memory {
    /// The highest commitment acknowledged.
    pub(super) highest: i128,
    /// The highest that was signed: the next one is above it.
    pub(super) signed: i128,
    pub(super) sales: HashMap<String, Sale>,
    /// How many requests were made, so that each has an id of its own.
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

/// An amount of an answer: a string of digits.
pub(super) fn units(answer: &Value, name: &str) -> i128 {
    answer[name].as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no amount {name} in {answer}"))
}
