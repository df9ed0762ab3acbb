//! Hands a payer's own highest commitment back to it. Its signature proves to a payer who has lost its store how much it has
//! signed.

use super::charges::Charges;
use super::check::{Checked, Flaw};
use super::core::Seller;
use crate::problem::{HIGHEST, HIGHEST_SIGNATURE, ProblemType};

impl<C: Charges> Seller<C> {
    /// Adds the highest commitment to the refusal of a lower voucher or a lower close.
    ///
    /// Only one with a valid signature of the channel gets it. Nobody gains by it: with a commitment one can only pay the
    /// recipient. If the commitment can't be read, the refusal stays as it is.
    pub(super) async fn with_proof(&self, flaw: Flaw, checked: &Checked) -> Flaw {
        let Checked { channel, payload, .. } = checked;
        use ProblemType as P;
        if !matches!(flaw.problem, P::PaymentInsufficient | P::DeltaTooSmall | P::CloseTooLow)
            || self.verify(channel, payload).await.is_err()
        {
            return flaw;
        }
        match self.0.charges.highest(channel).await {
            Ok(Some(highest)) if highest.amount > payload.amount => {
                flaw.with(HIGHEST, highest.amount.to_string()).with(HIGHEST_SIGNATURE, highest.signature.to_string())
            }
            Ok(_) => flaw,
            Err(error) => {
                tracing::warn!(%channel, %error, "the highest commitment was not read for a refusal");
                flaw
            }
        }
    }
}
