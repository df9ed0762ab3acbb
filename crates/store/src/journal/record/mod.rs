//! What the journal's records say, and their bytes.
//!
//! A record is its kind (one byte) and its fields in the order written here, each by [`crate::bytes`]: integers
//! big-endian (`u8`, `u32`, `u64`, `i64`; an amount is an `i128`), keys, ids and hashes as they are (32 bytes),
//! signatures as they are (64), an address as its type (0 account, 1 contract) and 32 bytes, text and envelopes with
//! their length (`u32`) before them, lists with their count (`u32`), what may be absent with a 0 or 1 before it.
//! Nothing may be left over. The format has the version of its segment's header ([`crate::frame::VERSION`]).
//!
//! | kind | record | fields |
//! | --- | --- | --- |
//! | 1 | admitted | channel, token, from, to, commitment key, waiting period u32, wasm hash, layout u8, ledger |
//! | 2 | accepted | channel, number u64, amount, signature, time u64 (ms), request id |
//! | 3 | fenced | channel, time u64 (ms) |
//! | 4 | signed | hash, lane, purpose, envelope, sequence i64, signed at, max ledger, fee i64 |
//! | 5 | decided | hash, outcome, time u64 (ms) |
//! | 6 | rollback confirmed | channel, withdrawn |
//! | 64 | checkpoint starts | |
//! | 65 | channel, whole | fields of 1, accepted u64, highest?, unsettled since?, fence?, rollback?, paying? |
//! | 66 | remembered request | channel, number u64, amount, the id's digest (16 bytes, [`crate::index`]) |
//! | 67 | decided, whole | channel, hash, lane, purpose, outcome, time u64 |
//! | 68 | checkpoint ends | number of records in it u64, both ends included |

use paychan_channel::{Amount, ContractId};

use crate::bytes::{DecodeError, Reader, Writer};
use crate::index::Digest;
use crate::state::{Channel, Paying};
use crate::{Admission, Decided, Fence, Held, HeldCommitment, Outcome, Purpose, SignedTransaction};

/// One record of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    Admitted(Admission),
    /// `number` counts the channel's commitments from one: what is missing in a damaged journal shows.
    Accepted {
        channel: ContractId,
        number: u64,
        commitment: HeldCommitment,
    },
    Fenced {
        channel: ContractId,
        fence: Fence,
    },
    Signed(SignedTransaction),
    Decided {
        hash: [u8; 32],
        outcome: Outcome,
        decided_at_ms: u64,
    },
    RollbackConfirmed {
        channel: ContractId,
        withdrawn: Amount,
    },
    CheckpointStarts,
    WholeChannel(Box<Channel>),
    Remembered {
        channel: ContractId,
        number: u64,
        amount: Amount,
        digest: Digest,
    },
    WholeDecided {
        channel: ContractId,
        decided: Decided,
    },
    CheckpointEnds {
        records: u64,
    },
}

impl Record {
    pub(crate) fn encode(&self) -> Vec<u8> {
        match self {
            Record::Admitted(admission) => admission_fields(Writer::new(1), admission),
            Record::Accepted { channel, number, commitment } => {
                commitment_fields(Writer::new(2).channel(*channel).u64(*number), commitment)
            }
            Record::Fenced { channel, fence } => Writer::new(3).channel(*channel).u64(fence.fenced_at_ms),
            Record::Signed(transaction) => {
                purpose_fields(Writer::new(4).raw(&transaction.hash).raw(&transaction.lane.0), &transaction.purpose)
                    .sized(&transaction.envelope)
                    .i64(transaction.sequence)
                    .ledger(transaction.signed_at)
                    .ledger(transaction.max_ledger)
                    .stroops(transaction.fee)
            }
            Record::Decided { hash, outcome, decided_at_ms } => {
                outcome_fields(Writer::new(5).raw(hash), outcome).u64(*decided_at_ms)
            }
            Record::RollbackConfirmed { channel, withdrawn } => Writer::new(6).channel(*channel).amount(*withdrawn),
            Record::CheckpointStarts => Writer::new(64),
            Record::WholeChannel(channel) => channel_fields(Writer::new(65), channel),
            Record::Remembered { channel, number, amount, digest } => {
                Writer::new(66).channel(*channel).u64(*number).amount(*amount).raw(&digest.0)
            }
            Record::WholeDecided { channel, decided } => outcome_fields(
                purpose_fields(
                    Writer::new(67).channel(*channel).raw(&decided.hash).raw(&decided.lane.0),
                    &decided.purpose,
                ),
                &decided.outcome,
            )
            .u64(decided.decided_at_ms),
            Record::CheckpointEnds { records } => Writer::new(68).u64(*records),
        }
        .finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let r = &mut reader;
        let record = match r.u8()? {
            1 => Record::Admitted(admission(r)?),
            2 => Record::Accepted { channel: r.channel()?, number: r.u64()?, commitment: commitment(r)? },
            3 => Record::Fenced { channel: r.channel()?, fence: fence(r)? },
            4 => Record::Signed(SignedTransaction {
                hash: r.array()?,
                lane: r.account()?,
                purpose: purpose(r)?,
                envelope: r.sized()?.to_vec(),
                sequence: r.i64()?,
                signed_at: r.ledger()?,
                max_ledger: r.ledger()?,
                fee: r.stroops()?,
            }),
            5 => Record::Decided { hash: r.array()?, outcome: outcome(r)?, decided_at_ms: r.u64()? },
            6 => Record::RollbackConfirmed { channel: r.channel()?, withdrawn: r.amount()? },
            64 => Record::CheckpointStarts,
            65 => Record::WholeChannel(Box::new(channel(r)?)),
            66 => Record::Remembered {
                channel: r.channel()?,
                number: r.u64()?,
                amount: r.amount()?,
                digest: Digest(r.array()?),
            },
            67 => Record::WholeDecided {
                channel: r.channel()?,
                decided: Decided {
                    hash: r.array()?,
                    lane: r.account()?,
                    purpose: purpose(r)?,
                    outcome: outcome(r)?,
                    decided_at_ms: r.u64()?,
                },
            },
            68 => Record::CheckpointEnds { records: r.u64()? },
            found => {
                return Err(DecodeError::Unknown { what: "kind", found });
            }
        };
        reader.finish()?;
        Ok(record)
    }
}

fn admission_fields(w: Writer, admission: &Admission) -> Writer {
    w.channel(admission.channel)
        .channel(admission.token)
        .address(admission.from)
        .address(admission.to)
        .raw(&admission.commitment_key)
        .u32(admission.refund_waiting_period)
        .raw(&admission.wasm_hash.0)
        .layout(admission.layout)
        .ledger(admission.admitted_at)
}

fn admission(r: &mut Reader<'_>) -> Result<Admission, DecodeError> {
    Ok(Admission {
        channel: r.channel()?,
        token: r.channel()?,
        from: r.address()?,
        to: r.address()?,
        commitment_key: r.array()?,
        refund_waiting_period: r.u32()?,
        wasm_hash: r.wasm_hash()?,
        layout: r.layout()?,
        admitted_at: r.ledger()?,
    })
}

fn commitment_fields(w: Writer, commitment: &HeldCommitment) -> Writer {
    w.amount(commitment.amount)
        .raw(&commitment.signature.0)
        .u64(commitment.accepted_at_ms)
        .request_id(&commitment.request_id)
}

fn commitment(r: &mut Reader<'_>) -> Result<HeldCommitment, DecodeError> {
    Ok(HeldCommitment {
        amount: r.amount()?,
        signature: r.signature()?,
        accepted_at_ms: r.u64()?,
        request_id: r.request_id()?,
    })
}

fn fence(r: &mut Reader<'_>) -> Result<Fence, DecodeError> {
    Ok(Fence { fenced_at_ms: r.u64()? })
}

fn channel_fields(w: Writer, channel: &Channel) -> Writer {
    let held = &channel.held;
    admission_fields(w, &held.admission)
        .u64(held.accepted)
        .option(held.highest.as_ref(), commitment_fields)
        .option(held.unsettled_since_ms, Writer::u64)
        .option(held.fence, |w, fence| w.u64(fence.fenced_at_ms))
        .option(held.rollback_confirmed, Writer::amount)
        .option(channel.paying, |w, paying| w.amount(paying.amount).option(paying.next_since_ms, Writer::u64))
}

fn channel(r: &mut Reader<'_>) -> Result<Channel, DecodeError> {
    let admission = admission(r)?;
    let accepted = r.u64()?;
    let held = Held {
        admission,
        accepted,
        highest: r.option(commitment)?,
        unsettled_since_ms: r.option(Reader::u64)?,
        fence: r.option(fence)?,
        rollback_confirmed: r.option(Reader::amount)?,
    };
    let paying = r.option(|r| Ok(Paying { amount: r.amount()?, next_since_ms: r.option(Reader::u64)? }))?;
    Ok(Channel { held, paying })
}

fn purpose_fields(w: Writer, purpose: &Purpose) -> Writer {
    match purpose {
        Purpose::Settle { channel, amount } => w.u8(0).channel(*channel).amount(*amount),
        Purpose::Close { channel, amount } => w.u8(1).channel(*channel).amount(*amount),
        Purpose::Extend { channels } => w.u8(2).channels(channels),
        Purpose::Restore { channels } => w.u8(3).channels(channels),
    }
}

fn purpose(r: &mut Reader<'_>) -> Result<Purpose, DecodeError> {
    Ok(match r.u8()? {
        0 => Purpose::Settle { channel: r.channel()?, amount: r.amount()? },
        1 => Purpose::Close { channel: r.channel()?, amount: r.amount()? },
        2 => Purpose::Extend { channels: r.channels()? },
        3 => Purpose::Restore { channels: r.channels()? },
        found => {
            return Err(DecodeError::Unknown { what: "purpose", found });
        }
    })
}

fn outcome_fields(w: Writer, outcome: &Outcome) -> Writer {
    match outcome {
        Outcome::Confirmed { ledger, fee_charged } => w.u8(0).ledger(*ledger).stroops(*fee_charged),
        Outcome::Failed { ledger, fee_charged, why } => {
            w.u8(1).ledger(*ledger).stroops(*fee_charged).sized(why.as_bytes())
        }
        Outcome::Expired { at } => w.u8(2).ledger(*at),
        Outcome::Dropped { at, why } => w.u8(3).ledger(*at).sized(why.as_bytes()),
    }
}

fn outcome(r: &mut Reader<'_>) -> Result<Outcome, DecodeError> {
    Ok(match r.u8()? {
        0 => Outcome::Confirmed { ledger: r.ledger()?, fee_charged: r.stroops()? },
        1 => Outcome::Failed { ledger: r.ledger()?, fee_charged: r.stroops()?, why: r.text()?.to_owned() },
        2 => Outcome::Expired { at: r.ledger()? },
        3 => Outcome::Dropped { at: r.ledger()?, why: r.text()?.to_owned() },
        found => {
            return Err(DecodeError::Unknown { what: "outcome", found });
        }
    })
}
