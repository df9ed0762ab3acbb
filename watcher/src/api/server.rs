//! Serves the API within limits, so that whoever knocks takes nothing from what settles: connections, time and memory.
//!
//! A listener has a number of connections and takes no further one before an earlier one ends; callers wait in the
//! kernel's queue meanwhile. Every connection ends by itself, whatever its caller does or leaves undone.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::process::geteuid;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::debug;

use crate::alarm::raise;

/// What one listener grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time. Each carries one request at a time, so this many requests are in flight at most.
    pub connections: usize,
    /// From the opening of a connection, or the end of its last request, to the end of the next request's head.
    pub head: Duration,
    /// From the opening of a connection to the end of its last request. It bounds what no other limit does, such as a
    /// caller who does not read its answers.
    pub age: Duration,
    /// How long a request in progress may still take when its connection is to end.
    pub farewell: Duration,
}

impl Limits {
    /// Limits for so many connections.
    pub const fn of(connections: usize) -> Self {
        Self {
            connections,
            head: Duration::from_secs(10),
            age: Duration::from_secs(60),
            farewell: Duration::from_secs(2),
        }
    }
}

/// The pause after a connection could not be accepted. Descriptors do not come back at once.
const PAUSE: Duration = Duration::from_secs(1);

/// The largest head of a request, in bytes. A token and a few headers are below a thousand.
const HEAD_BYTES: usize = 16 * 1024;

/// Where connections come from.
pub trait Listener: Send + 'static {
    /// A connection.
    type Io: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// The next connection.
    fn accept(&self) -> impl Future<Output = io::Result<Self::Io>> + Send;
}

impl Listener for TcpListener {
    type Io = tokio::net::TcpStream;

    async fn accept(&self) -> io::Result<Self::Io> {
        let (stream, _) = TcpListener::accept(self).await?;
        // An answer is one small packet: waiting for more to send with it would only cost time.
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// The operator's socket. Only processes of the watcher's own user, and root's, are let in.
pub struct OperatorListener(pub UnixListener);

impl Listener for OperatorListener {
    type Io = tokio::net::UnixStream;

    async fn accept(&self) -> io::Result<Self::Io> {
        let (stream, _) = self.0.accept().await?;
        let caller = stream.peer_cred()?.uid();
        match caller == 0 || caller == geteuid().as_raw() {
            true => Ok(stream),
            // The kind that the loop passes over.
            false => {
                Err(io::Error::new(io::ErrorKind::ConnectionAborted, format!("user {caller} is not the operator")))
            }
        }
    }
}

/// Serves until `stopped` says so. Ends within [`Limits::farewell`] then, whatever the callers do.
pub async fn serve(listener: impl Listener, router: Router, limits: Limits, mut stopped: watch::Receiver<bool>) {
    let slots = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let next = async {
            let slot = slots.clone().acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            // An error means that the daemon is gone: that is stopped too.
            _ = stopped.wait_for(|stopped| *stopped) => break,
            next = next => next,
        };
        match accepted {
            Ok(io) => {
                let (router, stopped) = (router.clone(), stopped.clone());
                connections.spawn(async move {
                    connection(io, router, limits, stopped).await;
                    drop(slot);
                });
            }
            Err(error) if is_of_the_caller(&error) => debug!(%error, "a connection ended before it was accepted"),
            Err(error) => {
                raise!(DescriptorsLow, %error, "the API can't accept a connection");
                sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    // The connections keep to the same limit. This one is for those that never come to look at it.
    let _ = timeout(limits.farewell.saturating_add(PAUSE), all).await;
}

async fn connection<I>(io: I, router: Router, limits: Limits, mut stopped: watch::Receiver<bool>)
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_header_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(io), TowerToHyperService::new(router));
    let mut serving = pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => Some(ended),
        () = sleep(limits.age) => None,
        _ = stopped.wait_for(|stopped| *stopped) => None,
    };
    let ended = match ended {
        Some(ended) => Ok(ended),
        None => {
            serving.as_mut().graceful_shutdown();
            timeout(limits.farewell, serving).await
        }
    };
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "a connection broke"),
        Err(_) => debug!("a connection was cut: its caller did not finish"),
    }
}

/// Whether accepting failed because of this one caller. Linux passes on what happened to the connection meanwhile
/// (accept(2), "Error handling").
fn is_of_the_caller(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted, NetworkDown,
        NetworkUnreachable, TimedOut,
    };
    matches!(
        error.kind(),
        ConnectionAborted
            | ConnectionRefused
            | ConnectionReset
            | HostUnreachable
            | Interrupted
            | NetworkDown
            | NetworkUnreachable
            | TimedOut
    )
}
