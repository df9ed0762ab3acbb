//! Token amounts in base units, and their decimal form for people.

use std::fmt;
use std::str::FromStr;

use crate::AmountError;
use crate::text::serde_as_text;

/// A token amount in base units: 0 to `i128::MAX`, the range of SEP-41 less the negatives.
///
/// As text and on every wire it is a decimal string of base units; [`Amount::parse_decimal`] and
/// [`Amount::to_decimal`] are for people.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i128);

/// Digits of `i128::MAX`. More significant digits can't fit.
const MAX_DIGITS: usize = 39;

/// The most decimals with which 1 still fits: 10^38 < `i128::MAX` < 10^39.
const MAX_DECIMALS: u32 = 38;

impl Amount {
    /// Zero base units.
    pub const ZERO: Amount = Amount(0);
    /// The largest amount a token can hold.
    pub const MAX: Amount = Amount(i128::MAX);

    /// An amount of `units` base units.
    ///
    /// # Errors
    /// [`AmountError::Negative`] when `units` is below zero.
    pub const fn new(units: i128) -> Result<Amount, AmountError> {
        if units < 0 { Err(AmountError::Negative) } else { Ok(Amount(units)) }
    }

    /// The base units; never negative.
    #[must_use]
    pub const fn get(self) -> i128 {
        self.0
    }

    /// Whether the amount is zero.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The sum, or `None` above [`Amount::MAX`].
    #[must_use]
    pub fn checked_add(self, other: Amount) -> Option<Amount> {
        self.0.checked_add(other.0).map(Amount)
    }

    /// The difference, or `None` below zero.
    #[must_use]
    pub fn checked_sub(self, other: Amount) -> Option<Amount> {
        self.0.checked_sub(other.0).filter(|units| *units >= 0).map(Amount)
    }

    /// The sum, at most [`Amount::MAX`].
    #[must_use]
    pub fn saturating_add(self, other: Amount) -> Amount {
        Amount(self.0.saturating_add(other.0))
    }

    /// The difference, at least zero.
    #[must_use]
    pub fn saturating_sub(self, other: Amount) -> Amount {
        Amount(self.0.saturating_sub(other.0).max(0))
    }

    /// Reads what a person types for a token with this many decimals: `1.5` with 7 decimals is 15,000,000 base units.
    ///
    /// # Errors
    /// Each kind of [`AmountError`] but `Fraction`. Digits beyond the token's decimals are refused, never rounded.
    pub fn parse_decimal(text: &str, decimals: u32) -> Result<Amount, AmountError> {
        let (whole, fraction) = match text.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (text, None),
        };
        check_digits(whole)?;
        if let Some(fraction) = fraction
            && (fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()))
        {
            return Err(AmountError::NotANumber);
        }
        let fraction = fraction.unwrap_or_default();
        let allowed = usize::try_from(decimals).unwrap_or(usize::MAX);
        let Some(padding) = allowed.checked_sub(fraction.len()) else {
            return Err(AmountError::TooManyDecimals { given: fraction.len(), allowed: decimals });
        };
        let digits = [whole, fraction].concat();
        let significant = digits.trim_start_matches('0');
        if significant.is_empty() {
            return Ok(Amount::ZERO);
        }
        if significant.len().saturating_add(padding) > MAX_DIGITS {
            return Err(AmountError::TooLarge);
        }
        units_from_digits(&format!("{significant}{}", "0".repeat(padding)))
    }

    /// Writes the amount for people, for a token with this many decimals, without trailing zeros: `1.5`, `10`,
    /// `0.0000001`.
    ///
    /// The number of decimals comes from the token, so from a stranger. With more than 38 of them even 1 would not fit,
    /// and the form is `<base units>e-<decimals>`.
    #[must_use]
    pub fn to_decimal(self, decimals: u32) -> String {
        if decimals == 0 {
            return self.to_string();
        }
        if decimals > MAX_DECIMALS {
            return format!("{self}e-{decimals}");
        }
        let unit = 10_i128.pow(decimals);
        let (whole, fraction) = (self.0 / unit, self.0 % unit);
        if fraction == 0 {
            return whole.to_string();
        }
        let width = usize::try_from(decimals).unwrap_or(MAX_DIGITS);
        let fraction = format!("{fraction:0width$}");
        format!("{whole}.{}", fraction.trim_end_matches('0'))
    }
}

/// Accepts only digits, and says why any other text is no amount.
fn check_digits(text: &str) -> Result<(), AmountError> {
    if text.is_empty() {
        return Err(AmountError::Empty);
    }
    if text.starts_with('-') {
        return Err(AmountError::Negative);
    }
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(AmountError::NotANumber);
    }
    Ok(())
}

fn units_from_digits(digits: &str) -> Result<Amount, AmountError> {
    // The callers pass only digits, so only the size can be wrong.
    digits.parse().map(Amount).map_err(|_| AmountError::TooLarge)
}

impl FromStr for Amount {
    type Err = AmountError;

    /// Reads base units, which are written in digits only.
    fn from_str(text: &str) -> Result<Amount, AmountError> {
        if let Some((whole, fraction)) = text.split_once('.') {
            let number = check_digits(whole).is_ok() && check_digits(fraction).is_ok();
            if number {
                return Err(AmountError::Fraction);
            }
        }
        check_digits(text)?;
        units_from_digits(text)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl TryFrom<i128> for Amount {
    type Error = AmountError;

    fn try_from(units: i128) -> Result<Amount, AmountError> {
        Amount::new(units)
    }
}

impl From<u64> for Amount {
    fn from(units: u64) -> Amount {
        Amount(i128::from(units))
    }
}

serde_as_text!(Amount, "an amount as a decimal string of base units, such as \"15000000\"");

#[cfg(test)]
mod tests;
