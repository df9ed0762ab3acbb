//! The requests of front ends: what they ask, and what each answer means for the promises of the watcher.

use std::fmt;

use paychan_channel::{Amount, ChannelState, Commitment, ContractId, RequestId, Signature};
use paychan_store::{AcceptError, ChargeError, CreditError, Offer, StoreError};
use paychan_watcher::channels::Channels;
use paychan_watcher::commitments::{Closing, Commitments, NotClosed, OfferError, SaleError};
use paychan_watcher_api::{Acknowledged, ChargeBody, Charged, Credited, SignedAmount};

use super::World;
use crate::network::SimChain;
use crate::setup::{DEPOSIT, amount, funder, id};

/// A request of a front end about one channel.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) channel: u8,
    ask: Ask,
    /// The highest total that was acknowledged on the channel before the request.
    known: i128,
}

/// What a front end asks.
#[derive(Debug, Clone)]
enum Ask {
    Offer(Offer),
    /// An offer whose signature is for another channel.
    Forged(Offer),
    /// An offer of a total that was acknowledged before, under a new id.
    Old(Offer),
    Charge {
        body: ChargeBody,
        kind: Kind,
    },
    /// `races` says that another credit of the same charge is asked for at the same time.
    Credit {
        request_id: RequestId,
        amount: Amount,
        races: bool,
    },
    Close {
        agreed: SignedAmount,
        most: i128,
    },
    /// Watch a channel that was dropped.
    Admit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    New,
    /// It was acknowledged before, and its front end got no answer.
    Repeated,
    /// Two connections bring it at the same time, or it got no answer before.
    Unsure,
}

/// What a front end is answered.
pub(crate) enum Answer {
    Offered(Result<Acknowledged, OfferError>),
    Charged(Result<Charged, SaleError>),
    Credited(Result<Credited, CreditError>),
    Closed(Box<Result<Closing, NotClosed>>),
    /// The channel is watched, or it is not taken now.
    Admitted,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.ask {
            Ask::Offer(offer) | Ask::Forged(offer) | Ask::Old(offer) => write!(f, "offer {}", offer.request_id),
            Ask::Charge { body, .. } => write!(f, "charge {}", body.request_id),
            Ask::Credit { request_id, .. } => write!(f, "credit {request_id}"),
            Ask::Close { .. } => write!(f, "close {}", self.channel),
            Ask::Admit => write!(f, "admission {}", self.channel),
        }
    }
}

impl Request {
    /// Whether it is a charge.
    pub(super) fn is_charge(&self) -> bool {
        matches!(self.ask, Ask::Charge { .. })
    }

    /// Asks the watcher.
    pub(crate) async fn ask(&self, commitments: &Commitments, channels: &Channels) -> Answer {
        let channel = id(self.channel);
        match self.ask.clone() {
            Ask::Offer(offer) | Ask::Forged(offer) | Ask::Old(offer) => Answer::Offered(commitments.offer(offer).await),
            Ask::Charge { body, .. } => Answer::Charged(commitments.charge(channel, body).await),
            Ask::Credit { request_id, amount, .. } => {
                Answer::Credited(commitments.credit(channel, request_id, amount).await)
            }
            Ask::Admit => {
                // A refusal is expected where the world makes one: the channel is closing, or the endpoint does not answer.
                let _ = channels.take(channel).await;
                Answer::Admitted
            }
            Ask::Close { agreed, .. } => Answer::Closed(Box::new(commitments.close(channel, Some(agreed)).await)),
        }
    }
}

/// Asks for several charges in one call. The requests are all charges.
pub(super) async fn ask_together(requests: &[&Request], commitments: &Commitments) -> Vec<Answer> {
    let charge = |request: &&Request| match &request.ask {
        Ask::Charge { body, .. } => Some((id(request.channel), body.clone())),
        _ => None,
    };
    let charges = requests.iter().filter_map(charge).collect();
    commitments.charge_all(charges).await.into_iter().map(Answer::Charged).collect()
}

/// Marks the credits of a charge for which more than one is asked at the same time.
pub(super) fn mark_races(requests: &mut [Request]) {
    let credited = |request: &Request| match &request.ask {
        Ask::Credit { request_id, .. } => Some((request.channel, request_id.clone())),
        _ => None,
    };
    let all: Vec<_> = requests.iter().filter_map(credited).collect();
    for request in requests {
        let charge = credited(request);
        if let Ask::Credit { races, .. } = &mut request.ask {
            *races |= all.iter().filter(|other| Some(*other) == charge.as_ref()).count() > 1;
        }
    }
}

fn sign(number: u8, channel: ContractId, amount: Amount) -> Signature {
    Commitment { network: SimChain::network_id(), channel, amount }.sign(&funder(number))
}

fn signed(number: u8, amount: Amount) -> SignedAmount {
    SignedAmount { amount, signature: sign(number, id(number), amount) }
}

/// What is drawn.
impl World {
    /// Draws what a front end asks about this channel now. It may be nothing, or two requests at the same time.
    pub(super) fn draw_requests(&mut self, number: u8) -> Vec<Request> {
        let asks = match self.random.u32(..20) {
            0..8 => vec![self.new_offer(number)],
            8..14 => vec![self.new_charge(number)],
            14 => self.some_credit(number).into_iter().collect(),
            15 => vec![self.forged_offer(number)],
            // Two front ends that know the same total sell at the same time.
            16 | 17 => vec![self.new_charge(number), self.new_charge(number)],
            18 => self.repeated_charge(number).into_iter().collect(),
            _ if self.random.u32(..20) == 0 => self.agreed_close(number).into_iter().collect(),
            _ => self.old_offer(number).into_iter().collect(),
        };
        let known = self.memory.channel(number).highest;
        asks.into_iter().map(|ask| Request { channel: number, ask, known }).collect()
    }

    /// Draws what only happens where requests overlap: a charge that two connections bring, a charge that got no answer, and
    /// two credits of one charge.
    pub(super) fn draw_twins(&mut self, number: u8) -> Vec<Request> {
        let unanswered = self.memory.channel(number).unanswered.clone();
        let asks = match self.random.u32(..3) {
            0 => match self.new_charge(number) {
                Ask::Charge { body, .. } => vec![Ask::Charge { body, kind: Kind::Unsure }; 2],
                _ => Vec::new(),
            },
            1 if !unanswered.is_empty() => {
                let body = unanswered[self.random.usize(..unanswered.len())].clone();
                vec![Ask::Charge { body, kind: Kind::Unsure }]
            }
            _ => match self.some_credit(number) {
                Some(Ask::Credit { request_id, amount, .. }) => {
                    vec![Ask::Credit { request_id, amount, races: true }; 2]
                }
                _ => Vec::new(),
            },
        };
        let known = self.memory.channel(number).highest;
        asks.into_iter().map(|ask| Request { channel: number, ask, known }).collect()
    }

    /// Asks for the admission of a channel that was dropped.
    pub(super) fn admission(&mut self, number: u8) -> Request {
        Request { channel: number, ask: Ask::Admit, known: self.memory.channel(number).highest }
    }

    /// A total above the highest known one. The channel mostly covers it, but not always.
    fn next_total(&mut self, number: u8) -> Amount {
        let known = self.memory.channel(number).highest;
        let withdrawn = self.chain.network().channels[&id(number)].withdrawn.get();
        let longest = [1_000, 200_000, 20_000_000, DEPOSIT][self.random.usize(..4)];
        let step = self.random.i128(1..=longest);
        let total = known.max(withdrawn) + step;
        amount(total)
    }

    fn offer_of(&mut self, number: u8, amount: Amount, signature: Signature) -> Offer {
        let request_id = self.memory.channel(number).next_request(number);
        Offer { channel: id(number), amount, signature, request_id }
    }

    fn new_offer(&mut self, number: u8) -> Ask {
        let SignedAmount { amount, signature } = signed(number, self.next_total(number));
        self.totals.offers += 1;
        Ask::Offer(self.offer_of(number, amount, signature))
    }

    fn forged_offer(&mut self, number: u8) -> Ask {
        let total = self.next_total(number);
        let signature = sign(number, ContractId([99; 32]), total);
        Ask::Forged(self.offer_of(number, total, signature))
    }

    fn old_offer(&mut self, number: u8) -> Option<Ask> {
        let highest = self.memory.channel(number).highest;
        if highest == 0 {
            return None;
        }
        let total = amount(self.random.i128(1..=highest));
        let SignedAmount { amount, signature } = signed(number, total);
        Some(Ask::Old(self.offer_of(number, amount, signature)))
    }

    fn new_charge(&mut self, number: u8) -> Ask {
        let highest = [100, 100_000, 10_000_000][self.random.usize(..3)];
        let price = amount(self.random.i128(1..=highest));
        let commitment = match self.random.bool() {
            true => Some(signed(number, self.next_total(number))),
            false => None,
        };
        let request_id = self.memory.channel(number).next_request(number);
        Ask::Charge { body: ChargeBody { price, request_id, commitment }, kind: Kind::New }
    }

    fn repeated_charge(&mut self, number: u8) -> Option<Ask> {
        let charges = &self.memory.channel(number).charges;
        if charges.is_empty() {
            return None;
        }
        let (body, _) = charges[self.random.usize(..charges.len())].clone();
        Some(Ask::Charge { body, kind: Kind::Repeated })
    }

    fn some_credit(&mut self, number: u8) -> Option<Ask> {
        let charges = &self.memory.channel(number).charges;
        if charges.is_empty() {
            return None;
        }
        let (charge, _) = charges[self.random.usize(..charges.len())].clone();
        let back = self.random.i128(1..=charge.price.get());
        Some(Ask::Credit { request_id: charge.request_id, amount: amount(back), races: false })
    }

    /// The recipient and the funder agree to end the channel with less than the highest commitment.
    fn agreed_close(&mut self, number: u8) -> Option<Ask> {
        let held = self.process.watcher().store.held(&id(number))?;
        let withdrawn = self.chain.network().channels[&id(number)].withdrawn.get();
        let (least, most) = (held.spent.get().max(withdrawn), held.highest_amount().get());
        if least > most || most == 0 {
            return None;
        }
        let agreed = amount(self.random.i128(least.max(1)..=most));
        Some(Ask::Close { agreed: signed(number, agreed), most })
    }
}

/// What an answer means.
impl World {
    /// `state` is the channel at the ledger of the answer.
    pub(super) fn answered(&mut self, request: &Request, answer: Answer, state: &ChannelState) {
        let number = request.channel;
        match (&request.ask, answer) {
            (Ask::Offer(_), Answer::Offered(Ok(answer))) => {
                self.acknowledged(request, answer.highest, answer.replayed, state);
            }
            (Ask::Offer(_), Answer::Offered(Err(OfferError::BadSignature(error)))) => {
                self.violated(format!("a good signature is refused: {error}"));
            }
            (Ask::Forged(offer), Answer::Offered(Ok(_))) => self
                .violated(format!("channel {number}: a signature over another channel was taken for {}", offer.amount)),
            (Ask::Old(offer), Answer::Offered(Ok(answer))) => self.violated(format!(
                "channel {number}: {} was taken again, above {}: {answer:?}",
                offer.amount, request.known
            )),
            (Ask::Charge { body, kind: Kind::Repeated }, Answer::Charged(Ok(again))) if !again.replayed => {
                self.violated(format!("channel {number}: the charge {body:?} was taken again"));
            }
            (Ask::Charge { kind: Kind::Repeated, .. }, _) => {}
            (Ask::Charge { body, kind }, Answer::Charged(answer)) => self.charged(request, body, *kind, answer, state),
            (Ask::Credit { request_id, amount, races }, Answer::Credited(answer)) => {
                self.credited(number, request_id, *amount, *races, answer);
            }
            (Ask::Close { agreed, most }, Answer::Closed(closing)) => {
                if closing.is_err() {
                    // The record may be on the disk or not.
                    self.memory.channel(number).perhaps_agreed.push(agreed.amount.get());
                }
                if let Ok(closing) = *closing
                    && let Some(claim) = closing.held.claim()
                {
                    self.note(format_args!("channel {number} is to be ended with {} of {most}", claim.amount));
                    self.memory.channel(number).agreed = Some(claim.amount.get());
                }
            }
            _ => {}
        }
    }

    /// The process died before it answered. Its record may be on the disk or not.
    pub(super) fn unanswered(&mut self, request: &Request) {
        let promised = self.memory.channel(request.channel);
        match &request.ask {
            Ask::Charge { body, kind } if *kind != Kind::Repeated => promised.may_have_taken(body),
            Ask::Credit { amount, .. } => promised.perhaps_credited += amount.get(),
            Ask::Close { agreed, .. } => promised.perhaps_agreed.push(agreed.amount.get()),
            Ask::Charge { .. } | Ask::Offer(_) | Ask::Forged(_) | Ask::Old(_) | Ask::Admit => {}
        }
    }

    /// An old answer that is given again promises nothing new: the channel may have ended with it since.
    fn acknowledged(&mut self, request: &Request, highest: Amount, replayed: bool, state: &ChannelState) {
        let number = request.channel;
        self.totals.acknowledged += 1;
        if state.close_effective_at.is_some() {
            self.totals.raced += 1;
        }
        if !replayed {
            self.judge_acknowledged(number, highest, state);
        }
        if highest.get() < request.known {
            self.violated(format!("channel {number}: the highest went from {} to {highest}", request.known));
            return;
        }
        let promised = self.memory.channel(number);
        promised.highest = promised.highest.max(highest.get());
    }

    fn charged(
        &mut self,
        request: &Request,
        body: &ChargeBody,
        kind: Kind,
        answer: Result<Charged, SaleError>,
        state: &ChannelState,
    ) {
        let number = request.channel;
        match answer {
            Ok(charged) => {
                if charged.replayed && kind == Kind::New {
                    self.violated(format!("channel {number}: a new charge is answered as an old one: {charged:?}"));
                }
                if charged.highest > Amount::ZERO && charged.highest.get() > self.memory.channel(number).highest {
                    self.acknowledged(request, charged.highest, charged.replayed, state);
                }
                if self.memory.channel(number).was_taken(body) {
                    self.totals.charges += 1;
                }
            }
            Err(SaleError::BadSignature(error)) => self.violated(format!("a good signature is refused: {error}")),
            Err(
                SaleError::NotCharged(ChargeError::Store(StoreError::Failed(_) | StoreError::Io { .. }))
                | SaleError::Commitment(AcceptError::Store(StoreError::Failed(_) | StoreError::Io { .. })),
            ) => self.memory.channel(number).may_have_taken(body),
            Err(_) => {}
        }
    }

    fn credited(
        &mut self,
        number: u8,
        request_id: &RequestId,
        asked: Amount,
        races: bool,
        answer: Result<Credited, CreditError>,
    ) {
        let promised = self.memory.channel(number);
        match answer {
            Ok(given) => {
                let given_back = given.credited.get();
                let perhaps = promised.perhaps_credited;
                let Some((_, credited)) = promised.charges.iter_mut().find(|(body, _)| body.request_id == *request_id)
                else {
                    return;
                };
                match *credited {
                    0 if !given.replayed || races => {
                        *credited = given_back;
                        self.totals.credits += u64::from(!given.replayed);
                    }
                    0 if perhaps >= given_back => {
                        // The watcher took an earlier credit that got no answer.
                        *credited = given_back;
                        promised.perhaps_credited -= given_back;
                    }
                    before if given_back == before => {}
                    before => {
                        self.violated(format!("channel {number}: a charge was credited {before} and then {given:?}"))
                    }
                }
            }
            Err(CreditError::Store(StoreError::Failed(_) | StoreError::Io { .. })) => {
                promised.perhaps_credited += asked.get();
            }
            Err(_) => {}
        }
    }
}
