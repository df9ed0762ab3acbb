//! What is called, by whom, and how it is answered: the words that model, chain and moves share.

/// Error numbers, which are the contract's interface.
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

/// Who calls. Everybody signs for themselves alone.
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
    /// All, in the order of `Model::lines`.
    pub const ALL: [Self; 3] = [Self::Funder, Self::Recipient, Self::Stranger];

    /// The place in `Model::lines`.
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            Self::Funder => 0,
            Self::Recipient => 1,
            Self::Stranger => 2,
        }
    }
}

/// What stands where a commitment's signature should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// The commitment key's, of this total.
    Good,
    /// The commitment key's, of another total.
    OfTotal(i128),
    /// Of this total, by a key that is not the channel's.
    OfOtherKey,
    /// The commitment key's, of this total, for another channel.
    OfOtherChannel,
    /// The commitment key's, of this total, for another network.
    OfOtherNetwork,
    /// No signature of anything.
    Garbage,
}

/// A total with what is said to be its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The total, in base units.
    pub amount: i128,
    /// Its signature.
    pub signature: Signature,
}

impl Claim {
    /// Would the chain accept it?
    #[must_use]
    pub fn is_good(&self) -> bool {
        match self.signature {
            Signature::Good => true,
            Signature::OfTotal(total) => total == self.amount,
            _ => false,
        }
    }
}

/// How a channel is opened, in the funder's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The first deposit.
    pub amount: i128,
    /// `refund_waiting_period`.
    pub wait: u32,
    /// A commitment key of small order, one of 14.
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
    /// The token's `mint` to the channel's address. By the issuer, whoever is named as the caller.
    Mint(i128),
    /// The token's `clawback` from the channel. By the issuer.
    Clawback(i128),
    /// The token's `set_authorized` of the channel. By the issuer.
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
    /// The token refuses: no trustline, no room, not authorized, not enough.
    Token,
    /// More was needed than simulation saw.
    Resources,
    /// The contract has no such function.
    NoFunction,
    /// None of these. The model never says so.
    Other(String),
}

impl Refusal {
    /// The contract's own error number, where it is one.
    #[must_use]
    pub fn number(&self) -> Option<u32> {
        match self {
            Self::Contract(number) => Some(*number),
            _ => None,
        }
    }
}

/// What the channel tells the world. Addresses are compared apart, amounts and ledgers here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the contract's README says what each means")]
pub enum Event {
    Open { amount: i128, wait: u32 },
    Deposit { amount: i128 },
    Close { effective_at_ledger: u32 },
    Withdraw { amount: i128 },
    Refund { amount: i128 },
}
