//! The damage of a journal: where it is, and what is wrong there.

use paychan_channel::{Amount, ContractId};

use super::REPAIR_COMMAND;

/// Where the journal is damaged, and how.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the journal is damaged: segment {segment}, byte {offset}: {what}. This is not what a crash or a power cut leaves, \
     so nothing was changed and nothing is acknowledged. `{REPAIR_COMMAND}` copies the journal aside, keeps all that \
     can be read and says what is lost"
)]
pub struct Damage {
    /// The segment's file name.
    pub segment: String,
    /// Bytes from the segment's start.
    pub offset: u64,
    /// What is wrong there.
    pub what: DamageKind,
}

/// What is wrong with a journal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DamageKind {
    /// The segment's header is cut, or its checksum is wrong, or it does not fit the file's name.
    #[error("the segment's header is unreadable ({0})")]
    Header(&'static str),
    /// A record's checksum is wrong, or a record is cut where no crash cuts one.
    #[error("the record after number {after} is unreadable ({why})")]
    Frame {
        /// The number of the last readable record before it.
        after: u64,
        /// Why not.
        why: String,
    },
    /// Records are missing or out of order.
    #[error("record number {expected} was expected and {found} was found: records are missing")]
    Sequence {
        /// The number that comes next.
        expected: u64,
        /// The number found.
        found: u64,
    },
    /// A record's checksum is right and its content is not a record.
    #[error("record {sequence} can't be understood: {why}")]
    Record {
        /// The record's number.
        sequence: u64,
        /// Why not.
        why: String,
    },
    /// A record contradicts those before it, as an amount that goes down does.
    #[error("record {sequence} contradicts what is before it: {why}")]
    Contradiction {
        /// The record's number.
        sequence: u64,
        /// How.
        why: String,
    },
    /// The highest commitment of a channel is not signed by the channel's key.
    #[error("the highest commitment of channel {channel}, for {amount}, has a bad signature or key")]
    Signature {
        /// The channel.
        channel: ContractId,
        /// The amount.
        amount: Amount,
    },
    /// The index has seen records that the journal does not hold: acknowledged records are gone from the journal.
    #[error("it ends at record {journal}, and the index has seen record {index}: the journal's end is missing")]
    BehindIndex {
        /// The journal's last record.
        journal: u64,
        /// The last record that the index has seen.
        index: u64,
    },
}
