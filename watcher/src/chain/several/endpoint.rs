//! One endpoint among several: how far it has come, and how long it is to be left alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use paychan_channel::{ContractId, Ledger};
use tracing::{info, warn};

use crate::alarm::raise;
use crate::chain::{Chain, ChainError, ChainErrorKind};

/// The first rest of an endpoint that gives no answer; each is twice the one before, up to [`LONGEST_REST`]. So one that
/// hangs holds up few questions.
const FIRST_REST: Duration = Duration::from_secs(1);

/// The longest rest of an endpoint that gives no answer.
const LONGEST_REST: Duration = Duration::from_secs(30);

/// After an endpoint has asked to be left alone, it is asked only what settling and following need for this long.
const SPARED: Duration = Duration::from_secs(10);

/// The first rest of an endpoint that told of a close which the others deny; each is twice the one before, up to a day.
const FIRST_REST_OF_A_LIAR: Duration = Duration::from_secs(600);
const LONGEST_REST_OF_A_LIAR: Duration = Duration::from_secs(86_400);

/// What a question is for. Where an endpoint limits the rate, what settling needs goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Errand {
    /// Settling, and seeing that it has to be done.
    First,
    /// Sweeps, admission and what else can wait.
    Later,
}

/// A close that an endpoint told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ToldClose {
    /// The ledger as of which it was first told.
    pub(super) at: Ledger,
    /// The deadline, as it was told last.
    pub(super) deadline: Ledger,
}

/// One endpoint.
pub(super) struct Endpoint {
    pub(super) name: String,
    pub(super) chain: Arc<dyn Chain>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Whether it was found to serve the configured network.
    serves: bool,
    /// The highest ledger that this endpoint has told and that was believed.
    mark: Option<Ledger>,
    /// By the boot clock: until when it is asked nothing.
    rests_until: Duration,
    /// How long the last rest was, while it gives no answer.
    rest: Option<Duration>,
    /// By the boot clock: until when it is asked only what is most needed.
    spared_until: Duration,
    /// The closes that it told of, and that were not denied since.
    closes: HashMap<ContractId, ToldClose>,
    /// How long the last rest was that it got for a close which the others deny.
    rest_of_a_liar: Option<Duration>,
}

impl Endpoint {
    pub(super) fn new(name: String, chain: Arc<dyn Chain>) -> Self {
        Self { name, chain, known: Mutex::default() }
    }

    /// How long it is still to be left alone with this; `None` when it may be asked.
    pub(super) fn rests_for(&self, errand: Errand, boot: Duration) -> Option<Duration> {
        let known = self.known();
        let until = match errand {
            Errand::First => known.rests_until,
            Errand::Later => known.rests_until.max(known.spared_until),
        };
        let left = until.saturating_sub(boot);
        (!left.is_zero()).then_some(left)
    }

    /// It tells of a close, as of ledger `at`.
    pub(super) fn tells_close(&self, channel: &ContractId, at: Ledger, deadline: Ledger) {
        let mut known = self.known();
        known.closes.entry(*channel).or_insert(ToldClose { at, deadline }).deadline = deadline;
    }

    /// The close of this channel that it told of, if that was not denied.
    pub(super) fn told_close(&self, channel: &ContractId) -> Option<ToldClose> {
        self.known().closes.get(channel).copied()
    }

    /// Enough endpoints deny the close that it told of. Where the others are a quorum without it (`spare`), it rests.
    pub(super) fn close_is_denied(&self, channel: &ContractId, boot: Duration, spare: bool) {
        let mut known = self.known();
        known.closes.remove(channel);
        if known.rests_until > boot {
            return;
        }
        raise!(
            EndpointNotTrusted, endpoint = self.name, %channel,
            why = "it told of a close, and more than half of the endpoints deny it",
            "an endpoint told of a close that has not begun; nothing is lost by it, and money is taken on the channel again"
        );
        if spare {
            let rest = known.rest_of_a_liar.map_or(FIRST_REST_OF_A_LIAR, |last| last.saturating_mul(2));
            let rest = rest.min(LONGEST_REST_OF_A_LIAR);
            known.rest_of_a_liar = Some(rest);
            known.rests_until = boot.saturating_add(rest);
        }
    }

    /// The highest ledger that it has told and that was believed.
    pub(super) fn mark(&self) -> Option<Ledger> {
        self.known().mark
    }

    /// It is at this ledger, which is believed. One that falls back below an earlier ledger is believed to be there, too: a
    /// balancer has handed it another node.
    pub(super) fn is_at(&self, ledger: Ledger) {
        self.known().mark = Some(ledger);
    }

    /// Makes sure, once, that it serves the network with this passphrase. Nothing that another network says may be believed.
    pub(super) async fn serves(&self, passphrase: &str) -> Result<(), ChainError> {
        if self.known().serves {
            return Ok(());
        }
        self.chain.serves(passphrase).await?;
        self.known().serves = true;
        Ok(())
    }

    /// Notes an answer, or that there was none. `alone` says that there is no other endpoint to ask: then it rests only when
    /// it asks for that itself.
    pub(super) fn note<T>(&self, answer: &Result<T, ChainError>, boot: Duration, alone: bool) {
        let mut known = self.known();
        let Err(error) = answer else {
            if known.rest.take().is_some() {
                info!(endpoint = self.name, "the endpoint answers again");
            }
            return;
        };
        let rest = match error.kind {
            ChainErrorKind::Busy { retry_after: Some(asked) } => {
                known.spared_until = boot.saturating_add(asked).saturating_add(SPARED);
                asked
            }
            ChainErrorKind::Transport | ChainErrorKind::Busy { retry_after: None } | ChainErrorKind::WrongNetwork
                if !alone =>
            {
                let rest = known.rest.map_or(FIRST_REST, |last| last.saturating_mul(2)).min(LONGEST_REST);
                if known.rest.replace(rest).is_none() {
                    match error.kind {
                        ChainErrorKind::WrongNetwork => raise!(
                            ChainNotUnderstood, endpoint = self.name, %error,
                            "this endpoint is believed in nothing; the others are asked"
                        ),
                        _ => warn!(
                            endpoint = self.name, %error,
                            "the endpoint gives no answer; the others are asked meanwhile"
                        ),
                    }
                }
                rest
            }
            _ => return,
        };
        known.rests_until = known.rests_until.max(boot.saturating_add(rest));
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Each field is a whole value by itself.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
