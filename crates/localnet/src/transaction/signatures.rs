//! Who signed, and whether that is enough.

use ed25519_dalek::{Signature, VerifyingKey};
use stellar_xdr::{AccountEntry, AccountId, DecoratedSignature, SignerKey};

use crate::ledger::accounts::public_key;

/// How much weight an operation needs: which of the account's thresholds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Threshold {
    Low,
    Medium,
    High,
}

impl Threshold {
    /// The weight that this account asks for.
    pub(crate) fn of(self, account: &AccountEntry) -> u32 {
        let [_, low, medium, high] = account.thresholds.0;
        u32::from(match self {
            Self::Low => low,
            Self::Medium => medium,
            Self::High => high,
        })
    }
}

/// Checks a transaction's signatures and remembers which of them were needed.
pub(crate) struct SignatureChecker<'a> {
    hash: [u8; 32],
    signatures: &'a [DecoratedSignature],
    used: Vec<bool>,
}

impl<'a> SignatureChecker<'a> {
    pub(crate) fn new(hash: [u8; 32], signatures: &'a [DecoratedSignature]) -> Self {
        Self { hash, signatures, used: vec![false; signatures.len()] }
    }

    /// Do the account's own key and signers that signed weigh at least `needed`? One valid signature is needed even
    /// when the threshold is 0.
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

    /// Did the key of an account that doesn't exist (yet) sign?
    pub(crate) fn key_signed(&mut self, id: &AccountId) -> bool {
        self.signed(vec![(public_key(id), 1)], 0)
    }

    /// Did every extra signer (CAP-21) sign?
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

    /// Was every signature needed by somebody?
    pub(crate) fn all_used(&self) -> bool {
        self.used.iter().all(|used| *used)
    }
}

/// The hint is the key's last four bytes; it spares trying every key.
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
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use ed25519_dalek::{Signer as _, SigningKey};
    use stellar_xdr::{Signature as XdrSignature, SignatureHint, Signer, Thresholds, Uint256};

    use super::*;
    use crate::ledger::accounts::{account_id, new_account};

    const HASH: [u8; 32] = [9; 32];

    fn key(n: u8) -> SigningKey {
        SigningKey::from_bytes(&[n; 32])
    }

    fn sign(key: &SigningKey) -> DecoratedSignature {
        let public = key.verifying_key().to_bytes();
        DecoratedSignature {
            hint: SignatureHint(public[28..].try_into().unwrap()),
            signature: XdrSignature(key.sign(&HASH).to_bytes().to_vec().try_into().unwrap()),
        }
    }

    fn account(master: u8, medium: u8, signers: &[(u8, u32)]) -> AccountEntry {
        let mut account = new_account(account_id(key(1).verifying_key().to_bytes()), 0, 1);
        account.thresholds = Thresholds([master, 0, medium, 0]);
        let signers: Vec<_> = signers
            .iter()
            .map(|(n, weight)| Signer {
                key: SignerKey::Ed25519(Uint256(key(*n).verifying_key().to_bytes())),
                weight: *weight,
            })
            .collect();
        account.signers = signers.try_into().unwrap();
        account
    }

    #[test]
    fn weights_add_up_to_the_threshold() {
        let account = account(1, 3, &[(2, 1), (3, 2)]);
        let needed = Threshold::Medium.of(&account);
        let cases: [(&[u8], bool); 4] = [(&[1], false), (&[1, 2], false), (&[1, 3], true), (&[2, 3], true)];
        for (signed_by, enough) in cases {
            let signatures: Vec<_> = signed_by.iter().map(|n| sign(&key(*n))).collect();
            let mut checker = SignatureChecker::new(HASH, &signatures);
            assert_eq!(checker.account_signed(&account, needed), enough, "{signed_by:?}");
        }
    }

    #[test]
    fn the_same_key_counts_once() {
        let account = account(2, 3, &[]);
        let signatures = [sign(&key(1)), sign(&key(1))];
        assert!(!SignatureChecker::new(HASH, &signatures).account_signed(&account, 3));
    }

    #[test]
    fn a_threshold_of_zero_still_asks_for_a_signature() {
        let account = account(1, 0, &[]);
        assert!(!SignatureChecker::new(HASH, &[]).account_signed(&account, 0));
        assert!(!SignatureChecker::new(HASH, &[sign(&key(2))]).account_signed(&account, 0));
        assert!(SignatureChecker::new(HASH, &[sign(&key(1))]).account_signed(&account, 0));
    }

    #[test]
    fn a_master_key_of_weight_zero_is_no_signer() {
        let account = account(0, 0, &[(2, 1)]);
        assert!(!SignatureChecker::new(HASH, &[sign(&key(1))]).account_signed(&account, 0));
        assert!(SignatureChecker::new(HASH, &[sign(&key(2))]).account_signed(&account, 0));
    }

    #[test]
    fn a_wrong_hint_or_a_changed_byte_is_no_signature_and_stays_unused() {
        let account = account(1, 0, &[]);
        let mut wrong_hint = sign(&key(1));
        wrong_hint.hint = SignatureHint([0; 4]);
        let mut changed = sign(&key(1));
        changed.signature = XdrSignature(vec![0; 64].try_into().unwrap());
        for signature in [wrong_hint, changed] {
            let signatures = [signature];
            let mut checker = SignatureChecker::new(HASH, &signatures);
            assert!(!checker.account_signed(&account, 0));
            assert!(!checker.all_used());
        }
    }
}
