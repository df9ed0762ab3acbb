//! Implements the seam to the network with one or several Stellar RPC endpoints.
//!
//! Each question goes to every endpoint, and [`merge`] makes one answer of theirs. An endpoint that does not say its newest
//! ledger, or asks for a pause (`Retry-After`), rests while the others are asked. One that leaves another question
//! unanswered rests for questions about the same [`Topic`]. After a pause, it is first asked what settling needs. An endpoint
//! that serves another network is never believed.
//!
//! A single endpoint is trusted, and its answers are used as they are.

mod ask;
mod endpoint;
mod merge;

use std::future::Future;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use paychan_channel::xdr::TransactionEnvelope;
use paychan_channel::{AccountId, Address, Amount, ContractId, Ledger, Payability, SacAsset, TokenRisk};

use tracing::{info, warn};

use super::{
    Agreement, Asking, CallRequest, Chain, ChainError, ChainErrorKind, ChannelRead, CloseHints, EventsFrom, Found,
    Head, InclusionFees, KnownChannel, LaneAccount, NetworkTerms, Prepared, RpcChain, Sent,
};
use crate::caught::caught;
use crate::clock::Clock;
use crate::config::{Config, EndpointHeaders};
use endpoint::{Endpoint, Priority, Topic};
use merge::Anchor;

/// How many ledgers a head may be ahead of the last head of a quorum, in addition to one ledger for each second that
/// has passed. No network closes a ledger each second.
const AHEAD: u64 = 60;

/// The number of ledgers for which a close is believed that one endpoint reports and a quorum denies. It is many times
/// longer than a settlement with all its attempts, so that the channel is settled before the close is taken back, in
/// case the one endpoint is right.
const BELIEVED_FOR: u32 = 60;

/// Several endpoints of one network.
pub struct SeveralEndpoints {
    endpoints: Vec<Endpoint>,
    passphrase: String,
    clock: Arc<dyn Clock>,
    /// The number of ledgers that nodes of one network may be apart.
    lag: u32,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// The last head that a quorum reported, and its time by the boot clock.
    agreed: Option<(Ledger, Duration)>,
    /// How many endpoints were at or near the head when it was last asked for.
    agreeing: usize,
    /// How many agreed when this was last logged.
    said: Option<usize>,
}

impl SeveralEndpoints {
    /// Makes clients of the configured endpoints, each with its headers. It opens no connection yet.
    ///
    /// # Errors
    /// [`ChainErrorKind::Refused`] when a URL is invalid; [`ChainErrorKind::Transport`] when TLS can't be set up.
    pub fn of(config: &Config, headers: &EndpointHeaders, clock: Arc<dyn Clock>) -> Result<Self, ChainError> {
        let timeout = Duration::from_millis(config.network.timeout_ms.into());
        let endpoint = |url: &str| {
            let chain = headers.of(url).cloned().fold(RpcChain::new(url, timeout)?, RpcChain::with_header);
            Ok((chain.endpoint(), Arc::new(chain) as Arc<dyn Chain>))
        };
        let endpoints = config.network.endpoints().into_iter().map(endpoint).collect::<Result<_, ChainError>>()?;
        Ok(Self::new(endpoints, config.passphrase(), clock, config.reaction.node_lag_ledgers))
    }

    /// Makes it from endpoints of the network with this passphrase. Their names may be shown, and their nodes may be
    /// `lag` ledgers apart.
    pub fn new(endpoints: Vec<(String, Arc<dyn Chain>)>, passphrase: &str, clock: Arc<dyn Clock>, lag: u32) -> Self {
        let endpoints = endpoints.into_iter().map(|(name, chain)| Endpoint::new(name, chain)).collect();
        Self { endpoints, passphrase: passphrase.to_owned(), clock, lag, seen: Mutex::default() }
    }

    /// The names of all endpoints.
    pub fn names(&self) -> String {
        self.endpoints.iter().map(|endpoint| endpoint.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Checks that an endpoint serves the configured network. Endpoints that serve another one are never believed.
    ///
    /// # Errors
    /// [`ChainErrorKind::WrongNetwork`] names both networks, when no endpoint serves the right one; any other kind when
    /// none can be asked.
    pub async fn check_network(&self) -> Result<(), ChainError> {
        self.answers(Topic::Head, Priority::First, |_| Box::pin(async { Ok(()) })).await.map(|_| ())
    }

    fn quorum(&self) -> usize {
        merge::quorum(self.endpoints.len())
    }

    /// Asks all endpoints that don't rest, after checking that each serves the configured network. Returns at least one
    /// answer, each with the index of its endpoint.
    async fn ask<'a, T>(
        &'a self,
        topic: Topic,
        priority: Priority,
        question: impl Fn(usize, &'a Endpoint) -> Asking<'a, T>,
    ) -> Result<Vec<(usize, T)>, ChainError> {
        let (boot, alone) = (self.clock.boot(), self.endpoints.len() == 1);
        let all = || self.endpoints.iter().enumerate();
        let (places, questions): (Vec<usize>, Vec<_>) = all()
            .filter(|(_, endpoint)| endpoint.rests_for(topic, priority, boot).is_none())
            .map(|(place, endpoint)| {
                let asked = question(place, endpoint);
                let answer = async move {
                    let answer = understood(async {
                        endpoint.serves(&self.passphrase).await?;
                        asked.await
                    });
                    let answer = answer.await;
                    endpoint.note(topic, &answer, self.clock.boot(), alone);
                    answer
                };
                (place, answer)
            })
            .unzip();
        if questions.is_empty() {
            let retry_after = all().filter_map(|(_, endpoint)| endpoint.rests_for(topic, priority, boot)).min();
            let message = format!("every endpoint has asked for a pause or gave no answer: {}", self.names());
            return Err(ChainError { what: "asking", kind: ChainErrorKind::Busy { retry_after }, message });
        }
        let came = ask::all(questions, self.quorum(), Result::is_ok).await;
        let (mut answers, mut errors) = (Vec::new(), Vec::new());
        for (place, answer) in places.into_iter().zip(came) {
            match answer {
                Some(Ok(answer)) => answers.push((place, answer)),
                Some(Err(error)) => errors.push(error),
                None => {}
            }
        }
        match answers.is_empty() {
            false => Ok(answers),
            true => Err(most_useful(errors)),
        }
    }

    /// Does the same as [`SeveralEndpoints::ask`], and returns the answers without the indexes.
    async fn answers<'a, T>(
        &'a self,
        topic: Topic,
        priority: Priority,
        question: impl Fn(&'a dyn Chain) -> Asking<'a, T>,
    ) -> Result<Vec<T>, ChainError> {
        let answers = self.ask(topic, priority, |_, endpoint| question(endpoint.chain.as_ref())).await?;
        Ok(answers.into_iter().map(|(_, answer)| answer).collect())
    }

    async fn newest(&self) -> Result<Head, ChainError> {
        let answers = self.ask(Topic::Head, Priority::First, |_, endpoint| endpoint.chain.head()).await;
        let boot = self.clock.boot();
        let mut seen = self.seen();
        seen.agreeing = 0;
        let answers = answers?;
        let anchor = seen.agreed.map(|(ledger, at)| {
            let most = boot.saturating_sub(at).as_secs().saturating_add(AHEAD);
            Anchor { at_most: ledger.saturating_add(u32::try_from(most).unwrap_or(u32::MAX)) }
        });
        let heads: Vec<Head> = answers.iter().map(|(_, head)| *head).collect();
        let merged = merge::head(&heads, self.quorum(), self.lag, anchor, self.clock.wall_unix_ms());
        let merged = merged.ok_or_else(|| nothing("the newest ledger"))?;
        self.say(seen.said, merged.agreeing);
        (seen.agreeing, seen.said) = (merged.agreeing, Some(merged.agreeing));
        if merged.agreeing >= self.quorum() {
            seen.agreed = Some((merged.head.ledger, boot));
        }
        // A ledger that is far ahead of all others is no mark.
        for (place, head) in answers.iter().filter(|(_, head)| head.ledger <= merged.head.ledger) {
            if let Some(endpoint) = self.endpoints.get(*place) {
                endpoint.is_at(head.ledger);
            }
        }
        Ok(merged.head)
    }

    async fn page(&self, since: &EventsFrom) -> Result<CloseHints, ChainError> {
        // A single endpoint may use its own cursors.
        let ledger = match (since, self.endpoints.as_slice()) {
            (EventsFrom::Ledger(ledger), [_, _, ..]) => *ledger,
            _ => {
                let mut pages =
                    self.ask(Topic::Events, Priority::First, |_, endpoint| endpoint.chain.closes(since)).await?;
                return pages.pop().map(|(_, page)| page).ok_or_else(|| nothing("getEvents"));
            }
        };
        // An endpoint that is behind the newest ledger is asked from its own ledger on.
        let from = |endpoint: &Endpoint| endpoint.mark().map_or(ledger, |mark| mark.min(ledger));
        let starts: Vec<EventsFrom> =
            self.endpoints.iter().map(|endpoint| EventsFrom::Ledger(from(endpoint))).collect();
        let pages = self
            .ask(Topic::Events, Priority::First, |place, endpoint| {
                endpoint.chain.closes(starts.get(place).unwrap_or(since))
            })
            .await?;
        Ok(merge::close_hints(pages.into_iter().map(|(_, page)| page).collect(), self.quorum()))
    }

    async fn channels(&self, channels: &[KnownChannel]) -> Result<Vec<ChannelRead>, ChainError> {
        let mut answers =
            self.ask(Topic::Channels, Priority::Later, |_, endpoint| endpoint.chain.read_channels(channels)).await?;
        if self.is_alone() {
            return answers.pop().map(|(_, reads)| reads).ok_or_else(|| nothing("reading channels"));
        }
        let merged = (0..channels.len()).map(|at| {
            let reads = answers.iter().filter_map(|(place, reads)| Some((*place, reads.get(at)?.clone())));
            self.merged(reads.collect()).ok_or_else(|| nothing("reading channels"))
        });
        merged.collect()
    }

    async fn channel(&self, channel: &ContractId) -> Result<ChannelRead, ChainError> {
        let mut answers =
            self.ask(Topic::Channels, Priority::Later, |_, endpoint| endpoint.chain.first_read(channel)).await?;
        let read = match self.is_alone() {
            true => answers.pop().map(|(_, read)| read),
            false => self.merged(answers),
        };
        read.ok_or_else(|| nothing("reading a channel"))
    }

    /// Merges one channel's states from the endpoints with these indexes.
    ///
    /// A close that any of them reports or has reported is believed until a quorum has denied it for [`BELIEVED_FOR`]
    /// ledgers.
    fn merged(&self, mut reads: Vec<(usize, ChannelRead)>) -> Option<ChannelRead> {
        let channel = reads.first()?.1.channel();
        self.note_closes(&reads);
        self.deny_closes(&channel, &mut reads);
        let told = self.endpoints.iter().filter_map(|endpoint| endpoint.reported_close(&channel));
        let told = told.map(|close| close.deadline).min();
        merge::channel(reads.into_iter().map(|(_, read)| read).collect(), told, self.quorum(), self.lag)
    }

    /// Records the closes that the endpoints report.
    fn note_closes(&self, reads: &[(usize, ChannelRead)]) {
        // A close can't be denied before the ledger at which it was reported, so that ledger must be plausible.
        let most =
            self.seen().agreed.map(|(ledger, _)| ledger.saturating_add(u32::try_from(AHEAD).unwrap_or(u32::MAX)));
        for (place, read) in reads {
            if let (ChannelRead::Read(state), Some(endpoint)) = (read, self.endpoints.get(*place))
                && let Some(deadline) = state.close_effective_at
            {
                let at = most.map_or(state.read_at, |most| state.read_at.min(most));
                endpoint.reports_close(&state.channel, at, deadline);
            }
        }
    }

    /// Takes back the closes that a quorum denies, and removes the answers that report them.
    fn deny_closes(&self, channel: &ContractId, reads: &mut Vec<(usize, ChannelRead)>) {
        let states = || {
            reads.iter().filter_map(|(_, read)| match read {
                ChannelRead::Read(state) => Some(state),
                _ => None,
            })
        };
        let is_denied = |endpoint: &Endpoint| {
            let close = endpoint.reported_close(channel);
            close.is_some_and(|close| {
                merge::shows_no_close(states(), close.at.saturating_add(BELIEVED_FOR), self.quorum())
            })
        };
        let denied: Vec<usize> =
            self.endpoints.iter().enumerate().filter(|(_, one)| is_denied(one)).map(|(place, _)| place).collect();
        for endpoint in denied.iter().filter_map(|place| self.endpoints.get(*place)) {
            endpoint.close_is_denied(channel, self.clock.boot(), self.endpoints.len() > self.quorum());
        }
        reads.retain(|(place, read)| match read {
            ChannelRead::Read(state) => state.close_effective_at.is_none() || !denied.contains(place),
            _ => true,
        });
    }

    fn is_alone(&self) -> bool {
        self.endpoints.len() == 1
    }

    /// Asks one endpoint after the other to prepare a transaction, the most advanced first, until one succeeds. Each
    /// answer has been checked against what was asked for.
    async fn build(&self, request: &CallRequest) -> Result<Prepared, ChainError> {
        let mut order: Vec<usize> = (0..self.endpoints.len()).collect();
        order.sort_by_key(|place| std::cmp::Reverse(self.endpoints.get(*place).and_then(Endpoint::mark)));
        let mut last = None;
        for wanted in order {
            let Some(endpoint) = self.endpoints.get(wanted) else { continue };
            if endpoint.rests_for(Topic::Preparing, Priority::First, self.clock.boot()).is_some() {
                continue;
            }
            let prepared = understood(async {
                endpoint.serves(&self.passphrase).await?;
                endpoint.chain.prepare(request).await
            });
            let prepared = prepared.await;
            endpoint.note(Topic::Preparing, &prepared, self.clock.boot(), self.endpoints.len() == 1);
            match prepared {
                Ok(ready @ Prepared::Ready { .. }) => return Ok(ready),
                other => last = Some(better(last, other)),
            }
        }
        last.unwrap_or_else(|| Err(nothing("simulateTransaction")))
    }

    /// Logs when a quorum is reached or lost. If it is lost for long, the follower raises the alarm.
    fn say(&self, before: Option<usize>, agreeing: usize) {
        let (needed, configured) = (self.quorum(), self.endpoints.len());
        match (before.is_none_or(|before| before >= needed), agreeing >= needed) {
            (true, false) => warn!(
                agreeing,
                needed,
                configured,
                "too few endpoints agree on the chain, so no money is taken; what is owed is still settled"
            ),
            (false, true) => info!(agreeing, needed, configured, "enough endpoints agree on the chain again"),
            _ => {}
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // A thread that panicked left only complete values.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Treats an answer that makes this program panic as one that the program does not understand.
async fn understood<T>(answer: impl Future<Output = Result<T, ChainError>>) -> Result<T, ChainError> {
    caught(answer).await.unwrap_or_else(|panicked| Err(panicked.as_chain_error("reading an endpoint's answer")))
}

/// Chooses between two answers without a transaction. An answer to the call is better than an error.
fn better(
    last: Option<Result<Prepared, ChainError>>,
    next: Result<Prepared, ChainError>,
) -> Result<Prepared, ChainError> {
    match last {
        Some(Ok(prepared)) => Ok(prepared),
        _ => next,
    }
}

/// The error on which the caller should act. Errors that need a person or another way come first, and errors that only
/// need patience last.
fn most_useful(errors: Vec<ChainError>) -> ChainError {
    let rank = |error: &ChainError| match error.kind {
        ChainErrorKind::Undecodable => 0,
        ChainErrorKind::Gone => 1,
        ChainErrorKind::Behind => 2,
        ChainErrorKind::Refused => 3,
        ChainErrorKind::Busy { .. } => 4,
        ChainErrorKind::Transport => 5,
        ChainErrorKind::WrongNetwork => 6,
    };
    errors.into_iter().min_by_key(rank).unwrap_or_else(|| nothing("asking"))
}

fn nothing(what: &'static str) -> ChainError {
    ChainError { what, kind: ChainErrorKind::Transport, message: "no endpoint has answered".to_owned() }
}

impl Chain for SeveralEndpoints {
    fn serves<'a>(&'a self, _: &'a str) -> Asking<'a, ()> {
        Box::pin(self.check_network())
    }

    fn agreement(&self) -> Agreement {
        Agreement { agreeing: self.seen().agreeing, needed: self.quorum(), configured: self.endpoints.len() }
    }

    fn head(&self) -> Asking<'_, Head> {
        Box::pin(self.newest())
    }

    fn closes<'a>(&'a self, since: &'a EventsFrom) -> Asking<'a, CloseHints> {
        Box::pin(self.page(since))
    }

    fn read_channels<'a>(&'a self, channels: &'a [KnownChannel]) -> Asking<'a, Vec<ChannelRead>> {
        Box::pin(self.channels(channels))
    }

    fn first_read<'a>(&'a self, channel: &'a ContractId) -> Asking<'a, ChannelRead> {
        Box::pin(self.channel(channel))
    }

    fn token_facts<'a>(&'a self, asset: Option<&'a SacAsset>) -> Asking<'a, TokenRisk> {
        Box::pin(async move {
            let answers = self.answers(Topic::Recipients, Priority::Later, |chain| chain.token_facts(asset)).await?;
            merge::token_risk(answers).ok_or_else(|| nothing("reading the token's issuer"))
        })
    }

    fn payability<'a>(
        &'a self,
        token: &'a ContractId,
        asset: Option<&'a SacAsset>,
        facts: &'a TokenRisk,
        to: &'a Address,
    ) -> Asking<'a, Payability> {
        Box::pin(async move {
            let answers = self
                .answers(Topic::Recipients, Priority::Later, |chain| chain.payability(token, asset, facts, to))
                .await?;
            merge::payability(answers, self.quorum()).ok_or_else(|| nothing("reading the recipient"))
        })
    }

    fn token_balance<'a>(&'a self, token: &'a ContractId, holder: &'a Address) -> Asking<'a, Option<Amount>> {
        Box::pin(async move {
            let answers =
                self.answers(Topic::Recipients, Priority::Later, |chain| chain.token_balance(token, holder)).await?;
            Ok(merge::token_balance(&answers))
        })
    }

    fn meets_archived<'a>(&'a self, channel: &'a ContractId) -> Asking<'a, Option<bool>> {
        Box::pin(async move {
            let answers = self.answers(Topic::Channels, Priority::Later, |chain| chain.meets_archived(channel)).await?;
            Ok(merge::meets_archived(&answers, self.quorum()))
        })
    }

    fn lane_account<'a>(&'a self, account: &'a AccountId) -> Asking<'a, Option<LaneAccount>> {
        Box::pin(async move {
            let answers = self.answers(Topic::Lane, Priority::First, |chain| chain.lane_account(account)).await?;
            Ok(merge::lane(&answers, self.quorum()))
        })
    }

    fn settings(&self) -> Asking<'_, NetworkTerms> {
        Box::pin(async move {
            let answers = self.answers(Topic::Settings, Priority::Later, |chain| chain.settings()).await?;
            merge::settings(&answers).ok_or_else(|| nothing("reading the network's settings"))
        })
    }

    fn inclusion_fees(&self) -> Asking<'_, InclusionFees> {
        Box::pin(async move {
            let answers = self.answers(Topic::Fees, Priority::First, |chain| chain.inclusion_fees()).await?;
            merge::inclusion_fees(answers).ok_or_else(|| nothing("getFeeStats"))
        })
    }

    fn prepare<'a>(&'a self, request: &'a CallRequest) -> Asking<'a, Prepared> {
        Box::pin(self.build(request))
    }

    fn send<'a>(&'a self, envelope: &'a TransactionEnvelope) -> Asking<'a, Sent> {
        Box::pin(async move {
            let asked = AtomicUsize::new(0);
            let send = |chain: &'a dyn Chain| {
                asked.fetch_add(1, Relaxed);
                chain.send(envelope)
            };
            let answers = self.answers(Topic::Sending, Priority::First, send).await?;
            merge::sent(answers, asked.load(Relaxed)).ok_or_else(|| nothing("sendTransaction"))
        })
    }

    fn outcome<'a>(&'a self, hash: &'a [u8; 32]) -> Asking<'a, Found> {
        Box::pin(async move {
            let answers = self.answers(Topic::Outcome, Priority::First, |chain| chain.outcome(hash)).await?;
            merge::outcome(&answers, self.quorum()).ok_or_else(|| ChainError {
                what: "getTransaction",
                kind: ChainErrorKind::Behind,
                message: format!(
                    "{} endpoints answered, but fewer than the needed {} agree on it",
                    answers.len(),
                    self.quorum()
                ),
            })
        })
    }
}
