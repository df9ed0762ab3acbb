//! Which channels a seller is paid through.

use paychan_channel::{Address, Amount, ContractId, WasmHash};
use serde::Serialize;
use serde_json::{Map, Value};

/// What a payer needs to open a channel to this seller. It is told in problems.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OpeningTerms {
    /// Who is to be paid.
    pub recipient: Address,
    /// The tokens that are taken, by their contracts.
    pub tokens: Vec<AcceptedToken>,
    /// The code that is trusted.
    pub trusted_code: Vec<WasmHash>,
    /// The shortest waiting period, ledgers.
    pub minimum_waiting_period: u32,
}

/// A token that is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedToken {
    /// Its contract.
    pub contract: ContractId,
    /// The least deposit, base units.
    pub minimum_deposit: Amount,
}

impl OpeningTerms {
    pub(super) fn details(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(details)) => details,
            _ => Map::new(),
        }
    }
}

/// The channel of a path, for payers whose client can't name one.
#[derive(Debug, Clone, Default)]
pub struct FixedChannels(Vec<(String, ContractId)>);

impl FixedChannels {
    /// Has all paths that begin with `prefix` paid through `channel`. The longest prefix counts.
    pub fn add(&mut self, prefix: impl Into<String>, channel: ContractId) {
        self.0.push((prefix.into(), channel));
        self.0.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
    }

    pub(super) fn of_path(&self, path: &str) -> Option<ContractId> {
        self.0.iter().find(|(prefix, _)| path.starts_with(prefix.as_str())).map(|(_, channel)| *channel)
    }
}
