//! The keys of the ledger entries that a channel depends on. If one of these entries is archived, the channel can't be
//! settled until the entry is restored.

use stellar_xdr::{
    AccountId as XdrAccountId, Asset, ContractDataDurability, Hash, LedgerKey, LedgerKeyAccount, LedgerKeyContractCode,
    LedgerKeyContractData, LedgerKeyTrustLine, ScVal, TrustLineAsset,
};

use crate::scval::{symbol, vec};
use crate::{AccountId, Address, ContractId, WasmHash};

/// A contract's instance: its executable's name and its instance storage. It holds a channel's whole state.
#[must_use]
pub fn instance(contract: &ContractId) -> LedgerKey {
    LedgerKey::ContractData(LedgerKeyContractData {
        contract: contract.to_sc(),
        key: ScVal::LedgerKeyContractInstance,
        durability: ContractDataDurability::Persistent,
    })
}

/// A Wasm module.
#[must_use]
pub fn code(wasm: &WasmHash) -> LedgerKey {
    LedgerKey::ContractCode(LedgerKeyContractCode { hash: Hash(wasm.0) })
}

/// The balance of `holder` in `token`: a persistent entry under `Vec[Symbol("Balance"), Address]`.
///
/// The Stellar asset contract keeps it there (soroban-env-host, `stellar_asset_contract/storage_types.rs`), but only
/// for contracts, since accounts have trustlines. Tokens made after the SEP-41 example keep it there too. Another token
/// may keep it elsewhere.
#[must_use]
pub fn token_balance(token: &ContractId, holder: &Address) -> LedgerKey {
    LedgerKey::ContractData(LedgerKeyContractData {
        contract: token.to_sc(),
        key: balance_key(holder),
        durability: ContractDataDurability::Persistent,
    })
}

pub(crate) fn balance_key(holder: &Address) -> ScVal {
    vec([symbol("Balance"), ScVal::Address(holder.to_sc())])
}

/// A classic account.
#[must_use]
pub fn account(account: &AccountId) -> LedgerKey {
    LedgerKey::Account(LedgerKeyAccount { account_id: account.to_xdr() })
}

/// An account's trustline to an asset; `None` for the native asset, which needs none.
#[must_use]
pub fn trustline(account: &AccountId, asset: &Asset) -> Option<LedgerKey> {
    let asset = match asset {
        Asset::Native => return None,
        Asset::CreditAlphanum4(asset) => TrustLineAsset::CreditAlphanum4(asset.clone()),
        Asset::CreditAlphanum12(asset) => TrustLineAsset::CreditAlphanum12(asset.clone()),
    };
    let account_id: XdrAccountId = account.to_xdr();
    Some(LedgerKey::Trustline(LedgerKeyTrustLine { account_id, asset }))
}

/// The ledger keys of everything that settling a channel touches and that can be archived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelKeys {
    /// The channel's state.
    pub instance: LedgerKey,
    /// The channel's Wasm, shared by all channels of the same code.
    pub code: LedgerKey,
    /// The channel's balance in its token.
    pub token_balance: LedgerKey,
    /// The token's instance.
    pub token_instance: LedgerKey,
    /// The token's Wasm; `None` for a Stellar asset contract, whose code is the network's own.
    pub token_code: Option<LedgerKey>,
}

impl ChannelKeys {
    /// The keys of `channel`, whose code is `wasm`, paying in `token`, whose code is `token_code` if it has any.
    #[must_use]
    pub fn of(channel: &ContractId, wasm: &WasmHash, token: &ContractId, token_code: Option<&WasmHash>) -> ChannelKeys {
        ChannelKeys {
            instance: instance(channel),
            code: code(wasm),
            token_balance: token_balance(token, &Address::Contract(*channel)),
            token_instance: instance(token),
            token_code: token_code.map(code),
        }
    }

    /// All keys, four or five.
    pub fn iter(&self) -> impl Iterator<Item = &LedgerKey> {
        [&self.instance, &self.code, &self.token_balance, &self.token_instance]
            .into_iter()
            .chain(self.token_code.as_ref())
    }
}
