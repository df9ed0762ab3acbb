//! Checks that the funder can pay and that the recipient can be paid. It reads ledger entries before anything is sent,
//! and judges by the watcher's rules ([`payability`]).

use paychan_channel::payability::{self, NotUnderstood, Payability, Spendable};
use paychan_channel::xdr::{LedgerEntryData, LedgerKey};
use paychan_channel::{AccountId, Address, Amount};

use crate::error::{Failure, Kind, bail};
use crate::session::Session;
use crate::token::{AssetName, Token};

/// Refuses when the funder certainly can't deposit `amount`.
///
/// It does not check reserves and fees: the network's simulation checks them exactly.
pub(crate) async fn funder_can_pay(
    session: &Session,
    funder: AccountId,
    token: &Token,
    amount: Amount,
) -> Result<(), Failure> {
    let held = match &token.asset {
        // A token with code of its own has to be asked.
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

/// Why the recipient can't be paid at present; `None` when it can be.
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
