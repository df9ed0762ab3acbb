//! Sends charges in one call that wait at the same time.
//!
//! The more calls are on their way, the more charges must wait before there is a further one. So a busy seller makes few calls, and
//! one or two charges at a time wait for nobody. Nothing is lost when a call is: each of its charges is then one whose outcome is not
//! known, and repeating it shows the outcome.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use paychan_channel::ContractId;
use reqwest::{Method, StatusCode};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{Client, ClientError, ForeignAnswer};
use crate::{ChannelCharge, ChargeAnswer, ChargeBody, Charged, ChargesAnswered, ChargesBody, MOST_CHARGES};

/// How many calls are on their way at the same time, unless more charges wait than fit into one. With fewer, the watcher has
/// to wait for the next charges after it has written the last ones. With more, calls are small, and a call costs more than a charge.
const CALLS: usize = 4;
/// After this time without an answer, other charges wait no longer for a call: its connection may be dead.
const PATIENCE: Duration = Duration::from_millis(100);

type Answer = Result<Charged, ClientError>;

/// The charges that wait for a call, and the calls on their way.
#[derive(Default)]
pub(super) struct Together(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: VecDeque<Asked>,
    /// How many senders there are for whose calls others wait.
    senders: usize,
}

struct Asked {
    charge: ChannelCharge,
    reply: oneshot::Sender<Answer>,
}

impl Client {
    /// Charges together with others that are asked for at the same time.
    pub(super) async fn charge_together(&self, channel: &ContractId, body: &ChargeBody) -> Answer {
        let (reply, answer) = oneshot::channel();
        let charge = ChannelCharge::new(*channel, body.clone());
        if self.0.together.add(Asked { charge, reply }) {
            tokio::spawn(send(Sender { client: self.clone(), is_counted: true }));
        }
        answer.await.unwrap_or_else(|_| {
            let why = "the program stopped before the answer came".to_owned();
            Err(ClientError::NoAnswer { url: self.0.charges_url.to_string(), why })
        })
    }
}

impl Together {
    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is made in one step, so after a panic the state is used as it is.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a charge. Returns whether it needs a new sender, which is counted already: there is none, or enough charges wait.
    fn add(&self, asked: Asked) -> bool {
        let mut state = self.state();
        state.waiting.push_back(asked);
        let waiting = state.waiting.len();
        let is_needed = match state.senders {
            0 => true,
            // One for the second call, three for the third, five for the fourth.
            senders @ 1..CALLS => waiting > 2 * (senders - 1),
            _ => waiting.is_multiple_of(MOST_CHARGES),
        };
        state.senders += usize::from(is_needed);
        is_needed
    }
}

/// Sends calls, one after the other.
struct Sender {
    client: Client,
    /// Whether it is one of [`State::senders`].
    is_counted: bool,
}

impl Sender {
    /// Takes the charges of the next call. Without any, the sender is not counted any more.
    fn next(&mut self) -> Vec<Asked> {
        let mut state = self.client.0.together.state();
        let mut asked = Vec::new();
        while asked.len() < MOST_CHARGES
            && let Some(next) = state.waiting.pop_front()
        {
            // A caller who has gone away gets no answer, so its charge is not sent.
            if !next.reply.is_closed() {
                asked.push(next);
            }
        }
        if asked.is_empty() {
            state.senders = state.senders.saturating_sub(1);
            self.is_counted = false;
        }
        asked
    }

    /// Lets others wait no longer for this sender.
    fn step_aside(&mut self) {
        let mut state = self.client.0.together.state();
        let is_needed = state.senders <= CALLS && !state.waiting.is_empty();
        if !is_needed {
            state.senders = state.senders.saturating_sub(1);
        }
        drop(state);
        self.is_counted = false;
        if is_needed {
            tokio::spawn(send(Self { client: self.client.clone(), is_counted: true }));
        }
    }
}

impl Drop for Sender {
    /// A sender that is still counted was stopped half-way, with its runtime or by a panic. Nobody would send what waits.
    fn drop(&mut self) {
        if self.is_counted {
            let mut state = self.client.0.together.state();
            state.senders = state.senders.saturating_sub(1);
            let left = if state.senders == 0 { std::mem::take(&mut state.waiting) } else { VecDeque::new() };
            drop(state);
            drop(left);
        }
    }
}

/// Sends calls as long as charges wait.
async fn send(sender: Sender) {
    let mut sender = sender;
    loop {
        // Whoever is ready to ask does so first, and goes along.
        tokio::task::yield_now().await;
        let asked = sender.next();
        if asked.is_empty() {
            return;
        }
        let (charges, replies): (Vec<_>, Vec<_>) = asked.into_iter().map(|asked| (asked.charge, asked.reply)).unzip();
        let body = ChargesBody { charges };
        let client = sender.client.clone();
        let mut call = pin!(client.charge_all(&body));
        match timeout(PATIENCE, call.as_mut()).await {
            Ok(answers) => hand_out(answers, replies),
            Err(_) => {
                sender.step_aside();
                return hand_out(call.await, replies);
            }
        }
    }
}

fn hand_out(answers: Result<Vec<Answer>, ClientError>, replies: Vec<oneshot::Sender<Answer>>) {
    let answers = answers.unwrap_or_else(|error| vec![Err(error); replies.len()]);
    for (reply, answer) in replies.into_iter().zip(answers) {
        // A caller may have gone away.
        let _ = reply.send(answer);
    }
}

impl Client {
    /// The answers are as many as the charges, and in the same order.
    async fn charge_all(&self, body: &ChargesBody) -> Result<Vec<Answer>, ClientError> {
        let url = &self.0.charges_url;
        let ChargesAnswered { answers } = self.send(Method::POST, url.clone(), Some(body)).await?;
        let foreign = |why: &str| {
            let answer = ForeignAnswer::OtherJson { why: why.to_owned() };
            ClientError::not_a_watcher(url.to_string(), StatusCode::OK, answer)
        };
        if answers.len() != body.charges.len() {
            return Err(foreign("it does not have one answer for each charge"));
        }
        let of_charge = |(answer, asked): (ChargeAnswer, &ChannelCharge)| match answer {
            ChargeAnswer::Charged(charged) if charged.request_id == asked.request_id => Ok(charged),
            ChargeAnswer::Charged(_) => Err(foreign("it names another request id than the charge")),
            ChargeAnswer::Refused(problem) => Err(ClientError::Refused {
                url: url.to_string(),
                status: problem.kind.status(),
                retry_after: None,
                problem: Box::new(problem),
            }),
        };
        Ok(answers.into_iter().zip(&body.charges).map(of_charge).collect())
    }
}
