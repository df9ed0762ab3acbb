//! The contracts' figures: what each call costs beside the reference contract, how many channels one transaction
//! settles, and what a month of life costs. They are measured, not computed: each is a charge of the local network for
//! a transaction.

mod batch;
mod calls;
mod env;
mod format;
mod goals;
mod lives;
mod protocol_25;
mod reference;
mod report;
mod settings;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use paychan_tests::programs;

use env::{Asset, TestEnv};
use report::Report;
use settings::Settings;

/// Measures the contracts on a local network with testnet's prices.
#[derive(Parser)]
#[command(name = "paychan-figures")]
struct Args {
    /// What to measure; everything when none is given.
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// Another contract with the channel's interface to measure instead of ours (only `calls`).
    #[arg(long, value_name = "FILE")]
    wasm: Option<PathBuf>,
    /// Print JSON instead of tables.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Each call of the channel contract, beside the reference's.
    Calls,
    /// How many channels one transaction settles, and for how much.
    Batch,
    /// What a month of life costs.
    Lives,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let wants = |part| args.parts.is_empty() || args.parts.contains(&part);
    let path = args.wasm.clone().unwrap_or_else(programs::contract_wasm);
    let wasm = match std::fs::read(&path) {
        Ok(wasm) => wasm,
        Err(error) => {
            eprintln!("paychan-figures: can't read {}: {error}", path.display());
            return ExitCode::from(2);
        }
    };

    let mut report = Report::default();
    if wants(Part::Calls) {
        eprintln!("measuring each call of {} ...", path.display());
        report.calls = Some(calls::measure(&wasm).await);
    }
    if args.wasm.is_none() {
        if wants(Part::Batch) {
            for asset in [Asset::Native, Asset::Usdc] {
                eprintln!("settling more and more {} channels at once ...", asset.name());
                let env = TestEnv::start(asset, Settings::Testnet).await;
                report.batches.push(batch::measure(&env, &wasm).await);
            }
        }
        if wants(Part::Lives) {
            eprintln!("extending lives by a month ...");
            let env = TestEnv::start(Asset::Usdc, Settings::Testnet).await;
            report.lives = Some(lives::measure(&env, &wasm).await);
        }
    }
    let compare = args.wasm.is_none();
    if args.json {
        println!("{}", report.json(compare));
    } else {
        report.print(compare);
    }
    ExitCode::SUCCESS
}
