//! Charges a sale, after it has made sure that the channel is known.

use std::time::Duration;

use paychan_channel::{Amount, ContractId, RequestId};
use paychan_watcher_api::{ChargeBody, Charged, ProblemKind, SignedAmount};
use tokio::time::Instant;

use super::asked::Asked;
use super::charges::{Charges, ChargesError, Standing};
use super::check::{Checked, Flaw};
use super::core::{Seller, is_refused_as};
use super::refused;
use crate::wire::Payload;

/// The pauses before a charge is asked for again whose answer was lost.
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(250)];
/// After this time, a charge is not asked for again in the same sale. A payer's own patience is longer than this.
const PATIENCE: Duration = Duration::from_secs(5);
/// A price that no channel can pay. The watcher looks for an earlier charge under the request id first, so it answers with the
/// price of that, or takes nothing.
const UNPAYABLE: Amount = Amount::MAX;

impl<C: Charges> Seller<C> {
    /// Makes sure that the sales of the channel are remembered from now on, and admits the channel if the watcher does not
    /// know it.
    ///
    /// This is before the first charge, so that a voucher above the highest commitment of this moment can't have bought anything
    /// that this process does not remember.
    pub(super) async fn meet(&self, asked: &Asked<'_>, checked: &Checked) -> Result<(), Flaw> {
        let Checked { channel, payload, .. } = checked;
        if self.with_memory(|memory| memory.knows(channel)) {
            return Ok(());
        }
        let standing = match self.standing(channel).await.map_err(|error| refused::flaw(&error))? {
            Some(standing) => standing,
            None => match &checked.lapsed {
                // Nothing was ever sold through it.
                Some(flaw) => return Err(flaw.clone()),
                None => self.admit(channel, asked.peer).await?,
            },
        };
        // Anyone can name any channel. Only its payer gets it a place in the memory.
        self.verify_with(&standing, channel, payload)?;
        self.with_memory(|memory| memory.meet(channel, standing.highest));
        Ok(())
    }

    /// Charges a sale. With `unsold`, the reason why nothing new may be sold, it only finds an earlier charge of the same sale, and
    /// takes nothing. The error says that nothing was taken only if that is sure.
    pub(super) async fn charge(
        &self,
        asked: &Asked<'_>,
        checked: &Checked,
        id: &RequestId,
        unsold: Option<&Flaw>,
    ) -> Result<Charged, Flaw> {
        let channel = &checked.channel;
        let price = if unsold.is_some() { UNPAYABLE } else { asked.price.charged() };
        let Payload { amount, signature, .. } = checked.payload;
        let body =
            |price| ChargeBody { price, request_id: id.clone(), commitment: Some(SignedAmount { amount, signature }) };
        let mut charged = self.charge_surely(channel, &body(price)).await;
        if unsold.is_none() && is_refused_as(&charged, &ProblemKind::UnknownChannel) {
            // The watcher drops a channel that nobody used for some days, so what is known of it is old.
            self.with_memory(|memory| memory.standings.forget(channel));
            self.admit(channel, asked.peer).await?;
            charged = self.charge_surely(channel, &body(price)).await;
        }
        // The same sale was charged before, at another price. That charge counts.
        let earlier_price = match &charged {
            Err(ChargesError::Refused(problem)) if problem.kind == ProblemKind::RequestIdReused => {
                problem.facts.price.filter(|_| problem.facts.accepted == Some(amount))
            }
            _ => None,
        };
        if let Some(price) = earlier_price {
            charged = self.charge_surely(channel, &body(price)).await;
        }
        let error = match charged {
            Ok(charged) => {
                self.learn_charged(channel, &charged);
                return Ok(charged);
            }
            Err(error) => error,
        };
        if let (Some(flaw), ChargesError::Refused(problem)) = (unsold, &error)
            && earlier_price.is_none()
            && says_not_charged(&problem.kind)
        {
            return Err(flaw.clone());
        }
        if !matches!(error, ChargesError::Refused(_)) {
            tracing::warn!(%channel, %error, "a charge got no answer");
        }
        self.learn_refused(channel, &error);
        Err(refused::flaw(&error))
    }

    /// Charges, and asks again for a while if the answer is lost, so that the payer mostly sees nothing of it.
    ///
    /// After a lost answer, no failure is believed that says that nothing was taken: it may be about the later request only.
    async fn charge_surely(&self, channel: &ContractId, body: &ChargeBody) -> Result<Charged, ChargesError> {
        let charges = &self.0.charges;
        let until = Instant::now() + PATIENCE;
        let first = charges.charge(channel, body).await;
        let Err(ChargesError::OutcomeUnknown(_)) = &first else { return first };
        for pause in PAUSES {
            if Instant::now() + pause > until {
                break;
            }
            tokio::time::sleep(pause).await;
            if let Ok(charged) = charges.charge(channel, body).await {
                return Ok(charged);
            }
        }
        first
    }

    fn learn_charged(&self, channel: &ContractId, charged: &Charged) {
        self.with_memory(|memory| {
            memory.standings.change(channel, |standing| {
                standing.highest = standing.highest.max(charged.highest);
                if !charged.replayed {
                    standing.spent = standing.spent.max(charged.spent);
                }
            });
        });
    }

    pub(super) fn learn_credit(&self, channel: &ContractId, amount: Amount) {
        self.with_memory(|memory| {
            memory.standings.change(channel, |standing| standing.spent = standing.spent.saturating_sub(amount));
        });
    }

    /// Remembers what a refusal says of the channel, for the next challenge.
    fn learn_refused(&self, channel: &ContractId, error: &ChargesError) {
        let ChargesError::Refused(problem) = error else { return };
        let stale = matches!(
            problem.kind,
            ProblemKind::Insufficient | ProblemKind::NotHigher | ProblemKind::Closing | ProblemKind::Final
        );
        if stale {
            // The channel is read again for the challenge of the refusal.
            self.with_memory(|memory| memory.standings.forget(channel));
        }
    }

    /// Checks that the payload's signature is the channel's commitment key's, if the watcher says which key that is. If it does
    /// not, the watcher alone checks it, with the charge.
    fn verify_with(&self, standing: &Standing, channel: &ContractId, payload: &Payload) -> Result<(), Flaw> {
        match standing.commitment_key {
            Some(key) => self.is_signed(&key, channel, payload),
            None => Ok(()),
        }
    }
}

/// Whether this refusal of an [`UNPAYABLE`] price shows that there was no charge under the request id.
fn says_not_charged(kind: &ProblemKind) -> bool {
    kind.nothing_happened() && !kind.is_passing() && *kind != ProblemKind::BadSignature
}
