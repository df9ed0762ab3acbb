//! The health of the store, as everybody but its committer sees it.
//!
//! The committer may hang in a call to the system, or end, at any moment. Nothing here waits for it: the committer
//! notes when it begins and ends a batch, and others judge by these notes.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::StoreError;
use crate::space::Space;

/// The health of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It takes requests and writes them.
    Running,
    /// The disk has so little free room that the store takes nothing new ([`crate::Options::free_space_mark`]). What
    /// settling needs is still written.
    SpaceLow(Space),
    /// The committer has worked on one batch for longer than [`crate::Options::stalled_after`]. The disk may not answer
    /// any more.
    Stalled {
        /// For how long, in whole seconds.
        seconds: u64,
    },
    /// The store can't be written, or could not be read whole. The store takes nothing; what it holds can be settled,
    /// and what is signed meanwhile is kept in memory only. Only a new start ends this.
    SettleOnly {
        /// Why.
        why: Arc<str>,
    },
    /// The store was shut down.
    Stopped,
}

impl Health {
    /// Whether the store takes commitments and charges.
    pub fn takes(&self) -> bool {
        matches!(self, Health::Running)
    }

    /// Which kind of health it is, for code: stable, in lower case.
    pub fn kind(&self) -> &'static str {
        match self {
            Health::Running => "running",
            Health::SpaceLow(_) => "space_low",
            Health::Stalled { .. } => "stalled",
            Health::SettleOnly { .. } => "settle_only",
            Health::Stopped => "stopped",
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Health::Running => write!(f, "the store takes requests and writes them"),
            Health::SpaceLow(space) => space.fmt(f),
            Health::Stalled { seconds } => {
                write!(
                    f,
                    "the store has been writing one batch for {seconds} seconds; the disk may not answer any more"
                )
            }
            Health::SettleOnly { why } => write!(f, "the store takes nothing and only settles: {why}"),
            Health::Stopped => write!(f, "the store is shut down"),
        }
    }
}

/// Why the store no longer takes requests.
#[derive(Debug, Clone)]
pub(crate) enum Ending {
    Running,
    Stopped,
    Failed(StoreError),
}

/// Where the committer notes what it does.
pub(crate) struct Board {
    ending: watch::Sender<Ending>,
    health: watch::Sender<Health>,
    /// When the committer began its present batch; `None` while it waits for requests.
    busy_since: Mutex<Option<Instant>>,
    space: Mutex<Option<Space>>,
    /// How long the committer may work on one batch before this is [`Health::Stalled`].
    stalled_after: Duration,
}

impl Board {
    pub(crate) fn new(stalled_after: Duration) -> Self {
        Board {
            ending: watch::Sender::new(Ending::Running),
            health: watch::Sender::new(Health::Running),
            busy_since: Mutex::new(None),
            space: Mutex::new(None),
            stalled_after,
        }
    }

    /// Notes that the committer begins a batch, or still writes one.
    pub(crate) fn begins(&self) {
        *lock(&self.busy_since) = Some(Instant::now());
    }

    /// Notes that the committer waits for requests.
    pub(crate) fn waits(&self) {
        *lock(&self.busy_since) = None;
    }

    /// How long the committer has worked on its present batch.
    pub(crate) fn busy_for(&self) -> Duration {
        lock(&self.busy_since).map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Notes that too little room is free, or that enough is.
    pub(crate) fn saw_space(&self, low: Option<Space>) {
        *lock(&self.space) = low;
        self.tell();
    }

    /// Notes how the store ended. Only the first call counts.
    pub(crate) fn end(&self, how: Ending) {
        self.ending.send_if_modified(|ending| {
            let running = matches!(ending, Ending::Running);
            if running {
                *ending = how;
            }
            running
        });
        self.tell();
    }

    pub(crate) fn has_ended(&self) -> bool {
        !matches!(*self.ending.borrow(), Ending::Running)
    }

    /// Whether the committer still works on a batch though the store has ended. It hangs then, and nobody must wait for
    /// it.
    pub(crate) fn is_given_up(&self) -> bool {
        matches!(*self.ending.borrow(), Ending::Failed(_)) && self.busy_for() >= self.stalled_after
    }

    pub(crate) fn ending(&self) -> watch::Receiver<Ending> {
        self.ending.subscribe()
    }

    pub(crate) fn health(&self) -> Health {
        match &*self.ending.borrow() {
            Ending::Stopped => return Health::Stopped,
            Ending::Failed(StoreError::Failed(why)) => return Health::SettleOnly { why: Arc::clone(why) },
            Ending::Failed(other) => return Health::SettleOnly { why: other.to_string().into() },
            Ending::Running => {}
        }
        let busy = self.busy_for();
        if busy >= self.stalled_after {
            return Health::Stalled { seconds: busy.as_secs() };
        }
        match &*lock(&self.space) {
            Some(space) => Health::SpaceLow(space.clone()),
            None => Health::Running,
        }
    }

    /// How much room there is, if it is too little.
    pub(crate) fn space_low(&self) -> Option<Space> {
        lock(&self.space).clone()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// Tells the watchers of the health, if it has changed.
    pub(crate) fn tell(&self) {
        let now = self.health();
        self.health.send_if_modified(|told| {
            let is_new = *told != now;
            *told = now;
            is_new
        });
    }
}

/// Whole values are replaced under these locks, so a panic leaves none half-written.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
