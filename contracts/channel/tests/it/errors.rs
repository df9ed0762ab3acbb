use paychan_contract::Error;

/// Clients match these numbers, so a number never changes its meaning.
#[test]
fn the_numbers_of_errors_are_interface() {
    let numbers = [
        (Error::NegativeAmount, 1),
        (Error::NotClosed, 2),
        (Error::RefundWaitingPeriodNotElapsed, 3),
        (Error::AlreadyClosed, 4),
        (Error::InsufficientDeposit, 5),
        (Error::Refunded, 6),
        (Error::Overflow, 7),
        (Error::RefundWaitingPeriodTooLong, 8),
        (Error::WeakCommitmentKey, 9),
    ];
    for (error, number) in numbers {
        assert_eq!(error as u32, number, "{error:?}");
    }
}
