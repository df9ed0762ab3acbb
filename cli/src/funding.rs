//! Can this account pay, and can that one be paid? Decided from ledger entries before anything is sent.

use paychan_channel::xdr::{
    AccountEntry, AccountEntryExt, LedgerEntryData, TrustLineEntry, TrustLineEntryExt, TrustLineFlags,
};
use paychan_channel::{AccountId, Address, Amount, SacAsset, ledger_keys};

use crate::error::{Failure, Kind, bail};
use crate::session::Session;
use crate::token::{AssetName, Token};

/// Refuses when the funder certainly can't deposit `amount`.
///
/// Reserves and fees are left to the network: it answers exactly, at simulation.
pub(crate) async fn funder_can_pay(
    session: &Session,
    funder: AccountId,
    token: &Token,
    amount: Amount,
) -> Result<(), Failure> {
    let shown = token.show(amount);
    let held = match holding(session, funder, token).await? {
        Holding::NoAccount => bail!(
            Kind::Refused,
            "the funder's account {funder} does not exist on this network; send it XLM first (a test network's friendbot does)"
        ),
        Holding::NoTrustline(asset) => bail!(
            Kind::Refused,
            "the funder {funder} has no trustline for {asset}, so it holds none; add one (a ChangeTrust operation) and get {shown}"
        ),
        Holding::NotAuthorized(asset) => {
            bail!(Kind::Refused, "the funder {funder} is not authorized by the issuer to hold {asset}; ask the issuer")
        }
        Holding::Free(held) => held,
        // An issuer pays with new tokens; a token that is no asset is asked.
        Holding::Unlimited => return Ok(()),
        Holding::AskContract => token.balance(session, &Address::Account(funder)).await?,
    };
    if held < amount {
        bail!(Kind::Refused, "the funder {funder} has {} free, {shown} are needed", token.show(held));
    }
    Ok(())
}

/// Why the recipient could not be paid as things are; `None` when nothing speaks against it.
pub(crate) async fn recipient_trouble(
    session: &Session,
    recipient: &Address,
    token: &Token,
) -> Result<Option<String>, Failure> {
    let Address::Account(account) = recipient else {
        return Ok(None);
    };
    Ok(match holding(session, *account, token).await? {
        Holding::NoAccount => Some(format!("the recipient's account {account} does not exist yet")),
        Holding::NoTrustline(asset) => Some(format!("the recipient {account} has no trustline for {asset} yet")),
        Holding::NotAuthorized(asset) => {
            Some(format!("the recipient {account} is not authorized by the issuer to hold {asset}"))
        }
        Holding::Free(_) | Holding::Unlimited | Holding::AskContract => None,
    })
}

/// What an account's entries say about a token.
#[derive(Debug, PartialEq, Eq)]
enum Holding {
    NoAccount,
    NoTrustline(String),
    NotAuthorized(String),
    /// Balance less selling liabilities.
    Free(Amount),
    Unlimited,
    AskContract,
}

async fn holding(session: &Session, account: AccountId, token: &Token) -> Result<Holding, Failure> {
    let mut wanted = vec![ledger_keys::account(&account)];
    let asset = token.asset.as_ref().and_then(SacAsset::to_xdr);
    wanted.extend(asset.and_then(|asset| ledger_keys::trustline(&account, &asset)));
    let entries = session.entries(&wanted).await?;
    let mut account_entry = None;
    let mut trustline = None;
    for entry in entries {
        match entry.data {
            LedgerEntryData::Account(entry) => account_entry = Some(entry),
            LedgerEntryData::Trustline(entry) => trustline = Some(entry),
            _ => {}
        }
    }
    Ok(decide(account, account_entry.as_ref(), trustline.as_ref(), token.asset.as_ref()))
}

fn decide(
    id: AccountId,
    account: Option<&AccountEntry>,
    trustline: Option<&TrustLineEntry>,
    asset: Option<&SacAsset>,
) -> Holding {
    let Some(account) = account else {
        return Holding::NoAccount;
    };
    let Some(asset) = asset else {
        return Holding::AskContract;
    };
    match asset {
        SacAsset::Native => return Holding::Free(free(account.balance, selling(account))),
        SacAsset::Asset { issuer, .. } if *issuer == id => return Holding::Unlimited,
        SacAsset::Asset { .. } => {}
    }
    match trustline {
        None => Holding::NoTrustline(AssetName(asset).to_string()),
        Some(line) if line.flags & (TrustLineFlags::AuthorizedFlag as u32) == 0 => {
            Holding::NotAuthorized(AssetName(asset).to_string())
        }
        Some(line) => {
            let selling = match &line.ext {
                TrustLineEntryExt::V0 => 0,
                TrustLineEntryExt::V1(v1) => v1.liabilities.selling,
            };
            Holding::Free(free(line.balance, selling))
        }
    }
}

fn selling(account: &AccountEntry) -> i64 {
    match &account.ext {
        AccountEntryExt::V0 => 0,
        AccountEntryExt::V1(v1) => v1.liabilities.selling,
    }
}

fn free(balance: i64, selling: i64) -> Amount {
    Amount::new(i128::from(balance.saturating_sub(selling).max(0))).unwrap_or(Amount::ZERO)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use paychan_channel::xdr::{Liabilities, TrustLineEntryV1};

    use super::*;

    const ISSUER: AccountId = AccountId([1; 32]);
    const HOLDER: AccountId = AccountId([2; 32]);

    fn usdc() -> SacAsset {
        SacAsset::Asset { code: "USDC".to_owned(), issuer: ISSUER }
    }

    fn account(balance: i64) -> AccountEntry {
        AccountEntry { balance, ..AccountEntry::default() }
    }

    fn line(balance: i64, flags: u32, selling: i64) -> TrustLineEntry {
        TrustLineEntry {
            balance,
            flags,
            ext: TrustLineEntryExt::V1(TrustLineEntryV1 {
                liabilities: Liabilities { buying: 0, selling },
                ..TrustLineEntryV1::default()
            }),
            ..TrustLineEntry::default()
        }
    }

    #[test]
    fn an_account_that_does_not_exist_holds_nothing_at_all() {
        assert_eq!(decide(HOLDER, None, None, Some(&SacAsset::Native)), Holding::NoAccount);
    }

    #[test]
    fn xlm_lies_in_the_account_itself() {
        let held = decide(HOLDER, Some(&account(70)), None, Some(&SacAsset::Native));
        assert_eq!(held, Holding::Free(Amount::from(70)));
    }

    #[test]
    fn what_is_offered_for_sale_is_not_free() {
        let held = decide(HOLDER, Some(&account(0)), Some(&line(70, 1, 30)), Some(&usdc()));
        assert_eq!(held, Holding::Free(Amount::from(40)));
    }

    #[test]
    fn an_asset_needs_a_trustline_and_the_issuers_consent() {
        assert!(matches!(decide(HOLDER, Some(&account(9)), None, Some(&usdc())), Holding::NoTrustline(_)));
        // Flag 2 is "may keep liabilities", not "may hold".
        let held = decide(HOLDER, Some(&account(9)), Some(&line(70, 2, 0)), Some(&usdc()));
        assert!(matches!(held, Holding::NotAuthorized(_)));
    }

    #[test]
    fn an_issuer_needs_no_trustline_for_its_own_asset() {
        assert_eq!(decide(ISSUER, Some(&account(9)), None, Some(&usdc())), Holding::Unlimited);
    }

    #[test]
    fn a_token_that_is_no_asset_is_asked_itself() {
        assert_eq!(decide(HOLDER, Some(&account(9)), None, None), Holding::AskContract);
    }
}
