//! The journal's records: their meaning, and their bytes.
//!
//! A record is its kind (one byte) and then its fields in the order of the table, each encoded as in [`codec`]:
//! integers are big-endian (`u8`, `u32`, `u64`, `i64`; an amount is an `i128`); keys, ids and hashes are 32 bytes,
//! signatures 64; an address is its type (0 account, 1 contract) and 32 bytes; text and envelopes have their length
//! (`u32`) before them, lists their count (`u32`), and fields that may be absent (`?`) a 0 or 1. Nothing may be left
//! over. The segment's header has the version of the format ([`super::frame::VERSION`]).
//!
//! **A kind never changes its meaning or its fields.** A change needs a new kind, and programs read the old kind for
//! ever: see `Changing the format` in [`super`].
//!
//! | kind | since | record | fields |
//! | --- | --- | --- | --- |
//! | 1 | 1 | admitted, format 1 | channel, token, from, to, commitment key, waiting period u32, wasm hash, layout u8, ledger |
//! | 2 | 1 | accepted, format 1 | channel, number u64, amount, signature, time u64 (ms), request id |
//! | 3 | 1 | fenced | channel, time u64 (ms) |
//! | 4 | 1 | signed | hash, lane, purpose, envelope, sequence i64, signed at, max ledger, fee i64 |
//! | 5 | 1 | decided | hash, outcome, time u64 (ms) |
//! | 6 | 1 | rollback confirmed | channel, withdrawn |
//! | 7 | 2 | admitted | fields of 1, paid before, clawback (0 or 1) |
//! | 8 | 2 | taken: a commitment, a charge, or both | channel, number u64, time u64 (ms), request id, price?, offered?, signature?, previous, highest, spent |
//! | 9 | 2 | credited | channel, request id, number u64 of the charge, amount, spent, time u64 (ms) |
//! | 10 | 2 | fenced with an agreed amount | channel, time u64 (ms), amount, signature |
//! | 11 | 2 | dropped | channel, withdrawn, time u64 (ms) |
//! | 12 | 2 | lane used | lane, sequence i64 |
//! | 64 | 1 | checkpoint starts | |
//! | 65 | 1 | channel, whole, format 1 | fields of 1, accepted u64, highest? (fields of 2 from the amount on), unsettled since?, fence?, rollback?, paying? |
//! | 66 | 1 | remembered commitment, format 1 | channel, number u64, amount, the id's digest (16 bytes) |
//! | 67 | 1 | decided, whole | channel, hash, lane, purpose, outcome, time u64 |
//! | 68 | 1 | checkpoint ends | number of records in it u64, both ends included |
//! | 69 | 2 | channel, whole | fields of 7, accepted u64, highest?, unsettled since?, fence? (time, agreed?), rollback?, paying?, spent, ladder |
//! | 70 | 2 | remembered request | channel, the id's digest (16 bytes), number u64, price?, offered?, previous, highest, spent, credited? |

pub(crate) mod codec;
#[cfg(test)]
mod tests;

use paychan_channel::{AccountId, Amount, ContractId};

use crate::digest::Digest;
use crate::held::Claim;
use crate::held::{Channel, Paying};
use crate::request::{Remembered, Taken};
use crate::{Admission, Decided, Fence, Held, HeldCommitment, Outcome, Purpose, RequestId, SignedTransaction};
use codec::{DecodeError, Field, List, Reader, fields, write_list};

/// One record of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    Admitted(Admission),
    /// A commitment as format 1 wrote it. Everything acknowledged under format 1 counts as spent. This record is never
    /// written.
    AcceptedFormat1 {
        channel: ContractId,
        number: u64,
        commitment: HeldCommitment,
    },
    Taken(Taken),
    Credited(CreditTaken),
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
    Dropped {
        channel: ContractId,
        withdrawn: Amount,
        dropped_at_ms: u64,
    },
    /// The lane's account has used this sequence number. In a log, the operator has confirmed the number, or the
    /// running watcher has seen it. In a checkpoint, it is the highest number of the signed transactions that the
    /// checkpoint leaves out.
    LaneUsed {
        lane: AccountId,
        sequence: i64,
    },
    CheckpointStarts,
    WholeChannel(Box<Channel>),
    /// A channel in a checkpoint as format 1 wrote it. This record is never written.
    WholeChannelFormat1(Box<Channel>),
    Remembered {
        channel: ContractId,
        request: Remembered,
    },
    WholeDecided {
        channel: ContractId,
        decided: Decided,
    },
    CheckpointEnds {
        records: u64,
    },
}

/// A part of a charge that was given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CreditTaken {
    pub(crate) channel: ContractId,
    pub(crate) request_id: RequestId,
    /// The number of the charge among the channel's requests.
    pub(crate) number: u64,
    pub(crate) amount: Amount,
    /// What was spent after the credit.
    pub(crate) spent: Amount,
    pub(crate) credited_at_ms: u64,
}

impl Record {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(256);
        let out = &mut bytes;
        match self {
            Record::AcceptedFormat1 { channel, number, commitment } => {
                2_u8.write(out);
                (*channel, *number).write(out);
                commitment.write(out);
            }
            Record::Fenced { channel, fence: Fence { fenced_at_ms, agreed: None } } => {
                (3_u8, *channel, *fenced_at_ms).write(out);
            }
            Record::Signed(transaction) => {
                4_u8.write(out);
                transaction.write(out);
            }
            Record::Decided { hash, outcome, decided_at_ms } => {
                (5_u8, *hash).write(out);
                outcome.write(out);
                decided_at_ms.write(out);
            }
            Record::RollbackConfirmed { channel, withdrawn } => (6_u8, *channel, *withdrawn).write(out),
            Record::Admitted(admission) => {
                7_u8.write(out);
                admission.write(out);
            }
            Record::Taken(taken) => {
                8_u8.write(out);
                taken.write(out);
            }
            Record::Credited(credit) => {
                9_u8.write(out);
                credit.write(out);
            }
            Record::Fenced { channel, fence: Fence { fenced_at_ms, agreed: Some(agreed) } } => {
                (10_u8, *channel, *fenced_at_ms, *agreed).write(out);
            }
            Record::Dropped { channel, withdrawn, dropped_at_ms } => {
                (11_u8, *channel, *withdrawn, *dropped_at_ms).write(out);
            }
            Record::LaneUsed { lane, sequence } => (12_u8, *lane, *sequence).write(out),
            Record::CheckpointStarts => 64_u8.write(out),
            Record::WholeChannelFormat1(channel) => {
                65_u8.write(out);
                write_channel_of_format_1(channel, out);
            }
            Record::WholeDecided { channel, decided } => {
                (67_u8, *channel).write(out);
                decided.write(out);
            }
            Record::CheckpointEnds { records } => (68_u8, *records).write(out),
            Record::WholeChannel(channel) => {
                69_u8.write(out);
                channel.write(out);
            }
            Record::Remembered { channel, request } => {
                (70_u8, *channel).write(out);
                request.write(out);
            }
        }
        bytes
    }

    /// Reads a record of any format so far.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let from = &mut reader;
        let record = match u8::read(from)? {
            1 => Record::Admitted(admission_of_format_1(from)?),
            2 => Record::AcceptedFormat1 {
                channel: Field::read(from)?,
                number: Field::read(from)?,
                commitment: Field::read(from)?,
            },
            3 => Record::Fenced { channel: Field::read(from)?, fence: fence_of_format_1(from)? },
            4 => Record::Signed(Field::read(from)?),
            5 => Record::Decided {
                hash: Field::read(from)?,
                outcome: Field::read(from)?,
                decided_at_ms: Field::read(from)?,
            },
            6 => Record::RollbackConfirmed { channel: Field::read(from)?, withdrawn: Field::read(from)? },
            7 => Record::Admitted(Field::read(from)?),
            8 => Record::Taken(Field::read(from)?),
            9 => Record::Credited(Field::read(from)?),
            10 => Record::Fenced {
                channel: Field::read(from)?,
                fence: Fence { fenced_at_ms: Field::read(from)?, agreed: Some(Field::read(from)?) },
            },
            11 => Record::Dropped {
                channel: Field::read(from)?,
                withdrawn: Field::read(from)?,
                dropped_at_ms: Field::read(from)?,
            },
            12 => Record::LaneUsed { lane: Field::read(from)?, sequence: Field::read(from)? },
            64 => Record::CheckpointStarts,
            65 => Record::WholeChannelFormat1(Box::new(channel_of_format_1(from)?)),
            66 => {
                let (channel, number, amount, digest): (ContractId, u64, Amount, Digest) = Field::read(from)?;
                Record::Remembered { channel, request: Remembered::of_format_1(digest, number, amount) }
            }
            67 => Record::WholeDecided { channel: Field::read(from)?, decided: Field::read(from)? },
            68 => Record::CheckpointEnds { records: Field::read(from)? },
            69 => Record::WholeChannel(Box::new(Field::read(from)?)),
            70 => Record::Remembered { channel: Field::read(from)?, request: Field::read(from)? },
            found => return Err(DecodeError::Unknown { what: "kind", found }),
        };
        reader.finish()?;
        Ok(record)
    }
}

fields!(Admission {
    channel,
    token,
    from,
    to,
    commitment_key,
    refund_waiting_period,
    wasm_hash,
    layout,
    admitted_at,
    paid_before,
    clawback,
});
fields!(HeldCommitment { amount, signature, accepted_at_ms, request_id });
fields!(Claim { amount, signature });
fields!(Fence { fenced_at_ms, agreed });
fields!(Taken { channel, number, taken_at_ms, request_id, price, offered, signature, previous, highest, spent });
fields!(CreditTaken { channel, request_id, number, amount, spent, credited_at_ms });
fields!(Remembered { digest, number, price, offered, previous, highest, spent, credited });
fields!(SignedTransaction { hash, lane, purpose, envelope, sequence, signed_at, max_ledger, fee });
fields!(Decided { hash, lane, purpose, outcome, decided_at_ms });
fields!(Paying { amount, next_since_ms });

impl Field for Channel {
    fn write(&self, out: &mut Vec<u8>) {
        let held = &self.held;
        held.admission.write(out);
        held.accepted.write(out);
        held.highest.write(out);
        held.unsettled_since_ms.write(out);
        held.fence.write(out);
        held.rollback_confirmed.write(out);
        self.paying.write(out);
        held.spent.write(out);
        write_list(&held.ladder, out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut held = Held {
            admission: Field::read(from)?,
            accepted: Field::read(from)?,
            highest: Field::read(from)?,
            unsettled_since_ms: Field::read(from)?,
            fence: Field::read(from)?,
            rollback_confirmed: Field::read(from)?,
            spent: Amount::ZERO,
            ladder: Vec::new(),
        };
        let paying = Field::read(from)?;
        held.spent = Field::read(from)?;
        held.ladder = List::read(from)?.0;
        Ok(Channel { held, paying })
    }
}

impl Field for Purpose {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Purpose::Settle { channel, amount } => (0_u8, *channel, *amount).write(out),
            Purpose::Close { channel, amount } => (1_u8, *channel, *amount).write(out),
            Purpose::Extend { channels } => {
                2_u8.write(out);
                channels.write(out);
            }
            Purpose::Restore { channels } => {
                3_u8.write(out);
                channels.write(out);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match u8::read(from)? {
            0 => Purpose::Settle { channel: Field::read(from)?, amount: Field::read(from)? },
            1 => Purpose::Close { channel: Field::read(from)?, amount: Field::read(from)? },
            2 => Purpose::Extend { channels: Field::read(from)? },
            3 => Purpose::Restore { channels: Field::read(from)? },
            found => return Err(DecodeError::Unknown { what: "purpose", found }),
        })
    }
}

impl Field for Outcome {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Outcome::Confirmed { ledger, fee_charged } => (0_u8, *ledger, *fee_charged).write(out),
            Outcome::Failed { ledger, fee_charged, why } => {
                (1_u8, *ledger, *fee_charged).write(out);
                why.write(out);
            }
            Outcome::Expired { at } => (2_u8, *at).write(out),
            Outcome::Dropped { at, why } => {
                (3_u8, *at).write(out);
                why.write(out);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match u8::read(from)? {
            0 => Outcome::Confirmed { ledger: Field::read(from)?, fee_charged: Field::read(from)? },
            1 => {
                Outcome::Failed { ledger: Field::read(from)?, fee_charged: Field::read(from)?, why: Field::read(from)? }
            }
            2 => Outcome::Expired { at: Field::read(from)? },
            3 => Outcome::Dropped { at: Field::read(from)?, why: Field::read(from)? },
            found => return Err(DecodeError::Unknown { what: "outcome", found }),
        })
    }
}

fn admission_of_format_1(from: &mut Reader<'_>) -> Result<Admission, DecodeError> {
    Ok(Admission {
        channel: Field::read(from)?,
        token: Field::read(from)?,
        from: Field::read(from)?,
        to: Field::read(from)?,
        commitment_key: Field::read(from)?,
        refund_waiting_period: Field::read(from)?,
        wasm_hash: Field::read(from)?,
        layout: Field::read(from)?,
        admitted_at: Field::read(from)?,
        paid_before: Amount::ZERO,
        clawback: false,
    })
}

fn fence_of_format_1(from: &mut Reader<'_>) -> Result<Fence, DecodeError> {
    Ok(Fence { fenced_at_ms: Field::read(from)?, agreed: None })
}

/// Everything that was acknowledged in format 1 counts as spent.
fn channel_of_format_1(from: &mut Reader<'_>) -> Result<Channel, DecodeError> {
    let mut held = Held::new(admission_of_format_1(from)?);
    held.accepted = Field::read(from)?;
    held.highest = Field::read(from)?;
    held.unsettled_since_ms = Field::read(from)?;
    held.fence = match bool::read(from)? {
        false => None,
        true => Some(fence_of_format_1(from)?),
    };
    held.rollback_confirmed = Field::read(from)?;
    held.spent = held.highest_amount().max(held.rollback_confirmed.unwrap_or(Amount::ZERO));
    let paying = Field::read(from)?;
    Ok(Channel { held, paying })
}

fn write_channel_of_format_1(channel: &Channel, out: &mut Vec<u8>) {
    let held = &channel.held;
    let admission = &held.admission;
    (admission.channel, admission.token, admission.from, admission.to).write(out);
    (admission.commitment_key, admission.refund_waiting_period).write(out);
    (admission.wasm_hash, admission.layout, admission.admitted_at).write(out);
    held.accepted.write(out);
    held.highest.write(out);
    held.unsettled_since_ms.write(out);
    held.fence.map(|fence| fence.fenced_at_ms).write(out);
    held.rollback_confirmed.write(out);
    channel.paying.write(out);
}
