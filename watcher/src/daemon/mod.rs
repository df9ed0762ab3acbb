//! The daemon: puts the parts together, starts them in the right order, and ends them in order.
//!
//! Start: secrets → store, verified → API listens (and answers 503: nothing is known yet) → endpoint checked → the
//! network's settings, the floor → all channels read → ready. What was in flight is asked for before anything new is
//! built. An endpoint that is down delays all of this and ends nothing.
//!
//! End: commitments are refused, what waits is written, the disk is synced.

mod descriptors;
mod error;
mod exit;
pub mod hardening;
pub mod logging;
mod loops;
mod systemd;
mod watchdog;

use std::fs::{self, Permissions};
use std::future::Future;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::alarm::raise;
use crate::api::{self, Api, Limits, OperatorListener};
use crate::chain::RpcChain;
use crate::channels::Channels;
use crate::clock::{Clock, SystemClock};
use crate::commitments::{Commitments, ViewGate};
use crate::config::{Config, Secrets};
use crate::follower::{Follower, FollowerParts, FollowerSettings};
use crate::promises::Promises;
use crate::settler::step::IN_FLIGHT_LEDGERS;
use crate::settler::{Settler, SettlerParts};
use crate::status::Reporter;
use crate::view::View;
use paychan_store::{Options, Store};

pub use error::RunError;
pub use exit::{EXIT_CODES, Exit};
use loops::Work;
use watchdog::Pulse;

/// How long the parts may take to end after they were told to. Whoever is not done by then is cut off, which loses
/// nothing: it is what a crash does. Well below the 10 s after which container runtimes kill (Docker, Kubernetes' own is
/// 30 s), with room for the store's last sync.
const LAST_WORDS: Duration = Duration::from_secs(5);
const _: () = assert!(LAST_WORDS.as_secs() > Limits::of(1).farewell.as_secs() + 1);

/// Runs the daemon until `shutdown` completes or something fails that only a new start can mend.
///
/// # Errors
/// [`RunError`], with its exit code. All that was acknowledged is on disk whatever it says.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), RunError> {
    let config = Arc::new(config);
    let secrets = Secrets::read(&config)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let chain =
        Arc::new(RpcChain::new(&config.network.rpc_url, Duration::from_millis(config.network.timeout_ms.into()))?);
    let view = Arc::new(View::new());
    let promises = Arc::new(Promises::new(config.clone()));
    let gate = Arc::new(ViewGate::new(view.clone(), promises.clone(), clock.clone(), config.clone()));
    let store = open_store(&config, gate.clone()).await?;
    let lane = secrets.lane.account();
    let follower = Follower::new(
        FollowerParts {
            chain: chain.clone(),
            store: store.clone(),
            view: view.clone(),
            promises: promises.clone(),
            clock: clock.clone(),
            config: config.clone(),
        },
        FollowerSettings::of(&config, vec![lane]),
    );
    let reader = follower.reader();
    let settler = Settler::new(SettlerParts {
        chain: chain.clone(),
        store: store.clone(),
        view: view.clone(),
        reader: reader.clone(),
        clock: clock.clone(),
        config: config.clone(),
        lane: secrets.lane,
        recipients: secrets.recipients,
    })?;
    let api = Arc::new(Api {
        token: secrets.token,
        intake: Channels::new(config.clone(), chain.clone(), store.clone(), view.clone(), IN_FLIGHT_LEDGERS),
        acceptance: Commitments::new(config.network_id(), store.clone(), gate, Arc::new(reader)),
        reporter: Reporter::new(config.clone(), store.clone(), view.clone(), promises, clock.clone()),
    });

    let limit = descriptors::limit();
    let limits = Limits::of(descriptors::api_connections(limit, config.max_connections));
    let listener = listen(&config).await?;
    let operator = listen_for_operator(&config);
    let (stop, stopped) = watch::channel(false);
    let (follows, settles) = (Arc::new(Pulse::default()), Arc::new(Pulse::default()));
    follows.beat(clock.boot());
    settles.beat(clock.boot());
    let work = Work {
        config: config.clone(),
        chain,
        store: store.clone(),
        view: view.clone(),
        clock: clock.clone(),
        follower,
        settler,
        follows: follows.clone(),
        settles: settles.clone(),
        stopped: stopped.clone(),
    };

    let mut parts: JoinSet<Result<(), RunError>> = JoinSet::new();
    parts.spawn(until_stopped(api::serve(listener, api::router(api.clone()), limits, stopped.clone())));
    if let Some(operator) = operator {
        let limits = Limits::of(descriptors::OPERATOR_CONNECTIONS);
        let serving = api::serve(operator, api::operator_router(api), limits, stopped.clone());
        parts.spawn(until_stopped(serving));
    }
    parts.spawn(until_stopped(descriptors::watch(limit, stopped.clone())));
    parts.spawn(work.run(lane));
    parts.spawn(systemd::watchdog(vec![follows, settles], store.clone(), clock, stopped));

    let ended = tokio::select! {
        () = shutdown => {
            info!("asked to stop: no more commitments are taken");
            Ok(())
        }
        failed = store.failed() => Err(RunError::Store(failed)),
        Some(part) = parts.join_next() => Err(how_it_ended(part)),
    };
    if let Err(error) = &ended {
        raise!(Stopped, %error, "the watcher can't go on");
    }
    systemd::stopping();
    view.stop();
    stop.send_replace(true);
    let quiet = async { while parts.join_next().await.is_some() {} };
    if tokio::time::timeout(LAST_WORDS, quiet).await.is_err() {
        warn!("some parts did not end in time and are cut off; nothing is lost by that");
        parts.shutdown().await;
    }
    let closed = store.shutdown().await;
    ended?;
    closed?;
    info!("stopped; all that was acknowledged is on disk");
    Ok(())
}

async fn open_store(config: &Config, gate: Arc<ViewGate>) -> Result<Store, RunError> {
    let (dir, network) = (config.data_dir.clone(), config.network_id());
    // Reads the journal and verifies signatures: seconds of work, and systemd is told to be patient.
    systemd::starting("reading the journal", Duration::from_secs(600));
    let opened = tokio::task::spawn_blocking(move || Store::open(&dir, &network, Options::default(), gate)).await;
    let (store, recovered) =
        opened.map_err(|error| RunError::Part { part: "reading the journal", why: error.to_string() })??;
    info!(
        channels = recovered.channels,
        in_flight = recovered.in_flight,
        last_record = recovered.last_record,
        "{recovered}"
    );
    Ok(store)
}

async fn listen(config: &Config) -> Result<TcpListener, RunError> {
    let failed = |error: std::io::Error| RunError::Listen { listen: config.listen.to_string(), why: error.to_string() };
    let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
    let at = listener.local_addr().map_err(failed)?;
    info!(listen = %at, "the API listens; it takes money once the chain is known");
    Ok(listener)
}

/// The socket of the operator's own commands. Without it, money is taken and settled all the same.
fn listen_for_operator(config: &Config) -> Option<OperatorListener> {
    let path = config.operator_socket();
    let bound = || {
        // The store's lock says that no other daemon has this directory: what lies there is of one that has ended.
        match fs::symlink_metadata(&path) {
            Ok(found) if found.file_type().is_socket() => fs::remove_file(&path)?,
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        std::io::Result::Ok(listener)
    };
    match bound() {
        Ok(listener) => {
            info!(socket = %path.display(), "the operator's commands are taken here");
            Some(OperatorListener(listener))
        }
        Err(error) => {
            raise!(
                OperatorSocketMissing, socket = %path.display(), %error,
                "the operator's socket can't be made; give `operator_socket` a short path in a directory that is the \
                 watcher's"
            );
            None
        }
    }
}

/// A part that ends when the daemon is told to stop, and not before.
async fn until_stopped(part: impl Future<Output = ()>) -> Result<(), RunError> {
    part.await;
    Ok(())
}

/// Completes when the daemon is told to stop.
async fn until(mut stopped: watch::Receiver<bool>) {
    // An error means that the daemon is gone: that is stopped too.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// No part ends by itself while the daemon runs.
fn how_it_ended(part: Result<Result<(), RunError>, tokio::task::JoinError>) -> RunError {
    match part {
        Ok(Ok(())) => RunError::Part { part: "a part of the daemon", why: "it returned".to_owned() },
        Ok(Err(error)) => error,
        Err(error) => RunError::Part { part: "a part of the daemon", why: error.to_string() },
    }
}
