//! What can be wrong with input. Code matches the variant; people read the text.

use crate::{ContractId, Layout};

/// Why a text is no [`Amount`](crate::Amount).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Nothing was given.
    #[error("the amount is empty; expected digits, such as 15000000")]
    Empty,
    /// Below zero.
    #[error("the amount is negative; an amount is 0 or more")]
    Negative,
    /// A decimal point where base units were expected.
    #[error("the amount has a fraction; expected whole base units (1.5 with 7 decimals is 15000000)")]
    Fraction,
    /// Something other than digits.
    #[error("the amount is not a number; expected digits only, no sign, exponent or separators")]
    NotANumber,
    /// Above `i128::MAX`, the most that a token can hold.
    #[error("the amount is too large; the most is {} base units", i128::MAX)]
    TooLarge,
    /// More digits after the point than the token has.
    #[error("the amount has {given} digits after the point; the token has {allowed} decimals")]
    TooManyDecimals {
        /// Digits after the point.
        given: usize,
        /// The token's decimals.
        allowed: u32,
    },
}

/// Why a text is no ledger number or number of stroops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, digits only, at most {max}")]
pub struct NumberError {
    /// What the number should have been.
    pub expected: &'static str,
    /// The largest number that fits.
    pub max: i64,
}

/// Why a text is no id. The text itself is never repeated: it may be a secret that was pasted into the wrong place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// A valid strkey of another kind.
    #[error("expected {expected}, got {got}")]
    WrongKind {
        /// What was wanted.
        expected: &'static str,
        /// What the text is.
        got: &'static str,
    },
    /// Not a strkey at all, or one with a typing error in it.
    #[error(
        "expected {expected} of 56 characters, got {length} characters that are no valid Stellar key or address \
         (wrong length, a character that does not belong, or a checksum that does not match)"
    )]
    NotAStrkey {
        /// What was wanted.
        expected: &'static str,
        /// Characters given.
        length: usize,
    },
    /// Not the right number of hexadecimal digits.
    #[error("expected {expected}: {source}")]
    Hex {
        /// What was wanted.
        expected: &'static str,
        /// What was wrong with the digits.
        source: HexError,
    },
}

/// Why a text is not the bytes it should be. Positions and counts only, never the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HexError {
    /// Too few or too many digits.
    #[error("expected {expected} hexadecimal digits ({} bytes), got {given}", expected / 2)]
    Length {
        /// Digits wanted.
        expected: usize,
        /// Characters given.
        given: usize,
    },
    /// A character that is no hexadecimal digit.
    #[error("expected {expected} hexadecimal digits, but character {position} is not one")]
    Digit {
        /// Digits wanted.
        expected: usize,
        /// Which character, counted from 1.
        position: usize,
    },
}

/// An address of a kind that neither pays nor is paid by a channel (CAP-67: muxed account, claimable balance, pool).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected an account or contract address, got {got}")]
pub struct AddressError {
    /// What kind of address it is.
    pub got: &'static str,
}

/// Why bytes or text are no key that commitments can be signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not 64 hexadecimal digits.
    #[error("not a commitment key: {0}")]
    Hex(#[from] HexError),
    /// The bytes decode to no point of the curve: no signature can ever verify.
    #[error("not a commitment key: the 32 bytes are no point of the ed25519 curve")]
    OffCurve,
    /// A point of small order: anyone can make signatures that lenient verifiers accept and the chain refuses.
    #[error("not a commitment key: it is weak (of small order), and the chain refuses every signature under it")]
    Weak,
    /// The operating system gave no random bytes, so no key was made.
    #[error("no commitment key was made: the operating system gave no random bytes")]
    NoRandomness,
}

/// The signature is not this key's over this commitment, or has a form that the chain refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the signature does not verify: it must be made by the channel's commitment key over the network, this channel \
     and exactly this amount"
)]
pub struct BadSignature;

/// Why bytes are no commitment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitmentError {
    /// Every commitment is encoded in the same number of bytes.
    #[error("a commitment is {expected} bytes, got {given}")]
    Length {
        /// Bytes of every commitment.
        expected: usize,
        /// Bytes given.
        given: usize,
    },
    /// The bytes are not XDR of an `ScVal`.
    #[error("a commitment is the XDR of an ScVal; these bytes are not")]
    NotXdr,
    /// XDR, but not a map of amount, channel, domain and network, in this order, with the domain `chancmmt`.
    #[error("a commitment is a map of amount, channel, domain and network; {0}")]
    NotACommitment(&'static str),
    /// A commitment to less than nothing.
    #[error("the commitment's amount is not valid: {0}")]
    Amount(#[from] AmountError),
}

/// What was wrong with one value in a map of named values (contract storage, event data).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// The name is not there.
    #[error("`{name}` is missing")]
    Missing {
        /// The value's name.
        name: &'static str,
    },
    /// The value has another type.
    #[error("`{name}` should be {expected}")]
    WrongType {
        /// The value's name.
        name: &'static str,
        /// The type it should have.
        expected: &'static str,
    },
    /// An amount below zero.
    #[error("`{name}` is negative: {value}")]
    Negative {
        /// The value's name.
        name: &'static str,
        /// The negative value.
        value: i128,
    },
}

/// Why a channel can't be read from its ledger entries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{channel} is not a channel that can be read: {kind}")]
pub struct StateError {
    /// The address whose entries were read.
    pub channel: ContractId,
    /// What was wrong.
    pub kind: StateErrorKind,
}

/// The kinds of [`StateError`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateErrorKind {
    /// The entry is not the instance entry of this contract.
    #[error("expected the contract's instance entry, got another ledger entry")]
    NotAnInstance,
    /// The address is a token of the network itself.
    #[error("it is a Stellar asset contract (a token), not a channel")]
    StellarAsset,
    /// Its executable is named by another contract's entry (CAP-85), so its code can change under the channel.
    #[error(
        "its code is kept in another contract's entry (CAP-85), so it is not fixed; channels have code of their own"
    )]
    CodeElsewhere,
    /// The storage has none of the three layouts.
    #[error("its storage has no channel's layout; it holds {0}", shown_keys(keys))]
    ForeignLayout {
        /// Names of the storage keys found, at most [`StateErrorKind::KEYS_SHOWN`] of them.
        keys: Vec<String>,
    },
    /// The layout is one of the three, but not the one that this code is known to use.
    #[error("its storage has the layout {found}, but its code should use {expected}")]
    OtherLayout {
        /// The layout that this code is known to use.
        expected: Layout,
        /// The layout that the storage keys show.
        found: Layout,
    },
    /// A value of the instance is missing or malformed.
    #[error("in its storage, {0}")]
    Value(#[from] ValueError),
    /// The entry given as the token balance is not this channel's balance in this token.
    #[error("expected the channel's balance entry in its token, got another ledger entry")]
    NotTheBalance,
    /// The balance entry holds neither a Stellar asset's balance nor a plain amount.
    #[error("in its token balance, {0}")]
    Balance(ValueError),
}

impl StateErrorKind {
    /// How many key names of a foreign contract are kept for the message.
    pub const KEYS_SHOWN: usize = 12;
}

fn shown_keys(keys: &[String]) -> String {
    if keys.is_empty() { "nothing".to_owned() } else { keys.join(", ") }
}

/// An event with a channel event's name but not its contents: the contract that emitted it is no channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an event `{event}` that no channel emits: {source}")]
pub struct EventError {
    /// The event's name.
    pub event: &'static str,
    /// What was wrong in it.
    pub source: ValueError,
}

/// A Wasm module longer than XDR can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the Wasm module has {0} bytes, more than a transaction can carry")]
pub struct WasmTooLarge(pub usize);
