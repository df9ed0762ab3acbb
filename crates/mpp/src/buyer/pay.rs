//! Pays for one request.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use http::HeaderValue;
use paychan_channel::{Amount, ContractId};
use reqwest::{Method, Request, Response, StatusCode, Url};

use super::error::{PayError, PayFailure};
use super::events::Event;
use super::exchange::{Clients, Exchange};
use super::offer::{self, Payable};
use super::options::{BuyerOptions, PaidRequest};
use super::order::Purpose;
use super::proof::Asked;
use super::sending::{Outcome, Purchase};
use super::sent::Sent;
use super::standing::State;
use super::store::{Left, Opening, Record, Store};
use super::wallet::PinnedChannel;
use super::{host_of, without_query};
use crate::problem::ProblemBody;
use crate::wire::Timestamp;
use crate::wire::headers::{ACCEPT_PAYMENT, PAYMENT_SESSION};

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

    pub(super) fn leave(&self, channel: &ContractId, why: &str) -> Result<(), PayError> {
        let left = Left { at: Timestamp::now().to_text(), channel: *channel, why: why.to_owned() };
        Ok(self.with_store(|store| store.write(&Record::Left(left), true))?)
    }

    /// How many receipts there were so far.
    pub(super) fn receipts(&self) -> u64 {
        self.with_state(|state| state.receipts)
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

/// The answer to a request without a payment.
enum Offered {
    Offer(Box<Payable>),
    Free(Response),
}

fn challenge_key(request: &Request) -> String {
    format!("{} {}", request.method(), without_query(request.url()))
}
