//! Starts and stops the watcher's process, which has the real parts.

use std::cell::RefCell;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use paychan_store::{Driven, Options, Store, StoreError};
use paychan_watcher::chain::{Chain, SeveralEndpoints};
use paychan_watcher::channels::Channels;
use paychan_watcher::clock::Clock;
use paychan_watcher::commitments::Commitments;
use paychan_watcher::config::Config;
use paychan_watcher::daemon::{Inputs, Parts, assemble, gate_parts};
use paychan_watcher::follower::Follower;
use paychan_watcher::settler::Settler;
use paychan_watcher::view::View;

use crate::disk::SimDisk;
use crate::executor::{Executor, Step};
use crate::network::{OtherEndpoint, Paced, SimChain};
use crate::setup::{config_text_for, lane, recipient_at};

use super::Plan;

/// A running watcher.
pub(crate) struct Watcher {
    /// Serves the store, in worlds in which parts overlap. In others the store has a thread.
    pub(crate) driven: Option<RefCell<Driven>>,
    pub(crate) store: Store,
    pub(crate) view: Arc<View>,
    pub(crate) follower: Follower,
    pub(crate) settler: Settler,
    pub(crate) channels: Channels,
    pub(crate) commitments: Commitments,
}

impl Watcher {
    /// Runs one of its futures to the end, while nothing else goes on.
    pub(crate) async fn run<T>(&self, future: impl Future<Output = T>) -> T {
        match &self.driven {
            None => future.await,
            Some(driven) => alone(&mut driven.borrow_mut(), future),
        }
    }
}

/// Runs a future to its end, and serves the store when the future waits for it.
fn alone<T>(driven: &mut Driven, future: impl Future<Output = T>) -> T {
    let mut executor = Executor::new();
    executor.add("alone", 0, future);
    let (mut random, mut order) = (Rng::with_seed(0), Vec::new());
    loop {
        match executor.step(&mut random, &mut order) {
            Step::Done(done) => return done,
            Step::Waits => {}
            Step::Stuck | Step::Over => assert!(driven.serve(), "the future waits for something that never happens"),
        }
    }
}

/// The watcher's process, and what outlives it.
pub(crate) struct Process {
    pub(crate) disk: SimDisk,
    /// The folder is removed with the process.
    _folder: tempfile::TempDir,
    config: Arc<Config>,
    /// Which recipients' keys the watcher holds.
    holds_keys: Vec<bool>,
    endpoints: u32,
    /// Whether a power cut loses sectors before the end of a file.
    holes: bool,
    /// Draws how long the endpoint's answers take, in worlds in which parts overlap.
    pace: Option<Rng>,
    watcher: Option<Watcher>,
}

impl Process {
    pub(crate) async fn first(chain: &SimChain, plan: &Plan, pace: Rng) -> Process {
        let folder = folder();
        let mut config = Config::parse(&config_text_for(folder.path(), plan.recipients)).unwrap();
        config.settle.idle_seconds = plan.idle_seconds.unwrap_or(config.settle.idle_seconds);
        if let Some(seconds) = plan.drop_unused_seconds {
            config.settle.drop_unused_seconds = seconds;
        }
        for token in &mut config.tokens {
            (token.issuer_may_claw_back, token.issuer_may_revoke) = (plan.issuer_acts, plan.issuer_acts);
        }
        let mut process = Process {
            disk: SimDisk::default(),
            _folder: folder,
            config: Arc::new(config),
            holds_keys: [plan.holds_recipient_key, plan.holds_second_key][..usize::from(plan.recipients)].to_vec(),
            endpoints: plan.endpoints,
            holes: plan.holes,
            pace: plan.overlaps.then_some(pace),
            watcher: None,
        };
        chain.network().disk = Some(process.disk.clone());
        process.watcher = Some(process.start(chain).unwrap());
        process
    }

    pub(crate) fn watcher(&self) -> &Watcher {
        self.watcher.as_ref().expect("it runs, but for the moment of a restart")
    }

    pub(crate) fn running(&mut self) -> &mut Watcher {
        self.watcher.as_mut().expect("it runs, but for the moment of a restart")
    }

    /// Runs one round of both loops. Answers whether the process was stopped in the middle of a call.
    pub(crate) async fn turn(&mut self, chain: &SimChain) -> bool {
        let Watcher { driven, follower, settler, .. } = self.running();
        let work = async {
            // Errors of the chain are expected here: the world makes them.
            let _ = follower.tick().await;
            settler.tick().await;
        };
        if let Some(driven) = driven {
            alone(driven.get_mut(), work);
            return false;
        }
        chain.network().death.counts = true;
        let stopped = tokio::select! {
            biased;
            () = chain.hung() => true,
            () = work => false,
        };
        chain.network().death.counts = false;
        stopped
    }

    /// Ends the process at once and starts another one. If there is a `power`, the power fails too, and `power` draws
    /// the losses.
    pub(crate) async fn restart(&mut self, chain: &SimChain, power: Option<&mut Rng>) -> Result<(), StoreError> {
        self.disk = match power {
            Some(random) => self.disk.after_power_cut(random, self.holes),
            None => self.disk.after_kill(),
        };
        self.watcher = None;
        chain.network().disk = Some(self.disk.clone());
        self.watcher = Some(self.start(chain)?);
        Ok(())
    }

    /// Removes the index. The next process can build it from the journal.
    pub(crate) fn lose_index(&mut self) {
        // The running process still has it open. Only the next process finds it gone.
        let index: PathBuf = self.config.data_dir.join("db");
        let _ = std::fs::remove_dir_all(index);
    }

    pub(crate) async fn end(&mut self) {
        self.watcher = None;
    }

    fn endpoints(&mut self, chain: &SimChain) -> Arc<dyn Chain> {
        let endpoints = self.all_endpoints(chain);
        match &mut self.pace {
            None => endpoints,
            Some(pace) => Arc::new(Paced::new(endpoints, pace.fork())),
        }
    }

    fn all_endpoints(&self, chain: &SimChain) -> Arc<dyn Chain> {
        let first: Arc<dyn Chain> = Arc::new(chain.clone());
        if self.endpoints == 1 {
            return first;
        }
        let mut endpoints = vec![("endpoint 1".to_owned(), first)];
        for number in 1..self.endpoints {
            let other = OtherEndpoint { chain: chain.clone(), number };
            endpoints.push((format!("endpoint {}", number + 1), Arc::new(other)));
        }
        let lag = self.config.reaction.node_lag_ledgers;
        Arc::new(SeveralEndpoints::new(endpoints, self.config.passphrase(), chain.clock(), lag))
    }

    fn start(&mut self, chain: &SimChain) -> Result<Watcher, StoreError> {
        let clock: Arc<dyn Clock> = chain.clock();
        // The lock of a process that died is free once its threads are gone.
        for _ in 0..5_000 {
            let gate_parts = gate_parts(self.config.clone(), clock.clone());
            // Small segments, so that checkpoints happen.
            let options = Options {
                clock: chain.clock(),
                segment_bytes: 8 << 10,
                compact_after_bytes: 16 << 10,
                free_space_mark: 0,
                reserve_bytes: 0,
                ..Options::default()
            };
            let (journal, network) = (self.disk.journal(), SimChain::network_id());
            let (dir, gate) = (&self.config.data_dir, gate_parts.gate.clone());
            let opened = match self.pace {
                None => Store::open_on(dir, journal, &network, options, gate).map(|(store, _)| (store, None)),
                Some(_) => Store::open_driven(dir, journal, &network, options, gate)
                    .map(|(store, driven, _)| (store, Some(RefCell::new(driven)))),
            };
            let (store, driven) = match opened {
                Ok(opened) => opened,
                Err(StoreError::HeldByAnotherProcess { .. }) => {
                    std::thread::sleep(Duration::from_millis(1));
                    continue;
                }
                Err(error) => return Err(error),
            };
            let held = (0..).map(recipient_at).zip(&self.holds_keys).filter(|(_, holds)| **holds);
            let recipients = held.map(|(key, _)| (key.account(), key)).collect();
            let parts = assemble(Inputs {
                config: self.config.clone(),
                gate_parts,
                chain: self.endpoints(chain),
                store: store.clone(),
                clock,
                lane: lane(),
                recipients,
            });
            let Parts { view, follower, settler, channels, commitments, .. } = parts;
            return Ok(Watcher { driven, store, view, follower, settler, channels, commitments });
        }
        panic!("the store in {} is never let go of", self.config.data_dir.display());
    }
}

/// Makes a folder for the lock and the index. It is in memory if the system has such a place.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}
