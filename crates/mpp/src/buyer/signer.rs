//! Signs commitments. The key may be in another place, such as a hardware module.

use std::future::{Future, ready};
use std::pin::Pin;

use paychan_channel::{Commitment, CommitmentKey, CommitmentSecret, Signature};

/// The future of a signature.
pub type Signing<'a> = Pin<Box<dyn Future<Output = Result<Signature, SignerError>> + Send + 'a>>;

/// Signs commitments with a channel's commitment key.
pub trait Signer: Send + Sync {
    /// The public half of the key.
    fn public(&self) -> CommitmentKey;

    /// Signs a commitment. The buyer records the total before it asks, and checks the signature before it sends it.
    fn sign<'a>(&'a self, commitment: &'a Commitment) -> Signing<'a>;
}

/// Why a signer gave no signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the signer gave no signature: {0}")]
pub struct SignerError(pub String);

impl Signer for CommitmentSecret {
    fn public(&self) -> CommitmentKey {
        CommitmentSecret::public(self)
    }

    fn sign<'a>(&'a self, commitment: &'a Commitment) -> Signing<'a> {
        Box::pin(ready(Ok(commitment.sign(self))))
    }
}
