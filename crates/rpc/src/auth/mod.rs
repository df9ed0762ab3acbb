//! Signs Soroban authorization entries, for accounts that must authorize a call but are not its source.

use paychan_channel::{AccountId, Address, Ledger, NetworkId};
use sha2::{Digest, Sha256};
use stellar_xdr::{
    Hash, HashIdPreimage, HashIdPreimageSorobanAuthorization, HashIdPreimageSorobanAuthorizationWithAddress, Limits,
    ScMap, ScMapEntry, ScSymbol, ScVal, ScVec, SorobanAddressCredentials, SorobanAuthorizationEntry,
    SorobanAuthorizedInvocation, SorobanCredentials, WriteXdr,
};

use crate::SecretKey;

/// Why an authorization can't be given here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The account's key is not among those given.
    #[error("the call needs the authorization of {0}; give its secret key")]
    KeyMissing(AccountId),
    /// A contract must authorize. It has rules of its own and no key.
    #[error("the call needs the authorization of the contract {0}, which no secret key can give")]
    Contract(Address),
    /// A form of authorization that this version does not sign (CAP-71 delegates, or an address of another kind).
    #[error("the call needs an authorization of a form that this version does not sign")]
    UnknownForm,
    /// The entry has no XDR encoding.
    #[error("the authorization has no encoding")]
    NoEncoding,
}

/// Signs an entry as the account that it names. An entry of the transaction's or operation's source is left as it is:
/// the transaction's signature is the authorization.
///
/// The signature is valid up to and including ledger `valid_until`. It has the form that the host expects of classic
/// accounts: a vec of one map `{public_key, signature}` (soroban-env-host, `builtin_contracts/account_contract.rs`).
///
/// # Errors
/// [`AuthError`]; `KeyMissing` when the entry names another account than the key's.
pub fn sign_auth_entry(
    entry: &SorobanAuthorizationEntry,
    key: &SecretKey,
    network: &NetworkId,
    valid_until: Ledger,
) -> Result<SorobanAuthorizationEntry, AuthError> {
    sign_one(entry, &[key], network, valid_until)
}

/// Signs each entry with the key of the account that it names.
///
/// # Errors
/// [`AuthError`] for the first entry that can't be signed.
pub fn sign_auth_entries(
    entries: &[SorobanAuthorizationEntry],
    keys: &[&SecretKey],
    network: &NetworkId,
    valid_until: Ledger,
) -> Result<Vec<SorobanAuthorizationEntry>, AuthError> {
    entries.iter().map(|entry| sign_one(entry, keys, network, valid_until)).collect()
}

/// Whether an entry needs a signature of its own.
#[must_use]
pub fn needs_signature(entry: &SorobanAuthorizationEntry) -> bool {
    !matches!(entry.credentials, SorobanCredentials::SourceAccount)
}

fn sign_one(
    entry: &SorobanAuthorizationEntry,
    keys: &[&SecretKey],
    network: &NetworkId,
    valid_until: Ledger,
) -> Result<SorobanAuthorizationEntry, AuthError> {
    let invocation = &entry.root_invocation;
    let sign = |credentials: &SorobanAddressCredentials, with_address| {
        let address = Address::from_sc(&credentials.address).map_err(|_| AuthError::UnknownForm)?;
        let Address::Account(account) = address else {
            return Err(AuthError::Contract(address));
        };
        let key = keys.iter().find(|key| key.account() == account).ok_or(AuthError::KeyMissing(account))?;
        let mut signed = credentials.clone();
        signed.signature_expiration_ledger = valid_until.0;
        let payload = payload(network, &signed, invocation, with_address)?;
        signed.signature = signature_value(&account, key.sign(&payload));
        Ok(signed)
    };
    let credentials = match &entry.credentials {
        SorobanCredentials::SourceAccount => SorobanCredentials::SourceAccount,
        SorobanCredentials::Address(credentials) => SorobanCredentials::Address(sign(credentials, false)?),
        SorobanCredentials::AddressV2(credentials) => SorobanCredentials::AddressV2(sign(credentials, true)?),
        SorobanCredentials::AddressWithDelegates(_) => return Err(AuthError::UnknownForm),
    };
    Ok(SorobanAuthorizationEntry { credentials, root_invocation: invocation.clone() })
}

/// The hash to sign: SHA-256 of the preimage (CAP-46-11; from CAP-71 on, the preimage includes the address).
fn payload(
    network: &NetworkId,
    credentials: &SorobanAddressCredentials,
    invocation: &SorobanAuthorizedInvocation,
    with_address: bool,
) -> Result<[u8; 32], AuthError> {
    let network_id = Hash(network.0);
    let SorobanAddressCredentials { address, nonce, signature_expiration_ledger, .. } = credentials;
    let preimage = if with_address {
        HashIdPreimage::SorobanAuthorizationWithAddress(HashIdPreimageSorobanAuthorizationWithAddress {
            network_id,
            nonce: *nonce,
            signature_expiration_ledger: *signature_expiration_ledger,
            address: address.clone(),
            invocation: invocation.clone(),
        })
    } else {
        HashIdPreimage::SorobanAuthorization(HashIdPreimageSorobanAuthorization {
            network_id,
            nonce: *nonce,
            signature_expiration_ledger: *signature_expiration_ledger,
            invocation: invocation.clone(),
        })
    };
    let bytes = preimage.to_xdr(Limits::none()).map_err(|_| AuthError::NoEncoding)?;
    Ok(Sha256::digest(bytes).into())
}

fn signature_value(account: &AccountId, signature: [u8; 64]) -> ScVal {
    let field = |name: &'static str, bytes: Vec<u8>| ScMapEntry {
        key: ScVal::Symbol(ScSymbol(name.try_into().expect("the names are short"))),
        val: ScVal::Bytes(bytes.try_into().expect("a key or a signature fits bytes")),
    };
    let fields = vec![field("public_key", account.0.to_vec()), field("signature", signature.to_vec())];
    let map = ScVal::Map(Some(ScMap(fields.try_into().expect("two fields fit a map"))));
    ScVal::Vec(Some(ScVec(vec![map].try_into().expect("one signature fits a vec"))))
}

#[cfg(test)]
mod tests;
