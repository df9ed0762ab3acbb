//! A commitment: "the recipient may have N in total", as bytes, signed and checked exactly as the chain does.

use std::fmt;
use std::str::FromStr;

use stellar_xdr::{Limits, ReadXdr, ScMap, ScMapEntry, ScVal, WriteXdr};

use crate::scval::{self, i128_of, symbol};
use crate::text::{bytes_from_hex, serde_as_text};
use crate::{
    Address, Amount, BadSignature, CommitmentError, CommitmentKey, CommitmentSecret, ContractId, HexError, NetworkId,
};

/// What the funder signs: the recipient of `channel` on `network` may have `amount` base units in total.
///
/// The amount is cumulative: a higher commitment replaces every lower one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Commitment {
    /// The network, so that a signature is worth nothing on another one.
    pub network: NetworkId,
    /// The channel, so that a signature is worth nothing for another one.
    pub channel: ContractId,
    /// The total over the channel's life, in base units.
    pub amount: Amount,
}

/// The length of every commitment in bytes. Each field has a fixed size in XDR.
const LENGTH: usize = 192;

/// Separates these signatures from any other use of the key.
const DOMAIN: &str = "chancmmt";

impl Commitment {
    /// The bytes that are signed: XDR of
    /// `ScVal::Map{ amount: I128, channel: Address, domain: Symbol("chancmmt"), network: Bytes(32) }`, keys in this
    /// (sorted) order. The contract's `prepare_commitment` gives the same.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let entries = [
            ("amount", scval::amount(self.amount)),
            ("channel", ScVal::Address(self.channel.to_sc())),
            ("domain", symbol(DOMAIN)),
            ("network", scval::bytes(self.network.0)),
        ]
        .map(|(name, val)| ScMapEntry { key: symbol(name), val });
        let map = ScMap(entries.to_vec().try_into().expect("four entries fit a map"));
        ScVal::Map(Some(map)).to_xdr(limits()).expect("192 bytes, four levels deep, are within the limits")
    }

    /// Reads a commitment from its bytes.
    ///
    /// # Errors
    /// [`CommitmentError`] unless the bytes are exactly what [`Commitment::to_bytes`] writes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CommitmentError> {
        use CommitmentError::NotACommitment;
        if bytes.len() != LENGTH {
            return Err(CommitmentError::Length { expected: LENGTH, given: bytes.len() });
        }
        let value = ScVal::from_xdr(bytes, limits()).map_err(|_| CommitmentError::NotXdr)?;
        let ScVal::Map(Some(map)) = value else {
            return Err(NotACommitment("this is no map"));
        };
        let [amount, channel, domain, network] = map.0.as_slice() else {
            return Err(NotACommitment("this map does not have four entries"));
        };
        let names = [amount, channel, domain, network].map(|entry| &entry.key);
        if names != [&symbol("amount"), &symbol("channel"), &symbol("domain"), &symbol("network")] {
            return Err(NotACommitment("this map has other keys"));
        }
        if domain.val != symbol(DOMAIN) {
            return Err(NotACommitment("this map has another domain"));
        }
        let ScVal::I128(amount) = &amount.val else {
            return Err(NotACommitment("the amount is no i128"));
        };
        let ScVal::Address(channel) = &channel.val else {
            return Err(NotACommitment("the channel is no address"));
        };
        let Ok(Address::Contract(channel)) = Address::from_sc(channel) else {
            return Err(NotACommitment("the channel is no contract"));
        };
        let ScVal::Bytes(network) = &network.val else {
            return Err(NotACommitment("the network is not bytes"));
        };
        let Ok(network) = <[u8; 32]>::try_from(network.as_slice()) else {
            return Err(NotACommitment("the network is not 32 bytes"));
        };
        let amount = Amount::new(i128_of(amount))?;
        Ok(Commitment { network: NetworkId(network), channel, amount })
    }

    /// Signs it as the funder.
    #[must_use]
    pub fn sign(&self, secret: &CommitmentSecret) -> Signature {
        secret.sign(&self.to_bytes())
    }

    /// Accepts a signature exactly when the chain would, given a key that [`CommitmentKey::from_bytes`] accepts.
    ///
    /// It checks one signature at a time with `verify_strict`, which is what the Soroban host calls (soroban-env-host,
    /// `src/crypto/mod.rs`): batch and lenient verification accept signatures that the chain refuses.
    ///
    /// # Errors
    /// [`BadSignature`], without a closer reason: every bad signature is worth nothing to the recipient.
    pub fn verify(&self, key: &CommitmentKey, signature: &Signature) -> Result<(), BadSignature> {
        key.verify(&self.to_bytes(), signature)
    }
}

/// The limits for reading foreign bytes: no deeper and no longer than a commitment.
fn limits() -> Limits {
    Limits { depth: 10, len: LENGTH }
}

/// An ed25519 signature. As text it is 128 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signature(pub [u8; 64]);

impl FromStr for Signature {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Signature, HexError> {
        let mut bytes = [0; 64];
        bytes_from_hex(text, &mut bytes)?;
        Ok(Signature(bytes))
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.0))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({self})")
    }
}

serde_as_text!(Signature, "a signature of 128 hexadecimal digits as a string");

#[cfg(test)]
mod tests;
