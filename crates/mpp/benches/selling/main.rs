//! Measures how many paid requests a seller answers in a second. For comparison, it measures the same handler without
//! payment, and a seller that runs mppx.
//!
//! `cargo bench -p paychan-mpp` prints one table. All its figures come from one run on one machine. Each server is a process of
//! its own, and this process is the client. The client keeps 1, 16 or 64 connections open, and each connection pays through a
//! channel of its own. The client signs all vouchers before the clock starts. The servers take turns, there are several rounds,
//! and the best round of each server counts.
//!
//! - Our seller answers a request when its payment is on the watcher's disk. The watcher runs in the seller's process, or in a
//!   process beside it. Its journal is in cargo's target directory, or in the folder that `PAYCHAN_BENCH_JOURNALS` names; choose
//!   one on a real disk. The benchmark prints how long a sync of this disk takes. With few connections the disk is the limit,
//!   since each request waits for a sync.
//! - The seller that runs mppx checks each voucher with the method `stellar`/`channel`. It keeps totals in mppx's memory store,
//!   so a crash loses them. `scripts/mppx.sh --install` installs mppx. Without mppx, the table has no rows for it.
#![allow(clippy::unwrap_used, reason = "a benchmark that can't run says where")]

mod client;
mod payers;
mod server;
mod table;
mod watcher;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use client::{Asking, Load};
use payers::Payers;
use server::Kind;
use table::Row;

/// How many connections the client keeps open at the same time.
const CONNECTIONS: [usize; 3] = [1, 16, 64];
/// How many rounds are measured. For each server, the best round counts.
const ROUNDS: usize = 5;
/// Our seller must answer at least this many times as many requests as mppx, with 16 and with 64 connections.
const ASKED_TIMES: u64 = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    // Cargo asks a benchmark for its tests too.
    if arguments.iter().any(|argument| argument == "--test" || argument == "--list") {
        return;
    }
    match arguments.iter().position(|argument| argument == "--serve") {
        Some(at) => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            runtime.block_on(server::run(arguments[at + 1].parse().unwrap(), arguments.get(at + 2)));
        }
        None => {
            // The client has one thread, so that it takes as little as possible from the servers.
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(measure(&arguments[1..]));
        }
    }
}

/// Measures the servers that the arguments name. Without names, it measures all servers.
async fn measure(arguments: &[String]) {
    let named = |kind: &Kind| arguments.iter().any(|argument| argument == kind.name());
    let is_meant = |kind: &Kind| named(kind) || !Kind::ALL.iter().any(named);
    println!("before the run, the load average is {} and a sync takes {} µs", load_average(), sync_takes());
    let mut all: Vec<(Kind, Servers, Payers)> = Vec::new();
    for kind in Kind::ALL.into_iter().filter(is_meant) {
        match Servers::start(kind) {
            // A payer's total only rises, so each server has its own payers, which go on from one row to the next.
            Some(servers) => all.push((kind, servers, Payers::new())),
            None => println!(
                "{} is left out, since mppx is not installed; scripts/mppx.sh --install installs it",
                kind.title()
            ),
        }
    }
    let mut rows: Vec<Row> = Vec::new();
    for asking in Asking::ALL {
        let mut measured: Vec<Row> = Vec::new();
        for (at, connections) in CONNECTIONS.into_iter().enumerate() {
            // The servers take turns, so that a disturbance of the machine hits all of them. The first round does not count,
            // because it warms the servers up.
            for round in 0..=ROUNDS {
                let fitting = all.iter_mut().filter(|(kind, ..)| kind.is_paid() != (asking == Asking::Free));
                for (kind, servers, payers) in fitting {
                    let load = Load { address: servers.address.clone(), connections, asking };
                    let rate = load.run(payers, kind.requests(connections)).await;
                    if !measured.iter().any(|row| row.kind == *kind) {
                        measured.push(Row { kind: *kind, asking, rates: [0; CONNECTIONS.len()] });
                    }
                    let row = measured.iter_mut().find(|row| row.kind == *kind).unwrap();
                    row.rates[at] = row.rates[at].max(if round == 0 { 0 } else { rate });
                }
            }
        }
        for row in &measured {
            println!("measured: {}, {}: {:?} /s", asking.title(), row.kind.title(), row.rates);
        }
        rows.append(&mut measured);
    }
    println!("after the run, the load average is {} and a sync takes {} µs\n", load_average(), sync_takes());
    table::print(&rows);
}

/// The process of a server, and the process of the watcher beside it if there is one.
struct Servers {
    address: String,
    processes: Vec<Child>,
    _folder: tempfile::TempDir,
}

impl Servers {
    fn start(kind: Kind) -> Option<Self> {
        let folder = tempfile::tempdir_in(journals()).unwrap();
        let journal = folder.path().to_str().unwrap().to_owned();
        let mut servers = Self { address: String::new(), processes: Vec::new(), _folder: folder };
        servers.address = match kind {
            Kind::Mppx | Kind::FreeNode => servers.spawn(server::node(kind)?),
            Kind::Beside => {
                let watcher = servers.spawn(ours(&["watcher", &journal]));
                servers.spawn(ours(&[kind.name(), &format!("http://{watcher}")]))
            }
            _ => servers.spawn(ours(&[kind.name(), &journal])),
        };
        Some(servers)
    }

    /// Starts a process and returns the address that it prints, on which it listens.
    fn spawn(&mut self, mut command: Command) -> String {
        use std::io::BufRead;
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        std::io::BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        self.processes.push(process);
        line.trim().trim_start_matches("http://").to_owned()
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn ours(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("--serve").args(arguments);
    command
}

/// The folder in which the journals are.
fn journals() -> PathBuf {
    std::env::var_os("PAYCHAN_BENCH_JOURNALS").map_or(env!("CARGO_TARGET_TMPDIR").into(), PathBuf::from)
}

/// How long the disk takes to sync a record, in microseconds. It syncs a hundred times and returns the median.
fn sync_takes() -> u128 {
    let mut file = tempfile::tempfile_in(journals()).unwrap();
    let mut times: Vec<u128> = (0..100)
        .map(|_| {
            let start = Instant::now();
            file.write_all(&[7; 512]).unwrap();
            file.sync_data().unwrap();
            start.elapsed().as_micros()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

fn load_average() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim().to_owned()
}
