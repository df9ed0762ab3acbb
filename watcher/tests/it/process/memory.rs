//! Tests that keys stay in memory: they are not swapped, and other processes can't read them.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use super::{Folder, Running, eventually};

/// A watcher with this limit of locked memory. Where the limit can't be set, it prints a line and returns `None`.
fn started_with_limit(folder: &Folder, limit: &str) -> Option<Running> {
    let may = Command::new("sh").args(["-c", &format!("ulimit -l {limit}")]).stderr(Stdio::null()).status().unwrap();
    if !may.success() {
        eprintln!("SKIPPED: the limit of locked memory can't be set to {limit} here");
        return None;
    }
    let mut limited = Command::new("sh");
    let run = format!("ulimit -l {limit} && exec \"$0\" \"$@\"");
    limited.args(["-c", &run, env!("CARGO_BIN_EXE_paychan-watcher"), "run", "--config"]);
    limited.arg(folder.path("watcher.toml")).stdin(Stdio::null());
    let log = File::create(folder.path("log")).unwrap();
    let running = Running(limited.stdout(log).stderr(Stdio::null()).spawn().unwrap());
    eventually("the API answers", || folder.get("/healthz") == Some(200));
    Some(running)
}

/// The memory that the process has locked, in kilobytes.
fn locked(running: &Running) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", running.0.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn without_a_limit_all_memory_is_locked() {
    let folder = Folder::new();
    let Some(running) = started_with_limit(&folder, "unlimited") else { return };
    // The stack of one thread is already larger than this.
    assert!(locked(&running) > 1_000, "{} kB are locked\n{}", locked(&running), folder.log());
}

#[test]
fn with_a_low_limit_nothing_is_locked_and_the_log_says_what_to_do() {
    let folder = Folder::new();
    let Some(running) = started_with_limit(&folder, "64") else { return };
    assert_eq!(locked(&running), 0);
    assert!(folder.log().contains("MemorySwapMax=0"), "{}", folder.log());
}
