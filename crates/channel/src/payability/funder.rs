//! What an account can deposit into a channel.

use stellar_xdr::{LedgerEntryData, LedgerKey};

use super::{
    NotUnderstood, account_keys, account_liabilities, account_of, is_authorized, line_liabilities, trustline_of,
};
use crate::{AccountId, Amount, SacAsset};

/// What an account can spend of a classic asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Spendable {
    /// There is no such account.
    #[error("the account does not exist; send it XLM first")]
    AccountMissing,
    /// The account has no trustline to the asset, so it holds none.
    #[error("the account has no trustline to the token's asset, so it holds none; add one and get some")]
    TrustlineMissing,
    /// The issuer has not authorized the account.
    #[error("the account is not authorized by the token's issuer to hold it; ask the issuer")]
    NotAuthorized,
    /// The account can spend at most this much, in base units: its balance less what it offers for sale. The network
    /// also keeps back the account's reserve of XLM. [`Amount::MAX`] for the issuer, which pays with new tokens.
    #[error("the account has {0} base units")]
    UpTo(Amount),
}

/// What to read in order to know what `account` can spend of `asset`. Give the entries found, in this order, to
/// [`spendable`].
#[must_use]
pub fn funder_keys(asset: &SacAsset, account: &AccountId) -> Vec<LedgerKey> {
    account_keys(asset, account)
}

/// Judges what `account` can spend of `asset`, from the entries of [`funder_keys`] in the same order; `None` for an
/// entry that does not exist.
///
/// # Errors
/// [`NotUnderstood`] when an entry is not what its key promises.
pub fn spendable(
    asset: &SacAsset,
    account: &AccountId,
    entries: &[Option<LedgerEntryData>],
) -> Result<Spendable, NotUnderstood> {
    let entry = |at: usize| entries.get(at).and_then(Option::as_ref);
    let Some(account_entry) = account_of(account, entry(0))? else {
        return Ok(Spendable::AccountMissing);
    };
    match asset.issuer() {
        None => Ok(Spendable::UpTo(free(account_entry.balance, account_liabilities(account_entry).selling))),
        Some(issuer) if issuer == *account => Ok(Spendable::UpTo(Amount::MAX)),
        Some(_) => Ok(match trustline_of(account, entry(1))? {
            None => Spendable::TrustlineMissing,
            Some(line) if !is_authorized(line) => Spendable::NotAuthorized,
            Some(line) => Spendable::UpTo(free(line.balance, line_liabilities(line).selling)),
        }),
    }
}

fn free(balance: i64, selling: i64) -> Amount {
    Amount::new(i128::from(balance.saturating_sub(selling).max(0))).unwrap_or(Amount::ZERO)
}
