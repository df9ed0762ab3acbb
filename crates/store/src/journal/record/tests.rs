#![allow(clippy::unwrap_used, reason = "a test that fails here says where")]
use paychan_channel::{AccountId, Address, Amount, ContractId, Layout, Ledger, Signature, Stroops, WasmHash};
use proptest::prelude::*;

use super::{CreditTaken, Record};
use crate::digest::Digest;
use crate::held::{Channel, Paying};
use crate::request::{Remembered, Taken};
use crate::{Admission, Claim, Decided, Fence, Held, HeldCommitment, Outcome, Purpose, RequestId, SignedTransaction};

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
        (amount(), any::<bool>()),
    )
        .prop_map(
            |(
                (channel, token, from, to),
                (commitment_key, refund_waiting_period, wasm_hash),
                layout,
                admitted_at,
                (paid_before, clawback),
            )| {
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
                    paid_before,
                    clawback,
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
        prop::option::of(fence()),
        prop::option::of(amount()),
        prop::option::of((amount(), prop::option::of(any::<u64>()))),
        amount(),
        prop::collection::vec(claim(), 0..4),
    )
        .prop_map(|(admission, highest, accepted, unsettled_since_ms, fence, rollback, paying, spent, ladder)| {
            Channel {
                held: Held {
                    admission,
                    highest,
                    accepted,
                    unsettled_since_ms,
                    fence,
                    rollback_confirmed: rollback,
                    spent,
                    ladder,
                },
                paying: paying.map(|(amount, next_since_ms)| Paying { amount, next_since_ms }),
            }
        })
}

fn claim() -> impl Strategy<Value = Claim> {
    (amount(), signature()).prop_map(|(amount, signature)| Claim { amount, signature })
}

fn signature() -> impl Strategy<Value = Signature> {
    any::<[[u8; 32]; 2]>().prop_map(|halves| Signature(halves.concat().try_into().unwrap()))
}

fn fence() -> impl Strategy<Value = Fence> {
    (any::<u64>(), prop::option::of(claim())).prop_map(|(fenced_at_ms, agreed)| Fence { fenced_at_ms, agreed })
}

fn taken() -> impl Strategy<Value = Taken> {
    (
        (channel(), any::<[u64; 2]>(), request_id()),
        prop::option::of(amount()),
        prop::option::of(amount()),
        prop::option::of(signature()),
        [amount(), amount(), amount()],
    )
        .prop_map(
            |((channel, [number, taken_at_ms], request_id), price, offered, signature, [previous, highest, spent])| {
                Taken { channel, number, taken_at_ms, request_id, price, offered, signature, previous, highest, spent }
            },
        )
}

fn remembered() -> impl Strategy<Value = Remembered> {
    let maybe = || prop::option::of(amount());
    ((any::<[u8; 16]>(), any::<u64>()), [maybe(), maybe(), maybe()], [amount(), amount(), amount()]).prop_map(
        |((digest, number), [price, offered, credited], [previous, highest, spent])| Remembered {
            digest: Digest(digest),
            number,
            price,
            offered,
            previous,
            highest,
            spent,
            credited,
        },
    )
}

fn record() -> impl Strategy<Value = Record> {
    prop_oneof![
        admission().prop_map(Record::Admitted),
        (channel(), any::<u64>(), commitment())
            .prop_map(|(channel, number, commitment)| { Record::AcceptedFormat1 { channel, number, commitment } }),
        taken().prop_map(Record::Taken),
        (channel(), request_id(), any::<[u64; 2]>(), amount(), amount()).prop_map(
            |(channel, request_id, [number, credited_at_ms], amount, spent)| {
                Record::Credited(CreditTaken { channel, request_id, number, amount, spent, credited_at_ms })
            }
        ),
        (channel(), fence()).prop_map(|(channel, fence)| Record::Fenced { channel, fence }),
        (channel(), amount(), any::<u64>()).prop_map(|(channel, withdrawn, dropped_at_ms)| Record::Dropped {
            channel,
            withdrawn,
            dropped_at_ms
        }),
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
        (channel(), remembered()).prop_map(|(channel, request)| Record::Remembered { channel, request }),
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
    fn a_record_that_is_cut_or_longer_is_refused(record in record(), cut in any::<prop::sample::Index>()) {
        let bytes = record.encode();
        prop_assert!(Record::decode(&bytes[..cut.index(bytes.len())]).is_err());
        let longer = [bytes.as_slice(), &[0]].concat();
        prop_assert!(Record::decode(&longer).is_err());
    }

    #[test]
    fn foreign_bytes_make_no_reader_panic_and_a_record_has_one_encoding(
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
            // These kinds of format 1 are read as the kinds that replace them, so they are encoded differently.
            let is_of_format_1 = bytes.first().is_some_and(|kind| [1, 65, 66].contains(kind));
            if let Ok(read) = Record::decode(&bytes)
                && !is_of_format_1
            {
                prop_assert_eq!(read.encode(), bytes);
            }
        }
    }
}

/// The format must not change by accident: later programs must read earlier journals.
#[test]
fn a_commitment_of_format_1_has_these_bytes() {
    let record = Record::AcceptedFormat1 {
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

#[test]
fn a_charge_with_its_commitment_has_these_bytes() {
    let record = Record::Taken(Taken {
        channel: ContractId([0xc1; 32]),
        number: 3,
        taken_at_ms: 256,
        request_id: RequestId::new("ab").unwrap(),
        price: Some(Amount::new(10).unwrap()),
        offered: Some(Amount::new(1_000).unwrap()),
        signature: Some(Signature([0x51; 64])),
        previous: Amount::new(990).unwrap(),
        highest: Amount::new(1_000).unwrap(),
        spent: Amount::new(255).unwrap(),
    });
    let amount = |low: &str| format!("{}{low}", "00".repeat(14));
    let expected = [
        "08",
        &"c1".repeat(32),
        "0000000000000003",
        "0000000000000100",
        "000000026162",
        "01",
        &amount("000a"),
        "01",
        &amount("03e8"),
        "01",
        &"51".repeat(64),
        &amount("03de"),
        &amount("03e8"),
        &amount("00ff"),
    ]
    .concat();
    assert_eq!(hex::encode(record.encode()), expected);
}
