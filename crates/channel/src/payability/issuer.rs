//! What the issuer of a token may do to those who hold it.

use stellar_xdr::{AccountFlags, LedgerEntryData, LedgerKey};

use super::{NotUnderstood, account_of};
use crate::{AccountId, SacAsset, ledger_keys};

/// What holders of a token risk from whoever issues it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenRisk {
    /// The token is XLM: nobody can take it back.
    Native,
    /// The token is a classic asset behind a Stellar asset contract.
    Asset {
        /// Who can mint the asset and, by these flags, freeze it or take it back.
        issuer: AccountId,
        /// The issuer's flags now; `None` when the issuer's account does not exist, so that nobody can use any.
        flags: Option<IssuerFlags>,
    },
    /// The token is a contract with code of its own: the ledger does not tell what its owner can do.
    Opaque,
}

impl TokenRisk {
    /// Whether somebody can take tokens back from their holders, as far as is known.
    #[must_use]
    pub fn may_claw_back(&self) -> bool {
        match self {
            Self::Opaque => true,
            Self::Native | Self::Asset { flags: None, .. } => false,
            Self::Asset { flags: Some(flags), .. } => flags.may_claw_back,
        }
    }

    /// Whether somebody can freeze holders, as far as is known.
    #[must_use]
    pub fn may_revoke(&self) -> bool {
        match self {
            Self::Opaque => true,
            Self::Native | Self::Asset { flags: None, .. } => false,
            Self::Asset { flags: Some(flags), .. } => flags.may_revoke,
        }
    }
}

/// What the issuer's account may do to holders of its asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IssuerFlags {
    /// A new holder starts unauthorized.
    pub requires_authorization: bool,
    /// The issuer can freeze a holder.
    pub may_revoke: bool,
    /// The issuer can take tokens back from holders that came after the flag was set.
    pub may_claw_back: bool,
}

/// The account whose flags decide what can happen to holders of the asset; `None` for XLM.
#[must_use]
pub fn issuer_key(asset: &SacAsset) -> Option<LedgerKey> {
    asset.issuer().map(|issuer| ledger_keys::account(&issuer))
}

/// Judges a token by its asset (`None`: the token has code of its own) and by the entry that [`issuer_key`] names.
///
/// # Errors
/// [`NotUnderstood`] when the entry is no account.
pub fn token_risk(
    asset: Option<&SacAsset>,
    issuer_entry: Option<&LedgerEntryData>,
) -> Result<TokenRisk, NotUnderstood> {
    let Some(asset) = asset else {
        return Ok(TokenRisk::Opaque);
    };
    let Some(issuer) = asset.issuer() else {
        return Ok(TokenRisk::Native);
    };
    let flags = account_of(&issuer, issuer_entry)?.map(|account| {
        let has = |flag: AccountFlags| account.flags & (flag as u32) != 0;
        IssuerFlags {
            requires_authorization: has(AccountFlags::RequiredFlag),
            may_revoke: has(AccountFlags::RevocableFlag),
            may_claw_back: has(AccountFlags::ClawbackEnabledFlag),
        }
    });
    Ok(TokenRisk::Asset { issuer, flags })
}
