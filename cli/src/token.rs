//! The token in which a channel pays: its name on the command line, and what the chain says about it.

use std::fmt;
use std::str::FromStr;

use paychan_channel::xdr::ScVal;
use paychan_channel::{
    AccountId, Address, Amount, ChannelState, ContractId, SAC_DECIMALS, SacAsset, TokenKind, calls, ledger_keys,
    token_kind,
};

use crate::error::{Failure, Kind, bail};
use crate::session::Session;

/// The most decimals that a token can have, since an i128 has no more digits.
const MAX_DECIMALS: u32 = 38;

/// `native`, `CODE:ISSUER`, or a token contract's `C...` address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenArg {
    Asset(SacAsset),
    Contract(ContractId),
}

impl FromStr for TokenArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const EXPECTED: &str = "expected native, CODE:ISSUER (such as USDC:GA5Z...) or a token contract's C... address";
        if text == "native" {
            return Ok(Self::Asset(SacAsset::Native));
        }
        if let Some((code, issuer)) = text.split_once(':') {
            // Codes are 1 to 12 letters or digits (stellar-docs, "Assets").
            if code.is_empty() || code.len() > 12 || !code.bytes().all(|b| b.is_ascii_alphanumeric()) {
                return Err(format!("an asset's code is 1 to 12 letters or digits; {EXPECTED}"));
            }
            let issuer =
                issuer.parse::<AccountId>().map_err(|e| format!("the issuer after the colon: {e}; {EXPECTED}"))?;
            return Ok(Self::Asset(SacAsset::Asset { code: code.to_owned(), issuer }));
        }
        text.parse::<ContractId>().map(Self::Contract).map_err(|e| format!("{e}; {EXPECTED}"))
    }
}

/// A token as the chain knows it.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) id: ContractId,
    /// How messages name it: `XLM`, `USDC`, or the start of its address.
    pub(crate) name: String,
    pub(crate) decimals: u32,
    /// The classic asset behind it, when its contract is a Stellar asset contract.
    pub(crate) asset: Option<SacAsset>,
}

impl Token {
    /// What the chain says about the token that the command line names.
    pub(crate) async fn resolve(session: &Session, arg: &TokenArg) -> Result<Self, Failure> {
        match arg {
            TokenArg::Contract(id) => Self::of_contract(session, *id).await,
            TokenArg::Asset(asset) => {
                let id = asset_contract(session, asset)?;
                if session.entry(&ledger_keys::instance(&id)).await?.is_none() {
                    bail!(
                        Kind::Refused,
                        "the contract of {name}, {id}, is not deployed on this network; anyone can deploy it, once: stellar \
                         contract asset deploy --asset {name}",
                        name = AssetName(asset)
                    );
                }
                Ok(Self::of_asset(id, asset.clone()))
            }
        }
    }

    /// What the chain says about the token contract at `id`.
    pub(crate) async fn of_contract(session: &Session, id: ContractId) -> Result<Self, Failure> {
        let Some(entry) = session.entry(&ledger_keys::instance(&id)).await? else {
            bail!(
                Kind::Refused,
                "there is no contract at {id} on this network; is it the address of a token, and this the right network?"
            );
        };
        match token_kind(&id, Some(&entry.data)) {
            TokenKind::Asset(asset) => {
                // Any contract can say that it is an asset's contract. Only the contract at the address that follows
                // from the asset is.
                if asset_contract(session, &asset)? != id {
                    bail!(Kind::Refused, "{id} says it is the contract of {}, which lies elsewhere", AssetName(&asset));
                }
                Ok(Self::of_asset(id, asset))
            }
            TokenKind::Wasm(_) => {
                let decimals = match session.view(calls::token_decimals(&id)).await? {
                    ScVal::U32(decimals) if decimals <= MAX_DECIMALS => decimals,
                    _ => bail!(
                        Kind::Refused,
                        "{id} does not answer decimals() as a SEP-41 token does, with a number up to {MAX_DECIMALS}"
                    ),
                };
                let mut name = id.to_string();
                name.truncate(5);
                Ok(Self { id, name: format!("{name}..."), decimals, asset: None })
            }
            TokenKind::Unknown => bail!(Kind::Refused, "{id} is no token contract of a kind known here"),
        }
    }

    fn of_asset(id: ContractId, asset: SacAsset) -> Self {
        let name = match &asset {
            SacAsset::Native => "XLM".to_owned(),
            SacAsset::Asset { code, .. } => code.clone(),
        };
        Self { id, name, decimals: SAC_DECIMALS, asset: Some(asset) }
    }

    /// The balance of `holder`, as the token itself reports it.
    pub(crate) async fn balance(&self, session: &Session, holder: &Address) -> Result<Amount, Failure> {
        match session.view(calls::token_balance(&self.id, holder)).await? {
            ScVal::I128(parts) => Amount::new(i128::from(&parts)).map_err(|e| {
                Failure::new(Kind::Refused, format!("{} reports a balance of {holder} that is not valid: {e}", self.id))
            }),
            _ => bail!(Kind::Refused, "{} does not answer balance() as a SEP-41 token does", self.id),
        }
    }

    /// The token of a channel that was read.
    pub(crate) async fn of_channel(session: &Session, channel: &ChannelState) -> Result<Self, Failure> {
        match &channel.token_kind {
            TokenKind::Asset(asset) => Ok(Self::of_asset(channel.token, asset.clone())),
            TokenKind::Wasm(_) | TokenKind::Unknown => Self::of_contract(session, channel.token).await,
        }
    }

    /// `12.5 USDC`.
    pub(crate) fn show(&self, amount: Amount) -> String {
        format!("{} {}", amount.to_decimal(self.decimals), self.name)
    }
}

/// The address of an asset's contract, deployed or not.
fn asset_contract(session: &Session, asset: &SacAsset) -> Result<ContractId, Failure> {
    let xdr = asset
        .to_xdr()
        .ok_or_else(|| Failure::new(Kind::Refused, format!("{} is no asset that can exist", AssetName(asset))))?;
    Ok(calls::token_contract_id(&session.network, &xdr))
}

/// `native` or `CODE:ISSUER`, as the command line takes it.
pub(crate) struct AssetName<'a>(pub(crate) &'a SacAsset);

impl fmt::Display for AssetName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            SacAsset::Native => f.write_str("native"),
            SacAsset::Asset { code, issuer } => write!(f, "{code}:{issuer}"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const ISSUER: &str = "GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN";

    #[test]
    fn an_asset_is_named_as_it_was_given() {
        for name in ["native".to_owned(), format!("USDC:{ISSUER}"), format!("LONGERCODE12:{ISSUER}")] {
            let TokenArg::Asset(asset) = name.parse().unwrap() else { panic!("{name} is an asset") };
            assert_eq!(AssetName(&asset).to_string(), name);
        }
    }

    #[test]
    fn an_invalid_token_is_refused_with_what_was_expected() {
        let long = format!("TOOLONGACODE13:{ISSUER}");
        for wrong in ["", "XLM", "USDC:", ":GA5Z", "USDC:GA5Z", "US-D:GA5Z", &long, "CAS3J7", ISSUER] {
            let error = wrong.parse::<TokenArg>().unwrap_err();
            assert!(error.contains("expected native, CODE:ISSUER"), "{wrong}: {error}");
        }
    }
}
