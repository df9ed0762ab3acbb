//! Why a call was refused. The numbers are a part of the interface, because clients match them.

use soroban_sdk::contracterror;

/// Why a call was refused.
// The docs of each case are in the Wasm's spec, where every byte is paid for. So each case has one short line.
#[contracterror]
#[derive(Copy, Clone, Debug, Eq, PartialEq, PartialOrd, Ord)]
#[repr(u32)]
pub enum Error {
    /// The amount is below 0
    NegativeAmount = 1,
    /// No close has started
    NotClosed = 2,
    /// The deadline is not reached
    RefundWaitingPeriodNotElapsed = 3,
    /// A close has started or ended
    AlreadyClosed = 4,
    /// The channel holds less
    InsufficientDeposit = 5,
    /// The channel is final
    Refunded = 6,
    /// The sum is above i128
    Overflow = 7,
    /// The wait is above 6307200 ledgers
    RefundWaitingPeriodTooLong = 8,
    /// The key has a small order
    WeakCommitmentKey = 9,
}
