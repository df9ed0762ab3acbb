//! Reads the amounts that a person types.

use paychan_channel::Amount;

use crate::error::{Failure, Kind, bail};
use crate::token::Token;

/// Reads an amount as people write it (`12.5`) or, with `--base-units`, as the chain counts it (`125000000`).
pub(crate) fn parse(option: &str, text: &str, base_units: bool, token: &Token) -> Result<Amount, Failure> {
    let parsed = if base_units { text.parse::<Amount>() } else { Amount::parse_decimal(text, token.decimals) };
    let amount = parsed.map_err(|e| {
        let hint = if base_units {
            "with --base-units an amount is a whole number".to_owned()
        } else {
            format!("expected an amount of {} with at most {} decimals, such as 12.5", token.name, token.decimals)
        };
        Failure::new(Kind::Usage, format!("{option} {text}: {e}; {hint}"))
    })?;
    not_zero(option, amount)?;
    Ok(amount)
}

/// Refuses zero, which is a mistake wherever a person types an amount.
pub(crate) fn not_zero(option: &str, amount: Amount) -> Result<(), Failure> {
    if amount.is_zero() {
        bail!(Kind::Usage, "{option} is zero; expected an amount above zero");
    }
    Ok(())
}
