//! Taking a commitment: from what was submitted to what is on disk.
//!
//! A commitment costs no call to the network, one signature check and a share of one sync. What is asked here before the
//! signature is checked is asked again by the committer just before it writes ([`ViewGate`]).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use paychan_channel::{Amount, BadSignature, Commitment, ContractId, NetworkId, Signature};

use paychan_watcher_api::{Acknowledged, SignedAmount};

use super::gate::ViewGate;
use super::keys::Keys;
use paychan_store::{AcceptError, Offer, Refusal, RequestId, Store, StoreError};

/// Reads a channel anew because somebody offered more than its known coverage: top-ups are seen that way.
///
/// Implemented by the follower's reader, which writes what it saw to the view, and limits how often it asks: a submitter
/// must not be able to spend the endpoint's patience.
pub trait Reread: Send + Sync {
    /// Reads the channel, unless it was read on request just now. Answers when the view holds what was seen; that
    /// nothing could be read shows there too.
    fn reread<'a>(&'a self, channel: &'a ContractId) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
}

/// Why a commitment was not acknowledged. Nothing was written, but for a store that failed: then it is unknown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// The signature is not the funder's over this network, channel and amount.
    #[error("{0}")]
    BadSignature(#[from] BadSignature),
    /// The channel, the amount or the moment is not right; or the store could not say.
    #[error(transparent)]
    NotAccepted(#[from] AcceptError),
}

/// Takes commitments. One in the daemon, shared by all connections.
pub struct Acceptance {
    network: NetworkId,
    store: Store,
    gate: Arc<ViewGate>,
    reread: Arc<dyn Reread>,
    keys: Keys,
}

impl Acceptance {
    /// `gate` is the one that the store was opened with.
    pub fn new(network: NetworkId, store: Store, gate: Arc<ViewGate>, reread: Arc<dyn Reread>) -> Self {
        Self { network, store, gate, reread, keys: Keys::default() }
    }

    /// Takes a commitment, or says why not. Returns once it is on disk; the same `request_id` gets the same answer.
    ///
    /// `amount` is the total over the channel's life in base units, above zero.
    ///
    /// # Errors
    /// [`OfferError`], whose kinds tell apart what the submitter must do.
    pub async fn offer(
        &self,
        channel: ContractId,
        amount: Amount,
        signature: Signature,
        request_id: RequestId,
    ) -> Result<Acknowledged, OfferError> {
        let held = self.store.held(&channel).ok_or(AcceptError::UnknownChannel(channel))?;
        // At or below the highest, only the store can answer: the same id again, the same amount under another id, or
        // too low. The highest never goes down, so nothing of this kind is ever written.
        if amount > held.highest_amount() {
            let mut known = self.gate.now(&held, amount);
            if matches!(known, Err(Refusal::ExceedsCoverage { .. })) {
                self.reread.reread(&channel).await;
                known = self.gate.now(&held, amount);
            }
            known.map_err(AcceptError::from)?;
        }

        let key = self.keys.of(&held.admission).ok_or_else(|| {
            // Admission and every start check it.
            AcceptError::Store(StoreError::Failed(format!("the commitment key of {channel} is unusable").into()))
        })?;
        Commitment { network: self.network, channel, amount }.verify(&key, &signature)?;

        let accepted = self.store.accept(Offer { channel, amount, signature, request_id }).await?;
        Ok(self.acknowledged(&channel, accepted.highest))
    }

    /// The highest commitment that is held; `None` before the first one.
    ///
    /// # Errors
    /// [`AcceptError::UnknownChannel`].
    pub fn highest(&self, channel: &ContractId) -> Result<Option<SignedAmount>, AcceptError> {
        let held = self.store.held(channel).ok_or(AcceptError::UnknownChannel(*channel))?;
        Ok(held.highest.map(|held| SignedAmount { amount: held.amount, signature: held.signature }))
    }

    fn acknowledged(&self, channel: &ContractId, highest: Amount) -> Acknowledged {
        let known = self.gate.view().channel(channel);
        Acknowledged {
            highest,
            unsettled: known.as_ref().map_or(highest, |known| known.state.unsettled(highest)),
            coverage: known.as_ref().map_or(Amount::ZERO, |known| known.coverage()),
        }
    }
}
