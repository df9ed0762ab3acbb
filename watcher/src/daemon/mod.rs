//! The daemon starts the parts in the right order, and ends them in order.
//!
//! At the start it reads the secrets, then opens and verifies the store. Then the API listens, and answers 503 while
//! nothing is known. Then the daemon checks that the endpoint serves the configured network, follows the ledger and
//! settles the stored commitments; at the same time it reads the network's settings and derives the floor from them. It
//! asks for the outcome of transactions in flight before it builds a new one. An endpoint that is down delays all of
//! this and ends nothing.
//!
//! At the end it refuses commitments, writes what waits, and syncs the disk.

mod assemble;
mod descriptors;
mod error;
mod exit;
pub mod hardening;
mod listen;
pub mod logging;
mod loops;
mod owed;
mod start;
mod store_health;
mod systemd;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use tokio::sync::{mpsc::Receiver, watch};
use tokio::task::{JoinHandle, JoinSet};
use tracing::{info, warn};

use crate::alarm::raise;
use crate::api::{self, Api, Limits};
use crate::chain::SeveralEndpoints;
use crate::clock::{Clock, SystemClock};
use crate::commitments::ViewGate;
use crate::config::{Config, Secrets, WebhookSecret};
use crate::liveness::Liveness;
use crate::notify::{self, Notice};
use crate::reminder::Reminder;
use paychan_store::{Opened, Store};

pub use assemble::{GateParts, Inputs, Parts, assemble, gate_parts};
pub use error::RunError;
pub use exit::{EXIT_CODES, Exit};
use loops::Work;
use owed::owes_nothing;
use start::Starting;
pub use store_health::watch_store;

/// How long the parts may take to end. Parts that take longer are cut off, which loses no more than a crash: nothing.
/// It is well below the 10 s after which Docker kills a process (Kubernetes waits for 30 s), and leaves time for the
/// store's last sync.
const ENDS_WITHIN: Duration = Duration::from_secs(5);
const _: () = assert!(ENDS_WITHIN.as_secs() > Limits::of(1).grace.as_secs() + 1);

/// Runs the daemon until `shutdown` completes or something fails that only a restart can repair. `alarms` go to the
/// webhook, if there is one.
///
/// A store that fails does not end the daemon: from then on it takes nothing, and settles the commitments that it has
/// in memory.
///
/// # Errors
/// [`RunError`], which has an exit code. All that was acknowledged is on disk in every case.
pub async fn run(config: Config, alarms: Receiver<Notice>, shutdown: impl Future<Output = ()>) -> Result<(), RunError> {
    let config = Arc::new(config);
    let mut shutdown = std::pin::pin!(shutdown);
    // The secrets are read before the first store is made, so that a wrong configuration leaves no store behind.
    if let Err(error) = Secrets::read(&config)
        && !config.data_dir.join("journal").exists()
    {
        return Err(error.into());
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let chain = Arc::new(SeveralEndpoints::of(&config, clock.clone())?);
    let gate_parts = gate_parts(config.clone(), clock.clone());
    let store = open_store(&config, gate_parts.gate.clone()).await?;
    let Some(secrets) = secrets(&config, &store, clock.as_ref(), shutdown.as_mut()).await? else {
        return store.shutdown().await.map_err(RunError::from);
    };
    let Secrets { token, lane, recipients, webhook } = secrets;
    info!(account = %lane.account(), "fees are paid by this account");
    let parts = assemble(Inputs {
        config: config.clone(),
        gate_parts,
        chain: chain.clone(),
        store: store.clone(),
        clock: clock.clone(),
        lane,
        recipients,
    });
    let Parts { view, follower, settler, channels, commitments, pause, reporter, follows, settles, .. } = parts;
    let api = Arc::new(Api { token, channels, commitments, pause, reporter });

    let limit = descriptors::limit();
    let limits = Limits::of(descriptors::api_connections(limit, config.max_connections));
    let listener = match listen::listen(&config).await {
        Err(error) if owes_nothing(&store) => return Err(error),
        // The task that tries again raises the alarm.
        listener => listener.ok(),
    };
    let operator = listen::listen_for_operator(&config);
    let (stop, stopped) = watch::channel(false);
    let starting = Starting {
        config: config.clone(),
        chain,
        store: store.clone(),
        view: view.clone(),
        clock: clock.clone(),
        follows: follows.clone(),
    };
    let work = Work { starting, follower, settler, settles: settles.clone(), stopped: stopped.clone() };

    let mut tasks: JoinSet<Result<(), RunError>> = JoinSet::new();
    let (router, serving) = (api::router(api.clone()), stopped.clone());
    tasks.spawn(until_stopped(listen::serve_api(config.clone(), listener, router, limits, clock.clone(), serving)));
    if let Some(operator) = operator {
        let limits = Limits::of(descriptors::OPERATOR_CONNECTIONS);
        let serving = api::serve(operator, api::operator_router(api.clone()), limits, stopped.clone());
        tasks.spawn(until_stopped(serving));
    }
    tasks.spawn(until_stopped(descriptors::watch(limit, stopped.clone())));
    tasks.spawn(work.run());
    tasks.spawn(until_stopped(watch_store(store.clone(), clock.clone(), stopped.clone())));
    let outside = tell_outside(&config, webhook, alarms, &[&follows, &settles], &clock)?;
    tasks.spawn(systemd::watchdog(vec![follows, settles], clock, stopped));

    let ended = tokio::select! {
        () = shutdown => {
            info!("asked to stop: no more commitments are taken");
            Ok(())
        }
        Some(task) = tasks.join_next() => Err(how_it_ended(task)),
    };
    if let Err(error) = &ended {
        raise!(Stopped, %error, "the watcher can't go on");
    }
    systemd::stopping();
    view.stop();
    stop.send_replace(true);
    let all_ended = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(ENDS_WITHIN, all_ended).await.is_err() {
        warn!("some parts did not end in time and are cut off; nothing is lost by that");
        tasks.shutdown().await;
    }
    outside.into_iter().for_each(|task| task.abort());
    let closed = store.shutdown().await;
    ended?;
    closed?;
    info!("stopped; all that was acknowledged is on disk");
    Ok(())
}

/// Starts the webhook and the heartbeat, if they are configured.
fn tell_outside(
    config: &Config,
    webhook: Option<WebhookSecret>,
    alarms: Receiver<Notice>,
    loops: &[&Arc<Liveness>],
    clock: &Arc<dyn Clock>,
) -> Result<Vec<JoinHandle<()>>, RunError> {
    let url = |text: &str| Url::parse(text).map_err(|error| RunError::Other(format!("{text} is no URL: {error}")));
    let mut tasks = Vec::new();
    if let (Some(to), Some(secret)) = (&config.notify.webhook_url, webhook) {
        let network = config.passphrase().to_owned();
        tasks.push(tokio::spawn(notify::send_all(url(to)?, secret, network, clock.clone(), alarms)));
    }
    if let Some(to) = &config.notify.heartbeat_url {
        let every = Duration::from_secs(config.notify.heartbeat_seconds.into());
        let loops = loops.iter().map(|liveness| Arc::clone(liveness)).collect();
        tasks.push(tokio::spawn(notify::beat(url(to)?, every, loops, clock.clone())));
    }
    Ok(tasks)
}

/// The pause before secrets that can't be read are tried again.
const TRY_SECRETS_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// Reads the secrets. If one can't be read and something is unsettled, the daemon goes on with the others: without the
/// token no caller is served, and without a recipient's key its channels are settled and not closed. It waits for the
/// key that pays fees, without which nothing can be settled. Returns `None` when it is asked to stop meanwhile.
///
/// # Errors
/// A secret can't be read, and nothing is unsettled.
async fn secrets(
    config: &Config,
    store: &Store,
    clock: &dyn Clock,
    mut shutdown: Pin<&mut impl Future<Output = ()>>,
) -> Result<Option<Secrets>, RunError> {
    let mut reminder = Reminder::default();
    loop {
        match Secrets::read(config) {
            Ok(secrets) => return Ok(Some(secrets)),
            Err(error) if owes_nothing(store) => return Err(error.into()),
            Err(_) => {}
        }
        match Secrets::read_for_settling(config) {
            Ok((secrets, missing)) => {
                for error in missing {
                    raise!(SecretMissing, %error, "what needs this secret is not done until a restart; settling goes on");
                }
                return Ok(Some(secrets));
            }
            Err(error) => {
                if reminder.is_due(clock.boot()) {
                    raise!(SecretMissing, %error, "nothing can be settled without the key that pays fees; the watcher waits for it");
                }
            }
        }
        systemd::starting("waiting for the key that pays fees", Duration::from_secs(120));
        tokio::select! {
            () = shutdown.as_mut() => return Ok(None),
            () = tokio::time::sleep(TRY_SECRETS_AGAIN_AFTER) => {}
        }
    }
}

/// Opens the store. A store that is damaged, can't be written or does not open in time is read into memory and only
/// settles, like one that fails later.
async fn open_store(config: &Config, gate: Arc<ViewGate>) -> Result<Store, RunError> {
    let (dir, network, options) = (config.data_dir.clone(), config.network_id(), config.store_options());
    // Reading the journal and verifying signatures takes seconds, so systemd is asked for more time. A store that does
    // not open in time is read a second time, to be settled.
    systemd::starting("reading the journal", options.start_patience.saturating_mul(2));
    let opened = tokio::task::spawn_blocking(move || Store::open_or_settle(&dir, &network, options, gate)).await;
    let (store, opened) =
        opened.map_err(|error| RunError::Part { part: "reading the journal", why: error.to_string() })??;
    match opened {
        Opened::Whole(recovered) => info!(
            channels = recovered.channels,
            in_flight = recovered.in_flight,
            last_record = recovered.last_record,
            "{recovered}"
        ),
        Opened::SettleOnly(settle_only) => {
            for (channel, highest) in &settle_only.uncertain {
                warn!(%channel, %highest, "the journal has gaps: a higher commitment of this channel may be lost");
            }
            // `watch_store` raises the alarm.
            warn!(channels = settle_only.channels, gaps = settle_only.gaps.len(), "{settle_only}");
        }
    }
    Ok(store)
}

/// Wraps a part that must not end before the daemon is told to stop.
async fn until_stopped(part: impl Future<Output = ()>) -> Result<(), RunError> {
    part.await;
    Ok(())
}

/// Completes when the daemon is told to stop.
async fn until(mut stopped: watch::Receiver<bool>) {
    // An error means that the daemon has ended, which counts as stopped.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// The error for a part that has ended while the daemon runs.
fn how_it_ended(task: Result<Result<(), RunError>, tokio::task::JoinError>) -> RunError {
    match task {
        Ok(Ok(())) => RunError::Part { part: "a part of the daemon", why: "it returned".to_owned() },
        Ok(Err(error)) => error,
        Err(error) => RunError::Part { part: "a part of the daemon", why: error.to_string() },
    }
}
