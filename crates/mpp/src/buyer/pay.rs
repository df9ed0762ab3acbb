//! Pays for one request.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderValue;
use paychan_channel::{Amount, ContractId};
use paychan_rpc::http::retry_after;
use reqwest::{Method, Request, Response, StatusCode, Url};

use super::error::{PayError, PayFailure};
use super::events::Event;
use super::exchange::{Clients, Exchange, NotSent};
use super::offer::{self, Payable};
use super::options::{BuyerOptions, PaidRequest, Payment};
use super::order::Purpose;
use super::proof::Asked;
use super::sent::Sent;
use super::standing::State;
use super::store::{Answered, Left, Opening, Record, Store};
use super::voucher::Voucher;
use super::wallet::PinnedChannel;
use super::{host_of, receipts, without_query};
use crate::problem::{ProblemBody, ProblemType};
use crate::wire::headers::{ACCEPT_PAYMENT, PAYMENT_SESSION};
use crate::wire::{Receipt, Timestamp};

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

/// Buys requests. Share it in an `Arc` to make payments at the same time.
pub struct Buyer {
    pub(super) options: BuyerOptions,
    pub(super) clients: Clients,
    pub(super) store: Arc<Mutex<Store>>,
    pub(super) state: Arc<Mutex<State>>,
}

impl Buyer {
    /// Opens a buyer that records its payments in `folder`. Only one buyer at a time can use a folder.
    ///
    /// # Errors
    /// [`PayError::Store`].
    pub fn open(folder: &Path, options: BuyerOptions) -> Result<Self, PayError> {
        let store = Store::open(folder)?;
        let clients = Clients::new(options.limits);
        Ok(Self { options, clients, store: Arc::new(Mutex::new(store)), state: Arc::default() })
    }

    /// Adds a channel through which the buyer may pay.
    pub fn add_channel(&mut self, pinned: PinnedChannel) {
        self.options.channels.push(pinned);
    }

    /// Records that a channel was opened, or that a deposit was made into it, a moment ago. For a minute, a server that
    /// does not know of it yet is asked again.
    pub fn deposited(&self, channel: &ContractId) {
        self.with_state(|state| state.unseen.insert(*channel, Instant::now()));
    }

    /// Whether the server's problem may only mean that it has not seen the deposit yet.
    fn is_unseen(&self, channel: &ContractId, problem: Option<&ProblemBody>) -> bool {
        let says = problem.and_then(ProblemBody::known);
        matches!(says, Some(ProblemType::ChannelNotFound | ProblemType::AmountExceedsDeposit))
            && self.with_state(|state| state.unseen.get(channel).is_some_and(|since| since.elapsed() < UNSEEN))
    }

    /// The channels that were opened or were about to be opened for a server, the newest first, without those that have
    /// ended.
    ///
    /// # Errors
    /// [`PayError::BadUrl`].
    pub fn openings_for(&self, url: &Url) -> Result<Vec<Opening>, PayError> {
        let host = self.host(url)?;
        Ok(self.with_store(|store| store.openings_for(&host)))
    }

    /// The highest total that was signed on a channel, in base units.
    #[must_use]
    pub fn signed(&self, channel: &ContractId) -> Amount {
        self.with_store(|store| store.signed(channel))
    }

    /// Records that a channel is about to be opened for a server. The record is on disk when this returns.
    ///
    /// # Errors
    /// [`PayError::BadUrl`], [`PayError::Store`].
    pub fn write_opening(&self, url: &Url, channel: ContractId, salt: String) -> Result<(), PayError> {
        let opening = Opening { at: Timestamp::now().to_text(), host: self.host(url)?, channel, salt };
        Ok(self.with_store(|store| store.write(&Record::Opening(opening), true))?)
    }

    /// Sends `GET url`, and pays for it if the server asks for payment. No redirect is followed.
    ///
    /// # Errors
    /// [`PayFailure`].
    pub async fn get(&self, url: &str) -> Result<PaidRequest, PayFailure> {
        let url = Url::parse(url).map_err(|_| Sent::default().failure(PayError::BadUrl(url.to_owned())))?;
        self.pay(Request::new(Method::GET, url)).await
    }

    /// Sends a request, and pays for it if the server asks for payment. No redirect is followed.
    ///
    /// # Errors
    /// [`PayFailure`].
    pub async fn pay(&self, request: Request) -> Result<PaidRequest, PayFailure> {
        self.pay_over(&mut &self.clients, request).await
    }

    /// Asks what a request would cost, without paying. `None` when it was answered for free.
    ///
    /// # Errors
    /// [`PayError`].
    pub async fn price(&self, request: Request) -> Result<Option<(ContractId, Amount)>, PayError> {
        let host = self.host(request.url())?;
        let asked_at = self.receipts();
        let response = self.ask(&mut &self.clients, request, &host).await?;
        if response.status() != StatusCode::PAYMENT_REQUIRED {
            return Ok(None);
        }
        let payable = self.offer(response, &host, asked_at).await?;
        Ok(Some((payable.channel(), payable.price)))
    }

    pub(super) async fn pay_over(&self, over: &mut dyn Exchange, request: Request) -> Result<PaidRequest, PayFailure> {
        let mut sent = Sent::default();
        let bought = self.ask_and_buy(over, request, &mut sent).await;
        bought.map_err(|why| sent.failure(why))
    }

    async fn ask_and_buy(
        &self,
        over: &mut dyn Exchange,
        request: Request,
        sent: &mut Sent,
    ) -> Result<PaidRequest, PayError> {
        let (host, key) = (self.host(request.url())?, challenge_key(&request));
        let again = || request.try_clone().ok_or(PayError::BodyIsAStream);
        let kept = self.with_state(|state| state.challenges.get(&key).cloned());
        let kept = kept.filter(|payable| !self.options.new_challenge_each_time && payable.is_good_for_a_while());
        let fresh = kept.is_none();
        let mut turn = None;
        let payable = match kept {
            Some(payable) => payable,
            None => {
                let mut asked = self.ask_for_offer(over, again()?, &host).await?;
                if matches!(asked, Offered::Offer(_)) {
                    let (waited, mine) = self.turn(&host).await;
                    if waited {
                        asked = self.ask_for_offer(over, again()?, &host).await?;
                    }
                    turn = mine;
                }
                match asked {
                    Offered::Offer(payable) => *payable,
                    Offered::Free(response) => return Ok(PaidRequest { response, paid: None }),
                }
            }
        };
        self.tell(&Event::Asked { host: host.clone(), price: payable.price, channel: payable.channel() });
        let mut purchase = Purchase { request: &request, host: &host, key: &key, sent };
        let bought = self.buy(over, &mut purchase, payable.clone(), fresh).await;
        let bought = match bought {
            Err(ahead @ PayError::ServerAhead { known, .. }) => {
                match self.ask_for_proof(over, &mut purchase, &payable, known).await? {
                    Asked::Paid(paid) => Ok(*paid),
                    // A price that has risen meanwhile is not paid unasked.
                    Asked::Proven(next) if next.price <= payable.price => {
                        self.buy(over, &mut purchase, *next, true).await
                    }
                    Asked::Proven(_) | Asked::Unproven => Err(ahead),
                }
            }
            bought => bought,
        };
        drop(turn);
        bought
    }

    async fn ask_for_offer(&self, over: &mut dyn Exchange, request: Request, host: &str) -> Result<Offered, PayError> {
        let asked_at = self.receipts();
        let response = self.ask(over, request, host).await?;
        match response.status() {
            StatusCode::PAYMENT_REQUIRED => Ok(Offered::Offer(Box::new(self.offer(response, host, asked_at).await?))),
            _ => Ok(Offered::Free(response)),
        }
    }

    /// Pays an offer.
    async fn buy(
        &self,
        over: &mut dyn Exchange,
        purchase: &mut Purchase<'_>,
        payable: Payable,
        fresh: bool,
    ) -> Result<PaidRequest, PayError> {
        let Purchase { request, host, .. } = *purchase;
        // It counts as under way until this returns.
        let first = self.voucher(request, host, payable, Purpose::Pay { fresh }).await?;
        // All that is signed for this answer raises the total by no more than its price.
        let limit = first.total.max(first.total.saturating_sub(first.raise).saturating_add(first.payable.price));
        let (payable, problem) = match self.send(over, purchase, &first).await? {
            Outcome::Paid(paid) => return Ok(*paid),
            Outcome::Refused(payable, problem) => (payable, problem),
        };
        // The server asks again. An answer to the new challenge may cost no more than what was signed for this request
        // already: it is then the same payment, which the server has not taken. A higher total would be a second
        // payment.
        let asked_twice = |problem: Option<Box<ProblemBody>>| PayError::AskedTwice {
            host: host.to_owned(),
            why: offer::says(problem.as_deref()),
            problem,
        };
        let taken = problem.as_ref().and_then(|problem| problem.known()).is_none();
        let Some(payable) = payable.filter(|_| !taken) else {
            return Err(asked_twice(problem));
        };
        let second = match self.voucher(request, host, *payable, Purpose::PayAgain(limit)).await {
            Err(PayError::AskedTwice { .. }) => return Err(asked_twice(problem)),
            other => other?,
        };
        match self.send(over, purchase, &second).await? {
            Outcome::Paid(paid) => Ok(*paid),
            Outcome::Refused(_, problem) => Err(asked_twice(problem)),
        }
    }

    pub(super) fn host(&self, url: &Url) -> Result<String, PayError> {
        let is_http = matches!(url.scheme(), "http" | "https");
        let host = host_of(url).filter(|_| is_http).ok_or_else(|| PayError::BadUrl(url.to_string()))?;
        let exposed = url.scheme() == "http" && !paychan_rpc::http::is_on_this_machine(url);
        if exposed && !self.options.allow_plain_http {
            return Err(PayError::Exposed(host));
        }
        Ok(host)
    }

    /// Sends the request without a payment, and names the channel that would pay.
    pub(super) async fn ask(
        &self,
        over: &mut dyn Exchange,
        mut request: Request,
        host: &str,
    ) -> Result<Response, PayError> {
        let usable = self
            .options
            .channels
            .iter()
            .find(|pinned| pinned.is_for(host) && self.with_store(|store| store.left(&pinned.channel).is_none()));
        let headers = request.headers_mut();
        headers.insert(ACCEPT_PAYMENT, HeaderValue::from_static("stellar/channel"));
        if let Some(pinned) = usable
            && let Ok(value) = HeaderValue::try_from(pinned.channel.to_string())
        {
            headers.insert(PAYMENT_SESSION, value);
        }
        over.send(request).await.map_err(|error| PayError::NoAnswer { host: host.to_owned(), why: error.why })
    }

    /// The offer of an answer to a request that was sent when there were this many receipts.
    pub(super) async fn offer(&self, response: Response, host: &str, asked_at: u64) -> Result<Payable, PayError> {
        match offer::choose(&response, host, &self.options.channels, asked_at) {
            Ok(payable) => Ok(payable),
            Err(why) => Err(offer::no_offer(host, why, offer::problem(response).await)),
        }
    }

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

    pub(super) fn leave(&self, channel: &ContractId, why: &str) -> Result<(), PayError> {
        let left = Left { at: Timestamp::now().to_text(), channel: *channel, why: why.to_owned() };
        Ok(self.with_store(|store| store.write(&Record::Left(left), true))?)
    }

    /// How many receipts there were so far.
    pub(super) fn receipts(&self) -> u64 {
        self.with_state(|state| state.receipts)
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

    pub(super) fn tell(&self, event: &Event) {
        if let Some(on_event) = &self.options.on_event {
            on_event(event);
        }
    }

    pub(super) fn with_state<T>(&self, of: impl FnOnce(&mut State) -> T) -> T {
        of(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn with_store<T>(&self, of: impl FnOnce(&mut Store) -> T) -> T {
        of(&mut self.store.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn usual_wait(tries: u32) -> Duration {
    Duration::from_millis(200).saturating_mul(4_u32.saturating_pow(tries.saturating_sub(1)))
}

/// A request that is being bought.
pub(super) struct Purchase<'a> {
    pub(super) request: &'a Request,
    pub(super) host: &'a str,
    /// The name under which its challenge is kept.
    pub(super) key: &'a str,
    pub(super) sent: &'a mut Sent,
}

/// The answer to a request without a payment.
enum Offered {
    Offer(Box<Payable>),
    Free(Response),
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

pub(super) enum Outcome {
    Paid(Box<PaidRequest>),
    /// A 402, with its offer for the same channel and its problem.
    Refused(Option<Box<Payable>>, Option<Box<ProblemBody>>),
}

fn challenge_key(request: &Request) -> String {
    format!("{} {}", request.method(), without_query(request.url()))
}
