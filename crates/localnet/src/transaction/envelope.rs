//! A submitted transaction: its envelope, hashes and size, and its parts that the rest of the network needs.

use stellar_xdr::{
    AccountId, DecoratedSignature, FeeBumpTransactionInnerTx, LedgerBounds, Limits, MuxedAccount, Operation,
    OperationBody, Preconditions, PreconditionsV2, SorobanTransactionData, SorobanTransactionDataExt, TimeBounds,
    Transaction, TransactionEnvelope, TransactionExt, TransactionV1Envelope, WriteXdr,
};

use crate::ledger::accounts::unmuxed;

/// A transaction, with or without a fee bump around it.
#[derive(Clone, Debug)]
pub(crate) struct Submitted {
    /// The whole envelope. One of the first version is kept as one of the second, which has the same hash.
    envelope: TransactionEnvelope,
    /// The transaction itself; with a fee bump, the inner one.
    inner: TransactionV1Envelope,
    fee_bump: Option<FeeBump>,
    hash: [u8; 32],
    /// The bytes of `inner`.
    size: u32,
}

/// A fee bump: somebody pays another fee for a transaction that is already signed (CAP-15).
#[derive(Clone, Debug)]
pub(crate) struct FeeBump {
    pub(crate) fee_source: AccountId,
    /// The most stroops for inclusion and resources together.
    pub(crate) fee: i64,
    pub(crate) signatures: Vec<DecoratedSignature>,
    pub(crate) inner_hash: [u8; 32],
}

/// The transaction does not encode as XDR, so it has no hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the transaction does not encode as XDR")]
pub(crate) struct Unencodable;

impl Submitted {
    /// Takes an envelope that was signed for the network with this id.
    ///
    /// # Errors
    /// See [`Unencodable`].
    pub(crate) fn new(envelope: TransactionEnvelope, network_id: [u8; 32]) -> Result<Self, Unencodable> {
        let hash_of = |envelope: &TransactionEnvelope| envelope.hash(network_id).map_err(|_| Unencodable);
        let (inner, fee_bump, hash) = match envelope {
            TransactionEnvelope::Tx(v1) => {
                let hash = hash_of(&TransactionEnvelope::Tx(v1.clone()))?;
                (v1, None, hash)
            }
            TransactionEnvelope::TxV0(v0) => {
                let v1 = TransactionV1Envelope {
                    tx: Transaction {
                        source_account: MuxedAccount::Ed25519(v0.tx.source_account_ed25519),
                        fee: v0.tx.fee,
                        seq_num: v0.tx.seq_num,
                        cond: v0.tx.time_bounds.map_or(Preconditions::None, Preconditions::Time),
                        memo: v0.tx.memo,
                        operations: v0.tx.operations,
                        ext: TransactionExt::V0,
                    },
                    signatures: v0.signatures,
                };
                let hash = hash_of(&TransactionEnvelope::Tx(v1.clone()))?;
                (v1, None, hash)
            }
            TransactionEnvelope::TxFeeBump(bump) => {
                let FeeBumpTransactionInnerTx::Tx(inner) = bump.tx.inner_tx.clone();
                let fee_bump = FeeBump {
                    fee_source: unmuxed(&bump.tx.fee_source),
                    fee: bump.tx.fee,
                    signatures: bump.signatures.to_vec(),
                    inner_hash: hash_of(&TransactionEnvelope::Tx(inner.clone()))?,
                };
                let envelope = TransactionEnvelope::TxFeeBump(bump);
                let hash = hash_of(&envelope)?;
                return Self::from_parts(envelope, inner, Some(fee_bump), hash);
            }
        };
        Self::from_parts(TransactionEnvelope::Tx(inner.clone()), inner, fee_bump, hash)
    }

    fn from_parts(
        envelope: TransactionEnvelope,
        inner: TransactionV1Envelope,
        fee_bump: Option<FeeBump>,
        hash: [u8; 32],
    ) -> Result<Self, Unencodable> {
        let bytes = TransactionEnvelope::Tx(inner.clone()).to_xdr(Limits::none()).map_err(|_| Unencodable)?;
        let size = u32::try_from(bytes.len()).map_err(|_| Unencodable)?;
        Ok(Self { envelope, inner, fee_bump, hash, size })
    }

    pub(crate) fn envelope(&self) -> TransactionEnvelope {
        self.envelope.clone()
    }

    /// The transaction itself; with a fee bump, the inner one.
    pub(crate) fn tx(&self) -> &Transaction {
        &self.inner.tx
    }

    /// The transaction's signatures, without those of a fee bump.
    pub(crate) fn signatures(&self) -> &[DecoratedSignature] {
        self.inner.signatures.as_slice()
    }

    pub(crate) fn fee_bump(&self) -> Option<&FeeBump> {
        self.fee_bump.as_ref()
    }

    /// The hash of the whole envelope: with a fee bump, the fee bump's.
    pub(crate) fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// The hash that the transaction's own signatures sign.
    pub(crate) fn inner_hash(&self) -> [u8; 32] {
        self.fee_bump.as_ref().map_or(self.hash, |bump| bump.inner_hash)
    }

    /// Bytes of the transaction's envelope, without a fee bump around it.
    pub(crate) fn size(&self) -> u32 {
        self.size
    }

    pub(crate) fn operations(&self) -> &[Operation] {
        self.inner.tx.operations.as_slice()
    }

    pub(crate) fn source(&self) -> AccountId {
        unmuxed(&self.inner.tx.source_account)
    }

    /// The account that pays the fee and gets the refund.
    pub(crate) fn fee_source(&self) -> AccountId {
        self.fee_bump.as_ref().map_or_else(|| self.source(), |bump| bump.fee_source.clone())
    }

    /// The account for which an operation acts, with its muxed id if it has one.
    pub(crate) fn operation_source<'a>(&'a self, operation: &'a Operation) -> &'a MuxedAccount {
        operation.source_account.as_ref().unwrap_or(&self.inner.tx.source_account)
    }

    pub(crate) fn is_soroban(&self) -> bool {
        self.operations().first().is_some_and(is_soroban)
    }

    pub(crate) fn soroban_data(&self) -> Option<&SorobanTransactionData> {
        match &self.inner.tx.ext {
            TransactionExt::V1(data) => Some(data),
            TransactionExt::V0 => None,
        }
    }

    /// The places, in the read-write footprint, of the archived entries that the transaction restores (CAP-66).
    pub(crate) fn marked_archived(&self) -> &[u32] {
        match self.soroban_data().map(|data| &data.ext) {
            Some(SorobanTransactionDataExt::V1(marks)) => marks.archived_soroban_entries.as_slice(),
            _ => &[],
        }
    }

    /// The most stroops that the fee source pays.
    pub(crate) fn full_fee(&self) -> i64 {
        self.fee_bump.as_ref().map_or_else(|| self.inner_full_fee(), |bump| bump.fee)
    }

    /// The most stroops that the transaction itself offers; with a fee bump, nobody pays them.
    pub(crate) fn inner_full_fee(&self) -> i64 {
        i64::from(self.inner.tx.fee)
    }

    /// Stroops of the fee that are for resources, as declared; zero for classic transactions.
    pub(crate) fn resource_fee(&self) -> i64 {
        if self.is_soroban() { self.soroban_data().map_or(0, |data| data.resource_fee) } else { 0 }
    }

    /// Stroops that are left to bid for inclusion; below zero when the resource fee is above the full fee.
    pub(crate) fn inclusion_fee(&self) -> i64 {
        self.full_fee().saturating_sub(self.resource_fee())
    }

    pub(crate) fn time_bounds(&self) -> Option<&TimeBounds> {
        match &self.inner.tx.cond {
            Preconditions::None => None,
            Preconditions::Time(bounds) => Some(bounds),
            Preconditions::V2(conditions) => conditions.time_bounds.as_ref(),
        }
    }

    pub(crate) fn conditions(&self) -> Option<&PreconditionsV2> {
        match &self.inner.tx.cond {
            Preconditions::V2(conditions) => Some(conditions),
            Preconditions::None | Preconditions::Time(_) => None,
        }
    }

    pub(crate) fn ledger_bounds(&self) -> Option<&LedgerBounds> {
        self.conditions().and_then(|conditions| conditions.ledger_bounds.as_ref())
    }
}

/// Whether an operation runs in the Soroban phase, where it is alone in its transaction and declares resources.
pub(crate) fn is_soroban(operation: &Operation) -> bool {
    matches!(
        operation.body,
        OperationBody::InvokeHostFunction(_)
            | OperationBody::ExtendFootprintTtl(_)
            | OperationBody::RestoreFootprint(_)
    )
}
