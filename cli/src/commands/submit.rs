//! `paychan submit`: hand a signed commitment to the recipient's watcher.

use std::fmt;

use clap::Args;
use paychan_channel::{Amount, ContractId, RequestId};
use paychan_watcher_api::{ClientError, CommitmentBody, WatcherUrl};
use serde::Serialize;

use crate::commitment::CommitmentArgs;
use crate::error::{Failure, Kind};
use crate::output::{Output, table};
use crate::secret::only_one_stdin;
use crate::watcher::{TokenArgs, watcher_failure};

/// Pay: hand a signed commitment to the recipient's watcher
///
/// When it answers, the commitment is safe on the watcher's disk. Safe to repeat: give the same --request-id (printed
/// before sending) and the same commitment again, and the answer is the same.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  paychan submit --commitment newest.json --watcher http://127.0.0.1:8790 --token-file watcher.token
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

    /// Names this payment, so that a retry is recognised: up to 64 printable characters [default: random]
    #[arg(long, value_name = "ID")]
    request_id: Option<RequestId>,
}

#[derive(Serialize)]
struct Submitted {
    channel: ContractId,
    amount: Amount,
    request_id: RequestId,
    highest: Amount,
    unsettled: Amount,
    coverage: Amount,
}

impl fmt::Display for Submitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left = self.coverage.saturating_sub(self.highest);
        table(
            f,
            [
                ("channel", self.channel.to_string()),
                ("accepted", format!("{} base units in total (request {})", self.amount, self.request_id)),
                ("highest", self.highest.to_string()),
                ("unsettled", self.unsettled.to_string()),
                ("coverage", format!("{}, {left} left to pay with", self.coverage)),
            ],
        )
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
        let (channel, given) = self.commitment.read_signed()?;
        let watcher = self.token.client(&self.watcher, output)?;
        let request_id = match &self.request_id {
            Some(id) => id.clone(),
            None => random_request_id()?,
        };
        output.progress(format_args!("submitting {} base units in total as request {request_id} ...", given.amount));
        let body = CommitmentBody { amount: given.amount, signature: given.signature, request_id };
        let answer = watcher.commit(&channel, &body).await.map_err(|error| submit_failure(&error, &body.request_id))?;
        let submitted = Submitted {
            channel,
            amount: given.amount,
            request_id: body.request_id,
            highest: answer.highest,
            unsettled: answer.unsettled,
            coverage: answer.coverage,
        };
        output.result(&submitted).map_err(|failure| {
            let request_id = &submitted.request_id;
            let done = format_args!("the watcher took the commitment as request {request_id}");
            let look = format_args!("with --request-id {request_id} it gets the same answer");
            failure.after(&done, &look).with("request_id", request_id.as_str())
        })
    }
}

fn submit_failure(error: &ClientError, request_id: &RequestId) -> Failure {
    let failure = watcher_failure(error).with("request_id", request_id.as_str());
    match failure.kind {
        Kind::OutcomeUnknown => Failure {
            message: format!(
                "{}. Whether the commitment was taken is not known; run the same command with --request-id {request_id}: \
                 the answer will be the same as if it had arrived",
                failure.message
            ),
            ..failure
        },
        _ => failure,
    }
}
