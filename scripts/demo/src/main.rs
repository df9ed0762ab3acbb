//! The demo: the whole path on a local network, told in plain words.
//!
//! Exits with 1 if an acknowledged commitment was not paid, or if any step does not go as told.

mod account;
mod lives;
mod payments;
mod stage;
mod tell;

use std::process::ExitCode;

use paychan_tests::table::table;
use stage::Stage;
use tell::Teller;

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
    let tell = Teller::new(9);
    println!(
        "Paychan: an agent pays an API 1,000 times, the API's watcher crashes, the agent runs. Who gets the money?"
    );
    println!("Contract, host, signatures, processes and crashes are real; the network is on this machine.");

    let mut stage = Stage::set(&tell).await;
    let first = payments::play(&tell, &stage).await;
    let second = lives::play(&tell, &stage).await;

    println!("\nWhat became of the money (USDC)\n");
    let rows: Vec<Vec<String>> = first
        .rows()
        .into_iter()
        .zip(second.rows())
        .map(|((name, first), (_, second))| vec![name.to_owned(), first, second])
        .collect();
    table(&["", first.name, second.name], &rows);
    if keep {
        println!("\nLogs, keys and stores are in {}", stage.world.keep().display());
    }
    let mut wrong = first.wrong();
    wrong.extend(second.wrong());
    for what in &wrong {
        println!("\nWRONG: {what}");
    }
    if !wrong.is_empty() {
        return ExitCode::from(1);
    }
    println!("\nEvery acknowledged payment reached the recipient. ({} s)", tell.elapsed().as_secs());
    ExitCode::SUCCESS
}
