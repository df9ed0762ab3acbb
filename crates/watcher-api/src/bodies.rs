//! What callers send. The watcher reads it strictly: an unknown field, or a number where a string of digits belongs, is
//! an error.

use paychan_channel::{Amount, ContractId, RequestId, Signature};
use serde::{Deserialize, Serialize};

/// Asks to watch a channel: `POST /v1/channels`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelBody {
    /// The channel's address.
    pub channel: ContractId,
}

/// A commitment alone, which is prepayment: `POST /v1/channels/{C}/commitments`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommitmentBody {
    /// What the recipient may have in total over the channel's life, base units. Above zero.
    pub amount: Amount,
    /// The commitment key's signature over the network, the channel and the amount.
    pub signature: Signature,
    /// The name of this submission. The same id with the same amount gets the same answer.
    pub request_id: RequestId,
}

/// A signed amount. The path of the call names the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedAmount {
    /// What the recipient may have in total over the channel's life, base units. Above zero.
    pub amount: Amount,
    /// The commitment key's signature over the network, the channel and the amount.
    pub signature: Signature,
}

/// Sells something: `POST /v1/channels/{C}/charges`. The price is taken once under the request id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChargeBody {
    /// The price of what is sold, base units. Above zero.
    pub price: Amount,
    /// The name of this sale. The same id with the same price gets the same answer and takes nothing.
    pub request_id: RequestId,
    /// A commitment to take first, if it is higher than the highest held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commitment: Option<SignedAmount>,
}

/// The most charges in one [`ChargesBody`].
pub const MOST_CHARGES: usize = 64;

/// Sells several things, each for itself: `POST /v1/charges`. At most [`MOST_CHARGES`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChargesBody {
    /// The charges. The answers have the same order.
    pub charges: Vec<ChannelCharge>,
}

/// A [`ChargeBody`] with its channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelCharge {
    /// The channel.
    pub channel: ContractId,
    /// As in [`ChargeBody::price`].
    pub price: Amount,
    /// As in [`ChargeBody::request_id`].
    pub request_id: RequestId,
    /// As in [`ChargeBody::commitment`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commitment: Option<SignedAmount>,
}

impl ChannelCharge {
    /// This charge of this channel.
    pub fn new(channel: ContractId, body: ChargeBody) -> Self {
        let ChargeBody { price, request_id, commitment } = body;
        Self { channel, price, request_id, commitment }
    }

    /// The channel, and the charge without it.
    pub fn into_parts(self) -> (ContractId, ChargeBody) {
        let Self { channel, price, request_id, commitment } = self;
        (channel, ChargeBody { price, request_id, commitment })
    }
}

/// Gives a part of a charge back: `POST /v1/channels/{C}/charges/{request_id}/credit`. Each charge can be credited
/// once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreditBody {
    /// What is given back, base units. Above zero, and at most what the charge took.
    pub amount: Amount,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::{Value, json};

    use super::*;

    fn charge() -> Value {
        let commitment = json!({ "amount": "12", "signature": "ab".repeat(64) });
        json!({ "price": "5", "request_id": "order 7", "commitment": commitment })
    }

    #[test]
    fn a_charge_is_read_with_and_without_a_commitment_and_written_as_it_was() {
        let mut without = charge();
        without.as_object_mut().unwrap().remove("commitment");
        for body in [charge(), without] {
            let read: ChargeBody = serde_json::from_value(body.clone()).unwrap();
            assert_eq!(read.price, Amount::from(5));
            assert_eq!(read.commitment.map(|signed| signed.amount), body.get("commitment").map(|_| Amount::from(12)));
            assert_eq!(serde_json::to_value(&read).unwrap(), body);
        }
    }

    #[test]
    fn unknown_fields_and_numbers_are_refused() {
        for (change, said) in [
            (("price", json!(5)), "expected an amount as a decimal string"),
            (("price", json!("-5")), "negative"),
            (("request_id", json!("")), "empty"),
            (("tip", json!("1")), "unknown field `tip`"),
            (("commitment", json!({ "amount": "12" })), "missing field `signature`"),
        ] {
            let mut body = charge();
            body[change.0] = change.1;
            let error = serde_json::from_value::<ChargeBody>(body).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
