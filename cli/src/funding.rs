//! Can this account pay, and can that one be paid? It is read from ledger entries before anything is sent, and judged by
//! the same rules as in the watcher ([`payability`]).

use paychan_channel::payability::{self, NotUnderstood, Payability, Spendable};
use paychan_channel::xdr::{LedgerEntryData, LedgerKey};
use paychan_channel::{AccountId, Address, Amount};

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
    let held = match &token.asset {
        // A token with code of its own is asked.
        None => token.balance(session, &Address::Account(funder)).await?,
        Some(asset) => {
            let entries = read(session, &payability::funder_keys(asset, &funder)).await?;
            match payability::spendable(asset, &funder, &entries).map_err(not_understood)? {
                Spendable::UpTo(held) => held,
                why @ (Spendable::AccountMissing | Spendable::TrustlineMissing | Spendable::NotAuthorized) => {
                    bail!(Kind::Refused, "the funder {funder} can't deposit {}: {why}", AssetName(asset))
                }
            }
        }
    };
    if held < amount {
        bail!(Kind::Refused, "the funder {funder} has {} free, {} are needed", token.show(held), token.show(amount));
    }
    Ok(())
}

/// Why the recipient could not be paid as things are; `None` when nothing speaks against it.
pub(crate) async fn recipient_trouble(
    session: &Session,
    recipient: &Address,
    token: &Token,
) -> Result<Option<String>, Failure> {
    let asset = token.asset.as_ref();
    let issuer = read(session, asset.and_then(payability::issuer_key).as_slice()).await?.pop().flatten();
    let risk = payability::token_risk(asset, issuer.as_ref()).map_err(not_understood)?;
    let entries = read(session, &payability::recipient_keys(&token.id, asset, recipient)).await?;
    Ok(match payability::payability(asset, &risk, recipient, &entries).map_err(not_understood)? {
        Payability::Room(_) => None,
        why @ (Payability::AccountMissing | Payability::TrustlineMissing | Payability::NotAuthorized) => {
            let what = asset.map_or_else(|| token.name.clone(), |asset| AssetName(asset).to_string());
            Some(format!("the recipient {recipient} can't be paid {what}: {why}"))
        }
    })
}

/// The entries under `keys`, in this order.
async fn read(session: &Session, keys: &[LedgerKey]) -> Result<Vec<Option<LedgerEntryData>>, Failure> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    session.entries(keys).await
}

fn not_understood(error: NotUnderstood) -> Failure {
    Failure::new(Kind::Network, error.to_string())
}
