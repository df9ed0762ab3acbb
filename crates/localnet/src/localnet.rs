//! A running network: the thread of the ledger, and the thread that serves HTTP.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    thread::JoinHandle,
};

use axum::Router;
use stellar_xdr::LedgerKey;
use tokio::sync::watch;

use crate::{
    control::{self, ArchiveError, Status},
    node::Node,
    options::{Options, OptionsError},
    rpc,
    settings::Unusable,
    thread::{self, Handle, Stopped},
};

/// A Stellar network in this process. It stops when it is dropped.
pub struct Localnet {
    /// `None` after the network has stopped, so that the ledger's thread can end.
    node: Option<Handle>,
    rpc: SocketAddr,
    control: SocketAddr,
    passphrase: String,
    /// `true` stops the HTTP server.
    stopping: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

/// Why a network can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The options contradict each other.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// A port can't be used.
    #[error("can't listen on 127.0.0.1:{port} for the {what}: {error}; choose another port, or 0 for any free one")]
    Listen {
        /// The endpoint that needs the port.
        what: &'static str,
        /// The port asked for.
        port: u16,
        /// The system's error.
        error: io::Error,
    },
    /// The built-in settings are not usable.
    #[error("{0}")]
    Settings(String),
    /// The system does not start another thread.
    #[error("can't start a thread: {0}")]
    Thread(#[from] io::Error),
}

impl From<Unusable> for StartError {
    fn from(error: Unusable) -> Self {
        Self::Settings(error.to_string())
    }
}

impl Localnet {
    /// Starts a network, and returns when the network answers. This may be called from async code, since it blocks only
    /// for milliseconds.
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

    /// The URL of the JSON-RPC.
    #[must_use]
    pub fn rpc_url(&self) -> String {
        format!("http://{}", self.rpc)
    }

    /// The URL of the friendbot. With `?addr=G...` it creates an account and gives it 10,000 XLM.
    #[must_use]
    pub fn friendbot_url(&self) -> String {
        format!("http://{}/friendbot", self.rpc)
    }

    /// The URL of the control endpoint.
    #[must_use]
    pub fn control_url(&self) -> String {
        format!("http://{}", self.control)
    }

    /// The network's passphrase.
    #[must_use]
    pub fn passphrase(&self) -> &str {
        &self.passphrase
    }

    /// Closes the next ledger with the transactions that wait, and answers its number.
    ///
    /// # Errors
    /// Fails when the network has stopped.
    pub fn close_ledger(&self) -> Result<u32, Stopped> {
        self.node()?.call_blocking(|node| node.close().sequence)
    }

    /// Jumps `ledgers` ahead, and answers the ledger that was reached. Entries' lives run out and the close time
    /// advances as if all ledgers had closed. All but the last are passed over; the last one closes with the
    /// transactions that wait and are still valid then.
    ///
    /// # Errors
    /// Fails when the network has stopped.
    pub fn jump(&self, ledgers: u32) -> Result<u32, Stopped> {
        self.node()?.call_blocking(move |node| node.jump(ledgers, None).sequence)
    }

    /// Jumps like [`Localnet::jump`], but the clock advances by this many seconds. With 0, clients that compare close times
    /// with their own clock notice no difference.
    ///
    /// # Errors
    /// Fails when the network has stopped.
    pub fn jump_within(&self, ledgers: u32, seconds: u64) -> Result<u32, Stopped> {
        self.node()?.call_blocking(move |node| node.jump(ledgers, Some(seconds)).sequence)
    }

    /// The state of the network.
    ///
    /// # Errors
    /// Fails when the network has stopped.
    pub fn status(&self) -> Result<Status, Stopped> {
        self.node()?.call_blocking(|node| Status::of(node))
    }

    /// Ends the lives of these contract entries now: persistent ones are archived, temporary ones are gone.
    ///
    /// # Errors
    /// Fails when the network has stopped, or when there is no such entry.
    pub fn archive(&self, keys: Vec<LedgerKey>) -> Result<(), ArchiveError> {
        self.node()?.call_blocking(move |node| node.archive(&keys))?
    }

    /// Lets other people's transactions fill the next `ledgers` ledgers. They bid `bid` stroops for each operation. A
    /// transaction that bids more still gets in and pays `bid`; the others wait, and the queue drops them when they are
    /// four ledgers old.
    ///
    /// # Errors
    /// Fails when the network has stopped.
    pub fn fill_ledgers(&self, ledgers: u32, bid: u32) -> Result<(), Stopped> {
        self.node()?.call_blocking(move |node| node.queue.demand.fill_ledgers(ledgers, bid))
    }

    /// Sets the price of inclusion, in stroops for each operation, until it is set again. A lower bid is refused with
    /// `txINSUFFICIENT_FEE` and the fee that would be enough, as by a full queue; a transaction that gets in pays the
    /// price. The least price is 100.
    ///
    /// # Errors
    /// Fails when the network has stopped.
    pub fn set_inclusion_price(&self, stroops: u32) -> Result<(), Stopped> {
        self.node()?.call_blocking(move |node| node.queue.demand.set_price(stroops))
    }

    pub(crate) fn node(&self) -> Result<&Handle, Stopped> {
        self.node.as_ref().ok_or(Stopped)
    }

    /// Stops the network, and waits until both threads have ended.
    pub fn stop(mut self) {
        self.shut_down();
    }

    fn shut_down(&mut self) {
        // Sending fails if the server has ended by itself; then there is nothing to stop.
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

/// Serves both ports on one thread until `stop` is `true`. Requests that run at that moment are cut off, because a
/// network that stops need not finish them.
fn serve(routers: [(TcpListener, Router); 2], stop: watch::Receiver<bool>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return tracing::error!(%error, "there is no runtime to serve HTTP"),
    };
    runtime.block_on(async {
        let mut serving = tokio::task::JoinSet::new();
        for (listener, router) in routers {
            match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => {
                    serving.spawn(async move { axum::serve(listener, router).await });
                }
                Err(error) => tracing::error!(%error, "a port can't be served"),
            }
        }
        let mut stop = stop;
        // An error means that the sender was dropped, which is a stop too.
        let _ = stop.wait_for(|stopping| *stopping).await;
        serving.shutdown().await;
    });
}
