//! The demo: the whole path on a local network, told in plain words.
//!
//! Exits with 1 if an acknowledged commitment was not paid, or if any step does not go as told.

mod lives;
mod payments;
mod stage;
mod tell;

use std::process::ExitCode;

use stage::Stage;
use tell::{Teller, table};

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
        "Paychan: an agent pays an API 1,000 times, the API's watcher crashes, the agent runs."
    );
    println!(
        "Who gets the money? All of it real: Soroban host, contract, signatures, processes. No internet."
    );

    let stage = Stage::set(&tell, keep).await;
    let first = payments::play(&tell, &stage).await;
    let second = lives::play(&tell, &stage).await;

    println!("\nWhat happened to the money (USDC; fees in XLM)\n");
    table(
        &["", "channel 1", "channel 2"],
        &first
            .rows()
            .into_iter()
            .zip(second.rows())
            .map(|((name, first), (_, second))| vec![name.to_owned(), first, second])
            .collect::<Vec<_>>(),
    );
    println!();
    let seconds = tell.elapsed().as_secs();
    let mut wrong = first.wrong();
    wrong.extend(second.wrong());
    if wrong.is_empty() {
        println!("Every acknowledged payment reached the recipient. ({seconds} s)");
    } else {
        for what in &wrong {
            println!("WRONG: {what}");
        }
    }
    if keep {
        println!(
            "Logs, keys and stores are left in {}",
            stage.keep().display()
        );
    }
    if wrong.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    }
}
