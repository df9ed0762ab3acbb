//! Ends a channel: asks the server to close it with what was spent, so that the rest of the deposit comes back at once
//! and not after the waiting period.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use paychan_channel::{Amount, ContractId};
use paychan_rpc::http::retry_after;
use reqwest::{Request, Response, StatusCode};
use serde::{Deserialize, Serialize};

use super::error::PayError;
use super::events::Event;
use super::exchange::{Exchange, NotSent};
use super::host_of;
use super::offer::{self, Payable};
use super::pay::{Buyer, TRIES, is_problem, without_query};
use super::store::{Record, Resynced};
use crate::problem::{ProblemBody, ProblemType};
use crate::wire::headers::PAYMENT_RECEIPT;
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
    /// How far the close is.
    pub state: EndedState,
    /// The transaction's hash as the server reports it, 64 hexadecimal digits.
    pub transaction: Option<String>,
}

/// How far a close is, according to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedState {
    /// The server has agreed, and the close is not on chain yet.
    Agreed,
    /// The channel is closed on chain, and the rest of the deposit is back at the funder.
    Closed,
    /// The recipient was paid, but the channel is open on chain. The funder takes the rest back with `close_start` and
    /// `refund`.
    Settled,
}

impl Buyer {
    /// Asks the server of this request to close the channel through which the request would be paid.
    ///
    /// It offers what the newest receipt says was spent, and what the server demands if that is more. It never signs
    /// more than it has signed before. The request's body is not sent to be processed: the server sees a close, and
    /// answers with its result. If the server has agreed, the channel is no longer used.
    ///
    /// # Errors
    /// [`PayError`]. After [`PayError::NoAnswer`] the server may have agreed; asking again does no harm.
    pub async fn end(&self, request: Request) -> Result<Ended, PayError> {
        let over = &mut &self.clients;
        let host = self.host(request.url())?;
        let again = || request.try_clone().ok_or(PayError::BodyIsAStream);
        let response = self.ask(over, again()?, &host).await?;
        match response.status() {
            StatusCode::PAYMENT_REQUIRED => {}
            StatusCode::GONE if is_problem(&response) => return Err(self.is_gone(&host, response).await?),
            status => {
                let why = format!("it answers {} and asks for no payment, so it offers no close", status.as_u16());
                return Err(PayError::NoOffer { host, why, problem: None });
            }
        }
        let payable = self.offer(response, &host).await?;
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
                let resynced = Resynced { at: Timestamp::now().to_text(), channel, total: says };
                store.write(&Record::Resynced(resynced), true)?;
                return Ok(says);
            }
            Err(PayError::ServerAhead { host: host.to_owned(), channel, says, known: signed })
        })
    }

    /// Sends one close until it is answered. The same close is sent again where no answer came, since a server agrees
    /// to it once.
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
        let (mut tries, mut questions) = (0_u32, 0_u32);
        loop {
            let response = match over.send(with_header(request, &header)?).await {
                Ok(response) => response,
                Err(NotSent { why, .. }) => {
                    tries = tries.saturating_add(1);
                    if tries < TRIES {
                        self.wait(tries, None, why).await;
                        continue;
                    }
                    return Err(PayError::NoAnswer { host: host.to_owned(), why, paid: true });
                }
            };
            if host_of(response.url()).as_deref() != Some(host) || response.url().scheme() != request.url().scheme() {
                let to = without_query(response.url());
                return Err(PayError::Redirected { host: host.to_owned(), to });
            }
            let status = response.status();
            self.tell(&Event::Answered { status: status.as_u16() });
            match status {
                StatusCode::OK | StatusCode::ACCEPTED => {
                    let ended = read(response, channel, total).await;
                    self.leave(&channel, "its close was agreed")?;
                    (tries, questions) = (0, questions.saturating_add(1));
                    if ended.state != EndedState::Agreed || questions >= MOST_QUESTIONS {
                        return Ok(Answer::Agreed(ended));
                    }
                    tokio::time::sleep(ASK_AGAIN).await;
                }
                StatusCode::GONE => return Err(self.is_gone(host, response).await?),
                StatusCode::SERVICE_UNAVAILABLE if is_problem(&response) => {
                    let wait = retry_after(response.headers(), std::time::SystemTime::now());
                    let why = offer::says(offer::problem(response).await.as_deref());
                    tries = tries.saturating_add(1);
                    if tries >= TRIES {
                        return Err(PayError::Unavailable { host: host.to_owned(), why });
                    }
                    self.wait(tries, wait, why).await;
                }
                _ => return Ok(Answer::Refused(offer::problem(response).await)),
            }
        }
    }

    /// The error for a channel that the server says is over. The channel is no longer used.
    async fn is_gone(&self, host: &str, response: Response) -> Result<PayError, PayError> {
        let problem = offer::problem(response).await;
        let why = offer::says(problem.as_deref());
        let channel = self.options.channels.iter().find(|pinned| pinned.is_for(host)).map(|pinned| pinned.channel);
        let known = problem.as_deref().and_then(ProblemBody::known);
        let over = matches!(known, Some(ProblemType::ChannelClosing | ProblemType::ChannelFinalized));
        match channel.filter(|_| over) {
            Some(channel) => {
                self.leave(&channel, &why)?;
                Ok(PayError::ChannelOver { channel, why })
            }
            None => Ok(PayError::NoOffer { host: host.to_owned(), why, problem }),
        }
    }
}

enum Answer {
    Agreed(Ended),
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
    state: Option<String>,
    transaction: Option<String>,
}

async fn read(mut response: Response, channel: ContractId, amount: Amount) -> Ended {
    let done = response.status() == StatusCode::OK;
    let receipt = response.headers().get(PAYMENT_RECEIPT).and_then(|value| value.to_str().ok());
    let receipt = receipt.and_then(|value| Receipt::from_header(value).ok());
    let body = paychan_rpc::http::read_body(&mut response, LONGEST_ANSWER).await.unwrap_or_default();
    let said: Said = serde_json::from_slice(&body).unwrap_or_default();
    let state = match said.state.as_deref() {
        _ if !done => EndedState::Agreed,
        Some("settled") => EndedState::Settled,
        _ => EndedState::Closed,
    };
    let is_hash = |text: &String| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let transaction = said.transaction.or(receipt.map(|receipt| receipt.reference)).filter(is_hash);
    Ended { channel, amount, state, transaction }
}
