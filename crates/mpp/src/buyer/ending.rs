//! Ends a channel: asks the server to close it with what was spent, so that the rest of the deposit comes back at once
//! and not after the waiting period.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use paychan_channel::{Amount, ContractId};
use paychan_rpc::http::retry_after;
use paychan_watcher_api::CloseState;
use reqwest::{Request, Response, StatusCode};
use serde::{Deserialize, Serialize};

use super::error::PayError;
use super::events::Event;
use super::exchange::{Exchange, NotSent};
use super::offer::{self, Payable};
use super::pay::{Buyer, TRIES};
use super::{host_of, without_query};
use crate::problem::{ProblemBody, ProblemType};
use crate::wire::headers::PAYMENT_RECEIPT;
use crate::wire::{Action, Receipt};

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
    /// more than it has signed before. Nothing is bought: the server answers the request with the result of the close.
    /// If the server has agreed, the channel is no longer used.
    ///
    /// # Errors
    /// [`PayError`]. After [`PayError::NoAnswer`] and [`PayError::Unavailable`] the server may have agreed; asking again does no harm.
    pub async fn end(&self, request: Request) -> Result<Ended, PayError> {
        let over = &mut &self.clients;
        let host = self.host(request.url())?;
        let again = || request.try_clone().ok_or(PayError::BodyIsAStream);
        let asked_at = self.receipts();
        let response = self.ask(over, again()?, &host).await?;
        match response.status() {
            StatusCode::PAYMENT_REQUIRED => {}
            StatusCode::GONE => {
                let problem = offer::problem(response).await;
                return Err(PayError::NoOffer { host, why: offer::says(problem.as_deref()), problem });
            }
            status => {
                let why = format!("it answers {} and asks for no payment, so it offers no close", status.as_u16());
                return Err(PayError::NoOffer { host, why, problem: None });
            }
        }
        let payable = self.offer(response, &host, asked_at).await?;
        let channel = payable.channel();
        let most = self.most(&host, &payable)?;
        let spent = self.with_store(|store| store.spent(&channel));
        let first = spent.map_or(most, |spent| spent.min(most));
        match self.close_with(over, &request, &host, &payable, first).await? {
            Answer::Agreed(ended) => Ok(ended),
            Answer::Refused(problem) => {
                let needed = problem.as_deref().and_then(needed).filter(|needed| (first < *needed) && *needed <= most);
                let refused = |offered, problem: Option<Box<ProblemBody>>| PayError::CloseRefused {
                    host: host.clone(),
                    channel,
                    offered,
                    why: offer::says(problem.as_deref()),
                    problem,
                };
                let Some(needed) = needed else { return Err(refused(first, problem)) };
                match self.close_with(over, &request, &host, &payable, needed).await? {
                    Answer::Agreed(ended) => Ok(ended),
                    Answer::Refused(problem) => Err(refused(needed, problem)),
                }
            }
        }
    }

    /// The most that may be offered: the total to which the server would add a price, but no more than was signed
    /// before.
    fn most(&self, host: &str, payable: &Payable) -> Result<Amount, PayError> {
        let channel = payable.channel();
        let resync_up_to = self.options.resync_up_to;
        self.with_store(|store| {
            let signed = store.signed(&channel);
            let Some(says) = payable.base else { return Ok(signed) };
            if says <= signed {
                return Ok(says);
            }
            if resync_up_to.is_some_and(|most| says <= most) {
                store.resync(channel, says)?;
                return Ok(says);
            }
            Err(PayError::ServerAhead { host: host.to_owned(), channel, says, known: signed })
        })
    }

    /// Sends one close until it is done or refused. The same close is sent again where no answer came and until it is done,
    /// since a server agrees to it once.
    async fn close_with(
        &self,
        over: &mut dyn Exchange,
        request: &Request,
        host: &str,
        payable: &Payable,
        total: Amount,
    ) -> Result<Answer, PayError> {
        let channel = payable.channel();
        self.tell(&Event::Closing { channel, total });
        let header = self.sign(payable, Action::Close, total).await?;
        let (mut tries, mut questions, mut agreed) = (0_u32, 0_u32, None);
        // What a server says after it has agreed takes nothing back.
        let error = loop {
            match self.close_once(over, with_header(request, &header)?, host, channel, total).await? {
                Step::Agreed(ended) => {
                    self.leave(&channel, "its close was agreed")?;
                    (tries, questions) = (0, questions.saturating_add(1));
                    if ended.state.is_over() || questions >= MOST_QUESTIONS {
                        return Ok(Answer::Agreed(ended));
                    }
                    agreed = Some(ended);
                    tokio::time::sleep(ASK_AGAIN).await;
                }
                Step::Later { why, wait, error } => {
                    tries = tries.saturating_add(1);
                    if tries >= TRIES {
                        break error;
                    }
                    self.wait(tries, wait, why).await;
                }
                Step::Over(error) => break error,
                Step::Refused(problem) => {
                    return Ok(agreed.map_or(Answer::Refused(problem), Answer::Agreed));
                }
            }
        };
        agreed.map(Answer::Agreed).ok_or(error)
    }

    /// Sends a close once.
    async fn close_once(
        &self,
        over: &mut dyn Exchange,
        request: Request,
        host: &str,
        channel: ContractId,
        total: Amount,
    ) -> Result<Step, PayError> {
        let scheme = request.url().scheme().to_owned();
        let host = host.to_owned();
        let response = match over.send(request).await {
            Ok(response) => response,
            Err(NotSent { why, .. }) => {
                let error = PayError::NoAnswer { host, why: why.clone(), paid: true };
                return Ok(Step::Later { why, wait: None, error });
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
            return Ok(Step::Agreed(read(response, channel, total).await));
        }
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
                Ok(Step::Later { why: why.clone(), wait, error: PayError::Unavailable { host, why } })
            }
            _ => Ok(Step::Refused(problem)),
        }
    }
}

enum Answer {
    Agreed(Ended),
    Refused(Option<Box<ProblemBody>>),
}

/// The result of sending a close once.
enum Step {
    Agreed(Ended),
    /// It is to be sent again. The error is for the last time.
    Later {
        why: String,
        wait: Option<Duration>,
        error: PayError,
    },
    Over(PayError),
    Refused(Option<Box<ProblemBody>>),
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

async fn read(mut response: Response, channel: ContractId, amount: Amount) -> Ended {
    let done = response.status() != StatusCode::ACCEPTED;
    let receipt = response.headers().get(PAYMENT_RECEIPT).and_then(|value| value.to_str().ok());
    let receipt = receipt.and_then(|value| Receipt::from_header(value).ok());
    let body = paychan_rpc::http::read_body(&mut response, LONGEST_ANSWER).await.unwrap_or_default();
    let said: Said = serde_json::from_slice(&body).unwrap_or_default();
    // The status says whether it is done, and the body says how it was done.
    let state = match said.state {
        Some(state) if state.is_over() == done => state,
        _ if done => CloseState::Closed,
        _ => CloseState::Agreed,
    };
    let is_hash = |text: &String| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let transaction = said.transaction.or(receipt.map(|receipt| receipt.reference)).filter(is_hash);
    Ended { channel, amount, state, transaction }
}
