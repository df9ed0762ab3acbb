//! Receipts, in which a server describes a payment that it took.

use paychan_channel::{Amount, ContractId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{METHOD, WireError, base64url};

/// A receipt. The members after `timestamp` are extensions, which other servers may leave out. Amounts are base units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// The payment method.
    pub method: String,
    /// The challenge's reference for a voucher, and the transaction's hash for a close.
    pub reference: String,
    /// Always `success`.
    pub status: String,
    /// The time of the payment, RFC 3339.
    pub timestamp: String,
    /// The highest commitment that the server holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_cumulative: Option<Amount>,
    /// The spent part of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent: Option<Amount>,
    /// What was charged for this request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charged: Option<Amount>,
    /// The channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<ContractId>,
    /// The challenge that was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge_id: Option<String>,
    /// Whether the same credential was taken before, so that nothing was charged now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replayed: bool,
}

impl Receipt {
    /// A receipt without extensions.
    #[must_use]
    pub fn success(reference: impl Into<String>, timestamp: impl Into<String>) -> Self {
        Self {
            method: METHOD.to_owned(),
            reference: reference.into(),
            status: "success".to_owned(),
            timestamp: timestamp.into(),
            accepted_cumulative: None,
            spent: None,
            charged: None,
            channel: None,
            challenge_id: None,
            replayed: false,
        }
    }

    /// Whether it says what the server holds and what was spent of it.
    #[must_use]
    pub fn says_what_is_counted(&self) -> bool {
        self.accepted_cumulative.is_some() && self.spent.is_some()
    }

    /// The value of the `Payment-Receipt` header.
    ///
    /// # Errors
    /// [`WireError::Json`].
    pub fn to_header(&self) -> Result<String, WireError> {
        let json = serde_json::to_vec(self).map_err(|error| WireError::Json(error.to_string()))?;
        Ok(base64url(&json))
    }

    /// Reads the value of the header. An extension of another form counts as absent.
    ///
    /// # Errors
    /// [`WireError::Receipt`] when a required member is missing.
    pub fn from_header(value: &str) -> Result<Self, WireError> {
        let read = mpp::parse_receipt(value).map_err(|error| WireError::Receipt(error.to_string()))?;
        let amount = |name| read.extensions.get(name).and_then(Value::as_str).and_then(|text| text.parse().ok());
        let text = |name| read.extensions.get(name).and_then(Value::as_str);
        Ok(Self {
            method: read.method.as_str().to_owned(),
            status: "success".to_owned(),
            timestamp: read.timestamp.clone(),
            reference: read.reference.clone(),
            accepted_cumulative: amount("acceptedCumulative"),
            spent: amount("spent"),
            charged: amount("charged"),
            channel: text("channel").and_then(|text| text.parse().ok()),
            challenge_id: text("challengeId").map(str::to_owned),
            replayed: read.extensions.get("replayed").and_then(Value::as_bool).unwrap_or(false),
        })
    }
}
