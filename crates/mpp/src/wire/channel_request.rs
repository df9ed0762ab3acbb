//! The request in a challenge of `stellar`/`channel`.

use paychan_channel::{Amount, ContractId};
use serde::{Deserialize, Serialize};

use super::{WireError, from_base64url, json};

/// The `request` of a challenge. Unknown members are ignored when it is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelRequest {
    /// The price, base units.
    pub amount: Amount,
    /// The channel to pay through.
    pub channel: ContractId,
    /// The seller's own name for what is sold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// The members that the method adds.
    #[serde(default, skip_serializing_if = "MethodDetails::is_empty")]
    pub method_details: MethodDetails,
}

/// The members that the method adds to a request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MethodDetails {
    /// The reference that the receipt will have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The network's CAIP-2 name. Without it, the test network is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// The total to which the price is added, base units: a commitment to `cumulative_amount + amount` pays for the
    /// request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cumulative_amount: Option<Amount>,
}

impl MethodDetails {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl ChannelRequest {
    /// The text for a challenge: base64url of canonical JSON.
    ///
    /// # Errors
    /// [`WireError::Json`].
    pub fn encode(&self) -> Result<String, WireError> {
        json::encoded(self)
    }

    /// Reads that text.
    ///
    /// # Errors
    /// [`WireError::Request`].
    pub fn decode(text: &str) -> Result<Self, WireError> {
        let bytes = from_base64url(text).map_err(|error| WireError::Request(error.to_string()))?;
        serde_json::from_slice(&bytes).map_err(|error| WireError::Request(error.to_string()))
    }

    /// The network's CAIP-2 name. Absent means the test network.
    #[must_use]
    pub fn network(&self) -> &str {
        self.method_details.network.as_deref().unwrap_or("stellar:testnet")
    }
}
