//! The demo: a channel's whole life on a local network, explained step by step.
//!
//! Exits with 1 if an acknowledged commitment was not paid, or if a step does not work.

mod archival;
mod demo;
mod outcome;
mod output;
mod payments;
mod selling;

use std::process::ExitCode;

use demo::Demo;
use output::Output;
use paychan_tests::table::table;

/// The number of headlines that the demo prints: one for the start of the network, and the others for the three
/// channels.
const STEPS: u32 = 12;

#[tokio::main]
async fn main() -> ExitCode {
    let keep = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--keep") => true,
        Some(other) => {
            eprintln!("paychan-demo: unknown option {other}; expected --keep or nothing");
            return ExitCode::from(2);
        }
    };
    println!(
        "Paychan: an agent pays an API 1,000 times, the API's watcher crashes, the agent tries to take its money back. \
         Who gets it?"
    );
    println!("Contract, host, signatures, processes and crashes are real; the network is on this machine.");

    let mut demo = Demo::start(Output::new(STEPS)).await;
    let first = payments::run(&demo).await;
    let second = archival::run(&demo).await;
    let third = selling::run(&demo).await;

    println!("\nWhere the money went (USDC)\n");
    let rows: Vec<Vec<String>> = first
        .rows()
        .into_iter()
        .zip(second.rows())
        .map(|((name, first), (_, second))| vec![name.to_owned(), first, second])
        .collect();
    table(&["", first.channel, second.channel], &rows);
    if keep {
        println!("\nLogs, keys and stores are in {}", demo.env.keep().display());
    }
    let mut faults = first.faults();
    faults.extend(second.faults());
    faults.extend(third);
    for fault in &faults {
        println!("\nWRONG: {fault}");
    }
    if !faults.is_empty() {
        return ExitCode::from(1);
    }
    println!("\nEvery acknowledged payment reached the recipient. ({} s)", demo.output.elapsed().as_secs());
    ExitCode::SUCCESS
}
