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
mod opening;
mod owed;
mod start;
mod store_health;
mod supervise;
mod systemd;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Url;
use tokio::sync::{mpsc::Receiver, watch};
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::alarm::raise;
use crate::api::{self, Api, Limits};
use crate::chain::SeveralEndpoints;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Secrets, WebhookSecret};
use crate::liveness::Liveness;
use crate::notify::{self, Notice};
use crate::reminder::Reminder;
use paychan_store::Store;

pub use assemble::{GateParts, Inputs, Parts, assemble, gate_parts};
pub use error::RunError;
pub use exit::{EXIT_CODES, Exit};
use loops::Work;
use owed::owes_nothing;
use start::Starting;
pub use store_health::{StoreReports, watch_store};
use supervise::supervised;

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
        // Where the disk does not answer, there may be a store, which has to be settled.
        && !config.data_dir.join("journal").try_exists().unwrap_or(true)
    {
        return Err(error.into());
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let gate_parts = gate_parts(config.clone(), clock.clone());
    let Some(store) = opening::open_store(&config, gate_parts.gate.clone(), clock.as_ref(), shutdown.as_mut()).await?
    else {
        return Ok(());
    };
    let Some(secrets) = secrets(&config, &store, clock.as_ref(), shutdown.as_mut()).await? else {
        return store.shutdown().await.map_err(RunError::from);
    };
    let Secrets { token, lane, recipients, webhook, headers } = secrets;
    let chain = Arc::new(SeveralEndpoints::of(&config, &headers, clock.clone())?);
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

    // A part that panics beside the settling is started again.
    let mut tasks: JoinSet<Result<(), RunError>> = JoinSet::new();
    let beside = |part, begin: Begin| supervised(part, view.clone(), stopped.clone(), begin);
    let (router, first, serving) = (api::router(api.clone()), Mutex::new(listener), stopped.clone());
    let (configured, times) = (config.clone(), clock.clone());
    tasks.spawn(beside(
        "serving the API",
        Box::new(move || {
            let first = first.lock().unwrap_or_else(PoisonError::into_inner).take();
            let (config, router, clock, stopped) = (configured.clone(), router.clone(), times.clone(), serving.clone());
            Box::pin(listen::serve_api(config, first, router, limits, clock, stopped))
        }),
    ));
    let (router, configured, serving) = (api::operator_router(api.clone()), config.clone(), stopped.clone());
    tasks.spawn(beside(
        "serving the operator's commands",
        Box::new(move || Box::pin(listen::serve_operator(configured.clone(), router.clone(), serving.clone()))),
    ));
    let watching = stopped.clone();
    tasks
        .spawn(beside("counting descriptors", Box::new(move || Box::pin(descriptors::watch(limit, watching.clone())))));
    tasks.spawn(work.run());
    let (watched, times, watching) = (store.clone(), clock.clone(), stopped.clone());
    tasks.spawn(beside(
        "watching the store",
        Box::new(move || Box::pin(watch_store(watched.clone(), times.clone(), watching.clone()))),
    ));
    let loops = [follows, settles];
    let outside = tell_outside(&config, webhook, alarms, &loops, &clock)?;
    let mut outside: JoinSet<Result<(), RunError>> =
        outside.into_iter().map(|(part, begin)| beside(part, begin)).collect();
    let (times, watching) = (clock.clone(), stopped.clone());
    tasks.spawn(beside(
        "feeding the watchdog",
        Box::new(move || Box::pin(systemd::watchdog(loops.to_vec(), times.clone(), watching.clone()))),
    ));

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
    outside.abort_all();
    let closed = store.shutdown().await;
    ended?;
    closed?;
    info!("stopped; all that was acknowledged is on disk");
    Ok(())
}

/// A part that runs beside the settling.
type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Starts a part, at first and each time it has ended or panicked.
type Begin = Box<dyn Fn() -> Running + Send + Sync>;

/// A part's name, and the function that starts it.
type Part = (&'static str, Begin);

/// The parts that post to the webhook and send the heartbeat, if they are configured.
fn tell_outside(
    config: &Config,
    webhook: Option<WebhookSecret>,
    alarms: Receiver<Notice>,
    loops: &[Arc<Liveness>],
    clock: &Arc<dyn Clock>,
) -> Result<Vec<Part>, RunError> {
    let url = |text: &str| Url::parse(text).map_err(|error| RunError::Other(format!("{text} is no URL: {error}")));
    let mut parts: Vec<Part> = Vec::new();
    if let (Some(to), Some(secret)) = (&config.notify.webhook_url, webhook) {
        let (to, secret, network) = (url(to)?, Arc::new(secret), config.passphrase().to_owned());
        let (alarms, clock) = (Arc::new(tokio::sync::Mutex::new(alarms)), clock.clone());
        let begin = move || -> Running {
            let (to, secret, network) = (to.clone(), secret.clone(), network.clone());
            let (alarms, clock) = (alarms.clone(), clock.clone());
            Box::pin(async move { notify::send_all(to, secret, network, clock, &mut *alarms.lock().await).await })
        };
        parts.push(("telling the webhook", Box::new(begin)));
    }
    if let Some(to) = &config.notify.heartbeat_url {
        let (to, every) = (url(to)?, Duration::from_secs(config.notify.heartbeat_seconds.into()));
        let (loops, clock) = (loops.to_vec(), clock.clone());
        let begin = move || -> Running { Box::pin(notify::beat(to.clone(), every, loops.clone(), clock.clone())) };
        parts.push(("sending the heartbeat", Box::new(begin)));
    }
    Ok(parts)
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
