//! Takes a commitment: checks it and writes it to disk.
//!
//! A commitment costs one signature check and a share of one sync, and no call to the network. The committer applies
//! the rules again just before it writes ([`ViewGate`]).

use std::sync::Arc;

use paychan_channel::{Amount, BadSignature, Commitment, ContractId, NetworkId};

use paychan_watcher_api::{Acknowledged, RollbackConfirmed, SignedAmount};

use super::gate::ViewGate;
use super::keys::Keys;
use crate::reader::Reread;
use paychan_store::{AcceptError, Accepted, Claim, Gate, Held, Offer, Refusal, Store, StoreError};

/// Why a commitment was not acknowledged. Nothing was written, except perhaps when the store failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// The signature is not the funder's over this network, channel and amount.
    #[error("{0}")]
    BadSignature(#[from] BadSignature),
    /// The channel or the amount is not right, the commitment can't be taken now, or the store failed.
    #[error(transparent)]
    NotAccepted(#[from] AcceptError),
}

/// Whether the known coverage of a channel is enough for an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coverage {
    Enough,
    /// The funder may have deposited more since the channel was read.
    Exceeded,
}

/// Takes commitments. The daemon has one, which all connections share.
pub struct Commitments {
    network: NetworkId,
    pub(super) store: Store,
    pub(super) gate: Arc<ViewGate>,
    pub(super) reread: Arc<dyn Reread>,
    keys: Keys,
}

impl Commitments {
    /// `gate` is the gate with which the store was opened.
    pub fn new(network: NetworkId, store: Store, gate: Arc<ViewGate>, reread: Arc<dyn Reread>) -> Self {
        Self { network, store, gate, reread, keys: Keys::default() }
    }

    /// Takes a commitment, or says why not. Returns when it is on disk; the same `request_id` gets the same answer.
    ///
    /// # Errors
    /// [`OfferError`], whose kinds say what the submitter must do.
    pub async fn offer(&self, offer: Offer) -> Result<Acknowledged, OfferError> {
        let held = self.store.held(&offer.channel).ok_or(AcceptError::UnknownChannel(offer.channel))?;
        let claim = Claim { amount: offer.amount, signature: offer.signature };
        // For an amount at or below the highest, only the store can answer: the id may be known, the same amount may be
        // held under another id, or it is too low. The highest never goes down, so none of these is ever written.
        if claim.amount <= held.highest_amount() {
            self.verify(&held, &claim)?;
            return self.write(offer).await;
        }
        self.check_higher(&held, &claim, Amount::ZERO).await?;
        let reservation = self.gate.reserve(&held, claim.amount).map_err(AcceptError::from)?;
        let acknowledged = self.write(offer).await;
        drop(reservation);
        acknowledged
    }

    /// Checks a commitment above the highest. If the amount is above the known coverage, it then reads the channel from the
    /// chain again. `price` is what is charged with the commitment.
    async fn check_higher(&self, held: &Held, claim: &Claim, price: Amount) -> Result<(), OfferError> {
        if self.check_by_known(held, claim, price)? == Coverage::Exceeded {
            // This is a call to the network. Only the holder of the commitment key can cause it.
            self.reread.reread(&held.channel()).await;
        }
        Ok(())
    }

    /// Checks a commitment above the highest without the network: first the rules that cost nothing, then the signature.
    pub(super) fn check_by_known(&self, held: &Held, claim: &Claim, price: Amount) -> Result<Coverage, OfferError> {
        let coverage = match self.gate.check(held, claim.amount, price) {
            Ok(()) => Coverage::Enough,
            Err(Refusal::ExceedsCoverage { .. }) => Coverage::Exceeded,
            Err(refusal) => return Err(AcceptError::from(refusal).into()),
        };
        self.verify(held, claim)?;
        Ok(coverage)
    }

    /// Checks the funder's signature over the bytes of this network, channel and amount.
    pub(super) fn verify(&self, held: &Held, claim: &Claim) -> Result<(), OfferError> {
        let channel = held.channel();
        let key = self.keys.of(&held.admission).ok_or_else(|| {
            // This can't happen: admission and every start check the key.
            AcceptError::Store(StoreError::Failed(format!("the commitment key of {channel} is unusable").into()))
        })?;
        Commitment { network: self.network, channel, amount: claim.amount }.verify(&key, &claim.signature)?;
        Ok(())
    }

    async fn write(&self, offer: Offer) -> Result<Acknowledged, OfferError> {
        let channel = offer.channel;
        let Accepted { previous, highest, spent, replayed } = self.store.accept(offer).await?;
        let (unsettled, coverage) = self.on_chain(&channel, highest);
        Ok(Acknowledged { previous, highest, spent, unsettled, coverage, replayed })
    }

    /// The highest commitment in the store; `None` before the first one.
    ///
    /// # Errors
    /// [`AcceptError::UnknownChannel`].
    pub fn highest(&self, channel: &ContractId) -> Result<Option<SignedAmount>, AcceptError> {
        let held = self.store.held(channel).ok_or(AcceptError::UnknownChannel(*channel))?;
        Ok(held.highest.map(|held| SignedAmount { amount: held.amount, signature: held.signature }))
    }

    /// Records that the operator knows of every channel on which the chain has paid more than the store held, and of
    /// every fee account that is ahead of the store, so that money is taken again. Returns these channels and accounts.
    ///
    /// # Errors
    /// [`StoreError`]. Nothing has changed for those that were not confirmed yet.
    pub async fn confirm_rollbacks(&self) -> Result<RollbackConfirmed, StoreError> {
        let view = self.gate.view();
        let (mut confirmed, mut lanes) = (Vec::new(), Vec::new());
        for ahead in view.lanes_ahead() {
            self.store.lane_used(ahead.lane, ahead.used).await?;
            view.confirm_lane(&ahead.lane);
            lanes.push(ahead.lane);
        }
        for channel in view.rolled_back_channels() {
            // A channel is on the list only because it was read.
            let Some(known) = view.channel(&channel) else { continue };
            self.store.confirm_rollback(channel, known.state.withdrawn).await?;
            let rest = view.rolled_back_channels().into_iter().filter(|other| *other != channel).collect();
            view.set_rolled_back(rest);
            confirmed.push(channel);
        }
        Ok(RollbackConfirmed { channels: confirmed, lanes })
    }

    /// The part of `highest` that is not paid out on chain yet, and the most that the chain would pay in total. Base
    /// units.
    pub(super) fn on_chain(&self, channel: &ContractId, highest: Amount) -> (Amount, Amount) {
        match self.gate.view().channel(channel) {
            Some(known) => (known.state.unsettled(highest), known.coverage()),
            None => (highest, Amount::ZERO),
        }
    }
}
