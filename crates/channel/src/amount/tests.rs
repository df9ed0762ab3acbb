#![allow(clippy::unwrap_used, reason = "a test that fails should stop where it fails")]

use super::*;
use proptest::prelude::*;

#[test]
fn one_and_a_half_with_seven_decimals_is_fifteen_million_units() {
    assert_eq!(Amount::parse_decimal("1.5", 7), Ok(Amount(15_000_000)));
    assert_eq!(Amount(15_000_000).to_decimal(7), "1.5");
}

#[test]
fn each_malformed_amount_has_its_own_error_kind() {
    for (text, kind) in [
        ("", AmountError::Empty),
        ("-1", AmountError::Negative),
        ("1.5", AmountError::Fraction),
        ("+1", AmountError::NotANumber),
        ("1e3", AmountError::NotANumber),
        ("1_000", AmountError::NotANumber),
        (" 1", AmountError::NotANumber),
        ("1.", AmountError::NotANumber),
        (".5", AmountError::NotANumber),
        ("١", AmountError::NotANumber),
        ("170141183460469231731687303715884105728", AmountError::TooLarge),
    ] {
        assert_eq!(text.parse::<Amount>(), Err(kind), "{text:?}");
    }
    for (text, kind) in [
        ("", AmountError::Empty),
        (".5", AmountError::Empty),
        ("1.", AmountError::NotANumber),
        ("-0.5", AmountError::Negative),
        ("1.2.3", AmountError::NotANumber),
        ("1.12345678", AmountError::TooManyDecimals { given: 8, allowed: 7 }),
        ("1.10000000", AmountError::TooManyDecimals { given: 8, allowed: 7 }),
        ("17014118346046923173168730371588.4105728", AmountError::TooLarge),
    ] {
        assert_eq!(Amount::parse_decimal(text, 7), Err(kind), "{text:?}");
    }
}

#[test]
fn the_largest_amount_is_read_and_one_more_is_not() {
    let max = i128::MAX.to_string();
    assert_eq!(max.parse(), Ok(Amount::MAX));
    assert_eq!(Amount::parse_decimal("17014118346046923173168730371588.4105727", 7), Ok(Amount::MAX));
    assert_eq!(Amount::new(-1), Err(AmountError::Negative));
}

#[test]
fn a_token_with_absurd_decimals_is_printed_and_read_without_filling_memory() {
    assert_eq!(Amount(7).to_decimal(u32::MAX), "7e-4294967295");
    assert_eq!(Amount::parse_decimal("1", u32::MAX), Err(AmountError::TooLarge));
    assert_eq!(Amount::parse_decimal("0.0", u32::MAX), Ok(Amount::ZERO));
}

#[test]
fn on_a_wire_an_amount_is_a_string_and_a_number_is_refused_with_the_reason() {
    assert_eq!(serde_json::to_string(&Amount::MAX).unwrap(), format!("\"{}\"", i128::MAX));
    assert_eq!(serde_json::from_str::<Amount>("\"12\"").unwrap(), Amount(12));
    let error = serde_json::from_str::<Amount>("12").unwrap_err().to_string();
    assert!(error.contains("decimal string of base units"), "{error}");
}

#[test]
fn differences_stop_at_zero_and_sums_at_the_largest() {
    let (one, two) = (Amount(1), Amount(2));
    assert_eq!(one.checked_sub(two), None);
    assert_eq!(one.saturating_sub(two), Amount::ZERO);
    assert_eq!(two.checked_sub(one), Some(one));
    assert_eq!(Amount::MAX.checked_add(one), None);
    assert_eq!(Amount::MAX.saturating_add(one), Amount::MAX);
}

proptest! {
    #[test]
    fn a_printed_amount_is_read_back(units in 0..=i128::MAX, decimals in 0u32..=38) {
        let amount = Amount(units);
        prop_assert_eq!(Amount::parse_decimal(&amount.to_decimal(decimals), decimals), Ok(amount));
        prop_assert_eq!(amount.to_string().parse(), Ok(amount));
    }

    #[test]
    fn small_amounts_are_printed_and_read_back_too(units in 0..=1000i128, decimals in 0u32..=38) {
        let amount = Amount(units);
        prop_assert_eq!(Amount::parse_decimal(&amount.to_decimal(decimals), decimals), Ok(amount));
    }

    #[test]
    fn no_text_makes_reading_panic(text in "\\PC{0,60}", decimals: u32) {
        let _ = text.parse::<Amount>();
        let _ = Amount::parse_decimal(&text, decimals);
    }

    #[test]
    fn base_units_are_read_as_the_number_that_was_written(text in "[0-9]{1,45}") {
        prop_assert_eq!(text.parse::<Amount>().ok().map(Amount::get), text.parse::<i128>().ok());
    }
}
