use ed25519_dalek::VerifyingKey;
use paychan_contract::Error;

use crate::env::{Code, Terms, TestEnv, refused};

on_both!(
    every_encoding_of_a_small_order_key_is_refused,
    the_neighbours_of_small_order_keys_pass,
    keys_off_the_curve_pass_and_can_never_settle,
);

/// The encodings are derived here, and not copied from the contract: the y-coordinates of all 8 points of the torsion
/// subgroup, each as it is and, where the sum fits into 255 bits, with p added. Each comes with the sign bit clear and
/// with it set.
fn small_order_encodings() -> Vec<[u8; 32]> {
    let mut encodings = Vec::new();
    for point in curve25519_dalek::constants::EIGHT_TORSION {
        let mut y = point.compress().to_bytes();
        y[31] &= 0x7f;
        for candidate in [Some(y), plus_p(y)].into_iter().flatten() {
            for sign in [0x00, 0x80] {
                let mut encoding = candidate;
                encoding[31] |= sign;
                encodings.push(encoding);
            }
        }
    }
    encodings.sort_unstable();
    encodings.dedup();
    encodings
}

/// The value of y + 2^255 − 19 where it is below 2^255, which is where y is below 19.
fn plus_p(y: [u8; 32]) -> Option<[u8; 32]> {
    let small = y[1..] == [0; 31] && y[0] < 19;
    small.then(|| {
        let mut sum = [0xff; 32];
        sum[0] = 0xed + y[0];
        sum[31] = 0x7f;
        sum
    })
}

fn every_encoding_of_a_small_order_key_is_refused(code: Code) {
    let encodings = small_order_encodings();
    assert_eq!(
        encodings.len(),
        14,
        "there are 5 y-coordinates, two of which have a second form, and each has two signs"
    );
    for commitment_key in encodings {
        // Strict decoders refuse a sign bit where x is 0. Those that accept it get a weak point.
        if let Ok(key) = VerifyingKey::from_bytes(&commitment_key) {
            assert!(key.is_weak(), "{}", hex::encode(commitment_key));
        }
        let test = TestEnv::without_channel(code);
        let terms = Terms { commitment_key, ..test.terms() };
        assert_eq!(test.try_open(&terms), refused(Error::WeakCommitmentKey), "{}", hex::encode(commitment_key));
    }
}

fn the_neighbours_of_small_order_keys_pass(code: Code) {
    for mut commitment_key in small_order_encodings() {
        commitment_key[16] ^= 1;
        let test = TestEnv::without_channel(code);
        let terms = Terms { commitment_key, ..test.terms() };
        assert_eq!(test.try_open(&terms), Ok(()), "{}", hex::encode(commitment_key));
    }
}

fn keys_off_the_curve_pass_and_can_never_settle(code: Code) {
    let commitment_key =
        (2..=255u8).map(|byte| [byte; 32]).find(|bytes| VerifyingKey::from_bytes(bytes).is_err()).unwrap();
    let test = TestEnv::without_channel(code);
    assert_eq!(test.try_open(&Terms { commitment_key, ..test.terms() }), Ok(()));
    assert_eq!(test.settle(1), Err(crate::env::Refusal::Host));
}
