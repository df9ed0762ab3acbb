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
