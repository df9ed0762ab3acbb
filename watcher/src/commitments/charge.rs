//! Charges and credits. A charge takes a price once, together with the commitment that pays for it, in one record. A
//! credit gives a part of it back.
//!
//! Two front ends that compared totals by themselves would sell the same credit twice, so the store counts.

use paychan_channel::{Amount, BadSignature, ContractId, RequestId};
use paychan_store::{AcceptError, Charge, ChargeError, Claim, Credit, CreditError};
use paychan_watcher_api::{ChargeBody, Charged, Credited};

use super::{Commitments, OfferError};

/// Why a price was not taken. Nothing was written, except perhaps when the store failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SaleError {
    /// The signature is not the funder's over this network, channel and amount.
    #[error("{0}")]
    BadSignature(#[from] BadSignature),
    /// The commitment that came with the charge is not taken now.
    #[error(transparent)]
    Commitment(#[from] AcceptError),
    /// The price is not taken, or the store failed.
    #[error(transparent)]
    NotCharged(#[from] ChargeError),
}

impl From<OfferError> for SaleError {
    fn from(error: OfferError) -> Self {
        match error {
            OfferError::BadSignature(error) => Self::BadSignature(error),
            OfferError::NotAccepted(error) => Self::Commitment(error),
        }
    }
}

impl Commitments {
    /// Takes a price, and the commitment that came with it if that is higher than the highest. Returns once both are on
    /// disk; the same `request_id` gets the same answer and takes nothing.
    ///
    /// A charge on credit that was acknowledged before promises nothing new, and still needs a channel that is fresh, not
    /// frozen, and covers what would be spent: [`check_charge`](super::rules::check_charge).
    ///
    /// # Errors
    /// [`SaleError`]. [`ChargeError::Insufficient`] says for which total a commitment is needed.
    pub async fn charge(&self, channel: ContractId, body: ChargeBody) -> Result<Charged, SaleError> {
        let held = self.store.held(&channel).ok_or(ChargeError::UnknownChannel(channel))?;
        let ChargeBody { price, request_id, commitment } = body;
        let commitment = commitment.map(|signed| Claim { amount: signed.amount, signature: signed.signature });
        let charge = Charge { channel, price, request_id: request_id.clone(), commitment };
        let charged = match commitment {
            Some(claim) if claim.amount > held.highest_amount() => {
                self.check_higher(&held, &claim, price).await?;
                let reservation = self.gate.reserve(&held, claim.amount).map_err(ChargeError::from)?;
                let charged = self.store.charge(charge).await;
                drop(reservation);
                charged
            }
            Some(claim) => {
                self.verify(&held, &claim)?;
                self.store.charge(charge).await
            }
            None => self.store.charge(charge).await,
        }?;
        let (unsettled, coverage) = self.on_chain(&channel, charged.highest);
        Ok(Charged {
            request_id,
            price: charged.price,
            previous: charged.previous,
            highest: charged.highest,
            spent: charged.spent,
            unsettled,
            coverage,
            credited: charged.credited,
            replayed: charged.replayed,
        })
    }

    /// Gives a part of a charge back, once. Returns once it is on disk.
    ///
    /// # Errors
    /// [`CreditError`]. Nothing was given back, except perhaps when the store failed.
    pub async fn credit(
        &self,
        channel: ContractId,
        request_id: RequestId,
        amount: Amount,
    ) -> Result<Credited, CreditError> {
        let given = self.store.credit(Credit { channel, request_id: request_id.clone(), amount }).await?;
        let highest = self.store.held(&channel).map_or(Amount::ZERO, |held| held.highest_amount());
        Ok(Credited { request_id, credited: given.amount, highest, spent: given.spent, replayed: given.replayed })
    }
}
