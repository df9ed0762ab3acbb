//! `paychan-simulate` runs many worlds, prints its progress, and prints a table at the end. `scripts/simulate.sh` runs
//! it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test's program")]

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::Parser;
use paychan_sim::report::Totals;
use paychan_sim::shrink::shrink;
use paychan_sim::world::{Limits, run};

/// Runs the watcher in simulated worlds and prints which of its promises it broke.
#[derive(Parser)]
#[command(name = "paychan-simulate")]
struct Arguments {
    /// The number of worlds, one for each seed.
    #[arg(long, default_value_t = 300)]
    seeds: u64,
    /// The first seed. With `--seeds 1` its world is shown ledger by ledger.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Stop after this many minutes, even if seeds are left.
    #[arg(long)]
    minutes: Option<u64>,
    /// Stop at the first world that fails, and don't make it smaller.
    #[arg(long)]
    until_one_fails: bool,
    /// Let nothing overlap, let a power cut only cut the end of files, and let one endpoint be faulty and one recipient be paid.
    #[arg(long)]
    plain: bool,
    /// The number of worlds at a time. Without it, as many as the machine has cores.
    #[arg(long)]
    jobs: Option<usize>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let limits =
        Limits { overlaps: !arguments.plain, holes: !arguments.plain, several: !arguments.plain, ..Limits::default() };
    if arguments.seeds == 1 {
        return show(arguments.seed, limits);
    }
    let jobs = arguments.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let next = Arc::new(AtomicU64::new(arguments.seed));
    let last = arguments.seed.saturating_add(arguments.seeds);
    let deadline = arguments.minutes.map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    let totals = Arc::new(Mutex::new(Totals::default()));
    let failed = Arc::new(Mutex::new(Vec::new()));
    let done = Arc::new(AtomicBool::new(false));
    let start = Instant::now();
    let workers: Vec<_> = (0..jobs)
        .map(|_| {
            let (next, totals, failed) = (next.clone(), totals.clone(), failed.clone());
            std::thread::spawn(move || {
                while deadline.is_none_or(|deadline| Instant::now() < deadline) {
                    if arguments.until_one_fails && !failed.lock().unwrap().is_empty() {
                        break;
                    }
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= last {
                        break;
                    }
                    let lived = run(seed, limits);
                    let mut all = totals.lock().unwrap();
                    *all += lived.totals;
                    if let Some(first) = lived.violations.first() {
                        all.violations += 1;
                        println!("seed {seed} FAILS {first}");
                        failed.lock().unwrap().push(seed);
                    }
                }
            })
        })
        .collect();
    let progress = std::thread::spawn({
        let (totals, done) = (totals.clone(), done.clone());
        move || {
            while !done.load(Ordering::Relaxed) {
                std::thread::park_timeout(Duration::from_secs(10));
                let so_far = *totals.lock().unwrap();
                eprintln!("{} worlds, {} ledgers, {} violations", so_far.worlds, so_far.ledgers, so_far.violations);
            }
        }
    });
    for worker in workers {
        worker.join().expect("a world panicked: the message above says where");
    }
    done.store(true, Ordering::Relaxed);
    progress.thread().unpark();
    let _ = progress.join();
    let totals = *totals.lock().unwrap();
    let per_minute = totals.worlds * 60_000 / u64::try_from(start.elapsed().as_millis().max(1)).unwrap_or(u64::MAX);
    print!("\n{totals}");
    println!("  {:<36}{per_minute:>12}", "worlds a minute");
    let mut failed = failed.lock().unwrap().clone();
    failed.sort_unstable();
    match failed.first() {
        None => ExitCode::SUCCESS,
        Some(_) if arguments.until_one_fails => ExitCode::FAILURE,
        Some(seed) => {
            println!("\nThe first failing seed is made smaller:");
            show_smallest(*seed, limits);
            ExitCode::FAILURE
        }
    }
}

/// Runs one world and prints it line by line.
fn show(seed: u64, limits: Limits) -> ExitCode {
    let lived = run(seed, limits);
    println!("{:#?}", lived.plan);
    lived.diary.iter().for_each(|line| println!("{line}"));
    print!("\n{}", lived.totals);
    match lived.violations.is_empty() {
        true => ExitCode::SUCCESS,
        false => {
            println!("\nMade smaller:");
            show_smallest(seed, limits);
            ExitCode::FAILURE
        }
    }
}

fn show_smallest(seed: u64, limits: Limits) {
    let (limits, lived) = shrink(seed, limits);
    println!("seed {seed} with {limits:?}\n{:#?}", lived.plan);
    lived.diary.iter().for_each(|line| println!("{line}"));
    println!("\nAgain: scripts/simulate.sh --seed {seed} --seeds 1");
}
