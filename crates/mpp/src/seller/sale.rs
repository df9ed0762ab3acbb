//! Makes a sale: it charges and then answers, once.

use std::sync::Arc;

use http::StatusCode;
use paychan_channel::{Amount, Commitment, CommitmentKey, ContractId};
use paychan_watcher_api::Charged;

use super::asked::Asked;
use super::charges::Charges;
use super::check::{Checked, Flaw};
use super::core::Seller;
use super::decision::{Decision, Sold};
use super::giving_back::GivenBack;
use super::memory::{Doubtful, Earlier, KeptAnswer, Wanted};
use super::price::Price;
use super::refused;
use super::request_id::{self, Target};
use super::reservation::Reservation;
use super::verdict::{self, Known, Verdict};
use crate::problem::ProblemType;
use crate::wire::{Payload, Receipt, Timestamp};

impl<C: Charges> Seller<C> {
    pub(super) async fn sell(&self, asked: &Asked<'_>, checked: &Checked) -> Result<Decision, Flaw> {
        let Checked { channel, payload, .. } = checked;
        self.meet(asked, checked).await?;
        if let Some(key) = asked.idempotency_key {
            // A key gets the answer that is stored under it with any valid credential of the channel.
            self.verify(channel, payload).await?;
            let target = Target::of(&asked.target);
            if let Some(doubtful) = self.with_memory(|memory| memory.doubtful(channel, key, target)) {
                // The payer may have paid for this request already, perhaps with another voucher. That one is asked for first.
                match self.sell_once(asked, &as_it_was_asked(doubtful, asked)).await {
                    Err(flaw) if flaw.problem.status() == StatusCode::PAYMENT_REQUIRED => {
                        self.with_memory(|memory| memory.doubt_no_more(channel, key));
                    }
                    decided => return decided,
                }
            }
        }
        self.sell_once(asked, checked).await
    }

    /// Makes the sale of one voucher, or answers as before.
    async fn sell_once(&self, asked: &Asked<'_>, checked: &Checked) -> Result<Decision, Flaw> {
        let Checked { channel, payload, .. } = checked;
        let target = Target::of(&asked.target);
        let id = request_id::of_sale(&checked.challenge_id, channel, payload, target);
        let repeatable = asked.is_repeatable();
        let key = asked.idempotency_key;
        let wanted = Wanted { request_id: &id, target, key };
        if let Err(earlier) = self.with_memory(|memory| memory.begin(channel, &wanted)) {
            return again(earlier, repeatable);
        }
        let reservation = Reservation { seller: self.clone(), channel: *channel, request_id: id.clone() };
        let uses = self.with_memory(|memory| memory.uses(channel, &id, payload.amount));
        let unsold = checked.lapsed.clone().or_else(|| (!uses.voucher_unused).then(verdict::used_before));
        let charged = self.charge(asked, checked, &id, unsold.as_ref()).await.inspect_err(|flaw| {
            if let (ProblemType::OutcomeUnknown, Some(key)) = (flaw.problem, key) {
                let doubtful = Doubtful { target, checked: checked.clone(), price: asked.price.charged() };
                self.with_memory(|memory| memory.doubt(channel, key, doubtful));
            }
        })?;
        let verdict = self.with_memory(|memory| {
            // Another sale with the same voucher may have been made meanwhile.
            let uses = memory.uses(channel, &id, payload.amount);
            let verdict = verdict::of_charge(&charged, &Known { lapsed: checked.lapsed.clone(), uses, repeatable });
            if verdict == Verdict::Sell {
                memory.sell(channel, &id, payload.amount);
            }
            verdict
        });
        match verdict {
            Verdict::Sell => Ok(Decision::Sell(Arc::new(Sold {
                receipt: receipt(checked, &charged),
                channel: *channel,
                request_id: id,
                charged: charged.price,
                credited: charged.credited,
            }))),
            Verdict::Refuse(flaw) => Err(flaw),
            Verdict::GiveBack(flaw) => match self.give_back(*channel, id, charged.price, Some(reservation)).await {
                GivenBack::Yes => Err(flaw),
                GivenBack::NotYet | GivenBack::Refused => Err(Flaw::new(
                    ProblemType::OutcomeUnknown,
                    "nothing was sold, and what was charged is not given back yet",
                )),
            },
        }
    }

    /// Checks that the payload's signature is the channel's commitment key's.
    pub(super) async fn verify(&self, channel: &ContractId, payload: &Payload) -> Result<(), Flaw> {
        let standing = self.standing(channel).await.map_err(|error| refused::flaw(&error))?;
        match standing.and_then(|standing| standing.commitment_key) {
            Some(key) => self.is_signed(&key, channel, payload),
            None => Err(not_signed()),
        }
    }

    pub(super) fn is_signed(&self, key: &CommitmentKey, channel: &ContractId, payload: &Payload) -> Result<(), Flaw> {
        let commitment = Commitment { network: self.0.options.network.id(), channel: *channel, amount: payload.amount };
        commitment.verify(key, &payload.signature).map_err(|_| not_signed())
    }

    /// Reports the answer of a sale. `final_price` is the final cost if the price was a maximum.
    ///
    /// A sale whose handler failed (5xx) costs nothing. The whole charge is given back. If the watcher does not answer in
    /// time, the credit is given later, and the result does not count it.
    pub async fn settle_sale(
        &self,
        sold: &Sold,
        price: Price,
        status: StatusCode,
        final_price: Option<Amount>,
    ) -> Credit {
        let give_back = match (status.is_server_error(), price, final_price) {
            // A charge is credited once, and this one was.
            _ if !sold.credited.is_zero() => Amount::ZERO,
            (true, ..) => sold.charged,
            (false, Price::AtMost(_), Some(costs)) => sold.charged.saturating_sub(costs),
            _ => Amount::ZERO,
        };
        if give_back.is_zero() {
            return Credit::default();
        }
        match self.give_back(sold.channel, sold.request_id.clone(), give_back, None).await {
            GivenBack::Yes => Credit { amount: give_back },
            GivenBack::Refused | GivenBack::NotYet => Credit::default(),
        }
    }

    /// Keeps an answer, so that a retry gets the same one.
    pub fn keep(&self, sold: &Sold, answer: Option<KeptAnswer>) {
        self.with_memory(|memory| memory.answered(&sold.channel, &sold.request_id, answer));
    }

    /// Reports that the handler of a sale broke off without an answer. The sale costs nothing, as if it had failed, and its
    /// credential buys nothing any more.
    pub fn abandon(&self, sold: &Sold) {
        let Sold { channel, request_id, .. } = sold;
        self.with_memory(|memory| memory.broke_off(channel, request_id));
        let reservation = Reservation { seller: self.clone(), channel: *channel, request_id: request_id.clone() };
        if sold.credited.is_zero() {
            self.give_back_later(*channel, request_id.clone(), sold.charged, reservation);
        }
    }
}

/// The amount that was given back after a sale, base units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Credit {
    /// The amount.
    pub amount: Amount,
}

/// A doubtful payment, for the price that it was asked for.
fn as_it_was_asked(doubtful: Doubtful, asked: &Asked<'_>) -> Checked {
    let Doubtful { checked, price, .. } = doubtful;
    let risen = || Flaw::new(ProblemType::InvalidChallenge, "the price has risen since the challenge");
    let lapsed = checked.lapsed.clone().or_else(|| (asked.price.charged() > price).then(risen));
    Checked { lapsed, ..checked }
}

fn again(earlier: Earlier, repeatable: bool) -> Result<Decision, Flaw> {
    match earlier {
        Earlier::Answered(Some(kept)) => Ok(Decision::Again(kept)),
        Earlier::Answered(None) => Err(verdict::not_kept()),
        // Nothing is owed any more, so a request that may be done again may be paid for again.
        Earlier::BrokeOff if repeatable => Err(verdict::used_before()),
        Earlier::BrokeOff => Err(verdict::broke_off()),
        Earlier::Running => Err(Flaw::new(ProblemType::InProgress, "this purchase is being answered at the moment")),
        Earlier::KeyOfAnother => Err(Flaw::new(
            ProblemType::IdempotencyKeyReused,
            "the header Idempotency-Key names another request of this channel; nothing was taken",
        )),
    }
}

fn not_signed() -> Flaw {
    Flaw::new(ProblemType::InvalidSignature, "the signature is not the channel's commitment key's")
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
