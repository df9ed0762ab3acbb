//! The error numbers of the channel contract, in words.

/// An error of the channel contract. The numbers are part of its interface; the reference's contract has the first
/// four, and the fork's has all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[repr(u32)]
pub enum ContractError {
    /// Error 1.
    #[error("the amount is negative")]
    NegativeAmount = 1,
    /// Error 2.
    #[error("no close has started: call close_start first and wait until the deadline")]
    NotClosed = 2,
    /// Error 3.
    #[error("the waiting period is not over: refund is possible from the deadline on")]
    RefundWaitingPeriodNotElapsed = 3,
    /// Error 4.
    #[error("the channel is closing or closed already")]
    AlreadyClosed = 4,
    /// Error 5.
    #[error("the channel holds too little to pay this commitment")]
    InsufficientDeposit = 5,
    /// Error 6.
    #[error("the channel is closed for good: nothing can be paid from it any more")]
    Refunded = 6,
    /// Error 7.
    #[error("the total of deposits would be larger than a token can hold")]
    Overflow = 7,
    /// Error 8.
    #[error("the refund waiting period is longer than a year of five-second ledgers (6,307,200)")]
    RefundWaitingPeriodTooLong = 8,
    /// Error 9.
    #[error("the commitment key is weak (of small order): no signature under it could be settled")]
    WeakCommitmentKey = 9,
}

impl ContractError {
    /// All of them, in the order of their numbers.
    pub const ALL: [ContractError; 9] = [
        ContractError::NegativeAmount,
        ContractError::NotClosed,
        ContractError::RefundWaitingPeriodNotElapsed,
        ContractError::AlreadyClosed,
        ContractError::InsufficientDeposit,
        ContractError::Refunded,
        ContractError::Overflow,
        ContractError::RefundWaitingPeriodTooLong,
        ContractError::WeakCommitmentKey,
    ];

    /// The error with this number, if the contract has one.
    #[must_use]
    pub fn from_code(code: u32) -> Option<ContractError> {
        Self::ALL.into_iter().find(|error| error.code() == code)
    }

    /// The number of this error.
    #[must_use]
    pub const fn code(self) -> u32 {
        self as u32
    }
}
