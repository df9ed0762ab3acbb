//! `paychan-localnet`: a Stellar network in one process, for development.

use std::{io::Write, process::ExitCode};

use clap::Parser;
use paychan_localnet::{Localnet, Options, STANDALONE_PASSPHRASE};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

/// A Stellar network in one process, for development: JSON-RPC, friendbot and a control endpoint on loopback.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Milliseconds between two ledgers.
    #[arg(long, default_value_t = 1_000, value_name = "MS")]
    ledger_ms: u32,
    /// Close ledgers only when the control endpoint asks for it (and for the friendbot).
    #[arg(long)]
    manual: bool,
    /// The network's passphrase.
    #[arg(long, default_value = STANDALONE_PASSPHRASE)]
    passphrase: String,
    /// The loopback port of the JSON-RPC; 0 for any free one.
    #[arg(long, default_value_t = 8_000, value_name = "PORT")]
    rpc_port: u16,
    /// The loopback port of the control endpoint; 0 for any free one.
    #[arg(long, default_value_t = 0, value_name = "PORT")]
    control_port: u16,
    /// The longest life of an entry.
    #[arg(long, default_value_t = Options::default().max_entry_ttl, value_name = "LEDGERS")]
    max_entry_ttl: u32,
    /// The shortest life of a new or restored persistent entry.
    #[arg(long, default_value_t = Options::default().min_persistent_ttl, value_name = "LEDGERS")]
    min_persistent_ttl: u32,
    /// The shortest life of a new temporary entry.
    #[arg(long, default_value_t = Options::default().min_temporary_ttl, value_name = "LEDGERS")]
    min_temporary_ttl: u32,
    /// When the network is ready, print one line of JSON with the URLs instead of text.
    #[arg(long)]
    json: bool,
}

impl Arguments {
    fn options(&self) -> Options {
        Options {
            passphrase: self.passphrase.clone(),
            ledger_ms: self.ledger_ms,
            manual: self.manual,
            rpc_port: self.rpc_port,
            control_port: self.control_port,
            max_entry_ttl: self.max_entry_ttl,
            min_temporary_ttl: self.min_temporary_ttl,
            min_persistent_ttl: self.min_persistent_ttl,
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into()))
        .with_writer(std::io::stderr)
        .init();
    let arguments = Arguments::parse();
    // This comes before the announcement, so that a signal right after the announcement is not lost.
    let signals = signal(SignalKind::interrupt()).and_then(|int| Ok((int, signal(SignalKind::terminate())?)));
    let (mut interrupt, mut terminate) = match signals {
        Ok(signals) => signals,
        Err(error) => return fail(&format!("can't wait for signals: {error}")),
    };
    let net = match Localnet::start(arguments.options()) {
        Ok(net) => net,
        Err(error) => return fail(&error.to_string()),
    };
    announce(&arguments, &net);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    net.stop();
    ExitCode::SUCCESS
}

fn fail(error: &str) -> ExitCode {
    eprintln!("paychan-localnet: {error}");
    ExitCode::FAILURE
}

/// Prints what runs and where. The network runs on even if nobody reads the output.
fn announce(arguments: &Arguments, net: &Localnet) {
    let text = if arguments.json {
        let line = json!({
            "rpc_url": net.rpc_url(),
            "friendbot_url": net.friendbot_url(),
            "control_url": net.control_url(),
            "passphrase": net.passphrase(),
            "ledger_ms": arguments.ledger_ms,
            "manual": arguments.manual,
            "pid": std::process::id(),
        });
        format!("{line}\n")
    } else {
        let closing =
            if arguments.manual { "only on request".to_owned() } else { format!("every {} ms", arguments.ledger_ms) };
        format!(
            "paychan-localnet: a Stellar network in this process, for development only. Its coins are worth nothing,\n\
             it listens on loopback addresses only, and nothing of it is left when it ends.\n\
             \x20 JSON-RPC    {}\n\
             \x20 friendbot   {}?addr=G...\n\
             \x20 control     {} (POST /close, /jump, /archive, /fill, /inclusion-price; GET /status)\n\
             \x20 passphrase  {}\n\
             \x20 ledgers     close {closing}\n",
            net.rpc_url(),
            net.friendbot_url(),
            net.control_url(),
            net.passphrase(),
        )
    };
    let mut out = std::io::stdout();
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        tracing::warn!(%error, "could not print where the network is");
    }
}
