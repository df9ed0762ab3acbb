//! Serves the API within limits of connections, time and memory, so that no caller can hinder settling.
//!
//! A listener has a fixed number of connections. When all are in use, further callers wait in the kernel's queue. Every
//! connection ends in time, whatever its caller does.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use paychan_watcher_api::LONGEST_CLOSE_WAIT;
use rustix::process::geteuid;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::debug;

use crate::alarm::raise;

/// The limits of one listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time. Each carries one request at a time, so at most this many requests are in flight.
    pub connections: usize,
    /// The longest time from the opening of a connection, or the end of its last request, to the end of the next
    /// request's head.
    pub head: Duration,
    /// The time from the opening of a connection after which it takes no new request.
    pub age: Duration,
    /// How long a request in progress may take from then on, before the grace. After that the connection is cut, also if
    /// its caller does not read its answers.
    pub last_request: Duration,
    /// How long a request in progress may still take when the server stops.
    pub grace: Duration,
}

impl Limits {
    /// The usual limits with this number of connections.
    pub const fn of(connections: usize) -> Self {
        Self {
            connections,
            head: Duration::from_secs(10),
            age: Duration::from_secs(60),
            // A close may wait that long for its answer, and it may come just before the connection is too old.
            last_request: LONGEST_CLOSE_WAIT,
            grace: Duration::from_secs(2),
        }
    }
}

/// The pause after a connection could not be accepted. It takes a moment until descriptors are free again.
const PAUSE: Duration = Duration::from_secs(1);

/// The largest head of a request, in bytes. A token and a few headers have less than a thousand.
const HEAD_BYTES: usize = 16 * 1024;

/// A source of connections.
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
        // An answer is one small packet, so waiting for more data would only cost time.
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// The operator's socket. It accepts only processes of the watcher's own user and of root.
pub struct OperatorListener(pub UnixListener);

impl Listener for OperatorListener {
    type Io = tokio::net::UnixStream;

    async fn accept(&self) -> io::Result<Self::Io> {
        let (stream, _) = self.0.accept().await?;
        let caller = stream.peer_cred()?.uid();
        match caller == 0 || caller == geteuid().as_raw() {
            true => Ok(stream),
            // The loop ignores errors of this kind.
            false => {
                Err(io::Error::new(io::ErrorKind::ConnectionAborted, format!("user {caller} is not the operator")))
            }
        }
    }
}

/// Serves until `stopped` is true, and then ends within [`Limits::grace`], whatever the callers do.
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
            // An error means that the daemon has ended, so serving ends too.
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
    // Connections end by themselves within the same limit. This timeout is for those whose task hangs.
    let _ = timeout(limits.grace.saturating_add(PAUSE), all).await;
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
        Some(ended) => Some(ended),
        None => {
            serving.as_mut().graceful_shutdown();
            let cut = async {
                let _ = timeout(limits.last_request, stopped.wait_for(|stopped| *stopped)).await;
                sleep(limits.grace).await;
            };
            tokio::select! {
                ended = serving => Some(ended),
                () = cut => None,
            }
        }
    };
    match ended {
        Some(Ok(())) => {}
        Some(Err(error)) => debug!(%error, "a connection broke"),
        None => debug!("a connection was cut: its caller did not finish"),
    }
}

/// Whether accepting failed because of this one caller. Linux reports errors that the connection met before it was
/// accepted (accept(2), "Error handling").
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
