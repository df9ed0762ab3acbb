//! The ids of contracts, accounts, code and networks. As text they are strkeys (SEP-23) or hexadecimal digits.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use stellar_strkey::{Contract, Strkey, ed25519};
use stellar_xdr as xdr;

use crate::text::{bytes_from_hex, serde_as_text};
use crate::{AddressError, IdError};

const CONTRACT: &str = "a contract address C...";
const ACCOUNT: &str = "an account address G...";
const EITHER: &str = "an account address G... or a contract address C...";

/// The address of a contract, such as a channel or a token. As text it is `C...`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContractId(pub [u8; 32]);

/// The address of a classic account: its ed25519 public key. As text it is `G...`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub [u8; 32]);

/// The SHA-256 of a Wasm module. As text it is 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WasmHash(pub [u8; 32]);

/// The SHA-256 of a network's passphrase. As text it is 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetworkId(pub [u8; 32]);

/// The address of somebody who can pay into a channel or be paid by one. As text it is `G...` or `C...`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// A classic account.
    Account(AccountId),
    /// A contract, such as a smart wallet.
    Contract(ContractId),
}

impl NetworkId {
    /// The id of the network with this passphrase.
    #[must_use]
    pub fn of(passphrase: &str) -> NetworkId {
        NetworkId(Sha256::digest(passphrase).into())
    }
}

impl WasmHash {
    /// The hash of a Wasm module, as the network computes it.
    #[must_use]
    pub fn of(wasm: &[u8]) -> WasmHash {
        WasmHash(Sha256::digest(wasm).into())
    }
}

impl ContractId {
    /// The address in the network's XDR.
    #[must_use]
    pub fn to_sc(&self) -> xdr::ScAddress {
        xdr::ScAddress::Contract(xdr::ContractId(xdr::Hash(self.0)))
    }
}

impl AccountId {
    /// The address in XDR, as contracts name it.
    #[must_use]
    pub fn to_sc(&self) -> xdr::ScAddress {
        xdr::ScAddress::Account(self.to_xdr())
    }

    /// The address in XDR, as ledger entries of accounts name it.
    #[must_use]
    pub fn to_xdr(&self) -> xdr::AccountId {
        xdr::AccountId(xdr::PublicKey::PublicKeyTypeEd25519(xdr::Uint256(self.0)))
    }

    /// The address in XDR, as a transaction or an operation names its source.
    #[must_use]
    pub fn to_muxed(&self) -> xdr::MuxedAccount {
        xdr::MuxedAccount::Ed25519(xdr::Uint256(self.0))
    }

    /// Reads an address from the network's XDR.
    #[must_use]
    pub fn from_xdr(account: &xdr::AccountId) -> AccountId {
        let xdr::PublicKey::PublicKeyTypeEd25519(xdr::Uint256(key)) = &account.0;
        AccountId(*key)
    }
}

impl Address {
    /// The address in the network's XDR.
    #[must_use]
    pub fn to_sc(&self) -> xdr::ScAddress {
        match self {
            Address::Account(account) => account.to_sc(),
            Address::Contract(contract) => contract.to_sc(),
        }
    }

    /// Reads an address from the network's XDR.
    ///
    /// # Errors
    /// [`AddressError`] for a muxed account, a claimable balance or a liquidity pool.
    pub fn from_sc(address: &xdr::ScAddress) -> Result<Address, AddressError> {
        match address {
            xdr::ScAddress::Account(account) => Ok(Address::Account(AccountId::from_xdr(account))),
            xdr::ScAddress::Contract(xdr::ContractId(xdr::Hash(id))) => Ok(Address::Contract(ContractId(*id))),
            xdr::ScAddress::MuxedAccount(_) => Err(AddressError { got: "a muxed account" }),
            xdr::ScAddress::ClaimableBalance(_) => Err(AddressError { got: "a claimable balance" }),
            xdr::ScAddress::LiquidityPool(_) => Err(AddressError { got: "a liquidity pool" }),
        }
    }

    /// The account, if the address is one.
    #[must_use]
    pub fn account(&self) -> Option<AccountId> {
        match self {
            Address::Account(account) => Some(*account),
            Address::Contract(_) => None,
        }
    }
}

impl From<AccountId> for Address {
    fn from(account: AccountId) -> Address {
        Address::Account(account)
    }
}

impl From<ContractId> for Address {
    fn from(contract: ContractId) -> Address {
        Address::Contract(contract)
    }
}

/// What kind of strkey it is, in words for an error.
fn kind_of(strkey: &Strkey) -> &'static str {
    match strkey {
        Strkey::PublicKeyEd25519(_) => ACCOUNT,
        Strkey::PrivateKeyEd25519(_) => "a secret key S... (not repeated here; keep it out of addresses)",
        Strkey::PreAuthTx(_) => "a pre-authorized transaction hash T...",
        Strkey::HashX(_) => "a hash X...",
        Strkey::MuxedAccountEd25519(_) => "a muxed account M...",
        Strkey::SignedPayloadEd25519(_) => "a signed payload P...",
        Strkey::Contract(_) => CONTRACT,
        Strkey::LiquidityPool(_) => "a liquidity pool L...",
        Strkey::ClaimableBalance(_) => "a claimable balance B...",
    }
}

fn strkey(text: &str, expected: &'static str) -> Result<Strkey, IdError> {
    Strkey::from_string(text).map_err(|_| IdError::NotAStrkey { expected, length: text.chars().count() })
}

impl FromStr for ContractId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<ContractId, IdError> {
        match strkey(text, CONTRACT)? {
            Strkey::Contract(Contract(id)) => Ok(ContractId(id)),
            other => Err(IdError::WrongKind { expected: CONTRACT, got: kind_of(&other) }),
        }
    }
}

impl FromStr for AccountId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<AccountId, IdError> {
        match strkey(text, ACCOUNT)? {
            Strkey::PublicKeyEd25519(ed25519::PublicKey(key)) => Ok(AccountId(key)),
            other => Err(IdError::WrongKind { expected: ACCOUNT, got: kind_of(&other) }),
        }
    }
}

impl FromStr for Address {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Address, IdError> {
        match strkey(text, EITHER)? {
            Strkey::PublicKeyEd25519(ed25519::PublicKey(key)) => Ok(Address::Account(AccountId(key))),
            Strkey::Contract(Contract(id)) => Ok(Address::Contract(ContractId(id))),
            other => Err(IdError::WrongKind { expected: EITHER, got: kind_of(&other) }),
        }
    }
}

impl fmt::Display for ContractId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&Contract(self.0).to_string())
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&ed25519::PublicKey(self.0).to_string())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Account(account) => account.fmt(f),
            Address::Contract(contract) => contract.fmt(f),
        }
    }
}

macro_rules! hex_id {
    ($type:ident, $expected:literal) => {
        impl FromStr for $type {
            type Err = IdError;

            fn from_str(text: &str) -> Result<$type, IdError> {
                let mut bytes = [0; 32];
                bytes_from_hex(text, &mut bytes).map_err(|source| IdError::Hex { expected: $expected, source })?;
                Ok($type(bytes))
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&hex::encode(self.0))
            }
        }
    };
}
hex_id!(WasmHash, "a Wasm hash");
hex_id!(NetworkId, "a network id");

macro_rules! debug_as_display {
    ($($type:ident),*) => {$(
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($type), "({})"), self)
            }
        }
    )*};
}
debug_as_display!(ContractId, AccountId, WasmHash, NetworkId, Address);

serde_as_text!(ContractId, "a contract address C... as a string");
serde_as_text!(AccountId, "an account address G... as a string");
serde_as_text!(Address, "an account address G... or a contract address C... as a string");
serde_as_text!(WasmHash, "a Wasm hash of 64 hexadecimal digits as a string");
serde_as_text!(NetworkId, "a network id of 64 hexadecimal digits as a string");

#[cfg(test)]
mod tests;
