//! `--repeat` sends the same request many times, several at a time, and prints a summary.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use paychan_channel::Amount;
use paychan_mpp::buyer::{Buyer, PayError};
use paychan_rpc::http::read_body;
use reqwest::Request;
use serde::Serialize;
use tokio::task::JoinSet;

use super::LONGEST_ANSWER;
use super::report::pay_failure;
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

pub(super) async fn run(
    buyer: Arc<Buyer>,
    request: Request,
    repeat: u64,
    concurrency: u16,
    output: Output,
) -> Result<Summary, Failure> {
    let started = Instant::now();
    let next = Arc::new(AtomicU64::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..u64::from(concurrency).min(repeat) {
        let (buyer, next) = (Arc::clone(&buyer), Arc::clone(&next));
        let request = request.try_clone().ok_or_else(|| pay_failure(&PayError::BodyIsAStream))?;
        workers.spawn(async move { work(&buyer, &request, &next, repeat, output).await });
    }
    let mut all = Done::default();
    let mut failed = None;
    while let Some(done) = workers.join_next().await {
        match done {
            Ok((done, error)) => {
                all.latencies.extend(done.latencies);
                all.succeeded += done.succeeded;
                all.paid = all.paid.saturating_add(done.paid);
                if let Some(error) = error {
                    // The other workers finish their requests and begin no new ones.
                    next.store(repeat, Ordering::Relaxed);
                    failed.get_or_insert(error);
                }
            }
            Err(error) => {
                failed.get_or_insert(Failure::new(Kind::OutcomeUnknown, format!("a worker broke off: {error}")));
            }
        }
    }
    let requests = all.latencies.len() as u64;
    if let Some(failure) = failed {
        let message =
            format!("after {requests} answers, for which {} base units were paid: {}", all.paid, failure.message);
        return Err(Failure { message, ..failure }.with("requests", requests).with("paid", all.paid.to_string()));
    }
    all.latencies.sort_unstable();
    let at = |percent: usize| {
        let index = all.latencies.len().saturating_sub(1).saturating_mul(percent) / 100;
        all.latencies.get(index).map_or(0, |latency| millis(*latency))
    };
    let elapsed_ms = millis(started.elapsed());
    Ok(Summary {
        requests,
        succeeded: all.succeeded,
        paid: all.paid,
        elapsed_ms,
        requests_per_second: requests.saturating_mul(1_000) / elapsed_ms.max(1),
        p50_ms: at(50),
        p99_ms: at(99),
    })
}

async fn work(
    buyer: &Buyer,
    request: &Request,
    next: &AtomicU64,
    repeat: u64,
    output: Output,
) -> (Done, Option<Failure>) {
    let mut done = Done::default();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= repeat {
            return (done, None);
        }
        let Some(request) = request.try_clone() else {
            return (done, Some(pay_failure(&PayError::BodyIsAStream)));
        };
        let started = Instant::now();
        let mut bought = match buyer.pay(request).await {
            Ok(bought) => bought,
            Err(error) => return (done, Some(pay_failure(&error))),
        };
        if let Err(error) = read_body(&mut bought.response, LONGEST_ANSWER).await {
            return (done, Some(Failure::new(Kind::OutcomeUnknown, format!("an answer broke off: {error}"))));
        }
        done.latencies.push(started.elapsed());
        done.succeeded += u64::from(bought.response.status().is_success());
        let charged = bought.paid.and_then(|paid| paid.receipt).and_then(|receipt| receipt.charged);
        done.paid = done.paid.saturating_add(charged.unwrap_or(Amount::ZERO));
        let answered = number.saturating_add(1);
        if answered.is_multiple_of((repeat / 10).max(1)) {
            output.progress(format_args!("{answered} of {repeat}"));
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
