//! Ends a channel: asks the server to close it with what was spent, so that the rest of the deposit comes back at once
//! and not after the waiting period.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use paychan_channel::{Amount, ContractId};
use paychan_rpc::http::retry_after;
use paychan_watcher_api::CloseState;
use reqwest::{Request, Response, StatusCode};
use serde::{Deserialize, Serialize};

use super::close_offer::{self, Known, Refused};
use super::error::{PayError, PayFailure};
use super::events::Event;
use super::exchange::{Exchange, NotSent};
use super::offer::{self, Payable};
use super::order::Purpose;
use super::pay::Buyer;
use super::sending::TRIES;
use super::sent::Sent;
use super::voucher::Voucher;
use super::{host_of, proof, receipts, without_query};
use crate::problem::{ProblemBody, ProblemType};
use crate::wire::{Action, Receipt, Timestamp};

/// How often the server is asked whether a close that it agreed to is done.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// How often it is asked at most. A server of ours waits up to 20 seconds before each answer.
const MOST_QUESTIONS: u32 = 4;
/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: usize = 64 * 1024;

/// A channel that is ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ended {
    /// The channel.
    pub channel: ContractId,
    /// What the recipient gets in total, base units. It was signed for this close.
    pub amount: Amount,
    /// How far the close is, as the server reports it.
    pub state: CloseState,
    /// The transaction's hash as the server reports it, 64 hexadecimal digits.
    pub transaction: Option<String>,
}

impl Buyer {
    /// Asks the server of this request to close the channel through which the request would be paid.
    ///
    /// It offers what the newest receipt says was spent, and what the server demands if that is more. It never signs
    /// more than it has signed before, but for one price if [`super::BuyerOptions::close_may_cost`] allows it. If the server claims a
    /// higher total than the store knows, the first offer asks for a proof. It is for one base unit if the store knows of nothing.
    /// If the server has agreed, the channel is no longer used.
    ///
    /// # Errors
    /// [`PayFailure`]. After [`PayError::NoAnswer`] and [`PayError::Unavailable`] the server may have agreed; asking again does no harm.
    pub async fn end(&self, request: Request) -> Result<Ended, PayFailure> {
        let mut sent = Sent::default();
        let ended = self.end_channel(&request, &mut sent).await;
        ended.map_err(|why| sent.failure(why))
    }

    async fn end_channel(&self, request: &Request, sent: &mut Sent) -> Result<Ended, PayError> {
        let over = &mut &self.clients;
        let payable = self.offer_of_close(over, request).await?;
        let (channel, host) = (payable.channel(), self.host(request.url())?);
        let known = self.known(&payable)?;
        if known.signed.is_zero() && known.ahead().is_none() {
            return Err(PayError::NothingSigned { host, channel });
        }
        let first = known.first();
        let close = Close { request, host: &host, payable: payable.clone(), total: first };
        let (next, problem) = match self.close_with(over, close, sent).await? {
            Answer::Agreed(ended) => return Ok(ended),
            Answer::Refused(next, problem) => (next, problem),
        };
        let mut refused = Refused { needed: problem.as_deref().and_then(needed), ..Refused::default() };
        let mut most = known.most();
        if let Some(says) = known.ahead() {
            let proven = problem.as_deref().and_then(|problem| proof::proven(problem, &payable.pinned));
            let Some(proven) = proven.filter(|proven| *proven > known.signed) else {
                return Err(PayError::ServerAhead { host, channel, says, known: known.signed });
            };
            self.learn(&host, channel, proven)?;
            self.check_caps(&host, channel)?;
            (refused.proven, most) = (Some(proven), proven);
        }
        refused.next = next.as_ref().map(|next| (next.base.unwrap_or(most), next.price));
        let refusal =
            |offered, price, problem| PayError::CloseRefused { host: host.clone(), channel, offered, price, problem };
        let Some(total) = close_offer::second(first, most, &refused, self.options.close_may_cost) else {
            // A server that says what a close needs wants no price for it.
            let price = refused.next.map(|(_, price)| price).filter(|_| refused.needed.is_none());
            return Err(refusal(first, price, problem));
        };
        // The new challenge is answered, since some servers take each challenge once.
        let payable = next.map_or(payable, |next| *next);
        match self.close_with(over, Close { request, host: &host, payable, total }, sent).await? {
            Answer::Agreed(ended) => Ok(ended),
            Answer::Refused(_, problem) => Err(refusal(total, None, problem)),
        }
    }

    /// Asks for the challenge that a close answers.
    async fn offer_of_close(&self, over: &mut dyn Exchange, request: &Request) -> Result<Payable, PayError> {
        let host = self.host(request.url())?;
        let request = request.try_clone().ok_or(PayError::BodyIsAStream)?;
        let asked_at = self.receipts();
        let response = self.ask(over, request, &host).await?;
        match response.status() {
            StatusCode::PAYMENT_REQUIRED => self.offer(response, &host, asked_at).await,
            StatusCode::GONE => {
                let problem = offer::problem(response).await;
                Err(PayError::NoOffer { host, why: offer::says(problem.as_deref()), problem })
            }
            status => {
                let why = format!("it answers {} and asks for no payment, so it offers no close", status.as_u16());
                Err(PayError::NoOffer { host, why, problem: None })
            }
        }
    }

    /// What is known of the channel. If the server's total is higher and the user believes it, it is recorded as signed.
    fn known(&self, payable: &Payable) -> Result<Known, PayError> {
        let (channel, says) = (payable.channel(), payable.base);
        self.with_store(|store| {
            let known = Known { signed: store.signed(&channel), spent: store.spent(&channel), says };
            match known.ahead().filter(|says| self.options.resync_up_to.is_some_and(|most| *says <= most)) {
                Some(says) => {
                    store.resync(channel, says)?;
                    Ok(Known { signed: says, ..known })
                }
                None => Ok(known),
            }
        })
    }

    /// Checks that what was signed so far keeps the caps.
    fn check_caps(&self, host: &str, channel: ContractId) -> Result<(), PayError> {
        let so_far = self.with_store(|store| store.signed_away(host, &channel, Timestamp::now().day()));
        Ok(self.options.caps.check(Amount::ZERO, Amount::ZERO, host, &channel, &so_far)?)
    }

    /// Sends one close until it is done or refused. The same close is sent again where no answer came and until it is done,
    /// since a server agrees to it once.
    async fn close_with(&self, over: &mut dyn Exchange, close: Close<'_>, sent: &mut Sent) -> Result<Answer, PayError> {
        let Close { request, host, payable, total } = close;
        let channel = payable.channel();
        // A total that was not signed before is recorded first, and the caps hold for it.
        let voucher = match total > self.signed(&channel) {
            true => Some(self.voucher(request, host, payable.clone(), Purpose::Close(total)).await?),
            false => None,
        };
        let header = match &voucher {
            Some(voucher) => voucher.header.clone(),
            None => {
                self.tell(&Event::Closing { channel, total });
                self.sign(&payable, Action::Close, total).await?
            }
        };
        let raise = voucher.as_ref().map_or(Amount::ZERO, |voucher| voucher.raise);
        let (mut tries, mut questions, mut agreed, mut counted) = (0_u32, 0_u32, None, false);
        // What a server says after it has agreed takes nothing back.
        let error = loop {
            let request = with_header(request, &header)?;
            let asked_at = self.receipts();
            let step = self.close_once(over, request, host, channel, total, asked_at).await?;
            // A refused close gives the server nothing if its total was signed before.
            let counts = match &step {
                Step::Refused(..) => !raise.is_zero(),
                Step::Later { left, .. } => *left,
                Step::Agreed(..) | Step::Over(_) => true,
            };
            if counts && !std::mem::replace(&mut counted, true) {
                sent.add(raise);
            }
            match step {
                Step::Agreed(ended, receipt) => {
                    self.leave(&channel, "its close was agreed")?;
                    self.close_answered(voucher.as_ref(), StatusCode::OK, receipt);
                    (tries, questions) = (0, questions.saturating_add(1));
                    if ended.state.is_over() || questions >= MOST_QUESTIONS {
                        return Ok(Answer::Agreed(ended));
                    }
                    agreed = Some(ended);
                    tokio::time::sleep(ASK_AGAIN).await;
                }
                Step::Later { why, wait, error, .. } => {
                    tries = tries.saturating_add(1);
                    if tries >= TRIES {
                        break error;
                    }
                    self.wait(tries, wait, why).await;
                }
                Step::Over(error) => break error,
                Step::Refused(next, problem) => {
                    let Some(agreed) = agreed else {
                        self.close_answered(voucher.as_ref(), StatusCode::PAYMENT_REQUIRED, None);
                        return Ok(Answer::Refused(next, problem));
                    };
                    return Ok(Answer::Agreed(agreed));
                }
            }
        };
        agreed.map(Answer::Agreed).ok_or(error)
    }

    /// Records how a close was answered that was recorded as a payment.
    fn close_answered(&self, voucher: Option<&Voucher>, status: StatusCode, receipt: Option<Receipt>) {
        if let Some(voucher) = voucher {
            let receipt = receipt.filter(|receipt| self.believes(voucher, receipt));
            self.answered(voucher, Some(status), receipt);
        }
    }

    /// Sends a close once.
    async fn close_once(
        &self,
        over: &mut dyn Exchange,
        request: Request,
        host: &str,
        channel: ContractId,
        total: Amount,
        asked_at: u64,
    ) -> Result<Step, PayError> {
        let scheme = request.url().scheme().to_owned();
        let host = host.to_owned();
        let response = match over.send(request).await {
            Ok(response) => response,
            Err(NotSent { why, unconnected }) => {
                let error = PayError::NoAnswer { host, why: why.clone() };
                return Ok(Step::Later { why, wait: None, left: !unconnected, error });
            }
        };
        if host_of(response.url()).as_ref() != Some(&host) || response.url().scheme() != scheme {
            let to = without_query(response.url());
            return Ok(Step::Over(PayError::Redirected { host, to }));
        }
        let status = response.status();
        self.tell(&Event::Answered { status: status.as_u16() });
        // A server of ours answers 200, and the sessions of mppx answer 204.
        if matches!(status, StatusCode::OK | StatusCode::NO_CONTENT | StatusCode::ACCEPTED) {
            let (ended, receipt) = read(response, channel, total).await;
            return Ok(Step::Agreed(ended, receipt));
        }
        let next = offer::choose(&response, &host, &self.options.channels, asked_at).ok();
        let next = next.filter(|next| next.channel() == channel).map(Box::new);
        let wait = retry_after(response.headers(), std::time::SystemTime::now());
        let problem = offer::problem(response).await;
        let why = offer::says(problem.as_deref());
        match problem.as_deref().and_then(ProblemBody::known) {
            Some(ProblemType::ChannelClosing | ProblemType::ChannelFinalized) => {
                self.leave(&channel, &why)?;
                Ok(Step::Over(PayError::ChannelOver { channel, why }))
            }
            // It is not known whether the server has agreed.
            _ if status.is_server_error() => {
                Ok(Step::Later { why: why.clone(), wait, left: true, error: PayError::Unavailable { host, why } })
            }
            _ => Ok(Step::Refused(next, problem)),
        }
    }
}

/// A close that is to be sent.
struct Close<'a> {
    request: &'a Request,
    host: &'a str,
    payable: Payable,
    /// What the recipient is to have in total.
    total: Amount,
}

enum Answer {
    Agreed(Ended),
    /// The next challenge, and the problem.
    Refused(Option<Box<Payable>>, Option<Box<ProblemBody>>),
}

/// The result of sending a close once.
enum Step {
    Agreed(Ended, Option<Receipt>),
    /// It is to be sent again. The error is for the last time.
    Later {
        why: String,
        wait: Option<Duration>,
        /// Whether something was sent.
        left: bool,
        error: PayError,
    },
    Over(PayError),
    /// The next challenge, and the problem.
    Refused(Option<Box<Payable>>, Option<Box<ProblemBody>>),
}

fn with_header(request: &Request, (name, value): &(HeaderName, HeaderValue)) -> Result<Request, PayError> {
    let mut request = request.try_clone().ok_or(PayError::BodyIsAStream)?;
    request.headers_mut().insert(name.clone(), value.clone());
    Ok(request)
}

/// What the server says must be offered at least.
fn needed(problem: &ProblemBody) -> Option<Amount> {
    let too_low = problem.known() == Some(ProblemType::CloseTooLow);
    problem.details.get("needed").filter(|_| too_low)?.as_str()?.parse().ok()
}

/// The answer of a server of ours. Other servers may say only by the status that the close is done.
#[derive(Default, Deserialize)]
struct Said {
    state: Option<CloseState>,
    transaction: Option<String>,
}

async fn read(mut response: Response, channel: ContractId, amount: Amount) -> (Ended, Option<Receipt>) {
    let done = response.status() != StatusCode::ACCEPTED;
    let receipt = receipts::of(response.headers());
    let body = paychan_rpc::http::read_body(&mut response, LONGEST_ANSWER).await.unwrap_or_default();
    let said: Said = serde_json::from_slice(&body).unwrap_or_default();
    // The status says whether it is done, and the body says how it was done.
    let state = match said.state {
        Some(state) if state.is_over() == done => state,
        _ if done => CloseState::Closed,
        _ => CloseState::Agreed,
    };
    let is_hash = |text: &String| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let reference = receipt.as_ref().map(|receipt| receipt.reference.clone());
    let transaction = said.transaction.or(reference).filter(is_hash);
    (Ended { channel, amount, state, transaction }, receipt)
}
