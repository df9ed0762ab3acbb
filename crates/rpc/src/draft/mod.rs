//! A transaction on its way from intent to signed bytes: draft, simulate, assemble, sign.

use std::fmt;
use std::str::FromStr;

use paychan_channel::{AccountId, HexError, NetworkId, Stroops};
use serde::{Deserialize, Serialize};
use stellar_xdr::{
    DecoratedSignature, Duration, LedgerBounds, Memo, Operation, OperationBody, Preconditions, PreconditionsV2,
    SequenceNumber, Signature, SignatureHint, SorobanTransactionData, TimeBounds, Transaction, TransactionEnvelope,
    TransactionExt, VecM,
};

use crate::{SecretKey, Simulated};

/// How many bytes a transaction may write beyond its simulation, for each channel from which it pays.
///
/// A `close_start` between simulation and execution writes `CloseEffectiveAtLedger` into the channel's instance: a map
/// entry of 52 bytes of XDR (key `Vec[Symbol]` 44, value `U32` 8). A transaction that declares too few bytes fails, and
/// this one would fail exactly when it must not.
pub const WRITE_BYTES_PER_CHANNEL: u32 = 64;
const _: () = assert!(WRITE_BYTES_PER_CHANNEL >= 44 + 8);

/// How many more bytes a `close` may write: the channel's balance, an entry of the token's contract.
///
/// A `close` may pay nothing while the refund within it fails and is caught, because the funder has no trustline. The
/// simulation then rolls the failed transfer back, forgets that it read the balance for writing, and does not count the
/// entry; execution finds the entry in the footprint and counts it. Such a close would fail with the simulated bytes,
/// though nobody interfered (tests/proof found this, see tests/proof/tests/it/gap.rs). A Stellar asset's balance is an
/// entry of 224 bytes of XDR.
pub const WRITE_BYTES_PER_CLOSE: u32 = 224;

/// The network charges for writing per this many bytes (soroban-env-host, `fees.rs`: `DATA_SIZE_1KB_INCREMENT`).
const WRITE_FEE_INCREMENT: i64 = 1024;

/// Write bytes beyond the simulated ones, and their fee.
///
/// The network charges for all declared write bytes, used or not: `ceil(bytes × fee_write1_kb / 1024)` is part of the
/// resource fee that is not refunded (soroban-env-host, `fees.rs`: `compute_transaction_resource_fee`). So the resource
/// fee of a simulation does not cover bytes that are added afterwards: without their fee, the network refuses the
/// transaction, or uses up the part that is meant for rent. It is enough to round up this fee by itself, since
/// `ceil(a + b) ≤ ceil(a) + ceil(b)`; the network refunds the surplus stroop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtraWrites {
    bytes: u32,
    fee: Stroops,
}

impl ExtraWrites {
    /// No bytes beyond the simulated ones.
    pub const NONE: ExtraWrites = ExtraWrites { bytes: 0, fee: Stroops(0) };

    /// [`WRITE_BYTES_PER_CHANNEL`] for each of `channels`, at the fee of
    /// [`Client::get_write_fee_per_kb`](crate::Client::get_write_fee_per_kb).
    ///
    /// # Errors
    /// [`BuildError::FeeTooLarge`] when the product does not fit.
    pub fn for_channels(channels: u32, fee_per_kb: Stroops) -> Result<ExtraWrites, BuildError> {
        let bytes = channels.checked_mul(WRITE_BYTES_PER_CHANNEL).ok_or(BuildError::TooManyWriteBytes)?;
        ExtraWrites::of(bytes, fee_per_kb)
    }

    /// [`WRITE_BYTES_PER_CHANNEL`] and [`WRITE_BYTES_PER_CLOSE`] together, for a transaction that closes one channel.
    ///
    /// # Errors
    /// [`BuildError::FeeTooLarge`] when the product does not fit.
    pub fn for_close(fee_per_kb: Stroops) -> Result<ExtraWrites, BuildError> {
        ExtraWrites::of(WRITE_BYTES_PER_CHANNEL + WRITE_BYTES_PER_CLOSE, fee_per_kb)
    }

    fn of(bytes: u32, fee_per_kb: Stroops) -> Result<ExtraWrites, BuildError> {
        let fee = i64::from(bytes)
            .checked_mul(fee_per_kb.0.max(0))
            .and_then(|product| product.checked_add(WRITE_FEE_INCREMENT - 1))
            .ok_or(BuildError::FeeTooLarge)?
            / WRITE_FEE_INCREMENT;
        Ok(ExtraWrites { bytes, fee: Stroops(fee) })
    }

    /// The bytes added.
    #[must_use]
    pub fn bytes(&self) -> u32 {
        self.bytes
    }

    /// The resource fee added, in stroops.
    #[must_use]
    pub fn fee(&self) -> Stroops {
        self.fee
    }
}

/// Why a transaction could not be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The fee is negative, or above 4,294,967,295 stroops, the most that a transaction can name.
    #[error("the fee is negative or above {} stroops, the most that a transaction can name", u32::MAX)]
    FeeTooLarge,
    /// There are more write bytes than the field can hold.
    #[error("the transaction would write too many bytes")]
    TooManyWriteBytes,
    /// A transaction has 1 to 100 operations; one that calls a contract has exactly one.
    #[error("a transaction has 1 to 100 operations, and exactly one if it calls a contract; this one has {0}")]
    Operations(usize),
    /// A transaction has at most 20 signatures.
    #[error("a transaction has at most 20 signatures")]
    TooManySignatures,
    /// The envelope is a fee bump or has the form before protocol 13. Only plain transactions are signed here.
    #[error("only plain transactions are signed here, no fee bumps and no version 0")]
    NotPlain,
    /// There are more authorization entries than an operation can hold.
    #[error("the call needs too many authorizations")]
    TooManyAuthorizations,
    /// The transaction has no XDR encoding.
    #[error("the transaction has no encoding")]
    NoEncoding,
}

/// A transaction before simulation: its operations, its source and its bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Who pays the fee, and whose sequence number is used.
    pub source: AccountId,
    /// The source's current sequence number **plus one**.
    pub sequence: i64,
    /// What to do; see [`operations`](crate::operations). There must be exactly one if it calls a contract, extends or
    /// restores.
    pub operations: Vec<Operation>,
    /// The ledgers in which it may be included. `max_ledger` is exclusive; 0 means no bound.
    pub ledger_bounds: Option<LedgerBounds>,
    /// The close times, in seconds since 1970 UTC, at which it may be included. Both are inclusive; a maximum of 0
    /// means no bound.
    pub time_bounds: Option<TimeBounds>,
    /// The bid for inclusion of the whole transaction, in stroops.
    pub inclusion_fee: Stroops,
    /// The footprint of an extension or a restoration ([`operations::footprint`](crate::operations::footprint)), which
    /// have no other arguments. `None` for calls: their simulation gives it.
    pub soroban: Option<SorobanTransactionData>,
}

impl Draft {
    /// Builds the unsigned envelope. It is complete for classic operations, and ready for simulation otherwise.
    ///
    /// # Errors
    /// [`BuildError`] when fee or operations do not fit.
    pub fn build(&self) -> Result<TransactionEnvelope, BuildError> {
        self.transaction(self.operations.clone(), self.soroban.clone()).map(TransactionEnvelope::from)
    }

    fn transaction(
        &self,
        operations: Vec<Operation>,
        soroban: Option<SorobanTransactionData>,
    ) -> Result<Transaction, BuildError> {
        let resource_fee = Stroops(soroban.as_ref().map_or(0, |data| data.resource_fee));
        let fee = self.inclusion_fee.checked_add(resource_fee).ok_or(BuildError::FeeTooLarge)?;
        let count = operations.len();
        let operations: VecM<Operation, 100> = operations.try_into().map_err(|_| BuildError::Operations(count))?;
        if operations.is_empty() || (soroban.is_some() && operations.len() != 1) {
            return Err(BuildError::Operations(count));
        }
        Ok(Transaction {
            source_account: self.source.to_muxed(),
            fee: u32::try_from(fee.0).map_err(|_| BuildError::FeeTooLarge)?,
            seq_num: SequenceNumber(self.sequence),
            cond: self.preconditions(),
            memo: Memo::None,
            operations,
            ext: soroban.map_or(TransactionExt::V0, TransactionExt::V1),
        })
    }

    pub(crate) fn preconditions(&self) -> Preconditions {
        match (&self.ledger_bounds, &self.time_bounds) {
            (None, None) => Preconditions::None,
            (None, Some(time)) => Preconditions::Time(time.clone()),
            (Some(ledgers), time) => Preconditions::V2(PreconditionsV2 {
                time_bounds: time.clone(),
                ledger_bounds: Some(ledgers.clone()),
                min_seq_num: None,
                min_seq_age: Duration(0),
                min_seq_ledger_gap: 0,
                extra_signers: VecM::default(),
            }),
        }
    }
}

/// The transaction as it will be signed: the draft with the footprint, resources and authorizations of its simulation,
/// and `fee` = inclusion fee + resource fee.
///
/// Authorization entries that the draft already has are kept, since they are signed or the caller chose them.
///
/// # Errors
/// [`BuildError`] when something does not fit, or the draft has not exactly one operation.
pub fn assemble(draft: &Draft, simulated: &Simulated, extra: ExtraWrites) -> Result<Transaction, BuildError> {
    let mut data = simulated.data.clone();
    data.resources.write_bytes =
        data.resources.write_bytes.checked_add(extra.bytes).ok_or(BuildError::TooManyWriteBytes)?;
    data.resource_fee = data.resource_fee.checked_add(extra.fee.0).ok_or(BuildError::FeeTooLarge)?;
    let mut operations = draft.operations.clone();
    for operation in &mut operations {
        if let OperationBody::InvokeHostFunction(call) = &mut operation.body
            && call.auth.is_empty()
        {
            call.auth = simulated.auth.clone().try_into().map_err(|_| BuildError::TooManyAuthorizations)?;
        }
    }
    draft.transaction(operations, Some(data))
}

/// A transaction's hash, which names it and is signed. As text it is 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TxHash(pub [u8; 32]);

/// The hash of a transaction on a network.
///
/// # Errors
/// [`BuildError::NoEncoding`].
pub fn hash(transaction: &Transaction, network: &NetworkId) -> Result<TxHash, BuildError> {
    transaction.hash(network.0).map(TxHash).map_err(|_| BuildError::NoEncoding)
}

/// Signs an envelope with each of the keys, and returns its hash. A key that has signed already does not sign twice:
/// the network refuses signatures that it does not need.
///
/// # Errors
/// [`BuildError::NotPlain`], [`BuildError::TooManySignatures`].
pub fn sign(
    envelope: &mut TransactionEnvelope,
    network: &NetworkId,
    keys: &[&SecretKey],
) -> Result<TxHash, BuildError> {
    let TransactionEnvelope::Tx(envelope) = envelope else {
        return Err(BuildError::NotPlain);
    };
    let hash = hash(&envelope.tx, network)?;
    let mut signatures = envelope.signatures.to_vec();
    for key in keys {
        let signature = decorated(key, &hash);
        if !signatures.contains(&signature) {
            signatures.push(signature);
        }
    }
    envelope.signatures = signatures.try_into().map_err(|_| BuildError::TooManySignatures)?;
    Ok(hash)
}

/// The signature with its hint, the last four bytes of the public key.
fn decorated(key: &SecretKey, hash: &TxHash) -> DecoratedSignature {
    let AccountId([.., a, b, c, d]) = key.account();
    let signature = key.sign(&hash.0).to_vec().try_into().expect("64 bytes fit a signature");
    DecoratedSignature { hint: SignatureHint([a, b, c, d]), signature: Signature(signature) }
}

impl fmt::Display for TxHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.0))
    }
}

impl fmt::Debug for TxHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TxHash({self})")
    }
}

impl FromStr for TxHash {
    type Err = HexError;

    fn from_str(text: &str) -> Result<TxHash, HexError> {
        let mut bytes = [0; 32];
        paychan_channel::bytes_from_hex(text, &mut bytes)?;
        Ok(TxHash(bytes))
    }
}

impl Serialize for TxHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TxHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
