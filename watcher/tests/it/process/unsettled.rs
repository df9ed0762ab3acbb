//! Tests that trouble at the start raises an alarm and does not end the program while something is unsettled.

use std::fs;
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::{Folder, commitments_held, eventually, secret};

#[test]
fn with_unsettled_amounts_an_address_in_use_is_an_alarm_and_is_tried_again() {
    let folder = Folder::new();
    commitments_held(&folder, 1, 7_000_000);
    let taken = TcpListener::bind(&folder.listen).unwrap();
    let mut running = folder.spawn();
    eventually("an alarm", || folder.log().contains("api_not_listening"));
    eventually("it goes on to ask for the chain", || folder.log().contains("no connection"));
    assert!(running.0.try_wait().unwrap().is_none(), "{}", folder.log());
    drop(taken);
    eventually("the API answers", || folder.get("/healthz") == Some(200));
    running.signal(Signal::TERM);
    assert_eq!(running.exit_code(), Some(0));
}

#[test]
fn with_unsettled_amounts_a_missing_secret_does_not_end_the_watcher() {
    let folder = Folder::new();
    commitments_held(&folder, 1, 7_000_000);
    let lane = fs::read_to_string(folder.path("lane")).unwrap();
    fs::remove_file(folder.path("lane")).unwrap();
    fs::remove_file(folder.path("token")).unwrap();
    let mut running = folder.spawn();
    eventually("an alarm", || folder.log().contains("secret_missing"));
    assert!(running.0.try_wait().unwrap().is_none(), "{}", folder.log());
    secret(&folder.path("lane"), &lane, 0o600);
    eventually("it follows without the token", || folder.log().contains("no connection"));
    assert_eq!(folder.get("/v1/status"), Some(401));
    running.signal(Signal::TERM);
    assert_eq!(running.exit_code(), Some(0));
}

#[test]
fn a_start_that_hangs_says_what_it_waits_for_and_can_be_stopped() {
    let folder = Folder::new();
    commitments_held(&folder, 1, 7_000_000);
    // Whoever opens this waits until somebody writes.
    let conf = folder.path("data").join("db").join("conf");
    fs::remove_file(&conf).unwrap();
    assert!(Command::new("mkfifo").arg(&conf).status().unwrap().success());
    let mut running = folder.spawn();
    let waits = "opening the index";
    eventually("it says what it waits for", || folder.log().contains(waits));
    eventually("an alarm", || folder.log().contains("store_stalled"));
    let asked = Instant::now();
    running.signal(Signal::TERM);
    assert_eq!(running.exit_code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
}
