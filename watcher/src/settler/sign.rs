//! Makes the signed transaction that goes to the journal.

use paychan_channel::xdr::{Limits, Transaction, TransactionEnvelope, WriteXdr};
use paychan_channel::{Ledger, NetworkId, Stroops};
use paychan_rpc::SecretKey;

use crate::chain::CallRequest;
use paychan_store::{Purpose, SignedTransaction};

/// Signs a prepared transaction and makes the record that the journal keeps of it.
///
/// # Errors
/// The transaction can't be encoded, or it needs too many signatures.
pub(super) fn sign(
    request: &CallRequest,
    transaction: Transaction,
    purpose: Purpose,
    head: Ledger,
    network: &NetworkId,
    signers: &[&SecretKey],
) -> Result<(SignedTransaction, TransactionEnvelope), paychan_rpc::BuildError> {
    let fee = Stroops(i64::from(transaction.fee));
    let mut envelope = TransactionEnvelope::from(transaction);
    let hash = paychan_rpc::sign(&mut envelope, network, signers)?;
    let bytes = envelope.to_xdr(Limits::none()).map_err(|_| paychan_rpc::BuildError::NoEncoding)?;
    let signed = SignedTransaction {
        hash: hash.0,
        lane: request.source,
        purpose,
        envelope: bytes,
        sequence: request.sequence,
        signed_at: head,
        max_ledger: request.max_ledger,
        fee,
    };
    Ok((signed, envelope))
}
