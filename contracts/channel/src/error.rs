//! Why a call was refused. The numbers are interface: clients match them.

use soroban_sdk::contracterror;

/// Why a call was refused.
// These docs travel in the Wasm's spec and every byte there is paid for: one short line each.
#[contracterror]
#[derive(Copy, Clone, Debug, Eq, PartialEq, PartialOrd, Ord)]
#[repr(u32)]
pub enum Error {
    /// Amount below 0
    NegativeAmount = 1,
    /// No close has started
    NotClosed = 2,
    /// Deadline not reached
    RefundWaitingPeriodNotElapsed = 3,
    /// A close has started or ended
    AlreadyClosed = 4,
    /// More than the channel holds
    InsufficientDeposit = 5,
    /// The channel is final
    Refunded = 6,
    /// Sum above i128
    Overflow = 7,
    /// Above 6307200 ledgers
    RefundWaitingPeriodTooLong = 8,
    /// Small-order key
    WeakCommitmentKey = 9,
}
