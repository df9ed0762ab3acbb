//! A submitted transaction: the envelope, its hash and size, and the few facts everybody asks for.

use stellar_xdr::{
    AccountId, DecoratedSignature, LedgerBounds, Limits, MuxedAccount, Operation, OperationBody, Preconditions,
    PreconditionsV2, SignerKey, SorobanTransactionData, SorobanTransactionDataExt, TimeBounds, Transaction,
    TransactionEnvelope, TransactionExt, TransactionV1Envelope, WriteXdr,
};

use crate::ledger::accounts::unmuxed;

/// A transaction that this network can judge.
#[derive(Clone, Debug)]
pub(crate) struct Submitted {
    envelope: TransactionV1Envelope,
    hash: [u8; 32],
    size: u32,
}

/// What the public network has and this one does not (yet). Refused before any rule of the network is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotImplemented {
    #[error(
        "fee bump transactions are not implemented by paychan-localnet; send the inner transaction with its own fee"
    )]
    FeeBump,
    #[error("operation {0} is not implemented by paychan-localnet")]
    Operation(&'static str),
    #[error(
        "automatic restoration (archivedSorobanEntries) is not implemented by paychan-localnet; send a \
         RestoreFootprint transaction first, simulateTransaction returns it as restorePreamble"
    )]
    AutomaticRestoration,
    #[error("only ed25519 signers are implemented by paychan-localnet")]
    Signer,
    #[error("the transaction does not encode as XDR")]
    Unencodable,
}

impl Submitted {
    /// Takes an envelope of this network.
    ///
    /// # Errors
    /// Names what this network doesn't implement.
    pub(crate) fn new(envelope: TransactionEnvelope, network_id: [u8; 32]) -> Result<Self, NotImplemented> {
        let envelope = match envelope {
            TransactionEnvelope::Tx(v1) => v1,
            TransactionEnvelope::TxV0(v0) => TransactionV1Envelope {
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
            },
            TransactionEnvelope::TxFeeBump(_) => return Err(NotImplemented::FeeBump),
        };
        for operation in envelope.tx.operations.iter() {
            check_implemented(operation)?;
        }
        if let TransactionExt::V1(data) = &envelope.tx.ext
            && let SorobanTransactionDataExt::V1(archived) = &data.ext
            && !archived.archived_soroban_entries.is_empty()
        {
            return Err(NotImplemented::AutomaticRestoration);
        }
        if let Preconditions::V2(conditions) = &envelope.tx.cond
            && conditions.extra_signers.iter().any(|key| !matches!(key, SignerKey::Ed25519(_)))
        {
            return Err(NotImplemented::Signer);
        }
        let whole = TransactionEnvelope::Tx(envelope.clone());
        let hash = whole.hash(network_id).map_err(|_| NotImplemented::Unencodable)?;
        let bytes = whole.to_xdr(Limits::none()).map_err(|_| NotImplemented::Unencodable)?;
        let size = u32::try_from(bytes.len()).map_err(|_| NotImplemented::Unencodable)?;
        Ok(Self { envelope, hash, size })
    }

    pub(crate) fn envelope(&self) -> TransactionEnvelope {
        TransactionEnvelope::Tx(self.envelope.clone())
    }

    pub(crate) fn tx(&self) -> &Transaction {
        &self.envelope.tx
    }

    pub(crate) fn signatures(&self) -> &[DecoratedSignature] {
        self.envelope.signatures.as_slice()
    }

    pub(crate) fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// Bytes of the whole envelope.
    pub(crate) fn size(&self) -> u32 {
        self.size
    }

    pub(crate) fn operations(&self) -> &[Operation] {
        self.envelope.tx.operations.as_slice()
    }

    pub(crate) fn source(&self) -> AccountId {
        unmuxed(&self.envelope.tx.source_account)
    }

    /// The account that an operation acts for, with its muxed id if it has one.
    pub(crate) fn operation_source<'a>(&'a self, operation: &'a Operation) -> &'a MuxedAccount {
        operation.source_account.as_ref().unwrap_or(&self.envelope.tx.source_account)
    }

    pub(crate) fn is_soroban(&self) -> bool {
        self.operations().first().is_some_and(is_soroban)
    }

    pub(crate) fn soroban_data(&self) -> Option<&SorobanTransactionData> {
        match &self.envelope.tx.ext {
            TransactionExt::V1(data) => Some(data),
            TransactionExt::V0 => None,
        }
    }

    /// Stroops that the source pays at most.
    pub(crate) fn full_fee(&self) -> i64 {
        i64::from(self.envelope.tx.fee)
    }

    /// Stroops of it that are for resources, as declared; zero for classic transactions.
    pub(crate) fn resource_fee(&self) -> i64 {
        if self.is_soroban() { self.soroban_data().map_or(0, |data| data.resource_fee) } else { 0 }
    }

    /// Stroops that are left to bid for inclusion; below zero when the resource fee is above the full fee.
    pub(crate) fn inclusion_fee(&self) -> i64 {
        self.full_fee().saturating_sub(self.resource_fee())
    }

    pub(crate) fn time_bounds(&self) -> Option<&TimeBounds> {
        match &self.envelope.tx.cond {
            Preconditions::None => None,
            Preconditions::Time(bounds) => Some(bounds),
            Preconditions::V2(conditions) => conditions.time_bounds.as_ref(),
        }
    }

    pub(crate) fn conditions(&self) -> Option<&PreconditionsV2> {
        match &self.envelope.tx.cond {
            Preconditions::V2(conditions) => Some(conditions),
            Preconditions::None | Preconditions::Time(_) => None,
        }
    }

    pub(crate) fn ledger_bounds(&self) -> Option<&LedgerBounds> {
        self.conditions().and_then(|conditions| conditions.ledger_bounds.as_ref())
    }
}

/// Operations that run in the Soroban phase: alone in their transaction, with resources declared.
pub(crate) fn is_soroban(operation: &Operation) -> bool {
    matches!(
        operation.body,
        OperationBody::InvokeHostFunction(_)
            | OperationBody::ExtendFootprintTtl(_)
            | OperationBody::RestoreFootprint(_)
    )
}

fn check_implemented(operation: &Operation) -> Result<(), NotImplemented> {
    match &operation.body {
        OperationBody::SetOptions(options) => match &options.signer {
            Some(signer) if !matches!(signer.key, SignerKey::Ed25519(_)) => Err(NotImplemented::Signer),
            _ => Ok(()),
        },
        OperationBody::CreateAccount(_)
        | OperationBody::Payment(_)
        | OperationBody::ChangeTrust(_)
        | OperationBody::SetTrustLineFlags(_)
        | OperationBody::Clawback(_)
        | OperationBody::InvokeHostFunction(_)
        | OperationBody::ExtendFootprintTtl(_)
        | OperationBody::RestoreFootprint(_) => Ok(()),
        other => Err(NotImplemented::Operation(other.name())),
    }
}
