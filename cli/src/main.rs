//! `paychan`: one-way payment channels on Stellar, from the command line.

mod amounts;
mod commands;
mod commitment;
mod error;
mod funding;
mod network;
mod output;
mod secret;
mod session;
mod signers;
mod token;
mod watcher;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use crate::error::{Failure, Kind};
use crate::output::Output;

/// One-way payment channels on Stellar
///
/// A payer deposits once (open), then pays by signing: each commitment says how much the recipient may have in total
/// (sign), and goes to the recipient's watcher (submit). The recipient cashes in the highest one (settle, close). To
/// leave, the payer announces it (close-start), waits for the waiting period, and takes back the rest (refund).
#[derive(Parser)]
#[command(
    name = "paychan",
    version,
    after_long_help = "Secrets are read from files (--secret-file FILE, mode 0600), standard input (--secret-file -) or the
environment (PAYCHAN_SECRET), never from arguments.

Results go to standard output, progress to standard error. With --json, standard output carries exactly one JSON
document: the result, or {\"error\": {\"kind\": ..., \"message\": ...}}. Amounts in JSON are strings of base units,
fees strings of stroops.

Exit codes:
  0  done
  1  refused: by a check before sending, by the watcher, or by the chain
  2  the command line, a file or a secret is wrong; nothing was sent
  4  the outcome is not known: the message says how to find out without paying twice

A first channel, on testnet:
  paychan keygen --account --out funder.key            # fund the printed address with friendbot
  paychan keygen --out agent.seed                      # the key that signs payments
  paychan open --network testnet --secret-file funder.key --commitment-secret-file agent.seed --token native \\
    --deposit 10 --to GRECIPIENT... --refund-waiting-period 17280 --wasm paychan_contract.wasm
  paychan sign CCHANNEL... --amount 500000 --secret-file agent.seed --network testnet --json > newest.json
  paychan submit --commitment newest.json --watcher http://127.0.0.1:8790 --token-file watcher.token
  paychan inspect CCHANNEL... --network testnet"
)]
struct Cli {
    /// Print the result, or the error, as one JSON document on standard output
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Keygen(commands::keygen::Keygen),
    Open(Box<commands::open::Open>),
    TopUp(commands::top_up::TopUp),
    Sign(commands::sign::Sign),
    Submit(commands::submit::Submit),
    Pay(Box<commands::pay::Pay>),
    Spent(commands::spent::Spent),
    Inspect(commands::inspect::Inspect),
    Settle(commands::settle::Settle),
    Restore(commands::restore::Restore),
    Close(commands::close::Close),
    CloseStart(commands::close_start::CloseStart),
    Refund(commands::refund::Refund),
}

impl Command {
    async fn run(&self, output: Output) -> Result<(), Failure> {
        match self {
            Command::Keygen(command) => command.run(output),
            Command::Open(command) => command.run(output).await,
            Command::TopUp(command) => command.run(output).await,
            Command::Sign(command) => command.run(output),
            Command::Submit(command) => command.run(output).await,
            Command::Pay(command) => command.run(output).await,
            Command::Spent(command) => command.run(output),
            Command::Inspect(command) => command.run(output).await,
            Command::Settle(command) => command.run(output).await,
            Command::Restore(command) => command.run(output).await,
            Command::Close(command) => command.run(output).await,
            Command::CloseStart(command) => command.run(output).await,
            Command::Refund(command) => command.run(output).await,
        }
    }
}

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let output = Output::new(args.iter().any(|arg| arg == "--json"));
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.kind.exit_code())
        }
    }
}

fn run(args: &[OsString]) -> Result<(), Failure> {
    secret::refuse_secret_arguments(args)?;
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        // The person asked for help or the version.
        Err(e) if matches!(e.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            let _ = e.print();
            return Ok(());
        }
        Err(e) => return Err(Failure::new(Kind::Usage, usage_message(&e))),
    };
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::new(Kind::Input, format!("this machine gives no event loop: {e}")))?
        .block_on(cli.command.run(Output::new(cli.json)))
}

/// The parser's message without its `error:`, since [`Output::failure`] puts that before every failure.
fn usage_message(error: &clap::Error) -> String {
    let text = error.render().to_string();
    text.strip_prefix("error: ").unwrap_or(&text).trim_end().to_owned()
}
