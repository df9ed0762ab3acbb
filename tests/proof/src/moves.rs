//! The alphabet: everything that can happen around a channel, in symbols whose amounts depend on the state, such as
//! "one more than the payer holds".
//!
//! A sequence is decoded from records of bytes, each of a fixed size, and every string of bytes is a sequence. So
//! proptest and the fuzzer share one alphabet. A sequence with one record less has one step less, and smaller bytes
//! mean simpler moves.

use crate::{model::Party, token::LineChange};

/// An amount to pay in, claw back or mint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Amount {
    Zero,
    Units(u16),
    /// This many 65,536ths of what the payer holds.
    Part(u16),
    /// All that the payer holds.
    All,
    AllAndOne,
    MinusOne,
    MostI64,
    MostI128,
    LeastI128,
}

/// A commitment's total.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Total {
    Zero,
    Units(u16),
    /// This many 65,536ths of balance + withdrawn.
    Part(u16),
    Withdrawn,
    WithdrawnAndOne,
    Deposited,
    DepositedAndOne,
    /// Balance + withdrawn.
    Coverage,
    CoverageAndOne,
    MinusOne,
    MostI128,
    LeastI128,
}

/// A commitment to settle or close with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commitment {
    /// The highest commitment that the funder gave.
    Newest,
    /// A commitment that the funder gave before, counted from the newest.
    Old(u8),
    /// A commitment that the funder signs now.
    Signed(Total),
    /// A total that the funder never signed, with the signature of the newest commitment.
    NeverGiven(Total),
    /// A commitment that another key signed.
    Forged(Total),
    /// A commitment that was signed for another channel.
    OtherChannel(Total),
    /// A commitment that was signed for another network.
    OtherNetwork(Total),
    /// Bytes that are no signature of anything.
    Garbage(Total),
}

/// The terms of the channel's opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The first deposit.
    pub amount: Amount,
    /// `refund_waiting_period`.
    pub wait: u32,
    /// The number of the commitment key among the 14 encodings of keys of small order, if the key is one of them.
    pub weak_key: Option<u8>,
}

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Move {
    /// Anybody opens a channel in the funder's name.
    Open {
        by: Party,
        terms: Terms,
    },
    TopUp {
        by: Party,
        amount: Amount,
    },
    Settle {
        by: Party,
        commitment: Commitment,
    },
    Close {
        by: Party,
        commitment: Commitment,
    },
    CloseStart {
        by: Party,
    },
    Refund {
        by: Party,
    },
    Extend {
        by: Party,
    },
    /// The funder gives the recipient a commitment, off chain.
    Give(Total),
    /// A party sends tokens to the channel's address.
    Send {
        by: Party,
        amount: Amount,
    },
    /// The issuer mints to the channel's address.
    Mint(Amount),
    /// The issuer takes tokens from the channel.
    Clawback(Amount),
    /// The issuer freezes the channel's balance or unfreezes it.
    AuthorizeChannel(bool),
    Line {
        of: Party,
        change: LineChange,
    },
    /// Ledgers pass.
    Jump(u16),
    /// Ledgers pass until the one that is this many after the deadline, or before it where the number is negative.
    JumpToDeadline(i8),
}

/// A move, and the moves between its simulation and its inclusion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The move.
    pub main: Move,
    /// The moves in between.
    pub gap: Vec<Move>,
    /// Whether one ledger has all of them, with the moves in between first.
    pub together: bool,
}

/// A channel's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// Whether the funder holds as much as a trustline can.
    pub rich: bool,
    /// What happens before the channel is opened.
    pub before: Vec<Move>,
    /// The terms of its opening.
    pub terms: Terms,
    /// What happens after that.
    pub steps: Vec<Step>,
}

/// The bytes of a sequence's first record.
pub const HEADER: usize = 10;
/// The bytes of a step's record.
pub const STEP: usize = 1 + 3 * MOVE;
const MOVE: usize = 6;
/// The most steps of a sequence.
pub const MAX_STEPS: usize = 16;

impl Sequence {
    /// Decodes a sequence. Missing bytes count as 0, and bytes after [`MAX_STEPS`] records are not used.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Self {
        let (header, rest) = bytes.split_at(bytes.len().min(HEADER));
        let mut first = [0; HEADER];
        first[..header.len()].copy_from_slice(header);
        let steps = rest.chunks(STEP).take(MAX_STEPS).map(|chunk| {
            let mut record = [0; STEP];
            record[..chunk.len()].copy_from_slice(chunk);
            Step::decode(&record)
        });
        Self::new(first, steps.collect())
    }

    /// A sequence from a header and steps.
    #[must_use]
    pub fn new(header: [u8; HEADER], steps: Vec<Step>) -> Self {
        let [kind, pick, high, low, m0, m1, m2, m3, m4, m5] = header;
        let magnitude = u16::from_be_bytes([high, low]);
        let before = match kind {
            // One in eight begins with something else: an opening that must be refused, or tokens that come too early.
            224..=254 => vec![Move::decode([m0, m1, m2, m3, m4, m5])],
            _ => Vec::new(),
        };
        Self {
            rich: kind == 255,
            before,
            terms: Terms {
                amount: match pick % 8 {
                    0 => Amount::Units(1_000),
                    1 => Amount::Zero,
                    2 => Amount::All,
                    3 => Amount::Units(magnitude),
                    _ => Amount::Part(magnitude),
                },
                wait: match pick / 8 {
                    0..=3 => 3,
                    4..=6 => 0,
                    7..=9 => 1,
                    10..=13 => 2,
                    14..=29 => u32::from(magnitude % 50),
                    30 => u32::from(magnitude),
                    _ => crate::model::MAX_WAIT,
                },
                weak_key: None,
            },
            steps,
        }
    }
}

impl Step {
    /// Decodes a step from its record.
    #[must_use]
    pub fn decode(record: &[u8; STEP]) -> Self {
        let part = |n: usize| {
            let mut bytes = [0; MOVE];
            bytes.copy_from_slice(&record[1 + n * MOVE..1 + (n + 1) * MOVE]);
            Move::decode(bytes)
        };
        let gaps = match record[0] {
            0..=127 => 0,
            128..=223 => 1,
            _ => 2,
        };
        Self { main: part(0), gap: (1..=gaps).map(part).collect(), together: record[0] % 2 == 1 }
    }
}

impl Move {
    /// Decodes a move.
    #[must_use]
    pub fn decode([kind, who, pick, high, low, more]: [u8; MOVE]) -> Self {
        let magnitude = u16::from_be_bytes([high, low]);
        let commitment = || Commitment::decode(more, Total::decode(pick, magnitude));
        let amount = || Amount::decode(pick, magnitude);
        // Mostly, the caller is the party for whom the call is meant.
        let by = |usual: Party| match who {
            0..=179 => usual,
            other => Party::ALL[usize::from(other % 3)],
        };
        let anybody = || Party::ALL[usize::from(who % 3)];
        match kind {
            0..=25 => Self::Give(Total::decode(pick, magnitude)),
            26..=70 => Self::Settle { by: anybody(), commitment: commitment() },
            71..=100 => Self::Close { by: by(Party::Recipient), commitment: commitment() },
            101..=125 => Self::CloseStart { by: by(Party::Funder) },
            126..=150 => Self::Refund { by: by(Party::Funder) },
            151..=170 => Self::TopUp { by: by(Party::Funder), amount: amount() },
            171..=185 => Self::JumpToDeadline(match pick % 4 {
                0 => -2,
                1 => -1,
                2 => 0,
                _ => 1,
            }),
            186..=195 => Self::Jump(if more < 128 { magnitude % 20 } else { magnitude }),
            196..=210 => Self::Send { by: anybody(), amount: amount() },
            211..=217 => Self::Clawback(amount()),
            218..=222 => Self::Mint(amount()),
            223..=227 => Self::AuthorizeChannel(pick % 3 > 0),
            228..=245 => Self::Line {
                of: anybody(),
                change: match pick % 8 {
                    0 => LineChange::Remove,
                    1..=2 => LineChange::Restore,
                    3..=4 => LineChange::Limit(magnitude % 2_000),
                    5 => LineChange::Revoke,
                    _ => LineChange::Authorize,
                },
            },
            246..=249 => Self::Extend { by: anybody() },
            _ => Self::Open {
                by: anybody(),
                terms: Terms {
                    amount: amount(),
                    wait: match more % 4 {
                        0 => 10,
                        1 => crate::model::MAX_WAIT,
                        2 => crate::model::MAX_WAIT + 1,
                        _ => u32::MAX,
                    },
                    weak_key: (more >= 128).then_some(more % 14),
                },
            },
        }
    }
}

impl Amount {
    fn decode(pick: u8, magnitude: u16) -> Self {
        match pick {
            0..=99 => Self::Units(magnitude),
            100..=170 => Self::Part(magnitude),
            171..=200 => Self::Units(1),
            201..=210 => Self::Zero,
            211..=225 => Self::All,
            226..=235 => Self::AllAndOne,
            236..=240 => Self::MinusOne,
            241..=245 => Self::MostI64,
            246..=250 => Self::MostI128,
            _ => Self::LeastI128,
        }
    }
}

impl Total {
    fn decode(pick: u8, magnitude: u16) -> Self {
        match pick {
            0..=119 => Self::Part(magnitude),
            120..=139 => Self::Units(magnitude),
            140..=154 => Self::Withdrawn,
            155..=169 => Self::WithdrawnAndOne,
            170..=184 => Self::Deposited,
            185..=199 => Self::DepositedAndOne,
            200..=219 => Self::Coverage,
            220..=234 => Self::CoverageAndOne,
            235..=242 => Self::Zero,
            243..=247 => Self::MinusOne,
            248..=252 => Self::MostI128,
            _ => Self::LeastI128,
        }
    }
}

impl Commitment {
    fn decode(more: u8, total: Total) -> Self {
        match more {
            0..=79 => Self::Newest,
            80..=119 => Self::Old(more - 80),
            120..=199 => Self::Signed(total),
            200..=215 => Self::NeverGiven(total),
            216..=225 => Self::Forged(total),
            226..=235 => Self::OtherChannel(total),
            236..=245 => Self::OtherNetwork(total),
            _ => Self::Garbage(total),
        }
    }
}
