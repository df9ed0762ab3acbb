//! `paychan-watcher` is the daemon that keeps commitments and settles them, with the commands beside it.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use paychan_channel::ContractId;
use paychan_watcher::commands;
use paychan_watcher::config::Config;
use paychan_watcher::daemon::{self, EXIT_CODES, Exit, RunError, hardening, logging};
use paychan_watcher::notify;
use tokio::signal::unix::{SignalKind, signal};

/// How long writing the last line on standard error may take.
const LAST_LINE_WITHIN: Duration = Duration::from_secs(2);

/// Keeps the commitments of Paychan channels and settles them on chain before a funder can take the money back.
#[derive(Parser)]
#[command(name = "paychan-watcher", version, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the daemon until SIGTERM or SIGINT.
    Run {
        #[command(flatten)]
        file: File,
        /// Log JSON lines, one event each, instead of text.
        #[arg(long)]
        log_json: bool,
    },
    /// Show channels, fee accounts and what comes next. While the daemon is down, the command reads the journal.
    Status {
        #[command(flatten)]
        file: File,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Check configuration, secrets, endpoint and terms, and print how the shortest safe waiting period is derived.
    Check {
        #[command(flatten)]
        file: File,
    },
    /// Print a `stellar contract invoke ... settle` command for a channel, for the case that the watcher can't settle
    /// it. It reads the journal, while the daemon runs and while it is down, and reads what is left of a damaged one.
    Rescue {
        #[command(flatten)]
        file: File,
        /// The channel: C...
        #[arg(value_name = "CHANNEL")]
        channel: ContractId,
    },
    /// Take no channel, commitment or charge until `resume`, even after a restart. Settling goes on.
    Pause {
        #[command(flatten)]
        file: File,
    },
    /// Take money again after `pause`.
    Resume {
        #[command(flatten)]
        file: File,
    },
    /// Repair a store that a start refused as damaged. The damaged journal is kept aside.
    Repair {
        #[command(flatten)]
        file: File,
    },
    /// Confirm, after restoring the store from an older copy, that the chain has paid more than the store holds, so
    /// that commitments are taken again. It works while the daemon runs and while it is down.
    ConfirmRollback {
        #[command(flatten)]
        file: File,
    },
}

#[derive(Args)]
struct File {
    /// The configuration file; paychan-watcher.example.toml explains it.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Config.into() } else { ExitCode::SUCCESS };
        }
    };
    match execute(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say_last(format!("paychan-watcher: {error}"));
            error.exit().into()
        }
    }
}

/// Writes to standard error, but does not wait for ever for a reader, since the process has to end.
fn say_last(text: String) {
    let (done, wait) = std::sync::mpsc::channel();
    let _ = std::thread::Builder::new().spawn(move || {
        let _ = writeln!(std::io::stderr(), "{text}");
        let _ = done.send(());
    });
    let _ = wait.recv_timeout(LAST_LINE_WITHIN);
}

fn execute(command: Command) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| RunError::Other(format!("no threads can be started: {error}")))?;
    let load = |file: &File| Config::load(&file.config);
    let said = match command {
        Command::Run { file, log_json } => {
            let (layer, alarms) = notify::alarms();
            let logs = logging::start(log_json, Some(layer));
            hardening::keep_memory_private();
            let ended = load(&file)
                .map_err(RunError::from)
                .and_then(|config| runtime.block_on(async { daemon::run(config, alarms, asked_to_stop()?).await }));
            logs.finish();
            return ended;
        }
        Command::Status { file, json } => runtime.block_on(commands::status(&load(&file)?, json))?,
        Command::Check { file } => runtime.block_on(commands::check(&load(&file)?))?,
        Command::Rescue { file, channel } => commands::rescue(&load(&file)?, &channel)?,
        Command::Pause { file } => runtime.block_on(commands::pause(&load(&file)?, true))?,
        Command::Resume { file } => runtime.block_on(commands::pause(&load(&file)?, false))?,
        Command::Repair { file } => commands::repair(&load(&file)?)?,
        Command::ConfirmRollback { file } => runtime.block_on(commands::confirm_rollback(&load(&file)?))?,
    };
    // A closed standard output (`| head`) is no failure of the command.
    let _ = writeln!(std::io::stdout(), "{}", said.trim_end());
    Ok(())
}

/// Returns a future that completes at the first SIGTERM or SIGINT. Listening starts with the call, so that no signal is
/// missed.
fn asked_to_stop() -> Result<impl Future<Output = ()>, RunError> {
    let failed = |error: std::io::Error| RunError::Other(format!("signals can't be listened for: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
