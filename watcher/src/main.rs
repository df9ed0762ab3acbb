//! `paychan-watcher`: never forgets a commitment, never sleeps through a close.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use paychan_watcher::commands;
use paychan_watcher::config::Config;
use paychan_watcher::daemon::{self, EXIT_CODES, Exit, RunError, hardening, logging};
use tokio::signal::unix::{SignalKind, signal};

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
    /// Show channels, fee accounts and what comes next; works from the journal while the daemon is down.
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
    /// Repair a store that a start refused as damaged. The damaged journal is kept aside.
    Repair {
        #[command(flatten)]
        file: File,
    },
    /// After restoring the store from an older copy: confirm that the chain has paid more than the store holds, so that
    /// commitments are taken again. The daemon must be down.
    ConfirmRollback {
        #[command(flatten)]
        file: File,
    },
}

#[derive(Args)]
struct File {
    /// The configuration: see paychan-watcher.example.toml.
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
    match obey(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "paychan-watcher: {error}");
            error.exit().into()
        }
    }
}

fn obey(command: Command) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| RunError::Other(format!("no threads can be started: {error}")))?;
    let load = |file: &File| Config::load(&file.config);
    let said = match command {
        Command::Run { file, log_json } => {
            logging::start(log_json);
            hardening::keep_memory_private();
            let config = load(&file)?;
            return runtime.block_on(async { daemon::run(config, asked_to_stop()?).await });
        }
        Command::Status { file, json } => runtime.block_on(commands::status(&load(&file)?, json))?,
        Command::Check { file } => runtime.block_on(commands::check(&load(&file)?))?,
        Command::Repair { file } => commands::repair(&load(&file)?)?,
        Command::ConfirmRollback { file } => runtime.block_on(commands::confirm_rollback(&load(&file)?))?,
    };
    // A reader that went away (`| head`) is no failure of the command.
    let _ = writeln!(std::io::stdout(), "{}", said.trim_end());
    Ok(())
}

/// Completes at the first SIGTERM or SIGINT. Listens from now on, so that none is missed.
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
