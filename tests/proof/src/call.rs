//! Calls, callers and answers. The model, the chain and the moves share these types.

/// The errors' numbers, which are a part of the contract's interface.
pub mod error {
    #![allow(missing_docs, reason = "the contract's README says what each means")]
    pub const NEGATIVE_AMOUNT: u32 = 1;
    pub const NOT_CLOSED: u32 = 2;
    pub const WAITING_PERIOD_NOT_ELAPSED: u32 = 3;
    pub const ALREADY_CLOSED: u32 = 4;
    pub const INSUFFICIENT_DEPOSIT: u32 = 5;
    pub const REFUNDED: u32 = 6;
    pub const OVERFLOW: u32 = 7;
    pub const WAITING_PERIOD_TOO_LONG: u32 = 8;
    pub const WEAK_COMMITMENT_KEY: u32 = 9;
}

/// Who calls. Each party signs for itself alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Party {
    /// `from`.
    Funder,
    /// `to`.
    Recipient,
    /// Anybody else.
    Stranger,
}

impl Party {
    /// All parties, in the order of `Model::lines`.
    pub const ALL: [Self; 3] = [Self::Funder, Self::Recipient, Self::Stranger];

    /// The party's place in `Model::lines`.
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            Self::Funder => 0,
            Self::Recipient => 1,
            Self::Stranger => 2,
        }
    }
}

/// The bytes that a caller gives as a commitment's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// The commitment key's signature of this total.
    Good,
    /// The commitment key's signature of another total.
    OfTotal(i128),
    /// The signature of this total by a key that is not the channel's.
    OfOtherKey,
    /// The commitment key's signature of this total, for another channel.
    OfOtherChannel,
    /// The commitment key's signature of this total, for another network.
    OfOtherNetwork,
    /// Bytes that are no signature of anything.
    Garbage,
}

/// A total, and the bytes that a caller gives as its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The total, in base units.
    pub amount: i128,
    /// Its signature.
    pub signature: Signature,
}

impl Claim {
    /// Whether the chain accepts the signature.
    #[must_use]
    pub fn is_good(&self) -> bool {
        match self.signature {
            Signature::Good => true,
            Signature::OfTotal(total) => total == self.amount,
            _ => false,
        }
    }
}

/// The terms of an opening. It is always in the funder's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The first deposit.
    pub amount: i128,
    /// `refund_waiting_period`.
    pub wait: u32,
    /// The number of the commitment key among the 14 encodings of keys of small order, if the key is one of them.
    pub weak_key: Option<u8>,
}

/// A call of the channel's contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `__constructor`.
    Open(Opening),
    /// `top_up`.
    TopUp(i128),
    /// `settle`.
    Settle(Claim),
    /// `close`.
    Close(Claim),
    /// `close_start`.
    CloseStart,
    /// `refund`.
    Refund,
    /// `extend`.
    Extend,
    /// The token's `transfer` from the caller to the channel's address.
    Send(i128),
    /// The token's `mint` to the channel's address. The issuer calls it, whoever is named as the caller.
    Mint(i128),
    /// The token's `clawback` from the channel. The issuer calls it.
    Clawback(i128),
    /// The token's `set_authorized` of the channel. The issuer calls it.
    Authorize(bool),
}

/// Why a call had no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// One of the contract's own errors.
    Contract(u32),
    /// An authorization is missing.
    Auth,
    /// The signature is not the commitment key's.
    Signature,
    /// The token refuses: there is no trustline, no room, no authorization, or there are too few tokens.
    Token,
    /// The call needed more than its simulation found.
    Resources,
    /// The contract has no such function.
    NoFunction,
    /// Another reason, which the model never gives.
    Other(String),
}

impl Refusal {
    /// The number of the contract's own error, if it is one.
    #[must_use]
    pub fn number(&self) -> Option<u32> {
        match self {
            Self::Contract(number) => Some(*number),
            _ => None,
        }
    }
}

/// The channel's events, with their amounts and ledgers. Their addresses are compared where they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the contract's README says what each means")]
pub enum Event {
    Open { amount: i128, wait: u32 },
    Deposit { amount: i128 },
    Close { effective_at_ledger: u32 },
    Withdraw { amount: i128 },
    Refund { amount: i128 },
}
