//! Writes figures for people.

/// An integer with its digits in groups of three.
pub(crate) fn number(value: impl ToString) -> String {
    let digits = value.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A share in percent with one decimal. It is rounded up, so that nothing looks cheaper than it is. It is empty if
/// `whole` is not above 0.
pub(crate) fn percent<T>(part: T, whole: T) -> String
where
    i128: TryFrom<T>,
{
    let (Ok(part), Ok(whole)) = (i128::try_from(part), i128::try_from(whole)) else {
        return String::new();
    };
    if whole <= 0 {
        return String::new();
    }
    let tenths = (part.saturating_mul(1_000).saturating_add(whole - 1)) / whole;
    format!("{}.{} %", tenths / 10, tenths % 10)
}
