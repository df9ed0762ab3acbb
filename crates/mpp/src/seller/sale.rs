//! Makes a sale: it charges and then answers, once.

use http::StatusCode;
use paychan_channel::{Amount, Commitment, ContractId, RequestId};
use paychan_watcher_api::{ChargeBody, Charged, ProblemKind, SignedAmount};

use super::asked::Asked;
use super::charges::{Charges, ChargesError};
use super::check::{self, Checked, Flaw};
use super::core::{Earlier, Seller, is_refused_as};
use super::decision::{Decision, Sold};
use super::memory::{KeptAnswer, Progress, Sale};
use super::price::Price;
use super::{refused, request_id};
use crate::problem::ProblemType;
use crate::wire::{Payload, Receipt, Timestamp};

impl<C: Charges> Seller<C> {
    pub(super) async fn sell(&self, asked: &Asked<'_>, checked: &Checked) -> Result<Decision, Flaw> {
        let id = request_id::of_credential(&checked.challenge_id, &checked.channel, &checked.payload);
        let mut guard = match self.begin(asked, checked, &id).await? {
            Begun::Earlier(earlier) => return again(asked, earlier),
            Begun::New(guard) => guard,
        };
        let charged = self.charge(asked, checked, &id).await.map_err(|error| {
            self.learn(&checked.channel, &error);
            error.into_flaw()
        })?;
        self.learn_charged(&checked.channel, &charged);

        let fresh = self.is_fresh(checked, &charged);
        if !charged.replayed && (checked.expired || !fresh) {
            // This must not be sold. It was charged to find out whether it had been sold before, so it is given back at
            // once.
            let given = self.0.charges.credit(&checked.channel, &id, charged.price).await;
            given.map_err(|error| refused::flaw(&error))?;
            self.learn_credit(&checked.channel, charged.price);
            return Err(match checked.expired {
                true => check::expired_flaw(),
                false => used_before(),
            });
        }
        if charged.replayed {
            if charged.credited == charged.price {
                return Err(if checked.expired { check::expired_flaw() } else { used_before() });
            }
            if !asked.safe && asked.idempotency_key.is_none() {
                return Err(not_kept());
            }
        }
        guard.keep();
        Ok(Decision::Sell(Box::new(Sold {
            receipt: receipt(checked, &charged),
            channel: checked.channel,
            request_id: id,
            charged: charged.price,
        })))
    }

    /// Reserves the sale, or finds an earlier one with this credential or this key.
    async fn begin(&self, asked: &Asked<'_>, checked: &Checked, id: &RequestId) -> Result<Begun<'_, C>, Flaw> {
        let Checked { channel, payload, .. } = checked;
        let earlier = |memory: &super::memory::Memory| match memory.known(channel) {
            None => Earlier::Unknown,
            Some(known) => match known.sale(id) {
                Some(sale) => Earlier::of(sale),
                None if known.bought_with(payload.amount).is_some() => Earlier::Used,
                None => Earlier::Unknown,
            },
        };
        if let Some(key) = asked.idempotency_key
            && let Some(found) = self.with_memory(|memory| Some(Earlier::of(memory.known(channel)?.under_key(key)?)))
        {
            // Any valid credential of the channel gets the stored answer, so the signature is checked here.
            self.verify(channel, payload).await?;
            return Ok(Begun::Earlier(found));
        }
        let found = self.with_memory(|memory| {
            let found = earlier(memory);
            if matches!(found, Earlier::Unknown) && !checked.expired {
                let sale = Sale { target: asked.target.clone(), amount: payload.amount, progress: Progress::Running };
                memory.begin(channel, id, sale, asked.idempotency_key);
            }
            found
        });
        Ok(match found {
            Earlier::Unknown => Begun::New(Guard { seller: self, channel: *channel, id: id.clone(), kept: false }),
            earlier => Begun::Earlier(earlier),
        })
    }

    /// Checks that the payload's signature is the channel's commitment key's.
    pub(super) async fn verify(&self, channel: &ContractId, payload: &Payload) -> Result<(), Flaw> {
        let standing = self.standing(channel).await.map_err(|error| refused::flaw(&error))?;
        let key = standing.and_then(|standing| standing.commitment_key);
        let commitment = Commitment { network: self.0.options.network.id(), channel: *channel, amount: payload.amount };
        let valid = key.is_some_and(|key| commitment.verify(&key, &payload.signature).is_ok());
        let flaw = || Flaw::new(ProblemType::InvalidSignature, "the signature is not the channel's commitment key's");
        valid.then_some(()).ok_or_else(flaw)
    }

    /// Charges, after admitting the channel if the watcher does not know it.
    async fn charge(&self, asked: &Asked<'_>, checked: &Checked, id: &RequestId) -> Result<Charged, ChargeFailure> {
        let price = asked.price.charged();
        let Payload { amount, signature, .. } = checked.payload;
        let body =
            |price| ChargeBody { price, request_id: id.clone(), commitment: Some(SignedAmount { amount, signature }) };
        let charges = &self.0.charges;
        let mut charged = charges.charge(&checked.channel, &body(price)).await;
        if is_refused_as(&charged, &ProblemKind::UnknownChannel) {
            self.admit(&checked.channel, asked.peer).await.map_err(ChargeFailure::Flaw)?;
            charged = charges.charge(&checked.channel, &body(price)).await;
        }
        // The same credential was charged at another price before. That sale counts.
        let other_price = match &charged {
            Err(ChargesError::Refused(problem)) if problem.kind == ProblemKind::RequestIdReused => {
                problem.facts.price.filter(|_| problem.facts.accepted == Some(amount))
            }
            _ => None,
        };
        if let Some(price) = other_price {
            charged = charges.charge(&checked.channel, &body(price)).await;
        }
        charged.map_err(ChargeFailure::Watcher)
    }

    /// Whether the voucher can't have bought anything before, since it is above everything that this process does not
    /// remember.
    fn is_fresh(&self, checked: &Checked, charged: &Charged) -> bool {
        let amount = checked.payload.amount;
        let floor = self.with_memory(|memory| *memory.channel(&checked.channel).floor.get_or_insert(charged.previous));
        amount > floor
    }

    fn learn_charged(&self, channel: &ContractId, charged: &Charged) {
        if charged.replayed {
            return;
        }
        self.with_memory(|memory| {
            if let Some(standing) = &mut memory.channel(channel).standing {
                standing.highest = standing.highest.max(charged.highest);
                standing.spent = standing.spent.max(charged.spent);
            }
        });
    }

    fn learn_credit(&self, channel: &ContractId, amount: Amount) {
        self.with_memory(|memory| {
            if let Some(standing) = &mut memory.channel(channel).standing {
                standing.spent = standing.spent.saturating_sub(amount);
            }
        });
    }

    /// Remembers what a refusal says of the channel, for the next challenge.
    fn learn(&self, channel: &ContractId, failure: &ChargeFailure) {
        let ChargeFailure::Watcher(ChargesError::Refused(problem)) = failure else { return };
        let stale = matches!(
            problem.kind,
            ProblemKind::Insufficient | ProblemKind::NotHigher | ProblemKind::Closing | ProblemKind::Final
        );
        if stale {
            // The channel is read again for the challenge of the refusal.
            self.with_memory(|memory| memory.channel(channel).standing = None);
        }
    }

    /// Reports the answer of a sale. `final_price` is the final cost if the price was a maximum, and `answer` is what
    /// to keep of the answer, including the receipt.
    ///
    /// A sale whose handler failed (5xx) costs nothing. The whole charge is given back.
    pub async fn settle_sale(
        &self,
        sold: &Sold,
        price: Price,
        status: StatusCode,
        final_price: Option<Amount>,
    ) -> Credit {
        let give_back = match (status.is_server_error(), price, final_price) {
            (true, ..) => sold.charged,
            (false, Price::AtMost(_), Some(costs)) => sold.charged.saturating_sub(costs),
            _ => Amount::ZERO,
        };
        if give_back.is_zero() {
            return Credit::default();
        }
        match self.0.charges.credit(&sold.channel, &sold.request_id, give_back).await {
            Ok(()) => {
                self.learn_credit(&sold.channel, give_back);
                Credit { amount: give_back }
            }
            Err(error) => {
                tracing::warn!(channel = %sold.channel, request_id = %sold.request_id, %give_back, %error, "a credit was not given");
                Credit::default()
            }
        }
    }

    /// Keeps an answer, so that a retry gets the same one.
    pub fn keep(&self, sold: &Sold, answer: Option<KeptAnswer>) {
        self.with_memory(|memory| memory.answered(&sold.channel, &sold.request_id, answer));
    }

    /// Forgets a sale that was never answered, so that the same credential may try again.
    pub fn abandon(&self, sold: &Sold) {
        self.with_memory(|memory| memory.undo(&sold.channel, &sold.request_id));
    }
}

/// The amount that was given back after a sale, base units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Credit {
    /// The amount.
    pub amount: Amount,
}

enum Begun<'a, C: Charges> {
    New(Guard<'a, C>),
    Earlier(Earlier),
}

/// Removes a reservation when it is dropped, unless the sale was made.
struct Guard<'a, C: Charges> {
    seller: &'a Seller<C>,
    channel: ContractId,
    id: RequestId,
    kept: bool,
}

impl<C: Charges> Guard<'_, C> {
    fn keep(&mut self) {
        self.kept = true;
    }
}

impl<C: Charges> Drop for Guard<'_, C> {
    fn drop(&mut self) {
        if !self.kept {
            self.seller.with_memory(|memory| memory.undo(&self.channel, &self.id));
        }
    }
}

enum ChargeFailure {
    Watcher(ChargesError),
    Flaw(Flaw),
}

impl ChargeFailure {
    fn into_flaw(self) -> Flaw {
        match self {
            Self::Watcher(error) => {
                if !matches!(error, ChargesError::Refused(_)) {
                    tracing::warn!(%error, "a charge got no answer");
                }
                refused::flaw(&error)
            }
            Self::Flaw(flaw) => flaw,
        }
    }
}

fn again(asked: &Asked<'_>, earlier: Earlier) -> Result<Decision, Flaw> {
    match earlier {
        Earlier::Answered(target, _) if target != asked.target => Err(used_before()),
        Earlier::Answered(_, Some(kept)) => Ok(Decision::Again(kept)),
        Earlier::Answered(_, None) => Err(not_kept()),
        Earlier::Running => Err(Flaw::new(ProblemType::InProgress, "this purchase is being answered at the moment")),
        Earlier::Used | Earlier::Unknown => Err(used_before()),
    }
}

fn used_before() -> Flaw {
    Flaw::new(
        ProblemType::DeltaTooSmall,
        "the voucher does not raise the total, or bought something before; nothing was taken",
    )
}

fn not_kept() -> Flaw {
    Flaw::new(ProblemType::AnswerNotKept, "this was paid for and handed out before, and the answer is not kept")
}

fn receipt(checked: &Checked, charged: &Charged) -> Receipt {
    Receipt {
        accepted_cumulative: Some(charged.highest),
        spent: Some(charged.spent),
        charged: Some(charged.price.saturating_sub(charged.credited)),
        channel: Some(checked.channel),
        challenge_id: Some(checked.challenge_id.clone()),
        replayed: charged.replayed,
        ..Receipt::success(
            checked.reference.clone().unwrap_or_else(|| checked.challenge_id.clone()),
            Timestamp::now().to_text(),
        )
    }
}
