//! Charges and credits. A charge takes a price once, together with the commitment that pays for it, in one record. A
//! credit gives a part of it back.
//!
//! Two front ends that compared totals by themselves would sell the same credit twice, so the store counts.

use paychan_channel::{Amount, BadSignature, ContractId, RequestId};
use paychan_store::{AcceptError, Charge, ChargeError, Claim, Credit, CreditError, Held};
use paychan_watcher_api::{ChargeBody, Charged, Credited};

use super::offer::Coverage;
use super::{Commitments, OfferError};
use crate::promises::Reservation;

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
        let (held, charge) = self.asked(channel, body)?;
        if self.check(&held, &charge)? == Coverage::Exceeded {
            // This is a call to the network. Only the holder of the commitment key can cause it.
            self.reread.reread(&channel).await;
        }
        let reservation = self.reserve(&held, &charge)?;
        let request_id = charge.request_id.clone();
        let charged = self.store.charge(charge).await;
        drop(reservation);
        Ok(self.answer(channel, request_id, charged?))
    }

    /// Takes several charges as [`Self::charge`] does, each for itself. They wait for the disk together. The answers have
    /// the order of the charges.
    ///
    /// Nobody waits for the network here: a charge above the known coverage is refused, and [`Self::charge`] may take it.
    pub async fn charge_all(&self, charges: Vec<(ContractId, ChargeBody)>) -> Vec<Result<Charged, SaleError>> {
        // All are checked first, so that the store writes them together.
        let checked: Vec<_> = charges
            .into_iter()
            .map(|(channel, body)| {
                let (held, charge) = self.asked(channel, body)?;
                self.check(&held, &charge)?;
                let reservation = self.reserve(&held, &charge)?;
                Ok::<_, SaleError>((charge, reservation))
            })
            .collect();
        let good = checked.iter().flatten().map(|(charge, _)| charge.clone()).collect();
        let mut taken = self.store.charge_all(good).await.into_iter();
        checked
            .into_iter()
            .map(|checked| {
                let (charge, reservation) = checked?;
                let taken = taken.next().expect("the store answers each charge");
                drop(reservation);
                Ok(self.answer(charge.channel, charge.request_id, taken?))
            })
            .collect()
    }

    fn asked(&self, channel: ContractId, body: ChargeBody) -> Result<(Held, Charge), SaleError> {
        let held = self.store.held(&channel).ok_or(ChargeError::UnknownChannel(channel))?;
        let ChargeBody { price, request_id, commitment } = body;
        let commitment = commitment.map(|signed| Claim { amount: signed.amount, signature: signed.signature });
        Ok((held, Charge { channel, price, request_id, commitment }))
    }

    /// Checks the commitment that came with a charge.
    fn check(&self, held: &Held, charge: &Charge) -> Result<Coverage, SaleError> {
        match charge.commitment {
            Some(claim) if claim.amount > held.highest_amount() => {
                Ok(self.check_by_known(held, &claim, charge.price)?)
            }
            Some(claim) => {
                self.verify(held, &claim)?;
                Ok(Coverage::Enough)
            }
            None => Ok(Coverage::Enough),
        }
    }

    /// Counts what would be promised with the charge, if that is more than before.
    fn reserve(&self, held: &Held, charge: &Charge) -> Result<Option<Reservation<'_>>, ChargeError> {
        let higher = charge.commitment.filter(|claim| claim.amount > held.highest_amount());
        Ok(higher.map(|claim| self.gate.reserve(held, claim.amount)).transpose()?)
    }

    fn answer(&self, channel: ContractId, request_id: RequestId, charged: paychan_store::Charged) -> Charged {
        let (unsettled, coverage) = self.on_chain(&channel, charged.highest);
        Charged {
            request_id,
            price: charged.price,
            previous: charged.previous,
            highest: charged.highest,
            spent: charged.spent,
            unsettled,
            coverage,
            credited: charged.credited,
            replayed: charged.replayed,
        }
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
