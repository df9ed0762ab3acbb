//! The commands that a person runs beside the daemon: check, status, rescue, repair, pause, resume, confirm-rollback.

mod pause;
mod rescue;
mod rollback;

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use crate::chain::{Agreement, Chain, SeveralEndpoints};
use crate::clock::SystemClock;
use crate::config::{Config, Secrets};
use crate::daemon::RunError;
use crate::floor::Floor;
use crate::settler::step::BOUNDS_LEDGERS;
use crate::status;
use paychan_store::{Space, StoreError, WallClock, free_bytes, read_only};

pub use pause::pause;
pub use rescue::rescue;
pub use rollback::confirm_rollback;

/// The status as a table or as JSON. It comes from the daemon, or from the journal while the daemon is down.
///
/// # Errors
/// Neither the daemon nor the journal can be read.
pub async fn status(config: &Config, json: bool) -> Result<String, RunError> {
    let report = status::get(config).await?;
    if json {
        return to_json(&report);
    }
    Ok(status::render(&report, SystemClock.wall_unix_ms()))
}

fn to_json(value: &impl Serialize) -> Result<String, RunError> {
    serde_json::to_string_pretty(value)
        .map_err(|error| RunError::Other(format!("the result can't be written as JSON: {error}")))
}

/// Checks configuration, secrets, endpoint and terms, and returns the floor's table. Changes nothing.
///
/// # Errors
/// The first error that a start would meet.
pub async fn check(config: &Config) -> Result<String, RunError> {
    let secrets = Secrets::read(config)?;
    let channels = match read_only(&config.data_dir) {
        Ok(journal) => journal.channels.len(),
        // There is no store yet; the first start makes one.
        Err(StoreError::Io { kind: std::io::ErrorKind::NotFound, .. }) => 0,
        Err(error) => return Err(error.into()),
    };
    let chain = endpoint(config).await?;
    let terms = chain.settings().await?;
    // The first channel needs a floor too.
    let channels = u32::try_from(channels).unwrap_or(u32::MAX).max(1);
    let floor: Floor = config.floor(terms.target_close_ms, BOUNDS_LEDGERS, channels)?;
    config.check_floor(&floor)?;
    let disk = disk(config)?;
    let lane = secrets.lane.account();
    let funds = match chain.lane_account(&lane).await? {
        Some(account) => format!("can spend {} stroops", account.facts.spendable),
        None => "does not exist yet: create it with some XLM before the start".to_owned(),
    };
    Ok(format!(
        "{floor}\n\nminimum_refund_waiting_period is {}: fine.\n{}\nThe fee account {lane} {funds}.\n{}",
        config.minimum_refund_waiting_period,
        endpoints(&chain).await,
        disk,
    ))
}

/// Whom the watcher believes.
async fn endpoints(chain: &SeveralEndpoints) -> String {
    let names = chain.names();
    let head = chain.head().await;
    match chain.agreement() {
        Agreement { configured: 1, .. } => {
            format!(
                "The endpoint {names} serves the configured network. It is the only one, so the watcher believes what it says."
            )
        }
        Agreement { agreeing, needed, configured } => {
            let trouble = head.err().map(|error| format!(" {error}.")).unwrap_or_default();
            format!(
                "Of the {configured} endpoints {names}, {agreeing} see the configured network alike; money is taken while \
                 {needed} of them do.{trouble}"
            )
        }
    }
}

/// The free space on the journal's disk.
///
/// # Errors
/// [`RunError::Disk`] when the watcher would take nothing for lack of space.
fn disk(config: &Config) -> Result<String, RunError> {
    let mark = config.store_options().free_space_mark;
    let dir = &config.data_dir;
    // The first start makes the directory. Before it, a folder above shows on which disk that will be.
    let there = dir.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    match free_bytes(there) {
        Ok(free) if free >= mark => {
            let (free, mark, dir) = (free >> 20, mark >> 20, dir.display());
            Ok(format!("{free} MiB are free for {dir}; below {mark} the watcher raises an alarm and takes nothing."))
        }
        Ok(free) => Err(RunError::Disk(Space { path: dir.clone(), free, mark })),
        Err(error) => Ok(format!("The free space for {} can't be read: {error}.", dir.display())),
    }
}

/// Repairs a damaged store, and says what was kept and what is lost.
///
/// # Errors
/// Another process has the store, the store is of another network or of a newer version, or the disk failed.
pub fn repair(config: &Config) -> Result<String, RunError> {
    let report = paychan_store::repair(&config.data_dir, &config.network_id(), &config.store_options())?;
    Ok(report.to_string())
}

/// The configured endpoints. At least one of them serves the configured network.
async fn endpoint(config: &Config) -> Result<SeveralEndpoints, RunError> {
    let secrets = Secrets::read(config)?;
    let chain = SeveralEndpoints::of(config, &secrets.headers, Arc::new(SystemClock))?;
    chain.check_network().await?;
    Ok(chain)
}
