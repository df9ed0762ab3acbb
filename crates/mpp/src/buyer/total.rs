//! Computes the total to sign. Pure.

use paychan_channel::Amount;

/// What is known of a channel when a total is chosen. Base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    /// The highest total that was signed, from the store.
    pub(super) signed: Amount,
    /// The total to which the server adds the price, from a fresh challenge or from the last receipt. `None` when
    /// neither has it.
    pub(super) server: Option<Amount>,
    /// Whether payments of this channel are under way, which the server may not have seen.
    pub(super) under_way: bool,
}

/// The server claims more than was ever signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ahead(pub(super) Amount);

/// The total for a request of this price. The price is added to the lower of the signed total and the server's total. A
/// server whose total is lower has not taken the last voucher (it failed, or an answer was lost), so the same credit is
/// not paid twice.
///
/// While payments are under way, the server's total is older than they are, and the price is added to the signed total.
pub(super) fn to_sign(known: Known, price: Amount) -> Result<Amount, Ahead> {
    let base = match known.server {
        Some(server) if server > known.signed => return Err(Ahead(server)),
        Some(server) if !known.under_way => server,
        _ => known.signed,
    };
    Ok(base.saturating_add(price))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(signed: u64, server: Option<u64>, under_way: bool) -> Result<i128, Ahead> {
        let known = Known { signed: signed.into(), server: server.map(Amount::from), under_way };
        to_sign(known, 10_u64.into()).map(Amount::get)
    }

    #[test]
    fn the_lower_of_what_was_signed_and_what_the_server_says_is_raised() {
        assert_eq!(total(50, Some(50), false), Ok(60));
        assert_eq!(total(50, Some(40), false), Ok(50), "the last one was not taken: the same total again");
        assert_eq!(total(50, Some(0), false), Ok(10), "a server that forgot everything gets no more for it");
        assert_eq!(total(50, None, false), Ok(60));
        assert_eq!(total(50, Some(40), true), Ok(60));
        assert_eq!(total(0, Some(500), false), Err(Ahead(500_u64.into())), "a lost store, or a lie");
        assert_eq!(total(40, Some(41), true), Err(Ahead(41_u64.into())));
    }
}
