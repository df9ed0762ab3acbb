//! The answer of `GET /v1/terms`: the terms on which a watcher admits channels.

use paychan_channel::{Address, Amount, ContractId, WasmHash};
use serde::{Deserialize, Serialize};

/// The terms that a channel must meet, so that the watcher admits it. A seller passes them on to payers who have no channel yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The network's passphrase.
    pub network: String,
    /// The recipients for whom the watcher watches. A channel must pay one of them.
    pub recipients: Vec<Address>,
    /// The tokens that the watcher accepts.
    pub tokens: Vec<TokenTerms>,
    /// The hashes of the code that the operator trusts.
    pub trusted_code: Vec<WasmHash>,
    /// The shortest waiting period that is accepted now, in ledgers. It rises with the number of watched channels.
    pub minimum_refund_waiting_period: u32,
}

/// A token that the watcher accepts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenTerms {
    /// The token's contract.
    pub contract: ContractId,
    /// The token's code in the configuration.
    pub code: String,
    /// The number of decimals with which people write its amounts.
    pub decimals: u32,
    /// The least coverage of a channel, in base units.
    pub minimum_deposit: Amount,
}
