//! The terms that a seller has for channels. The problem `session/channel-required` has them in its `details`.

use paychan_channel::{Address, Amount, ContractId, WasmHash};
use paychan_watcher_api::Terms;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a payer needs to open a channel to a seller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpeningTerms {
    /// The recipient.
    pub recipient: Address,
    /// The tokens that the seller accepts.
    pub tokens: Vec<AcceptedToken>,
    /// The hashes of the code that the seller trusts.
    pub trusted_code: Vec<WasmHash>,
    /// The shortest waiting period, in ledgers.
    pub minimum_waiting_period: u32,
}

/// A token that the seller accepts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedToken {
    /// The token's contract.
    pub contract: ContractId,
    /// The least deposit, in base units.
    pub minimum_deposit: Amount,
}

impl OpeningTerms {
    /// The terms of a watcher, for its first recipient. `None` when it watches for nobody.
    #[must_use]
    pub fn of_watcher(terms: &Terms) -> Option<Self> {
        let token = |token: &paychan_watcher_api::TokenTerms| AcceptedToken {
            contract: token.contract,
            minimum_deposit: token.minimum_deposit,
        };
        Some(Self {
            recipient: *terms.recipients.first()?,
            tokens: terms.tokens.iter().map(token).collect(),
            trusted_code: terms.trusted_code.clone(),
            minimum_waiting_period: terms.minimum_refund_waiting_period,
        })
    }

    /// Reads the terms, and the name of the network that they are for, from a problem's details.
    ///
    /// # Errors
    /// The error says what is missing or malformed.
    pub fn of_details(details: &Map<String, Value>) -> Result<(String, Self), serde_json::Error> {
        #[derive(Deserialize)]
        struct Details {
            network: String,
            #[serde(flatten)]
            terms: OpeningTerms,
        }
        let Details { network, terms } = Details::deserialize(details)?;
        Ok((network, terms))
    }

    /// The terms as a problem's details.
    pub(crate) fn details(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(details)) => details,
            _ => Map::new(),
        }
    }
}
