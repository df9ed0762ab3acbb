//! What admission must know beyond the channel itself: the token's issuer, and whether the recipient can be paid.
//!
//! Each fact comes as the ledger keys to read and a function of what they held, so that the one who reads needs no
//! judgement and the one who judges no network.

use paychan_channel::ledger_keys;
use paychan_channel::xdr::{
    AccountEntry, AccountEntryExt, LedgerEntryData, LedgerKey, ScVal, TrustLineEntry, TrustLineEntryExt,
};
use paychan_channel::{AccountId, Address, Amount, ContractId, SacAsset};

/// `AccountFlags` and `TrustLineFlags` of Stellar-ledger-entries.x.
const AUTH_REQUIRED: u32 = 0x1;
const AUTH_REVOCABLE: u32 = 0x2;
const AUTH_CLAWBACK_ENABLED: u32 = 0x8;
const TRUSTLINE_AUTHORIZED: u32 = 0x1;

/// What a token is, as far as the recipient's risk goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenFacts {
    /// XLM: nobody can take it back.
    Native,
    /// A Stellar asset's contract.
    Asset {
        /// Who can mint it and, by these flags, take it back.
        issuer: AccountId,
        /// The issuer's flags now; `None` when the issuer's account does not exist, so that nobody can use any.
        flags: Option<IssuerFlags>,
    },
    /// A contract of its own: what its owner can do cannot be read from the ledger.
    Opaque,
}

impl TokenFacts {
    /// Whether somebody can take tokens back from their holders, as far as is known.
    pub fn may_claw_back(&self) -> bool {
        match self {
            Self::Opaque => true,
            Self::Native | Self::Asset { flags: None, .. } => false,
            Self::Asset { flags: Some(flags), .. } => flags.may_claw_back,
        }
    }

    /// Whether somebody can freeze holders, as far as is known.
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
    /// New holders start unauthorized.
    pub requires_authorization: bool,
    /// It can freeze a holder.
    pub may_revoke: bool,
    /// It can take tokens back from holders that came after the flag was set.
    pub may_claw_back: bool,
}

/// Whether a recipient can be paid in a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Payability {
    /// A payment to it fails: there is no such account.
    #[error("the recipient's account does not exist; create it with the network's minimum balance")]
    AccountMissing,
    /// A payment to it fails: it does not trust the asset.
    #[error("the recipient's account has no trustline to the token's asset; add one")]
    TrustlineMissing,
    /// A payment to it fails: the issuer has not authorized it.
    #[error("the recipient is not authorized by the token's issuer to hold it; ask the issuer")]
    NotAuthorized,
    /// It can be paid this much more, in base units.
    #[error("the recipient has room for {0} more base units")]
    Room(Amount),
}

impl Payability {
    /// Whether a payment of this many base units would be accepted.
    pub fn can_take(&self, amount: Amount) -> bool {
        matches!(self, Self::Room(room) if *room >= amount)
    }
}

/// An entry is not what its key promises: a newer protocol, or a node that errs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FactsError {
    /// The entry has another type, or a field that is not understood.
    #[error("the ledger entry of {whose} could not be understood: expected {expected}")]
    NotUnderstood {
        /// Whose entry.
        whose: String,
        /// What it should have been.
        expected: &'static str,
    },
}

fn issuer(asset: &SacAsset) -> Option<AccountId> {
    match asset {
        SacAsset::Native => None,
        SacAsset::Asset { issuer, .. } => Some(*issuer),
    }
}

/// The account whose flags decide what can happen to holders of this asset; `None` for XLM.
pub fn issuer_key(asset: &SacAsset) -> Option<LedgerKey> {
    issuer(asset).map(|issuer| ledger_keys::account(&issuer))
}

/// Judges a token by its asset (`None`: no Stellar asset's contract) and the entry that [`issuer_key`] names.
///
/// # Errors
/// [`FactsError`] when the entry is no account.
pub fn token_facts(asset: Option<&SacAsset>, issuer_entry: Option<&LedgerEntryData>) -> Result<TokenFacts, FactsError> {
    let Some(asset) = asset else {
        return Ok(TokenFacts::Opaque);
    };
    let Some(issuer) = issuer(asset) else {
        return Ok(TokenFacts::Native);
    };
    let flags = match issuer_entry {
        None => None,
        Some(entry) => {
            let flags = account(entry, &issuer)?.flags;
            Some(IssuerFlags {
                requires_authorization: flags & AUTH_REQUIRED != 0,
                may_revoke: flags & AUTH_REVOCABLE != 0,
                may_claw_back: flags & AUTH_CLAWBACK_ENABLED != 0,
            })
        }
    };
    Ok(TokenFacts::Asset { issuer, flags })
}

/// What to read in order to know whether `to` can be paid: hand the entries found, in this order, to [`payability`].
///
/// Nothing for a token that is a contract of its own (`asset` is `None`).
pub fn payability_keys(token: &ContractId, asset: Option<&SacAsset>, to: &Address) -> Vec<LedgerKey> {
    let Some(asset) = asset else {
        return Vec::new();
    };
    match to {
        Address::Contract(_) => vec![ledger_keys::token_balance(token, to)],
        Address::Account(holder) => {
            let trustline = asset.to_xdr().and_then(|asset| ledger_keys::trustline(holder, &asset));
            std::iter::once(ledger_keys::account(holder)).chain(trustline).collect()
        }
    }
}

/// Judges whether `to` can be paid, from the entries of [`payability_keys`] in the same order, `None` for a missing one.
///
/// # Errors
/// [`FactsError`] when an entry is not what its key says.
pub fn payability(
    asset: Option<&SacAsset>,
    token: &TokenFacts,
    to: &Address,
    entries: &[Option<LedgerEntryData>],
) -> Result<Payability, FactsError> {
    let entry = |at: usize| entries.get(at).and_then(Option::as_ref);
    let Some(asset) = asset else {
        // A contract of its own keeps its own rules; the operator listed it.
        return Ok(Payability::Room(Amount::MAX));
    };
    let holder = match to {
        Address::Contract(_) => return contract_payability(token, to, entry(0)),
        Address::Account(holder) => holder,
    };
    let Some(account_entry) = entry(0) else {
        return Ok(Payability::AccountMissing);
    };
    let account_entry = account(account_entry, holder)?;
    match issuer(asset) {
        None => Ok(Payability::Room(room(i64::MAX, account_entry.balance, buying(&account_entry.ext)))),
        // What is paid to the issuer is burnt: it always has room.
        Some(issuer) if issuer == *holder => Ok(Payability::Room(Amount::MAX)),
        Some(_) => trustline_payability(holder, entry(1)),
    }
}

fn trustline_payability(holder: &AccountId, entry: Option<&LedgerEntryData>) -> Result<Payability, FactsError> {
    let line = match entry {
        None => return Ok(Payability::TrustlineMissing),
        Some(LedgerEntryData::Trustline(line)) => line,
        Some(_) => return Err(not_understood(holder, "a trustline entry")),
    };
    if line.flags & TRUSTLINE_AUTHORIZED == 0 {
        return Ok(Payability::NotAuthorized);
    }
    Ok(Payability::Room(room(line.limit, line.balance, line_buying(line))))
}

/// A contract holds a Stellar asset in a balance entry `{amount, authorized, clawback}` of the asset's contract; without
/// one it starts authorized unless the issuer requires authorization (soroban-env-host,
/// `stellar_asset_contract/balance.rs`).
fn contract_payability(
    token: &TokenFacts,
    to: &Address,
    entry: Option<&LedgerEntryData>,
) -> Result<Payability, FactsError> {
    let Some(entry) = entry else {
        let required = matches!(token, TokenFacts::Asset { flags: Some(flags), .. } if flags.requires_authorization);
        return Ok(if required { Payability::NotAuthorized } else { Payability::Room(Amount::MAX) });
    };
    let expected = "a Stellar asset's balance with `amount` and `authorized`";
    let LedgerEntryData::ContractData(data) = entry else {
        return Err(not_understood(to, expected));
    };
    let ScVal::Map(Some(map)) = &data.val else {
        return Err(not_understood(to, expected));
    };
    let field = |name: &str| {
        let named = |key: &ScVal| matches!(key, ScVal::Symbol(symbol) if symbol.0.as_slice() == name.as_bytes());
        map.iter().find(|pair| named(&pair.key)).map(|pair| &pair.val)
    };
    match (field("authorized"), field("amount")) {
        (Some(ScVal::Bool(false)), _) => Ok(Payability::NotAuthorized),
        (Some(ScVal::Bool(true)), Some(ScVal::I128(amount))) => {
            let held = Amount::new(i128::from(amount)).map_err(|_| not_understood(to, "a balance of 0 or more"))?;
            Ok(Payability::Room(Amount::MAX.saturating_sub(held)))
        }
        _ => Err(not_understood(to, expected)),
    }
}

fn account<'a>(entry: &'a LedgerEntryData, whose: &AccountId) -> Result<&'a AccountEntry, FactsError> {
    match entry {
        LedgerEntryData::Account(account) => Ok(account),
        _ => Err(not_understood(whose, "an account entry")),
    }
}

fn not_understood(whose: &impl ToString, expected: &'static str) -> FactsError {
    FactsError::NotUnderstood { whose: whose.to_string(), expected }
}

/// What still fits under a limit: nothing when the ledger says more than the limit.
fn room(limit: i64, balance: i64, buying: i64) -> Amount {
    let left = i128::from(limit) - i128::from(balance) - i128::from(buying);
    Amount::new(left.max(0)).unwrap_or(Amount::ZERO)
}

fn buying(ext: &AccountEntryExt) -> i64 {
    match ext {
        AccountEntryExt::V0 => 0,
        AccountEntryExt::V1(v1) => v1.liabilities.buying,
    }
}

fn line_buying(line: &TrustLineEntry) -> i64 {
    match &line.ext {
        TrustLineEntryExt::V0 => 0,
        TrustLineEntryExt::V1(v1) => v1.liabilities.buying,
    }
}
