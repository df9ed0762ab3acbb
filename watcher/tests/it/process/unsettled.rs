//! Tests that trouble at the start raises an alarm and does not end the program while something is unsettled.

use std::fs;
use std::net::TcpListener;

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
