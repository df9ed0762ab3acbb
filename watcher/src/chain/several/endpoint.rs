//! One endpoint among several: its newest ledger, and how long it rests.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use paychan_channel::{ContractId, Ledger};
use tracing::{info, warn};

use crate::alarm::raise;
use crate::chain::{Chain, ChainError, ChainErrorKind};

/// The first rest of an endpoint that gives no answer. Each further rest is twice as long, up to [`LONGEST_REST`], so
/// that an endpoint that hangs delays few questions.
const FIRST_REST: Duration = Duration::from_secs(1);

/// The longest rest of an endpoint that gives no answer.
const LONGEST_REST: Duration = Duration::from_secs(30);

/// After the pause that an endpoint has asked for, it is asked only what settling and following need for this long.
const REDUCED_FOR: Duration = Duration::from_secs(10);

/// The first rest of an endpoint that reported a close which the others deny. Each further rest is twice as long, up to
/// a day.
const FIRST_PENALTY: Duration = Duration::from_secs(600);
const LONGEST_PENALTY: Duration = Duration::from_secs(86_400);

/// The priority of a question. If an endpoint limits the rate, questions that settling needs come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Priority {
    /// Questions for settling, and for noticing that it has to be done.
    First,
    /// Questions that can wait, such as those of sweeps and admissions.
    Later,
}

/// What a question is about. An endpoint that leaves one kind of question unanswered, such as those for events, may still
/// answer the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Topic {
    /// Its newest ledger. An endpoint that does not say it is asked nothing.
    Head,
    /// Events.
    Events,
    /// Entries of channels.
    Channels,
    /// Entries of tokens, and what recipients can be paid.
    Recipients,
    /// A fee account.
    Lane,
    /// The network's settings.
    Settings,
    /// The fees of other transactions.
    Fees,
    /// The preparation of a transaction.
    Preparing,
    /// The sending of a transaction.
    Sending,
    /// The outcome of a transaction.
    Outcome,
}

/// The rest of an endpoint that left a question unanswered.
#[derive(Debug, Clone, Copy)]
struct Rest {
    /// Its end, by the boot clock. The endpoint may be asked again then, and rests longer if it still gives no answer.
    until: Duration,
    length: Duration,
}

/// A close that an endpoint reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReportedClose {
    /// The ledger at which it was first reported.
    pub(super) at: Ledger,
    /// The deadline that was reported last.
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
    /// The endpoint's newest ledger that was believed.
    mark: Option<Ledger>,
    /// The end of a pause that it has asked for, or that it gets for a close which the others deny, by the boot clock. Until
    /// then it is asked nothing.
    pauses_until: Duration,
    /// The topics about which it gives no answer.
    rests: BTreeMap<Topic, Rest>,
    /// The time until which it is asked only what is most needed, by the boot clock.
    reduced_until: Duration,
    /// The closes that it reported and that were not denied since.
    closes: HashMap<ContractId, ReportedClose>,
    /// The length of its last rest for a close which the others deny.
    penalty: Option<Duration>,
}

impl Endpoint {
    pub(super) fn new(name: String, chain: Arc<dyn Chain>) -> Self {
        Self { name, chain, known: Mutex::default() }
    }

    /// How much longer it rests for a question about this topic, of this priority; `None` when it may be asked.
    pub(super) fn rests_for(&self, topic: Topic, priority: Priority, boot: Duration) -> Option<Duration> {
        let known = self.known();
        let rests = [Topic::Head, topic].into_iter().filter_map(|topic| known.rests.get(&topic));
        let until = rests.map(|rest| rest.until).fold(known.pauses_until, Duration::max);
        let until = match priority {
            Priority::First => until,
            Priority::Later => until.max(known.reduced_until),
        };
        let left = until.saturating_sub(boot);
        (!left.is_zero()).then_some(left)
    }

    /// Records that it reports a close at ledger `at`.
    pub(super) fn reports_close(&self, channel: &ContractId, at: Ledger, deadline: Ledger) {
        let mut known = self.known();
        known.closes.entry(*channel).or_insert(ReportedClose { at, deadline }).deadline = deadline;
    }

    /// The close of this channel that it reported, if that was not denied.
    pub(super) fn reported_close(&self, channel: &ContractId) -> Option<ReportedClose> {
        self.known().closes.get(channel).copied()
    }

    /// Handles that enough endpoints deny the close that it reported. If the others are a quorum without it (`spare`),
    /// it rests.
    pub(super) fn close_is_denied(&self, channel: &ContractId, boot: Duration, spare: bool) {
        let mut known = self.known();
        known.closes.remove(channel);
        if known.pauses_until > boot {
            return;
        }
        raise!(
            EndpointNotTrusted, endpoint = self.name, %channel,
            why = "it reported a close that more than half of the endpoints deny",
            "an endpoint reported a close that has not begun; nothing is lost by it, and money is taken on the channel again"
        );
        if spare {
            let rest = known.penalty.map_or(FIRST_PENALTY, |last| last.saturating_mul(2));
            let rest = rest.min(LONGEST_PENALTY);
            known.penalty = Some(rest);
            known.pauses_until = boot.saturating_add(rest);
        }
    }

    /// The endpoint's newest ledger that was believed.
    pub(super) fn mark(&self) -> Option<Ledger> {
        self.known().mark
    }

    /// Records its newest ledger, which is believed. It may be lower than an earlier one, since a load balancer may
    /// have switched to another node.
    pub(super) fn is_at(&self, ledger: Ledger) {
        self.known().mark = Some(ledger);
    }

    /// Checks once that it serves the network with this passphrase, since answers of another network must not be
    /// believed.
    pub(super) async fn serves(&self, passphrase: &str) -> Result<(), ChainError> {
        if self.known().serves {
            return Ok(());
        }
        self.chain.serves(passphrase).await?;
        self.known().serves = true;
        Ok(())
    }

    /// Records an answer, or that there was none. `alone` means that there is no other endpoint; it then rests only
    /// when it asks for that itself.
    pub(super) fn note<T>(&self, topic: Topic, answer: &Result<T, ChainError>, boot: Duration, alone: bool) {
        let mut known = self.known();
        let Err(error) = answer else {
            if known.rests.remove(&topic).is_some() {
                info!(endpoint = self.name, ?topic, "the endpoint answers again");
            }
            return;
        };
        // What is wrong with the whole endpoint is found out with any question.
        let topic = match error.kind {
            ChainErrorKind::Busy { retry_after: Some(asked) } => {
                known.reduced_until = boot.saturating_add(asked).saturating_add(REDUCED_FOR);
                known.pauses_until = known.pauses_until.max(boot.saturating_add(asked));
                return;
            }
            ChainErrorKind::WrongNetwork | ChainErrorKind::Busy { retry_after: None } if !alone => Topic::Head,
            ChainErrorKind::Transport if !alone => topic,
            _ => return,
        };
        let before = known.rests.get(&topic).copied();
        let length = before.map_or(FIRST_REST, |last| last.length.saturating_mul(2)).min(LONGEST_REST);
        known.rests.insert(topic, Rest { until: boot.saturating_add(length), length });
        if before.is_some() {
            return;
        }
        match error.kind {
            ChainErrorKind::WrongNetwork => raise!(
                ChainNotUnderstood, endpoint = self.name, %error,
                "this endpoint is never believed; the others are asked"
            ),
            _ => warn!(
                endpoint = self.name, ?topic, %error,
                "the endpoint gives no answer; the others are asked meanwhile"
            ),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // A thread that panicked left only complete values.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
