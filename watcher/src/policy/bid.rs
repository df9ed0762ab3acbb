//! Computes the bid for inclusion.

use paychan_channel::Stroops;

use super::Limits;

/// The lowest bid that the network accepts: the base fee of one operation, in stroops.
pub const BASE_FEE: Stroops = Stroops::BASE_FEE;

/// The highest bid that is worth paying to save `value`, in stroops: the value less the resource fee, at most the
/// operator's limit and at least the network's base fee. With `None` the value is not known, and only the operator's
/// limit applies.
pub fn cap(value: Option<Stroops>, limits: &Limits) -> Stroops {
    highest_bid(value, limits.resource_fee, limits.max_inclusion_fee)
}

/// Computes the same as [`cap`] without [`Limits`]: `resource_fee` is what the settlement's resources cost, and
/// `max_inclusion_fee` is the operator's limit.
pub fn highest_bid(value: Option<Stroops>, resource_fee: Stroops, max_inclusion_fee: Stroops) -> Stroops {
    let worth = value.map_or(i64::MAX, |value| value.get().saturating_sub(resource_fee.get()));
    Stroops(worth.min(max_inclusion_fee.get()).max(BASE_FEE.get()))
}

/// The bid with `left` ledgers to a deadline that was `window` ledgers away at first.
///
/// It starts at what others pay (`market`), rises with the square of the elapsed time, and reaches the cap at the last
/// third of the window. The reaction time T is at most a third of the window (see [`crate::floor`]), so all attempts
/// that T counts on bid the whole cap. `asked` is the fee that the network named when it refused a bid; it is bid at
/// once if the cap allows it.
pub fn bid(left: u32, window: u32, market: Stroops, asked: Option<Stroops>, cap: Stroops) -> Stroops {
    let cap = cap.get();
    let floor = market.max(asked.unwrap_or(market)).max(BASE_FEE).get().min(cap);
    let rising = i128::from(window - window / 3);
    let gone = i128::from(window.saturating_sub(left)).min(rising);
    if rising == 0 {
        return Stroops(cap);
    }
    // The product is at most 2^63 · 2^64, which fits i128, and the quotient is at most `cap - floor`.
    let rise = i128::from(cap - floor) * gone * gone / (rising * rising);
    Stroops(i64::try_from(i128::from(floor) + rise).unwrap_or(cap))
}
