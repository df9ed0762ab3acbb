//! Ends a channel when the recipient asks for it, with the highest commitment or with a lower one that was agreed.

use paychan_channel::{BadSignature, ContractId};
use paychan_store::{AcceptError, Claim, CloseError, Held, StoreError};
use paychan_watcher_api::SignedAmount;

use super::{Commitments, OfferError};

/// Why a channel will not be closed. Nothing was written, except perhaps when the store failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotClosed {
    /// It is not known what the chain has paid, and therefore whether the agreed amount is enough.
    #[error("it is not known yet what the chain has paid on the channel {0}; try again later")]
    NotRead(ContractId),
    /// The store is an older copy: commitments above the highest that it holds may be missing, and a close would lose them.
    #[error(
        "the store was rolled back, so a close of the channel {0} could lose commitments that the store has forgotten; the \
         watcher's operator has to confirm that first"
    )]
    RolledBack(ContractId),
    /// The channel has ended already, and no close was agreed.
    #[error("the channel {0} has ended already")]
    Final(ContractId),
    /// The signature is not the funder's over this network, channel and amount.
    #[error("{0}")]
    BadSignature(#[from] BadSignature),
    /// The channel is not watched, or its key is unusable.
    #[error(transparent)]
    Commitment(#[from] AcceptError),
    /// The amount is not right, or the store failed.
    #[error(transparent)]
    Store(#[from] CloseError),
}

impl From<OfferError> for NotClosed {
    fn from(error: OfferError) -> Self {
        match error {
            OfferError::BadSignature(error) => Self::BadSignature(error),
            OfferError::NotAccepted(error) => Self::Commitment(error),
        }
    }
}

impl From<StoreError> for NotClosed {
    fn from(error: StoreError) -> Self {
        Self::Commitment(error.into())
    }
}

/// A close that is recorded on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// The channel's record, with the fence.
    pub held: Held,
    /// Whether the same close was agreed before.
    pub replayed: bool,
}

impl Commitments {
    /// Refuses all later commitments and charges of the channel for good, and lets it be closed with `agreed` or with
    /// the highest commitment. Returns when that is on disk; from then on the policy closes the channel, also after a
    /// crash. The call is safe to repeat.
    ///
    /// # Errors
    /// [`NotClosed`].
    pub async fn close(&self, channel: ContractId, agreed: Option<SignedAmount>) -> Result<Closing, NotClosed> {
        let held = self.store.held(&channel).ok_or(AcceptError::UnknownChannel(channel))?;
        let before = held.fence.map(|_| held.claim_amount());
        let known = self.gate.view().channel(&channel);
        if before.is_none() {
            if self.gate.view().is_rolled_back(&channel) || !self.gate.view().lanes_ahead().is_empty() {
                return Err(NotClosed::RolledBack(channel));
            }
            if known.as_ref().is_some_and(|known| known.ended) {
                return Err(NotClosed::Final(channel));
            }
        }
        match agreed {
            Some(agreed) => {
                let claim = Claim { amount: agreed.amount, signature: agreed.signature };
                self.verify(&held, &claim)?;
                let known = known.ok_or(NotClosed::NotRead(channel))?;
                self.store.fence_for_close(channel, claim, known.state.withdrawn).await?;
            }
            None => {
                self.store.fence(channel).await?;
            }
        }
        let held = self.store.held(&channel).ok_or(AcceptError::UnknownChannel(channel))?;
        let replayed = before == Some(held.claim_amount());
        Ok(Closing { held, replayed })
    }
}
