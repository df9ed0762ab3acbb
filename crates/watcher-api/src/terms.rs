//! On which terms channels are watched: what `GET /v1/terms` answers.

use paychan_channel::{Address, Amount, ContractId, WasmHash};
use serde::{Deserialize, Serialize};

/// What a channel has to be like, so that the watcher watches it. A seller tells it to payers who have no channel yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// The network's passphrase.
    pub network: String,
    /// For whom the watcher watches: one of them is the channel's recipient.
    pub recipients: Vec<Address>,
    /// The tokens that are taken.
    pub tokens: Vec<TokenTerms>,
    /// The code that is trusted, by its hash.
    pub trusted_code: Vec<WasmHash>,
    /// The shortest waiting period that is taken now, in ledgers. It rises with the number of channels that are watched.
    pub minimum_refund_waiting_period: u32,
}

/// A token that is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenTerms {
    /// The token's contract.
    pub contract: ContractId,
    /// What people call the token.
    pub code: String,
    /// With how many decimals people write it.
    pub decimals: u32,
    /// The least that a channel has to cover, in base units.
    pub minimum_deposit: Amount,
}
