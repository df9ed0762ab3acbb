//! Tests signatures about which verifiers disagree: a signature counts here exactly when it counts on chain.

use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT as B, EIGHT_TORSION};
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity;
use paychan_channel::{
    Amount, BadSignature, Commitment, CommitmentKey, CommitmentSecret, ContractId, KeyError, NetworkId, Signature,
};
use proptest::prelude::*;
use sha2::{Digest, Sha512};

fn commitment(amount: i128) -> Commitment {
    Commitment {
        network: NetworkId::of("Standalone Network ; February 2017"),
        channel: ContractId([7; 32]),
        amount: Amount::new(amount).unwrap(),
    }
}

/// RFC 8032's challenge over a commitment.
fn challenge(r: &[u8; 32], key: &[u8; 32], commitment: &Commitment) -> Scalar {
    let digest = Sha512::new().chain_update(r).chain_update(key).chain_update(commitment.to_bytes()).finalize();
    Scalar::from_bytes_mod_order_wide(&digest.into())
}

/// A signature as the owner of `secret` can make it for the key `secret·B + torsion`.
fn sign_with_torsion(secret: Scalar, nonce: Scalar, key: &[u8; 32], commitment: &Commitment) -> (Signature, Scalar) {
    let r = (nonce * B).compress().to_bytes();
    let k = challenge(&r, key, commitment);
    let s = nonce + k * secret;
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&r);
    signature[32..].copy_from_slice(&s.to_bytes());
    (Signature(signature), k)
}

#[test]
fn every_weak_key_is_refused_in_every_encoding() {
    // The order p = 2^255 - 19, so that y + p encodes the same point where it fits.
    const P: [u8; 32] = {
        let mut p = [0xff; 32];
        p[0] = 0xed;
        p[31] = 0x7f;
        p
    };
    let mut refused = 0;
    for point in EIGHT_TORSION {
        let canonical = point.compress().to_bytes();
        let mut encodings = vec![canonical];
        let y_is_small = canonical[1..31].iter().all(|byte| *byte == 0) && canonical[0] < 19;
        if y_is_small {
            let mut beyond = P;
            beyond[0] += canonical[0];
            encodings.push(beyond);
        }
        for encoding in encodings {
            for sign in [0x00, 0x80] {
                let mut bytes = encoding;
                bytes[31] = (bytes[31] & 0x7f) | sign;
                assert_eq!(CommitmentKey::from_bytes(bytes), Err(KeyError::Weak), "{}", hex::encode(bytes));
                refused += 1;
            }
        }
    }
    assert!(refused >= 14, "all encodings were tried, not {refused}");
}

#[test]
fn bytes_off_the_curve_are_no_key() {
    let off: Vec<[u8; 32]> = (0u8..40)
        .map(|y| {
            let mut bytes = [0; 32];
            bytes[0] = y;
            bytes[5] = 1;
            bytes
        })
        .filter(|bytes| curve25519_dalek::edwards::CompressedEdwardsY(*bytes).decompress().is_none())
        .collect();
    assert!(!off.is_empty());
    for bytes in off {
        assert_eq!(CommitmentKey::from_bytes(bytes), Err(KeyError::OffCurve));
    }
}

#[test]
fn a_signature_with_a_scalar_not_reduced_is_refused() {
    let secret = CommitmentSecret::generate().unwrap();
    let commitment = commitment(5);
    let mut signature = commitment.sign(&secret);
    assert_eq!(commitment.verify(&secret.public(), &signature), Ok(()));
    // The group order L (RFC 8032): s and s + L mean the same scalar.
    let order: [u8; 32] = (Scalar::ZERO - Scalar::ONE).to_bytes();
    let mut carry = 1u16; // order is L - 1
    for (byte, add) in signature.0[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = u8::try_from(sum & 0xff).unwrap();
        carry = sum >> 8;
    }
    assert_eq!(commitment.verify(&secret.public(), &signature), Err(BadSignature));
}

#[test]
fn a_signature_with_a_weak_nonce_is_refused() {
    // R of small order and s = k·a verifies without `strict` whenever the torsion cancels.
    let a = Scalar::from(7u64);
    let key = (a * B).compress().to_bytes();
    let commitment = commitment(5);
    for torsion in EIGHT_TORSION {
        let r = torsion.compress().to_bytes();
        let s = challenge(&r, &key, &commitment) * a;
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&r);
        signature[32..].copy_from_slice(&s.to_bytes());
        let key = CommitmentKey::from_bytes(key).unwrap();
        assert_eq!(commitment.verify(&key, &Signature(signature)), Err(BadSignature));
    }
}

proptest! {
    /// Batch verification, and any that multiplies by the cofactor, accepts all of these.
    #[test]
    fn under_a_mixed_order_key_only_signatures_whose_torsion_cancels_count(
        secret: [u8; 32], nonce: [u8; 32], torsion in 1usize..8, amount in 1..i128::MAX,
    ) {
        let (secret, nonce) = (Scalar::from_bytes_mod_order(secret), Scalar::from_bytes_mod_order(nonce));
        let torsion: EdwardsPoint = EIGHT_TORSION[torsion];
        let point = secret * B + torsion;
        prop_assume!(!point.is_small_order() && nonce != Scalar::ZERO);
        let bytes = point.compress().to_bytes();
        let key = CommitmentKey::from_bytes(bytes).unwrap();
        let commitment = commitment(amount);
        let (signature, k) = sign_with_torsion(secret, nonce, &bytes, &commitment);
        let cancels = (k * torsion).is_identity();
        prop_assert_eq!(commitment.verify(&key, &signature).is_ok(), cancels);
    }

    #[test]
    fn no_signature_and_no_key_make_verifying_panic(key: [u8; 32], signature in prop::collection::vec(any::<u8>(), 64)) {
        if let Ok(key) = CommitmentKey::from_bytes(key) {
            let signature = Signature(signature.try_into().unwrap());
            prop_assert_eq!(commitment(1).verify(&key, &signature), Err(BadSignature));
        }
    }
}
