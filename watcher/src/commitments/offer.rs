//! Taking a commitment: from what was submitted to what is on disk.
//!
//! A commitment costs no call to the network, one signature check and a share of one sync. What is asked here is asked
//! again by the committer just before it writes ([`ViewGate`]).

use std::sync::Arc;

use paychan_channel::{Amount, BadSignature, Commitment, ContractId, NetworkId};

use paychan_watcher_api::{Acknowledged, SignedAmount};

use super::gate::ViewGate;
use super::keys::Keys;
use crate::reader::Reread;
use paychan_store::{AcceptError, Gate, Held, Offer, Refusal, Store, StoreError};

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
pub struct Commitments {
    network: NetworkId,
    store: Store,
    gate: Arc<ViewGate>,
    reread: Arc<dyn Reread>,
    keys: Keys,
}

impl Commitments {
    /// `gate` is the one that the store was opened with.
    pub fn new(network: NetworkId, store: Store, gate: Arc<ViewGate>, reread: Arc<dyn Reread>) -> Self {
        Self { network, store, gate, reread, keys: Keys::default() }
    }

    /// Takes a commitment, or says why not. Returns once it is on disk; the same `request_id` gets the same answer.
    ///
    /// # Errors
    /// [`OfferError`], whose kinds tell apart what the submitter must do.
    pub async fn offer(&self, offer: Offer) -> Result<Acknowledged, OfferError> {
        let channel = offer.channel;
        let held = self.store.held(&channel).ok_or(AcceptError::UnknownChannel(channel))?;
        // At or below the highest, only the store can answer: the same id again, the same amount under another id, or
        // too low. The highest never goes down, so nothing of this kind is ever written.
        if offer.amount <= held.highest_amount() {
            self.verify(&held, &offer)?;
            return self.write(offer).await;
        }
        let above_coverage = match self.gate.check(&held, offer.amount, Amount::ZERO) {
            Ok(()) => false,
            Err(Refusal::ExceedsCoverage { .. }) => true,
            Err(refusal) => return Err(AcceptError::from(refusal).into()),
        };
        self.verify(&held, &offer)?;
        if above_coverage {
            // A call to the network: only whoever holds the funder's key can cause it.
            self.reread.reread(&channel).await;
        }
        let reservation = self.gate.reserve(&held, offer.amount).map_err(AcceptError::from)?;
        let acknowledged = self.write(offer).await;
        drop(reservation);
        acknowledged
    }

    /// Checks the funder's signature over bytes that are put together here.
    fn verify(&self, held: &Held, offer: &Offer) -> Result<(), OfferError> {
        let channel = offer.channel;
        let key = self.keys.of(&held.admission).ok_or_else(|| {
            // Admission and every start check it.
            AcceptError::Store(StoreError::Failed(format!("the commitment key of {channel} is unusable").into()))
        })?;
        Commitment { network: self.network, channel, amount: offer.amount }.verify(&key, &offer.signature)?;
        Ok(())
    }

    async fn write(&self, offer: Offer) -> Result<Acknowledged, OfferError> {
        let channel = offer.channel;
        let accepted = self.store.accept(offer).await?;
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
