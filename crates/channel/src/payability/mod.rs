//! Whether a recipient can be paid in a token, whether a funder can pay, and what the token's issuer may do about it.
//!
//! For each question, one function names the ledger keys to read, and another judges the entries found. So the reader
//! needs no rules, and the rules need no network:
//!
//! - [`issuer_key`], then [`token_risk`]: who may freeze or take back what a holder of the token has;
//! - [`recipient_keys`], then [`payability`]: whether a recipient can be paid, and how much more;
//! - [`SharedRoom`]: how much all channels of one (token, recipient) pair may promise together;
//! - [`funder_keys`], then [`spendable`]: what an account can deposit.

mod funder;
mod issuer;
mod room;
#[cfg(test)]
mod tests;

use stellar_xdr::{
    AccountEntry, AccountEntryExt, LedgerEntryData, LedgerKey, Liabilities, ScVal, TrustLineEntry, TrustLineEntryExt,
    TrustLineFlags,
};

pub use funder::{Spendable, funder_keys, spendable};
pub use issuer::{IssuerFlags, TokenRisk, issuer_key, token_risk};
pub use room::{NoRoom, Promise, SharedRoom};

use crate::scval::{Named, Naming};
use crate::{AccountId, Address, Amount, ContractId, SacAsset, ledger_keys};

/// Whether a recipient can be paid in a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Payability {
    /// A payment would fail: there is no such account.
    #[error("the recipient's account does not exist; create it with the network's minimum balance")]
    AccountMissing,
    /// A payment would fail: the account does not trust the asset.
    #[error("the recipient's account has no trustline to the token's asset; add one")]
    TrustlineMissing,
    /// A payment would fail: the issuer has not authorized the recipient.
    #[error("the recipient is not authorized by the token's issuer to hold it; ask the issuer")]
    NotAuthorized,
    /// The recipient can be paid this much more, in base units. [`Amount::MAX`] when there is no limit.
    ///
    /// All channels of one (token, recipient) pair share it: see [`SharedRoom`].
    #[error("the recipient has room for {0} more base units")]
    Room(Amount),
}

impl Payability {
    /// Whether one payment of this many base units would be accepted. For several channels of one recipient, use
    /// [`SharedRoom`].
    #[must_use]
    pub fn can_take(&self, amount: Amount) -> bool {
        self.room() >= amount && matches!(self, Self::Room(_))
    }

    /// How much more the recipient can be paid: nothing when a payment would fail.
    #[must_use]
    pub fn room(&self) -> Amount {
        match self {
            Self::Room(room) => *room,
            Self::AccountMissing | Self::TrustlineMissing | Self::NotAuthorized => Amount::ZERO,
        }
    }
}

/// A ledger entry is not what its key promises: a newer protocol wrote it, or the node errs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the ledger entry of {whose} could not be understood: expected {expected}")]
pub struct NotUnderstood {
    /// Whose entry it is: an address.
    pub whose: String,
    /// What the entry should have been.
    pub expected: &'static str,
}

impl NotUnderstood {
    fn new(whose: &impl ToString, expected: &'static str) -> NotUnderstood {
        NotUnderstood { whose: whose.to_string(), expected }
    }
}

/// What to read in order to know whether `to` can be paid. Give the entries found, in this order, to [`payability`].
///
/// `asset` is the classic asset behind the token's contract. For a token with code of its own (`None`) there is nothing
/// to read: it keeps its own rules.
#[must_use]
pub fn recipient_keys(token: &ContractId, asset: Option<&SacAsset>, to: &Address) -> Vec<LedgerKey> {
    match (asset, to) {
        (None, _) => Vec::new(),
        (Some(_), Address::Contract(_)) => vec![ledger_keys::token_balance(token, to)],
        (Some(asset), Address::Account(account)) => account_keys(asset, account),
    }
}

/// Judges whether `to` can be paid, from the entries of [`recipient_keys`] in the same order; `None` for an entry that
/// does not exist.
///
/// For a token with code of its own the answer is room without limit: it keeps its own rules, and the operator listed
/// it.
///
/// # Errors
/// [`NotUnderstood`] when an entry is not what its key promises.
pub fn payability(
    asset: Option<&SacAsset>,
    risk: &TokenRisk,
    to: &Address,
    entries: &[Option<LedgerEntryData>],
) -> Result<Payability, NotUnderstood> {
    let entry = |at: usize| entries.get(at).and_then(Option::as_ref);
    let Some(asset) = asset else {
        return Ok(Payability::Room(Amount::MAX));
    };
    let account = match to {
        Address::Contract(_) => return contract_payability(risk, to, entry(0)),
        Address::Account(account) => account,
    };
    let Some(account_entry) = account_of(account, entry(0))? else {
        return Ok(Payability::AccountMissing);
    };
    match asset.issuer() {
        None => Ok(Payability::Room(room(i64::MAX, account_entry.balance, account_liabilities(account_entry).buying))),
        // An asset that is paid to its issuer is burnt, so there is always room.
        Some(issuer) if issuer == *account => Ok(Payability::Room(Amount::MAX)),
        Some(_) => Ok(match trustline_of(account, entry(1))? {
            None => Payability::TrustlineMissing,
            Some(line) if !is_authorized(line) => Payability::NotAuthorized,
            Some(line) => Payability::Room(room(line.limit, line.balance, line_liabilities(line).buying)),
        }),
    }
}

/// A contract holds a Stellar asset in a balance entry `{amount, authorized, clawback}` of the asset's contract. Without
/// one it starts authorized, unless the issuer requires authorization (soroban-env-host,
/// `stellar_asset_contract/balance.rs`).
fn contract_payability(
    risk: &TokenRisk,
    to: &Address,
    entry: Option<&LedgerEntryData>,
) -> Result<Payability, NotUnderstood> {
    let Some(entry) = entry else {
        let required = matches!(risk, TokenRisk::Asset { flags: Some(flags), .. } if flags.requires_authorization);
        return Ok(if required { Payability::NotAuthorized } else { Payability::Room(Amount::MAX) });
    };
    let not_understood = || NotUnderstood::new(to, "a Stellar asset's balance with `amount` and `authorized`");
    let LedgerEntryData::ContractData(data) = entry else { return Err(not_understood()) };
    let ScVal::Map(Some(map)) = &data.val else { return Err(not_understood()) };
    let fields = Named::new(map, Naming::Field);
    if !fields.bool("authorized").map_err(|_| not_understood())? {
        return Ok(Payability::NotAuthorized);
    }
    let held = fields.amount("amount").map_err(|_| not_understood())?;
    Ok(Payability::Room(Amount::MAX.saturating_sub(held)))
}

/// The entries of an account that say what it holds of an asset: the account, and its trustline if the asset needs one.
fn account_keys(asset: &SacAsset, account: &AccountId) -> Vec<LedgerKey> {
    let trustline = asset.to_xdr().and_then(|asset| ledger_keys::trustline(account, &asset));
    std::iter::once(ledger_keys::account(account)).chain(trustline).collect()
}

fn account_of<'a>(
    whose: &AccountId,
    entry: Option<&'a LedgerEntryData>,
) -> Result<Option<&'a AccountEntry>, NotUnderstood> {
    match entry {
        None => Ok(None),
        Some(LedgerEntryData::Account(account)) => Ok(Some(account)),
        Some(_) => Err(NotUnderstood::new(whose, "an account entry")),
    }
}

fn trustline_of<'a>(
    whose: &AccountId,
    entry: Option<&'a LedgerEntryData>,
) -> Result<Option<&'a TrustLineEntry>, NotUnderstood> {
    match entry {
        None => Ok(None),
        Some(LedgerEntryData::Trustline(line)) => Ok(Some(line)),
        Some(_) => Err(NotUnderstood::new(whose, "a trustline entry")),
    }
}

/// Whether the issuer lets the holder be paid. The flag that only lets it keep its liabilities is not enough.
fn is_authorized(line: &TrustLineEntry) -> bool {
    line.flags & (TrustLineFlags::AuthorizedFlag as u32) != 0
}

/// What still fits under a limit; zero when the ledger holds more than the limit.
fn room(limit: i64, balance: i64, buying: i64) -> Amount {
    let left = i128::from(limit) - i128::from(balance) - i128::from(buying);
    Amount::new(left.max(0)).unwrap_or(Amount::ZERO)
}

fn account_liabilities(account: &AccountEntry) -> Liabilities {
    match &account.ext {
        AccountEntryExt::V0 => Liabilities::default(),
        AccountEntryExt::V1(v1) => v1.liabilities.clone(),
    }
}

fn line_liabilities(line: &TrustLineEntry) -> Liabilities {
    match &line.ext {
        TrustLineEntryExt::V0 => Liabilities::default(),
        TrustLineEntryExt::V1(v1) => v1.liabilities.clone(),
    }
}
