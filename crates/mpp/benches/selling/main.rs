//! How many paid requests a seller answers in a second, beside the same handler without payment and beside mppx.
//!
//! `cargo bench -p paychan-mpp` prints one table from one run on one machine. Each server is a process of its own, and this process
//! is the client: it keeps 1, 16 or 64 connections, and each pays through a channel of its own. Vouchers are signed before the
//! clock starts. The servers take turns, and of several rounds the best counts.
//!
//! - Ours: every payment is on the watcher's disk before its request is answered. The journal lies in cargo's target directory,
//!   so on a real disk if that is on one, or in the folder that `PAYCHAN_BENCH_JOURNALS` names. How long a sync takes is printed:
//!   with few connections the disk is the limit, since each waits for a sync. The watcher stands in the seller's process, or in one beside it.
//! - mppx: the method `stellar`/`channel` checks each voucher itself and keeps totals in mppx's memory store, which a crash loses.
//!   `scripts/mppx.sh --install` installs it; without it these rows are left out.
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

/// Connections at a time.
const CONNECTIONS: [usize; 3] = [1, 16, 64];
/// Rounds. The best of them counts, for each server.
const ROUNDS: usize = 3;
/// What is asked for: our rate is at least this many times that of mppx, at 16 and 64 connections.
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

/// Measures all servers, or those that are named.
async fn measure(arguments: &[String]) {
    let named = |kind: &Kind| arguments.iter().any(|argument| argument == kind.name());
    let is_meant = |kind: &Kind| named(kind) || !Kind::ALL.iter().any(named);
    println!("load average before: {}; a sync takes {} µs", load_average(), sync_takes());
    let mut all: Vec<(Kind, Servers, Payers)> = Vec::new();
    for kind in Kind::ALL.into_iter().filter(is_meant) {
        match Servers::start(kind) {
            // Totals only rise, so each server has payers of its own for all its rows.
            Some(servers) => all.push((kind, servers, Payers::new())),
            None => println!("{}: left out; scripts/mppx.sh --install installs mppx", kind.title()),
        }
    }
    let mut rows: Vec<Row> = Vec::new();
    for asking in Asking::ALL {
        let mut measured: Vec<Row> = Vec::new();
        for (at, connections) in CONNECTIONS.into_iter().enumerate() {
            // The servers take turns, so that all see the same disturbances of the machine. The first round warms up.
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
    println!("load average after: {}; a sync takes {} µs\n", load_average(), sync_takes());
    table::print(&rows);
}

/// A server's process, and that of the watcher beside it if it has one.
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

    /// Starts a process, which prints where it listens.
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

/// Where journals lie.
fn journals() -> PathBuf {
    std::env::var_os("PAYCHAN_BENCH_JOURNALS").map_or(env!("CARGO_TARGET_TMPDIR").into(), PathBuf::from)
}

/// How long the disk takes to sync a record, in microseconds: the median of a hundred times.
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
