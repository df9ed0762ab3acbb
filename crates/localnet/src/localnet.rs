//! A running network: the ledger's thread, and the thread that serves HTTP.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    thread::JoinHandle,
};

use axum::Router;
use tokio::sync::watch;

use crate::{
    control::{self, Status},
    node::Node,
    options::{Options, OptionsError},
    rpc,
    settings::Unusable,
    thread::{self, Handle, Stopped},
};

/// A Stellar network in this process. It stops when it is dropped.
pub struct Localnet {
    /// Gone once stopped, so that the ledger's thread can end.
    node: Option<Handle>,
    rpc: SocketAddr,
    control: SocketAddr,
    passphrase: String,
    /// Told `true` to stop serving.
    stopping: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

/// Why a network could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Options that make no sense.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// A port that can't be used.
    #[error("can't listen on 127.0.0.1:{port} for the {what}: {error}; choose another port, or 0 for any free one")]
    Listen {
        /// The endpoint.
        what: &'static str,
        /// The port asked for.
        port: u16,
        /// What the system said.
        error: io::Error,
    },
    /// The host refuses the settings.
    #[error("{0}")]
    Settings(String),
    /// The system gives no thread.
    #[error("can't start a thread: {0}")]
    Thread(#[from] io::Error),
}

impl From<Unusable> for StartError {
    fn from(error: Unusable) -> Self {
        Self::Settings(error.to_string())
    }
}

impl Localnet {
    /// Starts a network and returns when it can be asked. Callable from async code: it blocks for milliseconds.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(options: Options) -> Result<Self, StartError> {
        options.check()?;
        let rpc_listener = listen("JSON-RPC", options.rpc_port)?;
        let control_listener = listen("control endpoint", options.control_port)?;
        let (rpc, control) = (rpc_listener.local_addr()?, control_listener.local_addr()?);
        let passphrase = options.passphrase.clone();
        let friendbot_url = format!("http://{rpc}/friendbot");
        let (node, ledger) = thread::start(move || Node::new(options, friendbot_url))??;
        let (stopping, stop) = watch::channel(false);
        let routers =
            [(rpc_listener, rpc::server::router(node.clone())), (control_listener, control::router(node.clone()))];
        let http = std::thread::Builder::new().name("http".to_owned()).spawn(move || serve(routers, stop))?;
        Ok(Self { node: Some(node), rpc, control, passphrase, stopping, threads: vec![http, ledger] })
    }

    /// Where the JSON-RPC is.
    #[must_use]
    pub fn rpc_url(&self) -> String {
        format!("http://{}", self.rpc)
    }

    /// Where accounts get coins: add `?addr=G...`.
    #[must_use]
    pub fn friendbot_url(&self) -> String {
        format!("http://{}/friendbot", self.rpc)
    }

    /// Where time is controlled.
    #[must_use]
    pub fn control_url(&self) -> String {
        format!("http://{}", self.control)
    }

    /// The network's passphrase.
    #[must_use]
    pub fn passphrase(&self) -> &str {
        &self.passphrase
    }

    /// Closes the next ledger with all that waits, and answers its number.
    ///
    /// # Errors
    /// The network has stopped.
    pub fn close_ledger(&self) -> Result<u32, Stopped> {
        self.node()?.call_blocking(|node| node.close().sequence)
    }

    /// Jumps `ledgers` ahead and answers the ledger it came to: entries' lives run out and close time advances as if all
    /// of them had closed. All but the last are passed over; the last closes with what waits and is still valid then.
    ///
    /// # Errors
    /// The network has stopped.
    pub fn jump(&self, ledgers: u32) -> Result<u32, Stopped> {
        self.node()?.call_blocking(move |node| node.jump(ledgers, None).sequence)
    }

    /// Jumps like [`Localnet::jump`], but the clock advances by this many seconds. With 0, clients that compare close
    /// times with their own clock notice nothing.
    ///
    /// # Errors
    /// The network has stopped.
    pub fn jump_within(&self, ledgers: u32, seconds: u64) -> Result<u32, Stopped> {
        self.node()?.call_blocking(move |node| node.jump(ledgers, Some(seconds)).sequence)
    }

    /// Where the network stands.
    ///
    /// # Errors
    /// The network has stopped.
    pub fn status(&self) -> Result<Status, Stopped> {
        self.node()?.call_blocking(|node| Status::of(node))
    }

    pub(crate) fn node(&self) -> Result<&Handle, Stopped> {
        self.node.as_ref().ok_or(Stopped)
    }

    /// Stops serving and closing ledgers, and waits until both threads ended.
    pub fn stop(mut self) {
        self.shut_down();
    }

    fn shut_down(&mut self) {
        // Nobody listens any more if the server ended by itself.
        let _ = self.stopping.send(true);
        self.node = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the local network panicked");
            }
        }
    }
}

impl Drop for Localnet {
    fn drop(&mut self) {
        self.shut_down();
    }
}

fn listen(what: &'static str, port: u16) -> Result<TcpListener, StartError> {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map_err(|error| StartError::Listen { what, port, error })
}

/// Serves both ports on one thread until told to stop. Requests that run then are cut off: a network that stops has
/// nothing to finish.
fn serve(routers: [(TcpListener, Router); 2], stop: watch::Receiver<bool>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return tracing::error!(%error, "no runtime to serve HTTP"),
    };
    runtime.block_on(async {
        let mut serving = tokio::task::JoinSet::new();
        for (listener, router) in routers {
            match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => {
                    serving.spawn(async move { axum::serve(listener, router).await });
                }
                Err(error) => tracing::error!(%error, "can't serve"),
            }
        }
        let mut stop = stop;
        // An error means that the sender is gone, which is a stop too.
        let _ = stop.wait_for(|stopping| *stopping).await;
        serving.shutdown().await;
    });
}
