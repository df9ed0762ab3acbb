//! What a channel's token is: an asset of the network (Stellar asset contract) or a contract with code of its own.

use stellar_xdr::{
    AlphaNum4, AlphaNum12, Asset, AssetCode4, AssetCode12, ContractExecutable, LedgerEntryData, ScContractInstance,
    ScMap, ScVal, ScVec,
};

use crate::scval::{Named, Naming, symbol_text};
use crate::{AccountId, ContractId, WasmHash};

/// Decimals of every Stellar asset contract (soroban-env-host, `stellar_asset_contract/metadata.rs`).
pub const SAC_DECIMALS: u32 = 7;

/// The classic asset behind a Stellar asset contract.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SacAsset {
    /// XLM.
    Native,
    /// An asset that an account issues.
    Asset {
        /// 1 to 12 characters.
        code: String,
        /// Who issues the asset. The issuer may revoke it or claw it back as its flags say.
        issuer: AccountId,
    },
}

impl SacAsset {
    /// Who issues the asset; `None` for XLM, which nobody issues.
    #[must_use]
    pub fn issuer(&self) -> Option<AccountId> {
        match self {
            SacAsset::Native => None,
            SacAsset::Asset { issuer, .. } => Some(*issuer),
        }
    }

    /// The asset in the network's XDR. `None` when the code is not 1 to 12 bytes long.
    #[must_use]
    pub fn to_xdr(&self) -> Option<Asset> {
        let SacAsset::Asset { code, issuer } = self else {
            return Some(Asset::Native);
        };
        let issuer = issuer.to_xdr();
        let code = code.as_bytes();
        match code.len() {
            1..=4 => Some(Asset::CreditAlphanum4(AlphaNum4 { asset_code: AssetCode4(padded(code)), issuer })),
            5..=12 => Some(Asset::CreditAlphanum12(AlphaNum12 { asset_code: AssetCode12(padded(code)), issuer })),
            _ => None,
        }
    }
}

fn padded<const N: usize>(code: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    for (to, from) in out.iter_mut().zip(code) {
        *to = *from;
    }
    out
}

/// What kind of contract a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenKind {
    /// A Stellar asset contract: the network's own code around a classic asset.
    Asset(SacAsset),
    /// A contract with its own Wasm.
    Wasm(WasmHash),
    /// Its instance entry is missing, is no contract instance, or is of a kind not known here.
    Unknown,
}

impl TokenKind {
    /// The Wasm of a token that has some.
    #[must_use]
    pub fn code(&self) -> Option<WasmHash> {
        match self {
            TokenKind::Wasm(hash) => Some(*hash),
            TokenKind::Asset(_) | TokenKind::Unknown => None,
        }
    }

    /// The classic asset of a Stellar asset contract.
    #[must_use]
    pub fn asset(&self) -> Option<&SacAsset> {
        match self {
            TokenKind::Asset(asset) => Some(asset),
            TokenKind::Wasm(_) | TokenKind::Unknown => None,
        }
    }
}

/// Reads from the token's instance entry what kind of contract it is.
#[must_use]
pub fn token_kind(token: &ContractId, instance: Option<&LedgerEntryData>) -> TokenKind {
    let Some(instance) = instance.and_then(|entry| instance_of(token, entry)) else {
        return TokenKind::Unknown;
    };
    match &instance.executable {
        ContractExecutable::Wasm(hash) => TokenKind::Wasm(WasmHash(hash.0)),
        ContractExecutable::StellarAsset => match asset_info(instance) {
            Some(asset) => TokenKind::Asset(asset),
            None => TokenKind::Unknown,
        },
        ContractExecutable::ExternalRef(_) => TokenKind::Unknown,
    }
}

/// The instance in `entry`, if it is the instance entry of `contract`.
pub(crate) fn instance_of<'a>(contract: &ContractId, entry: &'a LedgerEntryData) -> Option<&'a ScContractInstance> {
    match entry {
        LedgerEntryData::ContractData(data)
            if data.contract == contract.to_sc() && data.key == ScVal::LedgerKeyContractInstance =>
        {
            match &data.val {
                ScVal::ContractInstance(instance) => Some(instance),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Reads `AssetInfo`, an enum as soroban-sdk writes one: `Vec[Symbol("Native")]`, or
/// `Vec[Symbol("AlphaNum4" | "AlphaNum12"), Map{asset_code: String, issuer: Bytes(32)}]`
/// (soroban-env-host, `stellar_asset_contract/public_types.rs`).
fn asset_info(instance: &ScContractInstance) -> Option<SacAsset> {
    let empty = ScMap::default();
    let storage = instance.storage.as_ref().unwrap_or(&empty);
    let info = Named::new(storage, Naming::Variant).find("AssetInfo")?;
    let ScVal::Vec(Some(ScVec(items))) = info else {
        return None;
    };
    match items.as_slice() {
        [name] if symbol_text(name) == Some("Native") => Some(SacAsset::Native),
        [name, ScVal::Map(Some(map))] if matches!(symbol_text(name), Some("AlphaNum4" | "AlphaNum12")) => {
            let fields = Named::new(map, Naming::Field);
            let ScVal::String(code) = fields.find("asset_code")? else {
                return None;
            };
            let code = std::str::from_utf8(code.0.as_slice()).ok()?.trim_end_matches('\0');
            let issuer = AccountId(fields.bytes32("issuer").ok()?);
            Some(SacAsset::Asset { code: code.to_owned(), issuer })
        }
        _ => None,
    }
}
