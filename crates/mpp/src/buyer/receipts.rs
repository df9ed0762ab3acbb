//! Reads receipts, and decides whether they can be true. Pure.

use http::HeaderMap;
use paychan_channel::{Amount, ContractId};

use crate::wire::Receipt;
use crate::wire::headers::PAYMENT_RECEIPT;

/// The longest receipt that is read, in bytes. Each is kept on disk, so a server must not choose how much that is. Ours have about 500.
const LONGEST: usize = 4_096;

/// The receipt of an answer, if it has one that is understood and not too long.
pub(super) fn of(headers: &HeaderMap) -> Option<Receipt> {
    let value = headers.get(PAYMENT_RECEIPT).filter(|value| value.len() <= LONGEST)?;
    Receipt::from_header(value.to_str().ok()?).ok()
}

/// Whether a receipt can be true for a payment of this price through this channel, on which this total was signed. One that
/// can't be true is not believed: a server could otherwise say of another server's channel what was spent on it, or show a price
/// that nobody agreed to.
pub(super) fn can_be_true(receipt: &Receipt, channel: &ContractId, price: Amount, signed: Amount) -> bool {
    let at_most = |amount: Option<Amount>, most: Amount| amount.is_none_or(|amount| amount <= most);
    let accepted = receipt.accepted_cumulative;
    receipt.channel.is_none_or(|named| named == *channel)
        && at_most(accepted, signed)
        && at_most(receipt.spent, accepted.unwrap_or(signed))
        && at_most(receipt.charged, price)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANNEL: ContractId = ContractId([1; 32]);

    #[test]
    fn a_receipt_claims_no_more_than_was_signed_agreed_or_accepted() {
        let plain = Receipt::success("x", "2030-01-01T00:00:00.000Z");
        let says = |accepted: u64, spent: u64, charged: u64| Receipt {
            accepted_cumulative: Some(accepted.into()),
            spent: Some(spent.into()),
            charged: Some(charged.into()),
            channel: Some(CHANNEL),
            ..plain.clone()
        };
        let cases = [
            ("a receipt that says nothing more", plain.clone(), true),
            ("the truth", says(50, 50, 10), true),
            ("credit", says(50, 20, 3), true),
            ("an older one", says(40, 40, 10), true),
            ("more than was signed", says(51, 50, 10), false),
            ("more spent than accepted", says(40, 41, 10), false),
            ("more spent than signed", Receipt { accepted_cumulative: None, ..says(0, 51, 10) }, false),
            ("a higher price", says(50, 50, 11), false),
            ("another channel", Receipt { channel: Some(ContractId([2; 32])), ..says(50, 50, 10) }, false),
        ];
        for (what, receipt, expected) in cases {
            assert_eq!(can_be_true(&receipt, &CHANNEL, 10_u64.into(), 50_u64.into()), expected, "{what}");
        }
    }
}
