//! The check of which ledger entries a call may touch.

use paychan_channel::{AccountId, Address, ChannelState, ContractId, TokenKind, WasmHash, ledger_keys};
use stellar_xdr::{ContractDataDurability, LedgerFootprint, LedgerKey, ScVal};

use super::NotMeant;
use super::authorization::shown;

/// The ledger entries that a call may touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Entries {
    /// Any entries. This is for contracts whose storage is not known, such as a token with code of its own. The cost of
    /// the call is still capped, and only an entry's own contract can change it, whoever has it in the footprint.
    #[default]
    Any,
    /// Only the entries of these holdings.
    Of(Holdings),
}

/// The entries that a call may touch: the storage of some contracts, and the balances of some addresses in some tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Contracts whose whole storage may be touched: the channel.
    pub contracts: Vec<ContractId>,
    /// Code that may be read.
    pub code: Vec<WasmHash>,
    /// Stellar asset contracts: their instance, and balances of `holders`.
    pub tokens: Vec<ContractId>,
    /// Who pays, is paid, or issues: accounts with their trustlines and nonces, contracts with their balances.
    pub holders: Vec<Address>,
}

impl Entries {
    /// The entries that any call of this channel may touch: its own, its token's, and the funder's and recipient's
    /// balances.
    ///
    /// It is not known where a token with code of its own keeps its entries, so for such a token any entries are
    /// allowed.
    #[must_use]
    pub fn of_channel(state: &ChannelState) -> Entries {
        let TokenKind::Asset(asset) = &state.token_kind else { return Entries::Any };
        let channel = Address::Contract(state.channel);
        let mut holders = vec![state.from, state.to, channel];
        holders.extend(asset.issuer().map(Address::Account));
        Entries::Of(Holdings {
            contracts: vec![state.channel],
            code: vec![state.wasm_hash],
            tokens: vec![state.token],
            holders,
        })
    }

    /// The entries that a call of several channels may touch, such as one through the batch contract `through`.
    #[must_use]
    pub fn of_channels<'a>(
        through: Option<(ContractId, WasmHash)>,
        states: impl IntoIterator<Item = &'a ChannelState>,
    ) -> Entries {
        let mut all = Holdings::default();
        if let Some((contract, code)) = through {
            all.contracts.push(contract);
            all.code.push(code);
        }
        for state in states {
            let Entries::Of(one) = Entries::of_channel(state) else { return Entries::Any };
            all.contracts.extend(one.contracts);
            all.code.extend(one.code);
            all.tokens.extend(one.tokens);
            all.holders.extend(one.holders);
        }
        Entries::Of(all)
    }

    pub(super) fn check(&self, footprint: &LedgerFootprint) -> Result<(), NotMeant> {
        let Entries::Of(holdings) = self else { return Ok(()) };
        for (access, keys) in [("read", &footprint.read_only), ("write", &footprint.read_write)] {
            for key in keys.iter() {
                if !holdings.has(key) {
                    return Err(NotMeant::Entry { access, entry: described(key) });
                }
            }
        }
        Ok(())
    }
}

impl Holdings {
    fn has(&self, key: &LedgerKey) -> bool {
        match key {
            LedgerKey::Account(account) => self.holds(&account_of(&account.account_id)),
            LedgerKey::Trustline(line) => self.holds(&account_of(&line.account_id)),
            LedgerKey::ContractCode(code) => self.code.iter().any(|known| known.0 == code.hash.0),
            LedgerKey::ContractData(data) => match Address::from_sc(&data.contract) {
                Ok(Address::Contract(contract)) if self.contracts.contains(&contract) => true,
                Ok(Address::Contract(token)) if self.tokens.contains(&token) => {
                    *key == ledger_keys::instance(&token)
                        || self.holders.iter().any(|holder| *key == ledger_keys::token_balance(&token, holder))
                }
                // A signed authorization entry uses a nonce, which is an entry of its signer.
                Ok(address) => matches!(data.key, ScVal::LedgerKeyNonce(_)) && self.holds(&address),
                Err(_) => false,
            },
            _ => false,
        }
    }

    fn holds(&self, address: &Address) -> bool {
        self.holders.contains(address)
    }
}

fn account_of(account: &stellar_xdr::AccountId) -> Address {
    let stellar_xdr::PublicKey::PublicKeyTypeEd25519(key) = &account.0;
    Address::Account(AccountId(key.0))
}

/// Refuses keys that are not among those asked for. Fewer keys are harmless: nothing happens to the missing ones.
pub(super) fn only(access: &'static str, found: &[LedgerKey], asked: &[LedgerKey]) -> Result<(), NotMeant> {
    match found.iter().find(|key| !asked.contains(key)) {
        Some(foreign) => Err(NotMeant::Entry { access, entry: described(foreign) }),
        None => Ok(()),
    }
}

/// Whether an entry can be archived and restored.
pub(super) fn is_persistent(key: &LedgerKey) -> bool {
    match key {
        LedgerKey::ContractCode(_) => true,
        LedgerKey::ContractData(data) => data.durability == ContractDataDurability::Persistent,
        _ => false,
    }
}

fn described(key: &LedgerKey) -> String {
    match key {
        LedgerKey::Account(account) => format!("the account {}", account_of(&account.account_id)),
        LedgerKey::Trustline(line) => format!("a trustline of {}", account_of(&line.account_id)),
        LedgerKey::ContractCode(code) => format!("the code {}", hex::encode(code.hash.0)),
        LedgerKey::ContractData(data) if data.key == ScVal::LedgerKeyContractInstance => {
            format!("the instance of {}", shown(&data.contract))
        }
        LedgerKey::ContractData(data) => format!("an entry in the storage of {}", shown(&data.contract)),
        other => format!("an entry of the kind {}", other.name()),
    }
}
