//! `--repeat` sends the same request many times, several at a time, and prints a summary.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use paychan_channel::{Amount, ContractId};
use paychan_mpp::buyer::{Buyer, PayError, PayFailure};
use paychan_rpc::http::BodyError;
use reqwest::{Request, Response};
use serde::Serialize;
use tokio::task::JoinSet;

use super::LONGEST_ANSWER;
use super::funding::is_exhausted;
use super::report::{pay_failure, unpaid};
use crate::commands::open::Opened;
use crate::error::{Failure, Kind};
use crate::output::{Output, table};

#[derive(Serialize)]
pub(super) struct Summary {
    requests: u64,
    /// Answers with a status of 200 to 299.
    succeeded: u64,
    /// What the receipts say was charged, base units.
    paid: Amount,
    elapsed_ms: u64,
    requests_per_second: u64,
    p50_ms: u64,
    p99_ms: u64,
    /// The channel that `--open` opened, or found.
    #[serde(skip_serializing_if = "Option::is_none")]
    opened: Option<ContractId>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = [
            ("requests", format!("{}, of which {} succeeded", self.requests, self.succeeded)),
            ("paid", format!("{} base units", self.paid)),
            ("took", format!("{} ms, {} requests per second", self.elapsed_ms, self.requests_per_second)),
            ("latency", format!("p50 {} ms, p99 {} ms", self.p50_ms, self.p99_ms)),
        ];
        table(f, rows)
    }
}

/// What one worker did.
#[derive(Default)]
struct Done {
    latencies: Vec<Duration>,
    succeeded: u64,
    paid: Amount,
}

/// A request that is sent many times.
pub(super) struct Many {
    pub(super) buyer: Arc<Buyer>,
    pub(super) request: Request,
    pub(super) repeat: u64,
    pub(super) concurrency: u16,
    pub(super) output: Output,
}

/// Why a worker stopped early.
struct Stopped {
    failure: Failure,
    /// The channel's deposit is used up.
    exhausted: bool,
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self { failure, exhausted: false }
    }
}

impl From<PayFailure> for Stopped {
    fn from(failed: PayFailure) -> Self {
        Self { failure: pay_failure(&failed), exhausted: is_exhausted(&failed.why) }
    }
}

impl Many {
    /// Sends all requests. When the deposit is used up, it calls `top_up` once and sends the rest.
    pub(super) async fn run<T>(
        self,
        mut top_up: Option<impl AsyncFnOnce() -> Result<T, Failure>>,
    ) -> Result<Summary, Failure> {
        let started = Instant::now();
        let mut all = Done::default();
        loop {
            let Err(stopped) = self.round(&mut all).await else { break };
            match top_up.take().filter(|_| stopped.exhausted) {
                Some(top_up) => drop(top_up().await.map_err(|failure| all.after(failure))?),
                None => return Err(all.after(stopped.failure)),
            }
        }
        Ok(all.summary(started.elapsed()))
    }

    /// Sends the requests without an answer, several at a time, until all are answered or something fails.
    async fn round(&self, all: &mut Done) -> Result<(), Stopped> {
        let next = Arc::new(AtomicU64::new(all.answered()));
        let mut workers = JoinSet::new();
        for _ in 0..u64::from(self.concurrency).min(self.repeat.saturating_sub(all.answered())) {
            let (buyer, next) = (Arc::clone(&self.buyer), Arc::clone(&next));
            let request = self.request.try_clone().ok_or_else(|| Stopped::from(unpaid(PayError::BodyIsAStream)))?;
            let (repeat, output) = (self.repeat, self.output);
            workers.spawn(async move { work(&buyer, &request, &next, repeat, output).await });
        }
        let mut stopped: Option<Stopped> = None;
        while let Some(done) = workers.join_next().await {
            let why = match done {
                Ok((done, why)) => {
                    all.add(done);
                    why
                }
                Err(error) => Some(Failure::new(Kind::OutcomeUnknown, format!("a worker broke off: {error}")).into()),
            };
            if let Some(why) = why {
                // The other workers finish their requests and begin no new ones.
                next.store(self.repeat, Ordering::Relaxed);
                // Only a deposit that is used up can be repaired here.
                if stopped.as_ref().is_none_or(|stopped| stopped.exhausted) {
                    stopped = Some(why);
                }
            }
        }
        stopped.map_or(Ok(()), Err)
    }
}

impl Done {
    fn answered(&self) -> u64 {
        self.latencies.len() as u64
    }

    fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.succeeded += other.succeeded;
        self.paid = self.paid.saturating_add(other.paid);
    }

    /// A failure with the number of requests that were answered before it.
    fn after(&self, failure: Failure) -> Failure {
        let message = format!(
            "after {} answers, for which {} base units were paid: {}",
            self.answered(),
            self.paid,
            failure.message
        );
        Failure { message, ..failure }.with("requests", self.answered()).with("paid", self.paid.to_string())
    }

    fn summary(mut self, elapsed: Duration) -> Summary {
        self.latencies.sort_unstable();
        let at = |percent: usize| {
            let index = self.latencies.len().saturating_sub(1).saturating_mul(percent) / 100;
            self.latencies.get(index).map_or(0, |latency| millis(*latency))
        };
        let elapsed_ms = millis(elapsed);
        Summary {
            requests: self.answered(),
            succeeded: self.succeeded,
            paid: self.paid,
            elapsed_ms,
            requests_per_second: self.answered().saturating_mul(1_000) / elapsed_ms.max(1),
            p50_ms: at(50),
            p99_ms: at(99),
            opened: None,
        }
    }
}

impl Summary {
    /// The same, with the channel that was opened for it.
    pub(super) fn after_opening(self, opened: Option<&Opened>) -> Self {
        Self { opened: opened.map(|opened| opened.channel), ..self }
    }
}

async fn work(
    buyer: &Buyer,
    request: &Request,
    next: &AtomicU64,
    repeat: u64,
    output: Output,
) -> (Done, Option<Stopped>) {
    let mut done = Done::default();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= repeat {
            return (done, None);
        }
        let Some(request) = request.try_clone() else {
            return (done, Some(unpaid(PayError::BodyIsAStream).into()));
        };
        let started = Instant::now();
        let mut bought = match buyer.pay(request).await {
            Ok(bought) => bought,
            Err(failed) => return (done, Some(failed.into())),
        };
        if let Err(error) = discard(&mut bought.response).await {
            let failure = Failure::new(Kind::OutcomeUnknown, format!("an answer broke off: {error}"));
            return (done, Some(failure.into()));
        }
        done.latencies.push(started.elapsed());
        done.succeeded += u64::from(bought.response.status().is_success());
        let charged = bought.paid.and_then(|paid| paid.charged());
        done.paid = done.paid.saturating_add(charged.unwrap_or(Amount::ZERO));
        let answered = number.saturating_add(1);
        if answered.is_multiple_of((repeat / 10).max(1)) {
            output.progress(format_args!("{answered} of {repeat}"));
        }
    }
}

/// Reads an answer to its end and keeps none of it, since many long answers at once would fill the memory.
async fn discard(response: &mut Response) -> Result<(), BodyError> {
    let mut length = 0_usize;
    while let Some(chunk) = response.chunk().await? {
        length = length.saturating_add(chunk.len());
        if length > LONGEST_ANSWER {
            return Err(BodyError::TooLong(LONGEST_ANSWER));
        }
    }
    Ok(())
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
