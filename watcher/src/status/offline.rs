//! The report of a daemon that is down: what its journal holds, and nothing about the chain.

use std::collections::HashMap;
use std::io;

use paychan_channel::ContractId;

use super::report;
use crate::config::Config;
use paychan_store::{Decided, Snapshot, StoreError, read_only};
use paychan_watcher_api::Report;

/// Reads the journal in `data_dir` without locking or changing it. One that was never written is empty, not an error.
///
/// # Errors
/// As [`read_only`].
pub fn from_store(config: &Config) -> Result<Report, StoreError> {
    let snapshot = match read_only(&config.data_dir) {
        Ok(snapshot) => Some(snapshot),
        Err(StoreError::Io { kind: io::ErrorKind::NotFound, .. }) => None,
        Err(error) => return Err(error),
    };
    Ok(report(config, snapshot))
}

fn report(config: &Config, snapshot: Option<Snapshot>) -> Report {
    let (held, in_flight, outcomes) =
        snapshot.map(|journal| (journal.channels, journal.in_flight, journal.outcomes)).unwrap_or_default();
    let mut outcomes: HashMap<ContractId, Vec<Decided>> = outcomes.into_iter().collect();
    // Newest first, as the store of a running daemon tells them.
    outcomes.values_mut().for_each(|kept| kept.reverse());

    let taken = held.iter().filter_map(|held| held.highest.as_ref()).map(|highest| highest.accepted_at_ms);
    let decided = outcomes.values().flatten().map(|decided| decided.decided_at_ms);
    let fenced = held.iter().filter_map(|held| held.fence).map(|fence| fence.fenced_at_ms);
    let as_of_unix_ms = taken.chain(decided).chain(fenced).max();

    let none = Vec::new();
    let channels = held
        .iter()
        .map(|held| {
            let outcomes = outcomes.get(&held.channel()).unwrap_or(&none);
            report::of_channel(config, held, None, &in_flight, outcomes)
        })
        .collect();
    Report {
        running: false,
        as_of_unix_ms,
        network: config.passphrase().to_owned(),
        head: None,
        target_close_ms: None,
        not_ready: vec!["the daemon is down".to_owned()],
        channels,
        lanes: Vec::new(),
    }
}
