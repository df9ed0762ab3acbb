//! [`Commitment::verify`] accepts a signature exactly when the contract does. Both get the same inputs, and the
//! contract is the Wasm that gets deployed, on the real host.
//!
//! Inputs are what a dishonest funder or recipient can make: flipped bits, keys and nonces with a torsion component
//! (whose owners can make signatures that lenient and batch verifiers accept), scalars that are not reduced, encodings
//! that are not canonical.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT as B, EIGHT_TORSION};
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity;
use paychan_channel::{Amount, Commitment, CommitmentKey, ContractId, NetworkId, Signature};
use paychan_contract::{ChannelArgs, ChannelClient};
use proptest::prelude::*;
use sha2::{Digest, Sha512};
use soroban_sdk::testutils::{Address as _, EnvTestConfig, Ledger as _};
use soroban_sdk::token::StellarAssetClient;
use soroban_sdk::xdr::{self, ScAddress};
use soroban_sdk::{Address, BytesN, Env, TryFromVal};

/// How an input is made.
#[derive(Debug, Clone)]
enum InputKind {
    Honest,
    FlippedBit {
        bit: usize,
    },
    ForAnotherAmount {
        amount: i128,
    },
    ForAnotherNetwork {
        network: [u8; 32],
    },
    ForAnotherChannel {
        channel: [u8; 32],
    },
    ByAnotherKey {
        secret: Scalar,
    },
    /// S + L in place of S.
    UnreducedScalar,
    /// A + T is the key, or R + T is the nonce, or both, and the owner of a signs. With `cancels` the nonce is one for
    /// which the torsions of [k]A and of R cancel out; without it, one for which they don't.
    MixedOrder {
        key: usize,
        nonce: usize,
        cancels: bool,
    },
    /// R = T, S = k·a.
    SmallOrderNonce {
        torsion: usize,
    },
    /// The same with an R written as y + p, or with a sign that its x doesn't have.
    NonCanonicalNonce {
        y: u8,
        sign: bool,
    },
    /// A key of small order in any of its encodings, under which S = r verifies wherever the verifier ignores the
    /// torsion.
    WeakKey {
        torsion: usize,
        beyond_p: bool,
        sign: bool,
    },
    /// A key written as y + p.
    NonCanonicalKey {
        y: u8,
        sign: bool,
    },
    Noise {
        key: [u8; 32],
        signature: [u8; 64],
    },
}

/// One input for both verifiers, and the answer that both should give.
#[derive(Debug)]
struct Input {
    key: [u8; 32],
    signature: [u8; 64],
    expected: bool,
}

/// The challenge k of RFC 8032.
fn challenge(nonce: &[u8; 32], key: &[u8; 32], commitment: &Commitment) -> Scalar {
    let digest = Sha512::new().chain_update(nonce).chain_update(key).chain_update(commitment.to_bytes());
    Scalar::from_bytes_mod_order_wide(&digest.finalize().into())
}

fn joined(nonce: [u8; 32], scalar: [u8; 32]) -> [u8; 64] {
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&nonce);
    signature[32..].copy_from_slice(&scalar);
    signature
}

/// A signature that the owner of `secret` makes for a key that is `secret`·B plus some torsion; and its challenge k.
fn sign(secret: Scalar, r: Scalar, nonce: EdwardsPoint, key: &[u8; 32], of: &Commitment) -> ([u8; 64], Scalar) {
    let nonce = nonce.compress().to_bytes();
    let k = challenge(&nonce, key, of);
    (joined(nonce, (r + k * secret).to_bytes()), k)
}

fn plain(secret: Scalar, r: Scalar, of: &Commitment) -> Input {
    let key = (secret * B).compress().to_bytes();
    let (signature, _) = sign(secret, r, r * B, &key, of);
    Input { key, signature, expected: true }
}

/// `value` + L, the order of B (RFC 8032): another way to write the same scalar.
fn plus_order(value: [u8; 32]) -> [u8; 32] {
    let below = (Scalar::ZERO - Scalar::ONE).to_bytes();
    let mut carry = 1;
    let mut sum = [0; 32];
    for i in 0..32 {
        let digit = u16::from(value[i]) + u16::from(below[i]) + carry;
        sum[i] = digit.to_le_bytes()[0];
        carry = digit >> 8;
    }
    sum
}

/// `y` + p, p = 2^255 − 19, for y below 19; with this sign bit.
fn beyond_p(y: u8, sign: bool) -> [u8; 32] {
    let mut bytes = [0xff; 32];
    bytes[0] = 0xed + y;
    bytes[31] = if sign { 0xff } else { 0x7f };
    bytes
}

fn make(kind: &InputKind, secret: Scalar, r: Scalar, commitment: &Commitment) -> Input {
    let honest = plain(secret, r, commitment);
    let refused = |key, signature| Input { key, signature, expected: false };
    match kind {
        InputKind::Honest => honest,
        InputKind::FlippedBit { bit } => {
            let mut signature = honest.signature;
            signature[bit / 8] ^= 1 << (bit % 8);
            refused(honest.key, signature)
        }
        InputKind::ForAnotherAmount { amount } => {
            let amount = Amount::new(*amount).unwrap();
            let other = Commitment { amount, ..*commitment };
            Input { expected: amount == commitment.amount, ..plain(secret, r, &other) }
        }
        InputKind::ForAnotherNetwork { network } => {
            let other = Commitment { network: NetworkId(*network), ..*commitment };
            Input { expected: other == *commitment, ..plain(secret, r, &other) }
        }
        InputKind::ForAnotherChannel { channel } => {
            let other = Commitment { channel: ContractId(*channel), ..*commitment };
            Input { expected: other == *commitment, ..plain(secret, r, &other) }
        }
        InputKind::ByAnotherKey { secret: other } => {
            Input { key: honest.key, expected: *other == secret, ..plain(*other, r, commitment) }
        }
        InputKind::UnreducedScalar => {
            let mut scalar = [0; 32];
            scalar.copy_from_slice(&honest.signature[32..]);
            let mut nonce = [0; 32];
            nonce.copy_from_slice(&honest.signature[..32]);
            refused(honest.key, joined(nonce, plus_order(scalar)))
        }
        InputKind::MixedOrder { key, nonce, cancels } => {
            let (key_torsion, nonce_torsion) = (EIGHT_TORSION[*key], EIGHT_TORSION[*nonce]);
            let key = (secret * B + key_torsion).compress().to_bytes();
            let mut r = r;
            // [S]B − [k](A + T) = R + T' exactly when [k]T + T' is the identity: one nonce in eight, or in two.
            let tries = (0..500).map(|_| {
                r += Scalar::ONE;
                let (signature, k) = sign(secret, r, r * B + nonce_torsion, &key, commitment);
                let expected = (k * key_torsion + nonce_torsion).is_identity();
                Input { key, signature, expected }
            });
            let mut last = None;
            for input in tries {
                let found = input.expected == *cancels;
                last = Some(input);
                if found {
                    break;
                }
            }
            last.unwrap()
        }
        InputKind::SmallOrderNonce { torsion } => {
            let (signature, _) = sign(secret, Scalar::ZERO, EIGHT_TORSION[*torsion], &honest.key, commitment);
            refused(honest.key, signature)
        }
        InputKind::NonCanonicalNonce { y, sign } => {
            let nonce = beyond_p(*y, *sign);
            let k = challenge(&nonce, &honest.key, commitment);
            refused(honest.key, joined(nonce, (k * secret).to_bytes()))
        }
        InputKind::WeakKey { torsion, beyond_p: beyond, sign } => {
            let mut key = EIGHT_TORSION[*torsion].compress().to_bytes();
            key[31] &= 0x7f;
            if *beyond && key[0] < 19 && key[1..] == [0; 31] {
                key = beyond_p(key[0], false);
            }
            key[31] |= u8::from(*sign) << 7;
            refused(key, joined((r * B).compress().to_bytes(), r.to_bytes()))
        }
        InputKind::NonCanonicalKey { y, sign } => {
            refused(beyond_p(*y, *sign), joined((r * B).compress().to_bytes(), r.to_bytes()))
        }
        InputKind::Noise { key, signature } => refused(*key, *signature),
    }
}

fn off_chain(commitment: &Commitment, input: &Input) -> bool {
    CommitmentKey::from_bytes(input.key).is_ok_and(|key| commitment.verify(&key, &Signature(input.signature)).is_ok())
}

fn wasm() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/contracts/paychan_contract.wasm");
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}; run scripts/build-contracts.sh", path.display()))
}

/// Opens the channel of this commitment on its network, with the largest deposit. `None` when the constructor refuses
/// the key.
fn open(commitment: &Commitment, key: [u8; 32]) -> Option<ChannelClient<'static>> {
    let env = Env::new_with_config(EnvTestConfig { capture_snapshot_at_drop: false });
    env.mock_all_auths();
    env.ledger().set_network_id(commitment.network.0);
    let token = env.register_stellar_asset_contract_v2(Address::generate(&env)).address();
    let (from, to) = (Address::generate(&env), Address::generate(&env));
    StellarAssetClient::new(&env, &token).mint(&from, &i128::MAX);
    let channel = ScAddress::Contract(xdr::ContractId(xdr::Hash(commitment.channel.0)));
    let channel = Address::try_from_val(&env, &channel).unwrap();
    let key = BytesN::from_array(&env, &key);
    let args = ChannelArgs::__constructor(&token, &from, &key, &to, &i128::MAX, &100);
    let wasm = wasm();
    catch_unwind(AssertUnwindSafe(|| env.register_at(&channel, wasm.as_slice(), args))).ok()?;
    Some(ChannelClient::new(&env, &channel))
}

fn on_chain(commitment: &Commitment, input: &Input) -> bool {
    open(commitment, input.key).is_some_and(|channel| {
        let signature = BytesN::from_array(&channel.env, &input.signature);
        channel.try_settle(&commitment.amount.get(), &signature).is_ok()
    })
}

fn scalar() -> impl Strategy<Value = Scalar> {
    any::<[u8; 32]>()
        .prop_map(Scalar::from_bytes_mod_order)
        .prop_filter("zero is no secret", |scalar| *scalar != Scalar::ZERO)
}

fn kind() -> impl Strategy<Value = InputKind> {
    let noise = (any::<[u8; 32]>(), any::<[u8; 32]>(), any::<[u8; 32]>());
    prop_oneof![
        1 => Just(InputKind::Honest),
        1 => (0usize..512).prop_map(|bit| InputKind::FlippedBit { bit }),
        1 => (0..=i128::MAX).prop_map(|amount| InputKind::ForAnotherAmount { amount }),
        1 => any::<[u8; 32]>().prop_map(|network| InputKind::ForAnotherNetwork { network }),
        1 => any::<[u8; 32]>().prop_map(|channel| InputKind::ForAnotherChannel { channel }),
        1 => scalar().prop_map(|secret| InputKind::ByAnotherKey { secret }),
        1 => Just(InputKind::UnreducedScalar),
        4 => (0usize..8, 0usize..8, any::<bool>())
            .prop_map(|(key, nonce, cancels)| InputKind::MixedOrder { key, nonce, cancels }),
        1 => (0usize..8).prop_map(|torsion| InputKind::SmallOrderNonce { torsion }),
        1 => (0u8..19, any::<bool>()).prop_map(|(y, sign)| InputKind::NonCanonicalNonce { y, sign }),
        1 => (0usize..8, any::<bool>(), any::<bool>())
            .prop_map(|(torsion, beyond_p, sign)| InputKind::WeakKey { torsion, beyond_p, sign }),
        1 => (0u8..19, any::<bool>()).prop_map(|(y, sign)| InputKind::NonCanonicalKey { y, sign }),
        1 => noise.prop_map(|(key, nonce, scalar)| InputKind::Noise { key, signature: joined(nonce, scalar) }),
    ]
}

fn commitment() -> impl Strategy<Value = Commitment> {
    let amount = prop_oneof![0..=i128::MAX, 0..1_000_000_000i128, Just(i128::MAX)];
    (any::<[u8; 32]>(), any::<[u8; 32]>(), amount).prop_map(|(network, channel, amount)| Commitment {
        network: NetworkId(network),
        channel: ContractId(channel),
        amount: Amount::new(amount).unwrap(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn verify_accepts_exactly_what_the_contract_accepts(
        kind in kind(), secret in scalar(), r in scalar(), commitment in commitment(),
    ) {
        let input = make(&kind, secret, r, &commitment);
        prop_assert_eq!(on_chain(&commitment, &input), input.expected, "the contract");
        prop_assert_eq!(off_chain(&commitment, &input), input.expected, "Commitment::verify");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]

    #[test]
    fn the_contract_gives_the_same_bytes_to_sign(commitment in commitment(), secret in scalar()) {
        let key = (secret * B).compress().to_bytes();
        let channel = open(&commitment, key).unwrap();
        let bytes = channel.prepare_commitment(&commitment.amount.get()).iter().collect::<Vec<_>>();
        prop_assert_eq!(bytes, commitment.to_bytes());
    }
}

/// Random inputs might all be judged alike. This test goes through the cases in which verifiers differ, one by one.
#[test]
fn every_way_to_mix_orders_is_judged_alike() {
    let (secret, r) = (Scalar::from(0x5eed_u64), Scalar::from(0x1234_u64));
    let commitment =
        Commitment { network: NetworkId([1; 32]), channel: ContractId([2; 32]), amount: Amount::new(12_345).unwrap() };
    let (mut yes, mut no) = (0, 0);
    for key in 0..8 {
        for nonce in 0..8 {
            for cancels in [false, true] {
                let kind = InputKind::MixedOrder { key, nonce, cancels };
                let input = make(&kind, secret, r, &commitment);
                assert_eq!(on_chain(&commitment, &input), input.expected, "the contract: {kind:?}");
                assert_eq!(off_chain(&commitment, &input), input.expected, "verify: {kind:?}");
                *if input.expected { &mut yes } else { &mut no } += 1;
            }
        }
    }
    // [k]T reaches the inverse of T' when T' lies in the group that T generates: 1·1 + 1·2 + 2·4 + 4·8 pairs of 64.
    // Only without torsion on either side, no nonce fails to cancel.
    assert_eq!((yes, no), (43 + 1, 63 + 21));
}
