//! `paychan submit` hands a signed commitment to the recipient's watcher.

use std::fmt;

use clap::Args;
use paychan_channel::{Amount, ContractId, RequestId};
use paychan_watcher_api::{
    Acknowledged, ChargeBody, Charged, Client, ClientError, CommitmentBody, SignedAmount, WatcherUrl,
};
use serde::Serialize;

use crate::amounts;
use crate::commitment::{CommitmentArgs, Given};
use crate::error::{Failure, Kind, bail};
use crate::output::{Output, table};
use crate::secret::only_one_stdin;
use crate::watcher::{TokenArgs, watcher_failure};

/// Pay: hand a signed commitment to the recipient's watcher
///
/// When the watcher answers, the commitment is safe on its disk. A commitment alone is a prepayment. With --price, the
/// price is charged at once; without a commitment it is charged to what was paid before. The command is safe to repeat:
/// with the same --request-id (printed before sending) and the same values, the answer is the same.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  paychan submit --commitment newest.json --watcher http://127.0.0.1:8790 --token-file watcher.token
  paychan submit --commitment newest.json --price 500000 --watcher http://127.0.0.1:8790 --token-file watcher.token
  paychan submit CCHANNEL... --amount 70000000 --signature 5be1... --watcher https://pay.example.com \\
    --token-file watcher.token --request-id order-1042")]
pub(crate) struct Submit {
    #[command(flatten)]
    commitment: CommitmentArgs,

    /// The watcher's address
    #[arg(long, value_name = "URL", env = "PAYCHAN_WATCHER")]
    watcher: WatcherUrl,

    #[command(flatten)]
    token: TokenArgs,

    /// The price in base units; it is charged once under the request id
    #[arg(long, value_name = "BASE_UNITS", allow_negative_numbers = true)]
    price: Option<Amount>,

    /// A name for this payment by which the watcher recognises a retry: up to 64 printable characters [default: random]
    #[arg(long, value_name = "ID")]
    request_id: Option<RequestId>,
}

#[derive(Serialize)]
struct Submitted {
    channel: ContractId,
    /// The commitment's total; null when none was given.
    amount: Option<Amount>,
    /// What was charged; null for a commitment alone.
    price: Option<Amount>,
    request_id: RequestId,
    highest: Amount,
    /// The sum of all charges less all credits.
    spent: Amount,
    unsettled: Amount,
    coverage: Amount,
    /// True when the same request was answered before, so that nothing was taken now.
    replayed: bool,
}

impl fmt::Display for Submitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left = self.coverage.saturating_sub(self.highest);
        let credit = self.highest.saturating_sub(self.spent);
        let mut rows = vec![("channel", self.channel.to_string())];
        let again = if self.replayed { ", answered before" } else { "" };
        rows.push(("request", format!("{}{again}", self.request_id)));
        rows.extend(self.amount.map(|amount| ("accepted", format!("{amount} base units in total"))));
        rows.extend(self.price.map(|price| ("charged", price.to_string())));
        rows.push(("highest", self.highest.to_string()));
        rows.push(("spent", format!("{}, {credit} paid and not spent", self.spent)));
        rows.push(("unsettled", self.unsettled.to_string()));
        rows.push(("coverage", format!("{}, {left} left to pay with", self.coverage)));
        table(f, rows)
    }
}

fn random_request_id() -> Result<RequestId, Failure> {
    let no_id = |e: &dyn fmt::Display| Failure::new(Kind::Input, format!("no request id could be made: {e}"));
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|e| no_id(&e))?;
    RequestId::new(&hex::encode(id)).map_err(|e| no_id(&e))
}

impl Submit {
    pub(crate) async fn run(&self, output: Output) -> Result<(), Failure> {
        only_one_stdin(&[("--token-file", self.token.reads_stdin()), ("--commitment", self.commitment.reads_stdin())])?;
        let (channel, given) = match self.price {
            Some(price) => {
                amounts::not_zero("--price", price)?;
                self.commitment.read()?
            }
            None => self.commitment.read_signed().map(|(channel, given)| (channel, Some(given)))?,
        };
        let watcher = self.token.client(&self.watcher, output)?;
        let request_id = match &self.request_id {
            Some(id) => id.clone(),
            None => random_request_id()?,
        };
        let submitted = match (given, self.price) {
            (Some(given), None) => prepay(&watcher, channel, &given, request_id, output).await?,
            (given, Some(price)) => charge(&watcher, channel, given.as_ref(), price, request_id, output).await?,
            (None, None) => bail!(Kind::Usage, "a signed commitment is needed, or --price, or both"),
        };
        output.result(&submitted).map_err(|failure| {
            let request_id = &submitted.request_id;
            let done = format_args!("the watcher took it as request {request_id}");
            let look = format_args!("with --request-id {request_id} it gets the same answer");
            failure.after(&done, &look).with("request_id", request_id.as_str())
        })
    }
}

async fn prepay(
    watcher: &Client,
    channel: ContractId,
    given: &Given,
    request_id: RequestId,
    output: Output,
) -> Result<Submitted, Failure> {
    output.progress(format_args!("submitting {} base units in total as request {request_id} ...", given.amount));
    let body = CommitmentBody { amount: given.amount, signature: given.signature, request_id };
    let answer = watcher.commit(&channel, &body).await.map_err(|error| submit_failure(&error, &body.request_id))?;
    let Acknowledged { highest, spent, unsettled, coverage, replayed, .. } = answer;
    Ok(Submitted {
        channel,
        amount: Some(given.amount),
        price: None,
        request_id: body.request_id,
        highest,
        spent,
        unsettled,
        coverage,
        replayed,
    })
}

async fn charge(
    watcher: &Client,
    channel: ContractId,
    given: Option<&Given>,
    price: Amount,
    request_id: RequestId,
    output: Output,
) -> Result<Submitted, Failure> {
    output.progress(format_args!("charging {price} base units as request {request_id} ..."));
    let commitment = given.map(|given| SignedAmount { amount: given.amount, signature: given.signature });
    let body = ChargeBody { price, request_id, commitment };
    let answer = watcher.charge(&channel, &body).await.map_err(|error| submit_failure(&error, &body.request_id))?;
    let Charged { highest, spent, unsettled, coverage, replayed, .. } = answer;
    Ok(Submitted {
        channel,
        amount: commitment.map(|signed| signed.amount),
        price: Some(price),
        request_id: body.request_id,
        highest,
        spent,
        unsettled,
        coverage,
        replayed,
    })
}

fn submit_failure(error: &ClientError, request_id: &RequestId) -> Failure {
    let failure = watcher_failure(error).with("request_id", request_id.as_str());
    match failure.kind {
        Kind::OutcomeUnknown => Failure {
            message: format!(
                "{}. It is not known whether it was taken; run the same command with --request-id {request_id}: \
                 the answer will be the same as if it had been",
                failure.message
            ),
            ..failure
        },
        _ => failure,
    }
}
