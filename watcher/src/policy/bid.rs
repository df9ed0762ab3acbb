//! What to bid for inclusion.

use paychan_channel::Stroops;

use super::Limits;

/// The least that the network takes for inclusion: the base fee of one operation, in stroops.
pub const BASE_FEE: Stroops = Stroops::BASE_FEE;

/// The highest bid that saving `value` is worth: what is left of it after the resources are paid, within the operator's
/// limit, and never below the network's base fee. `None`: the value is not known, the operator's limit alone holds.
pub fn cap(value: Option<Stroops>, limits: &Limits) -> Stroops {
    highest_bid(value, limits.resource_fee, limits.max_inclusion_fee)
}

/// As [`cap`], for whoever has no [`Limits`]: `resource_fee` is what the settlement's resources cost, `max_inclusion_fee`
/// the operator's limit.
pub fn highest_bid(value: Option<Stroops>, resource_fee: Stroops, max_inclusion_fee: Stroops) -> Stroops {
    let worth = value.map_or(i64::MAX, |value| value.get().saturating_sub(resource_fee.get()));
    Stroops(worth.min(max_inclusion_fee.get()).max(BASE_FEE.get()))
}

/// The bid with `left` ledgers to a deadline that was `window` ledgers away at first.
///
/// It starts at what others pay (`market`), rises with the square of the time gone, and is at the cap from the last
/// third of the window on: T is at most a third of it (see [`crate::floor`]), so all attempts that T counts on have the
/// whole cap behind them. `asked`, the fee that the network named when it refused a bid, is met at once if the cap allows.
pub fn bid(left: u32, window: u32, market: Stroops, asked: Option<Stroops>, cap: Stroops) -> Stroops {
    let cap = cap.get();
    let floor = market.max(asked.unwrap_or(market)).max(BASE_FEE).get().min(cap);
    let rising = i128::from(window - window / 3);
    let gone = i128::from(window.saturating_sub(left)).min(rising);
    if rising == 0 {
        return Stroops(cap);
    }
    // At most 2^63 · 2^64: within i128, and the quotient is at most `cap - floor`.
    let rise = i128::from(cap - floor) * gone * gone / (rising * rising);
    Stroops(i64::try_from(i128::from(floor) + rise).unwrap_or(cap))
}
