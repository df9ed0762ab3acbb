#![allow(clippy::unwrap_used, reason = "a test that fails should stop where it fails")]

use super::*;
use proptest::prelude::*;

/// What the contract's `prepare_commitment` gives for [`vector`].
const VECTOR: &str = "0000001100000001000000040000000f00000006616d6f756e7400000000000a000000000000000000000000005b8d80\
    0000000f000000076368616e6e656c000000001200000001aad69540ba64c342f58814cae4dd82d717ba777d7633c81c09e0f49106d1dd8c\
    0000000f00000006646f6d61696e00000000000f000000086368616e636d6d740000000f000000076e6574776f726b000000000d00000020\
    baefd734b8d3e48472cff83912375fedbc7573701912fe308af730180f97d74a";

fn vector() -> Commitment {
    Commitment {
        network: NetworkId::of("Standalone Network ; February 2017"),
        channel: "CCVNNFKAXJSMGQXVRAKMVZG5QLLRPOTXPV3DHSA4BHQPJEIG2HOYZYLZ".parse().unwrap(),
        amount: Amount::new(6_000_000).unwrap(),
    }
}

fn any_commitment() -> impl Strategy<Value = Commitment> {
    (any::<[u8; 32]>(), any::<[u8; 32]>(), 0..=i128::MAX).prop_map(|(network, channel, amount)| Commitment {
        network: NetworkId(network),
        channel: ContractId(channel),
        amount: Amount::new(amount).unwrap(),
    })
}

#[test]
fn the_bytes_are_those_of_the_contract() {
    assert_eq!(hex::encode(vector().to_bytes()), VECTOR);
    assert_eq!(Commitment::from_bytes(&hex::decode(VECTOR).unwrap()), Ok(vector()));
}

#[test]
fn a_changed_bit_gives_another_commitment_or_an_error() {
    let bytes = vector().to_bytes();
    for index in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[index] ^= 1 << bit;
            assert_ne!(Commitment::from_bytes(&changed), Ok(vector()), "byte {index} bit {bit}");
        }
    }
}

#[test]
fn each_malformed_commitment_has_its_own_error_kind() {
    use CommitmentError::{Amount as NoAmount, Length, NotACommitment, NotXdr};
    let bytes = vector().to_bytes();
    assert_eq!(Commitment::from_bytes(&bytes[1..]), Err(Length { expected: LENGTH, given: 191 }));
    assert_eq!(Commitment::from_bytes(&[]), Err(Length { expected: LENGTH, given: 0 }));
    assert_eq!(Commitment::from_bytes(&[0xff; LENGTH]), Err(NotXdr));
    let put = |at: usize, new: &[u8]| {
        let mut changed = bytes.clone();
        changed[at..at + new.len()].copy_from_slice(new);
        Commitment::from_bytes(&changed)
    };
    let find = |part: &[u8]| bytes.windows(part.len()).position(|window| window == part).unwrap();
    assert!(matches!(put(find(b"chancmmt"), b"chancmmT"), Err(NotACommitment(_))));
    assert!(matches!(put(find(b"network"), b"netwerk"), Err(NotACommitment(_))));
    let minus_one = put(find(b"amount") + 8 + 4, &[0xff; 16]);
    assert_eq!(minus_one, Err(NoAmount(crate::AmountError::Negative)));
}

#[test]
fn a_signature_is_for_one_amount_one_channel_and_one_network() {
    let secret = CommitmentSecret::generate().unwrap();
    let (key, commitment) = (secret.public(), vector());
    let signature = commitment.sign(&secret);
    assert_eq!(commitment.verify(&key, &signature), Ok(()));
    let higher = Commitment { amount: Amount::new(6_000_001).unwrap(), ..commitment };
    let elsewhere = Commitment { channel: ContractId([9; 32]), ..commitment };
    let other_network = Commitment { network: NetworkId([9; 32]), ..commitment };
    for other in [higher, elsewhere, other_network] {
        assert_eq!(other.verify(&key, &signature), Err(BadSignature));
    }
    let stranger = CommitmentSecret::generate().unwrap().public();
    assert_eq!(commitment.verify(&stranger, &signature), Err(BadSignature));
}

#[test]
fn a_signature_of_63_bytes_is_refused_with_the_count() {
    let error = "ab".repeat(63).parse::<Signature>().unwrap_err();
    assert_eq!(error.to_string(), "expected 128 hexadecimal digits (64 bytes), got 126");
    assert!("zz".repeat(64).parse::<Signature>().is_err());
}

#[test]
fn a_seed_in_hex_gives_the_key_of_rfc_8032() {
    // RFC 8032, 7.1, test 1.
    let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    let secret = CommitmentSecret::from_seed_hex(seed).unwrap();
    assert_eq!(secret.public().to_string(), "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    assert_eq!(secret.seed_hex().as_str(), seed);
}

#[test]
fn a_mistyped_seed_is_not_repeated() {
    let Err(error) = CommitmentSecret::from_seed_hex("9d61b19") else { panic!("a short seed was taken") };
    assert_eq!(error.to_string(), "not a commitment key: expected 64 hexadecimal digits (32 bytes), got 7");
}

proptest! {
    #[test]
    fn a_commitment_is_read_back_from_its_bytes(commitment in any_commitment()) {
        let bytes = commitment.to_bytes();
        prop_assert_eq!(bytes.len(), LENGTH);
        prop_assert_eq!(Commitment::from_bytes(&bytes), Ok(commitment));
    }

    #[test]
    fn bytes_that_can_be_read_are_exactly_those_that_are_written(
        index in 0..LENGTH, byte: u8, commitment in any_commitment(),
    ) {
        let mut bytes = commitment.to_bytes();
        bytes[index] = byte;
        if let Ok(read) = Commitment::from_bytes(&bytes) {
            prop_assert_eq!(read.to_bytes(), bytes);
        }
    }

    #[test]
    fn no_bytes_make_reading_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Commitment::from_bytes(&bytes);
    }

    #[test]
    fn a_signed_commitment_verifies(commitment in any_commitment(), seed: [u8; 32]) {
        let secret = CommitmentSecret::from_seed_hex(&hex::encode(seed)).unwrap();
        prop_assert_eq!(commitment.verify(&secret.public(), &commitment.sign(&secret)), Ok(()));
    }
}
