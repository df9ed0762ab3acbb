//! Checks who has signed a transaction, and whether that is enough.

use ed25519_dalek::{Signature, VerifyingKey};
use stellar_xdr::{AccountEntry, AccountId, DecoratedSignature, SignerKey};

use crate::ledger::accounts::public_key;

/// Which of the account's thresholds an operation must reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Threshold {
    Low,
    Medium,
    High,
}

impl Threshold {
    /// The weight that this account needs for it.
    pub(crate) fn of(self, account: &AccountEntry) -> u32 {
        let [_, low, medium, high] = account.thresholds.0;
        u32::from(match self {
            Self::Low => low,
            Self::Medium => medium,
            Self::High => high,
        })
    }
}

/// Checks a transaction's signatures, and notes which of them were needed.
pub(crate) struct SignatureChecker<'a> {
    hash: [u8; 32],
    signatures: &'a [DecoratedSignature],
    used: Vec<bool>,
}

impl<'a> SignatureChecker<'a> {
    pub(crate) fn new(hash: [u8; 32], signatures: &'a [DecoratedSignature]) -> Self {
        Self { hash, signatures, used: vec![false; signatures.len()] }
    }

    /// Whether the account's keys that signed weigh at least `needed` together. One valid signature is needed even when
    /// the threshold is 0.
    pub(crate) fn account_signed(&mut self, account: &AccountEntry, needed: u32) -> bool {
        let mut signers = Vec::with_capacity(account.signers.len() + 1);
        let master = u32::from(account.thresholds.0[0]);
        if master > 0 {
            signers.push((public_key(&account.account_id), master));
        }
        signers.extend(account.signers.iter().filter_map(|signer| match &signer.key {
            SignerKey::Ed25519(key) => Some((key.0, signer.weight.min(255))),
            _ => None,
        }));
        self.signed(signers, needed)
    }

    /// Whether the key of an account that doesn't exist yet has signed.
    pub(crate) fn key_signed(&mut self, id: &AccountId) -> bool {
        self.signed(vec![(public_key(id), 1)], 0)
    }

    /// Whether every extra signer (CAP-21) has signed.
    pub(crate) fn extra_signed(&mut self, keys: &[SignerKey]) -> bool {
        keys.iter().all(|key| match key {
            SignerKey::Ed25519(key) => self.signed(vec![(key.0, 1)], 1),
            _ => false,
        })
    }

    fn signed(&mut self, mut signers: Vec<([u8; 32], u32)>, needed: u32) -> bool {
        let mut weight = 0_u32;
        for (index, signature) in self.signatures.iter().enumerate() {
            let Some(at) = signers.iter().position(|(key, _)| is_signature(&self.hash, key, signature)) else {
                continue;
            };
            let (_, signer_weight) = signers.swap_remove(at);
            if let Some(used) = self.used.get_mut(index) {
                *used = true;
            }
            weight = weight.saturating_add(signer_weight);
            if weight >= needed {
                return true;
            }
        }
        false
    }

    /// Whether every signature was needed.
    pub(crate) fn all_used(&self) -> bool {
        self.used.iter().all(|used| *used)
    }
}

/// Whether this is the key's signature. The hint is the last four bytes of the key, so that not every key must be
/// tried.
fn is_signature(hash: &[u8; 32], key: &[u8; 32], signature: &DecoratedSignature) -> bool {
    if key[28..] != signature.hint.0 {
        return false;
    }
    let Ok(bytes) = <[u8; 64]>::try_from(signature.signature.0.as_slice()) else {
        return false;
    };
    let Ok(key) = VerifyingKey::from_bytes(key) else {
        return false;
    };
    key.verify_strict(hash, &Signature::from_bytes(&bytes)).is_ok()
}

#[cfg(test)]
mod tests;
