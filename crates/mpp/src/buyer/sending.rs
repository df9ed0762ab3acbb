//! Sends a voucher until it is answered, and handles the answer.

use std::time::Duration;

use paychan_channel::ContractId;
use paychan_rpc::http::retry_after;
use reqwest::{Request, Response, StatusCode};

use super::error::PayError;
use super::events::Event;
use super::exchange::{Exchange, NotSent};
use super::offer::{self, Payable};
use super::options::{PaidRequest, Payment};
use super::pay::Buyer;
use super::sent::Sent;
use super::store::{Answered, Record};
use super::voucher::Voucher;
use super::{host_of, receipts, without_query};
use crate::problem::{ProblemBody, ProblemType};
use crate::wire::Receipt;

/// How many times the same voucher is sent again when no answer came or the server can't take payments.
pub(super) const TRIES: u32 = 4;
/// The longest wait between them.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// How long a server may take to see a deposit on chain: some ledgers for its node, and some for its watcher.
const UNSEEN: Duration = Duration::from_secs(60);
/// The longest wait before it is asked again.
const LONGEST_UNSEEN_WAIT: Duration = Duration::from_secs(2);
/// The most challenges that are kept to be used again.
const KEPT_CHALLENGES: usize = 1_024;

/// A request that is being bought.
pub(super) struct Purchase<'a> {
    pub(super) request: &'a Request,
    pub(super) host: &'a str,
    /// The name under which its challenge is kept.
    pub(super) key: &'a str,
    pub(super) sent: &'a mut Sent,
}

pub(super) enum Outcome {
    Paid(Box<PaidRequest>),
    /// A 402, with its offer for the same channel and its problem.
    Refused(Option<Box<Payable>>, Option<Box<ProblemBody>>),
}

/// Forgets the channel's challenges if a payment is given up before its answer. The same voucher for the same challenge would
/// otherwise be sent for another request, and the server would give it the answer of this one.
struct Unanswered<'a> {
    buyer: &'a Buyer,
    channel: ContractId,
    armed: bool,
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.buyer.forget_challenges(&self.channel);
        }
    }
}

impl Buyer {
    /// Sends a voucher until it is answered, and repeats the same one where that is safe. What was sent is counted.
    pub(super) async fn send(
        &self,
        over: &mut dyn Exchange,
        purchase: &mut Purchase<'_>,
        voucher: &Voucher,
    ) -> Result<Outcome, PayError> {
        let Purchase { request, host, key, .. } = *purchase;
        let mut unanswered = Unanswered { buyer: self, channel: voucher.payable.channel(), armed: true };
        let mut counted = !voucher.pays;
        let channel = voucher.payable.channel();
        let repeatable = request.method().is_safe() || request.headers().contains_key("idempotency-key");
        let mut tries: u32 = 0;
        loop {
            tries = tries.saturating_add(1);
            let mut paid = request.try_clone().ok_or(PayError::BodyIsAStream)?;
            let asked_at = self.receipts();
            let (name, value) = &voucher.header;
            paid.headers_mut().insert(name.clone(), value.clone());
            let answer = over.send(paid).await;
            let left = !matches!(answer, Err(NotSent { unconnected: true, .. }));
            if left && !std::mem::replace(&mut counted, true) {
                purchase.sent.add(voucher.raise);
            }
            let response = match answer {
                Ok(response) => response,
                // The voucher may have been taken. If it is sent again, it is charged only once.
                Err(NotSent { unconnected, why }) if tries < TRIES && (unconnected || repeatable) => {
                    self.wait(tries, None, why).await;
                    continue;
                }
                Err(NotSent { why, .. }) => {
                    self.answered(voucher, None, None);
                    return Err(PayError::NoAnswer { host: host.to_owned(), why });
                }
            };
            if host_of(response.url()).as_deref() != Some(host) || response.url().scheme() != request.url().scheme() {
                self.answered(voucher, None, None);
                return Err(PayError::Redirected { host: host.to_owned(), to: without_query(response.url()) });
            }
            let status = response.status();
            self.tell(&Event::Answered { status: status.as_u16() });
            match status {
                StatusCode::PAYMENT_REQUIRED => {
                    let payable = offer::choose(&response, host, &self.options.channels, asked_at).ok();
                    let payable = payable.filter(|payable| payable.channel() == channel).map(Box::new);
                    let problem = offer::problem(response).await;
                    if self.is_unseen(&channel, problem.as_deref()) {
                        let wait = usual_wait(tries).min(LONGEST_UNSEEN_WAIT);
                        self.send_again_after(wait, offer::says(problem.as_deref())).await;
                        continue;
                    }
                    self.answered(voucher, Some(status), None);
                    self.with_state(|state| state.challenges.remove(key));
                    return Ok(Outcome::Refused(payable, problem));
                }
                StatusCode::GONE => {
                    let problem = offer::problem(response).await;
                    let why = offer::says(problem.as_deref());
                    if self.is_unseen(&channel, problem.as_deref()) {
                        self.send_again_after(usual_wait(tries).min(LONGEST_UNSEEN_WAIT), why).await;
                        continue;
                    }
                    self.answered(voucher, Some(status), None);
                    if problem.as_ref().is_some_and(|problem| problem.kind.contains("/session/")) {
                        self.leave(&channel, &why)?;
                        return Err(PayError::ChannelOver { channel, why });
                    }
                    return Err(PayError::Unavailable { host: host.to_owned(), why });
                }
                StatusCode::SERVICE_UNAVAILABLE | StatusCode::CONFLICT if offer::is_problem(&response) => {
                    let wait = retry_after(response.headers(), std::time::SystemTime::now());
                    let problem = offer::problem(response).await;
                    let known = problem.as_ref().and_then(|problem| problem.known());
                    let why = offer::says(problem.as_deref());
                    let passing = matches!(
                        known,
                        Some(ProblemType::Unavailable | ProblemType::OutcomeUnknown | ProblemType::InProgress)
                    );
                    if passing && tries < TRIES {
                        self.wait(tries, wait, why).await;
                        continue;
                    }
                    self.answered(voucher, Some(status), None);
                    return Err(PayError::Unavailable { host: host.to_owned(), why });
                }
                _ => {
                    unanswered.armed = false;
                    let paid = self.take(voucher, response, key);
                    let receipt = paid.paid.as_ref().and_then(|paid| paid.receipt.as_ref());
                    if receipt.is_some_and(Receipt::says_what_is_counted) {
                        self.may_pay_side_by_side(host);
                    }
                    return Ok(Outcome::Paid(Box::new(paid)));
                }
            }
        }
    }

    /// Whether a receipt for this payment can be true.
    pub(super) fn believes(&self, voucher: &Voucher, receipt: &Receipt) -> bool {
        let channel = voucher.payable.channel();
        let signed = self.with_store(|store| store.signed(&channel));
        let believed = receipts::can_be_true(receipt, &channel, voucher.payable.price, signed);
        if !believed {
            tracing::warn!(%channel, "a receipt can't be true, and is not believed");
        }
        believed
    }

    /// Handles a paid answer.
    fn take(&self, voucher: &Voucher, response: Response, key: &str) -> PaidRequest {
        let receipt = receipts::of(response.headers()).filter(|receipt| self.believes(voucher, receipt));
        self.answered(voucher, Some(response.status()), receipt.clone());
        self.with_state(|state| {
            if state.challenges.len() >= KEPT_CHALLENGES {
                state.challenges.clear();
            }
            // The receipt stands for the next challenge if it says what the server counts. Where it does not, the server may also
            // take each challenge only once, as those with Stellar's TypeScript SDK do.
            if response.status().is_success() && receipt.as_ref().is_some_and(Receipt::says_what_is_counted) {
                state.challenges.insert(key.to_owned(), voucher.payable.clone());
            } else {
                state.challenges.remove(key);
            }
            state.learn(voucher.payable.channel(), receipt.as_ref());
        });
        let paid =
            Payment { channel: voucher.payable.channel(), price: voucher.payable.price, total: voucher.total, receipt };
        PaidRequest { response, paid: Some(paid) }
    }

    /// Forgets the challenges of a channel when it is not known what the server holds. The next challenge says it.
    fn forget_challenges(&self, channel: &ContractId) {
        self.with_state(|state| state.challenges.retain(|_, payable| payable.channel() != *channel));
    }

    /// Records how a payment was answered. A crash may lose this record, which does no harm.
    pub(super) fn answered(&self, voucher: &Voucher, status: Option<StatusCode>, receipt: Option<Receipt>) {
        if receipt.is_none() {
            self.forget_challenges(&voucher.payable.channel());
        }
        let record =
            Record::Answered(Answered { id: voucher.id, status: status.map(|status| status.as_u16()), receipt });
        if let Err(error) = self.with_store(|store| store.write(&record, false)) {
            tracing::warn!(%error, "an answer was not written down");
        }
    }

    /// Whether the server's problem may only mean that it has not seen the deposit yet.
    fn is_unseen(&self, channel: &ContractId, problem: Option<&ProblemBody>) -> bool {
        let says = problem.and_then(ProblemBody::known);
        matches!(says, Some(ProblemType::ChannelNotFound | ProblemType::AmountExceedsDeposit))
            && self.with_state(|state| state.unseen.get(channel).is_some_and(|since| since.elapsed() < UNSEEN))
    }

    /// Waits before the same voucher is sent again, for this time.
    pub(super) async fn wait(&self, tries: u32, asked: Option<Duration>, why: String) {
        let wait = asked.unwrap_or_else(|| usual_wait(tries)).min(LONGEST_WAIT);
        self.send_again_after(wait, why).await;
    }

    async fn send_again_after(&self, wait: Duration, why: String) {
        self.tell(&Event::SendingAgain { why });
        tokio::time::sleep(wait).await;
    }
}

fn usual_wait(tries: u32) -> Duration {
    Duration::from_millis(200).saturating_mul(4_u32.saturating_pow(tries.saturating_sub(1)))
}
