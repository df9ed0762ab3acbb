//! `paychan submit`: hand a signed commitment to the recipient's watcher.

use std::fmt;
use std::path::PathBuf;

use clap::Args;
use paychan_channel::{Amount, ContractId};
use serde::Serialize;

use crate::commitment::CommitmentArgs;
use crate::error::{Failure, Kind};
use crate::output::{Output, table};
use crate::secret::{Source, is_stdin, only_one_stdin};
use crate::watcher::{Watcher, WatcherUrl};

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

    /// A file with the watcher's bearer token, or - for standard input [env: PAYCHAN_WATCHER_TOKEN]
    #[arg(long, value_name = "FILE", help_heading = "Secrets")]
    token_file: Option<PathBuf>,

    /// Names this payment, so that a retry is recognised: up to 64 printable characters [default: random]
    #[arg(long, value_name = "ID", value_parser = parse_request_id)]
    request_id: Option<String>,
}

#[derive(Serialize)]
struct Submitted {
    channel: ContractId,
    amount: Amount,
    request_id: String,
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

fn parse_request_id(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 64 || !text.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        return Err("expected 1 to 64 printable ASCII characters".to_owned());
    }
    Ok(text.to_owned())
}

fn random_request_id() -> Result<String, Failure> {
    let mut id = [0; 16];
    getrandom::fill(&mut id)
        .map_err(|e| Failure::new(Kind::Input, format!("this machine gave no random bytes for the request id: {e}")))?;
    Ok(hex::encode(id))
}

impl Submit {
    pub(crate) async fn run(&self, output: Output) -> Result<(), Failure> {
        only_one_stdin(&[
            ("--token-file", self.token_file.as_deref().is_some_and(is_stdin)),
            ("--commitment", self.commitment.reads_stdin()),
        ])?;
        let (channel, given) = self.commitment.read_signed()?;
        let token = Source {
            file: self.token_file.as_deref(),
            option: "--token-file",
            env: &["PAYCHAN_WATCHER_TOKEN"],
            what: "the watcher's bearer token",
        }
        .read()?;
        let request_id = match &self.request_id {
            Some(id) => id.clone(),
            None => random_request_id()?,
        };
        let watcher = Watcher::new(self.watcher.clone(), &token, output)?;
        output.progress(format_args!("submitting {} base units in total as request {request_id} ...", given.amount));
        let answer = watcher
            .submit(&channel, given.amount, &given.signature, &request_id)
            .await
            .map_err(|failure| failure.with("request_id", request_id.clone()))?;
        output.result(&Submitted {
            channel,
            amount: given.amount,
            request_id,
            highest: answer.highest,
            unsettled: answer.unsettled,
            coverage: answer.coverage,
        })
    }
}
