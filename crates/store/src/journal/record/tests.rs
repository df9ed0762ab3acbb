use paychan_channel::{AccountId, Address, Amount, ContractId, Layout, Ledger, Signature, Stroops, WasmHash};
use proptest::prelude::*;

use crate::index::Digest;
use crate::record::Record;
use crate::state::{Channel, Paying};
use crate::{Admission, Decided, Fence, Held, HeldCommitment, Outcome, Purpose, RequestId, SignedTransaction};

fn channel() -> impl Strategy<Value = ContractId> {
    any::<[u8; 32]>().prop_map(ContractId)
}

fn amount() -> impl Strategy<Value = Amount> {
    prop_oneof![Just(0), Just(i128::MAX), 0..=i128::MAX].prop_map(|units| Amount::new(units).unwrap())
}

fn address() -> impl Strategy<Value = Address> {
    prop_oneof![any::<[u8; 32]>().prop_map(|id| Address::Account(AccountId(id))), channel().prop_map(Address::Contract),]
}

fn admission() -> impl Strategy<Value = Admission> {
    (
        (channel(), channel(), address(), address()),
        (any::<[u8; 32]>(), any::<u32>(), any::<[u8; 32]>()),
        prop_oneof![Just(Layout::Paychan), Just(Layout::Reference), Just(Layout::Fork)],
        any::<u32>(),
    )
        .prop_map(
            |((channel, token, from, to), (commitment_key, refund_waiting_period, wasm_hash), layout, admitted_at)| {
                Admission {
                    channel,
                    token,
                    from,
                    to,
                    commitment_key,
                    refund_waiting_period,
                    wasm_hash: WasmHash(wasm_hash),
                    layout,
                    admitted_at: Ledger(admitted_at),
                }
            },
        )
}

fn request_id() -> impl Strategy<Value = RequestId> {
    prop::collection::vec(b' '..=b'~', 1..=64)
        .prop_map(|bytes| RequestId::new(&String::from_utf8(bytes).unwrap()).unwrap())
}

fn commitment() -> impl Strategy<Value = HeldCommitment> {
    (amount(), any::<[[u8; 32]; 2]>(), request_id(), any::<u64>()).prop_map(
        |(amount, halves, request_id, accepted_at_ms)| HeldCommitment {
            amount,
            signature: Signature(halves.concat().try_into().unwrap()),
            request_id,
            accepted_at_ms,
        },
    )
}

fn purpose() -> impl Strategy<Value = Purpose> {
    let channels = || prop::collection::vec(channel(), 0..5);
    prop_oneof![
        (channel(), amount()).prop_map(|(channel, amount)| Purpose::Settle { channel, amount }),
        (channel(), amount()).prop_map(|(channel, amount)| Purpose::Close { channel, amount }),
        channels().prop_map(|channels| Purpose::Extend { channels }),
        channels().prop_map(|channels| Purpose::Restore { channels }),
    ]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let ledger = || any::<u32>().prop_map(Ledger);
    let stroops = || any::<i64>().prop_map(Stroops);
    prop_oneof![
        (ledger(), stroops()).prop_map(|(ledger, fee_charged)| Outcome::Confirmed { ledger, fee_charged }),
        (ledger(), stroops(), ".{0,40}").prop_map(|(ledger, fee_charged, why)| Outcome::Failed {
            ledger,
            fee_charged,
            why
        }),
        ledger().prop_map(|at| Outcome::Expired { at }),
        (ledger(), ".{0,40}").prop_map(|(at, why)| Outcome::Dropped { at, why }),
    ]
}

fn whole_channel() -> impl Strategy<Value = Channel> {
    (
        admission(),
        prop::option::of(commitment()),
        any::<u64>(),
        prop::option::of(any::<u64>()),
        prop::option::of(any::<u64>()),
        prop::option::of(amount()),
        prop::option::of((amount(), prop::option::of(any::<u64>()))),
    )
        .prop_map(|(admission, highest, accepted, unsettled_since_ms, fence, rollback, paying)| Channel {
            held: Held {
                admission,
                highest,
                accepted,
                unsettled_since_ms,
                fence: fence.map(|fenced_at_ms| Fence { fenced_at_ms }),
                rollback_confirmed: rollback,
            },
            paying: paying.map(|(amount, next_since_ms)| Paying { amount, next_since_ms }),
        })
}

fn record() -> impl Strategy<Value = Record> {
    prop_oneof![
        admission().prop_map(Record::Admitted),
        (channel(), any::<u64>(), commitment())
            .prop_map(|(channel, number, commitment)| { Record::Accepted { channel, number, commitment } }),
        (channel(), any::<u64>())
            .prop_map(|(channel, fenced_at_ms)| Record::Fenced { channel, fence: Fence { fenced_at_ms } }),
        (
            any::<[[u8; 32]; 2]>(),
            purpose(),
            prop::collection::vec(any::<u8>(), 0..300),
            any::<[i64; 2]>(),
            any::<[u32; 2]>(),
        )
            .prop_map(|([hash, lane], purpose, envelope, [sequence, fee], [signed_at, max_ledger])| {
                Record::Signed(SignedTransaction {
                    hash,
                    lane: AccountId(lane),
                    purpose,
                    envelope,
                    sequence,
                    signed_at: Ledger(signed_at),
                    max_ledger: Ledger(max_ledger),
                    fee: Stroops(fee),
                })
            }),
        (any::<[u8; 32]>(), outcome(), any::<u64>())
            .prop_map(|(hash, outcome, decided_at_ms)| { Record::Decided { hash, outcome, decided_at_ms } }),
        (channel(), amount()).prop_map(|(channel, withdrawn)| Record::RollbackConfirmed { channel, withdrawn }),
        Just(Record::CheckpointStarts),
        whole_channel().prop_map(|channel| Record::WholeChannel(Box::new(channel))),
        (channel(), any::<u64>(), amount(), any::<[u8; 16]>()).prop_map(|(channel, number, amount, digest)| {
            Record::Remembered { channel, number, amount, digest: Digest(digest) }
        }),
        (channel(), any::<[[u8; 32]; 2]>(), purpose(), outcome(), any::<u64>()).prop_map(
            |(channel, [hash, lane], purpose, outcome, decided_at_ms)| {
                Record::WholeDecided {
                    channel,
                    decided: Decided { hash, lane: AccountId(lane), purpose, outcome, decided_at_ms },
                }
            }
        ),
        any::<u64>().prop_map(|records| Record::CheckpointEnds { records }),
    ]
}

proptest! {
    #[test]
    fn a_record_is_read_back_as_it_was_written(record in record()) {
        prop_assert_eq!(Record::decode(&record.encode()).unwrap(), record);
    }

    #[test]
    fn no_part_of_a_record_is_a_record(record in record(), cut in any::<prop::sample::Index>()) {
        let bytes = record.encode();
        prop_assert!(Record::decode(&bytes[..cut.index(bytes.len())]).is_err());
        let longer = [bytes.as_slice(), &[0]].concat();
        prop_assert!(Record::decode(&longer).is_err());
    }

    #[test]
    fn foreign_bytes_never_panic_and_what_is_read_has_one_encoding(
        record in record(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        noise in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut bytes = record.encode();
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        for bytes in [bytes, noise] {
            if let Ok(read) = Record::decode(&bytes) {
                prop_assert_eq!(read.encode(), bytes);
            }
        }
    }
}

/// The format must not drift: a journal that was written yesterday is read tomorrow.
#[test]
fn the_bytes_of_a_commitment_are_these() {
    let record = Record::Accepted {
        channel: ContractId([0xc1; 32]),
        number: 3,
        commitment: HeldCommitment {
            amount: Amount::new(1_000).unwrap(),
            signature: Signature([0x51; 64]),
            request_id: RequestId::new("ab").unwrap(),
            accepted_at_ms: 256,
        },
    };
    let expected = [
        "02",
        &"c1".repeat(32),
        "0000000000000003",
        "000000000000000000000000000003e8",
        &"51".repeat(64),
        "0000000000000100",
        "00000002",
        "6162",
    ]
    .concat();
    assert_eq!(hex::encode(record.encode()), expected);
}
