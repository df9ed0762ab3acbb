//! Makes the report while the daemon is down. It shows what the journal holds, and nothing about the chain.

use std::collections::HashMap;
use std::io;

use paychan_channel::ContractId;

use super::report;
use crate::config::Config;
use paychan_store::{Decided, Remains, StoreError, read_what_is_left};
use paychan_watcher_api::Report;

/// Reads the journal in `data_dir` without locking or changing it. A journal that was never written gives an empty
/// report. For a damaged one, the report has what can be read, and what is wrong.
///
/// # Errors
/// Those of [`read_what_is_left`].
pub fn from_store(config: &Config) -> Result<Report, StoreError> {
    let remains = match read_what_is_left(&config.data_dir, &config.network_id()) {
        Ok(remains) => Some(remains),
        Err(StoreError::Io { kind: io::ErrorKind::NotFound, .. }) => None,
        Err(error) => return Err(error),
    };
    Ok(report(config, remains))
}

fn report(config: &Config, remains: Option<Remains>) -> Report {
    let mut not_ready = vec!["the daemon is down".to_owned()];
    not_ready.extend(remains.iter().filter_map(|remains| remains.damage.as_ref()).map(StoreError::to_string));
    let (held, in_flight, outcomes) =
        remains.map(|journal| (journal.channels, journal.in_flight, journal.outcomes)).unwrap_or_default();
    let mut outcomes: HashMap<ContractId, Vec<Decided>> = outcomes.into_iter().collect();
    // The newest comes first, as in the store of a running daemon.
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
        not_ready,
        channels,
        lanes: Vec::new(),
    }
}
