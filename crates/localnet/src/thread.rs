//! The thread of the ledger. The Soroban host can't move between threads, so the node lives on one thread, and others
//! send closures to it. The same thread closes ledgers at their times.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use crate::node::Node;

/// Contract calls recurse in the host. The public server gives its simulations a stack of this size too.
const STACK_BYTES: usize = 64 * 1024 * 1024;

type Job = Box<dyn FnOnce(&mut Node) + Send>;

/// Sends work to the ledger's thread. It is cheap to clone, and the thread ends when the last handle is dropped.
#[derive(Clone)]
pub(crate) struct Handle {
    jobs: mpsc::Sender<Job>,
}

/// The ledger's thread has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the local network has stopped")]
pub struct Stopped;

impl Handle {
    /// Runs a closure on the node, and waits for its answer without blocking the caller's thread.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Node) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        let (sender, receiver) = oneshot::channel();
        self.send(Box::new(move |node| {
            // Sending fails only when nobody waits for the answer any more.
            let _ = sender.send(job(node));
        }))?;
        receiver.await.map_err(|_| Stopped)
    }

    /// Runs a closure on the node, and blocks until it has answered.
    pub(crate) fn call_blocking<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Node) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        let (sender, receiver) = mpsc::channel();
        self.send(Box::new(move |node| {
            let _ = sender.send(job(node));
        }))?;
        receiver.recv().map_err(|_| Stopped)
    }

    fn send(&self, job: Job) -> Result<(), Stopped> {
        self.jobs.send(job).map_err(|_| Stopped)
    }
}

/// Starts the thread. `build` makes the node there. If it fails, its error is returned and the thread ends.
pub(crate) fn start<E: Send + 'static>(
    build: impl FnOnce() -> Result<Node, E> + Send + 'static,
) -> std::io::Result<Result<(Handle, JoinHandle<()>), E>> {
    let (jobs, work) = mpsc::channel::<Job>();
    let (ready, is_ready) = mpsc::channel();
    let thread =
        thread::Builder::new().name("ledger".to_owned()).stack_size(STACK_BYTES).spawn(move || match build() {
            Ok(node) => {
                let _ = ready.send(Ok(()));
                run(node, &work);
            }
            Err(error) => {
                let _ = ready.send(Err(error));
            }
        })?;
    match is_ready.recv() {
        Ok(Ok(())) => Ok(Ok((Handle { jobs }, thread))),
        Ok(Err(error)) => Ok(Err(error)),
        Err(_) => Err(std::io::Error::other("the ledger's thread ended before it was ready")),
    }
}

/// Works until the last handle is dropped. Ledgers close at fixed times. After a pause, such as a suspended machine, it does
/// not close the ledgers that it missed.
fn run(mut node: Node, work: &mpsc::Receiver<Job>) {
    let interval = Duration::from_millis(u64::from(node.options.ledger_ms));
    let automatic = !node.options.manual;
    let mut next_close = Instant::now() + interval;
    loop {
        let job = if automatic {
            match work.recv_timeout(next_close.saturating_duration_since(Instant::now())) {
                Ok(job) => Some(job),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        } else {
            match work.recv() {
                Ok(job) => Some(job),
                Err(_) => return,
            }
        };
        if let Some(job) = job {
            job(&mut node);
        }
        if automatic && Instant::now() >= next_close {
            node.close();
            next_close = (next_close + interval).max(Instant::now());
        }
    }
}
