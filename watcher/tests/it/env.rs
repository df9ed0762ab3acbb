//! A whole watcher on a simulated network. It has the real store, follower, policy, settler and rules for commitments.
//! A test drives it ledger by ledger, and starts it again after a crash.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use paychan_channel::{Amount, Commitment, ContractId, Ledger, Signature};
use paychan_store::{FileJournal, Journal, Offer, Options, RequestId, Store, StoreError};
use paychan_watcher::chain::Chain;
use paychan_watcher::channels::Channels;
use paychan_watcher::clock::Clock;
use paychan_watcher::commitments::{Commitments, OfferError, SaleError, ViewGate};
use paychan_watcher::config::Config;
use paychan_watcher::daemon::{Inputs, Parts, assemble, gate_parts};
use paychan_watcher::follower::{Followed, Follower, NotFollowed};
use paychan_watcher::promises::Promises;
use paychan_watcher::settler::Settler;
use paychan_watcher::status::Reporter;
use paychan_watcher::view::View;
use paychan_watcher_api::{Acknowledged, ChargeBody, Charged, SignedAmount};

use paychan_sim::network::SimChain;
pub use paychan_sim::setup::*;

/// The watcher's disk and the network, which outlive a process.
pub struct TestEnv {
    pub sim: SimChain,
    dir: tempfile::TempDir,
    config: Arc<Config>,
    holds_recipient_key: bool,
    /// Whether the disk refuses all writes.
    pub disk_fails: Arc<AtomicBool>,
    /// Whether the disk does not answer.
    pub disk_hangs: Arc<AtomicBool>,
    /// The endpoints that the watcher asks; with `None`, it asks the network itself as one endpoint.
    pub endpoints: Option<Arc<dyn Chain>>,
}

/// A running watcher.
pub struct Watcher {
    pub store: Store,
    pub view: Arc<View>,
    pub follower: Follower,
    pub settler: Settler,
    pub channels: Channels,
    pub commitments: Commitments,
    pub promises: Arc<Promises>,
    pub reporter: Reporter,
    clock: Arc<dyn Clock>,
    config: Arc<Config>,
}

impl TestEnv {
    /// A network with the open channels `1..=channels`, and a watcher's empty disk.
    pub fn new(channels: u8, holds_recipient_key: bool) -> Self {
        Self::configured(channels, holds_recipient_key, |text| text)
    }

    /// Does the same as [`TestEnv::new`], with a changed configuration text.
    pub fn configured(channels: u8, holds_recipient_key: bool, change: impl Fn(String) -> String) -> Self {
        let sim = SimChain::new(lane().account());
        for number in 1..=channels {
            sim.network().open(open_channel(number));
        }
        sim.close(1);
        let dir = tempfile::tempdir().unwrap();
        let config = Arc::new(Config::parse(&change(config_text(dir.path()))).unwrap());
        Self {
            sim,
            dir,
            config,
            holds_recipient_key,
            disk_fails: Arc::default(),
            disk_hangs: Arc::default(),
            endpoints: None,
        }
    }

    /// Changes the configuration for the next start.
    pub fn reconfigure(&mut self, change: impl Fn(String) -> String) {
        self.config = Arc::new(Config::parse(&change(config_text(self.dir.path()))).unwrap());
    }

    /// Starts the watcher as a new process would.
    pub async fn start(&self) -> Watcher {
        let clock: Arc<dyn Clock> = self.sim.clock();
        let gate_parts = gate_parts(self.config.clone(), clock.clone());
        let store = self.open_store(&gate_parts.gate).await;
        let recipients = match self.holds_recipient_key {
            true => [(recipient().account(), recipient())].into(),
            false => [].into(),
        };
        let parts = assemble(Inputs {
            config: self.config.clone(),
            gate_parts,
            chain: self.endpoints.clone().unwrap_or_else(|| Arc::new(self.sim.clone())),
            store: store.clone(),
            clock: clock.clone(),
            lane: lane(),
            recipients,
        });
        let Parts { view, promises, follower, settler, channels, commitments, reporter, .. } = parts;
        let config = self.config.clone();
        Watcher { store, view, promises, follower, settler, channels, commitments, reporter, clock, config }
    }

    /// A watcher that follows the ledger, with the channels `1..=channels` admitted.
    pub async fn watching(&self, channels: u8) -> Watcher {
        let mut watcher = self.start().await;
        watcher.follower.tick().await.unwrap();
        for number in 1..=channels {
            watcher.channels.take(id(number)).await.unwrap();
        }
        watcher
    }

    /// Opens the store. The lock of a process that died is free only when its threads have ended.
    async fn open_store(&self, gate: &Arc<ViewGate>) -> Store {
        for _ in 0..2_000 {
            // The store gives up a disk that does not answer sooner than in the daemon.
            let (stalled_after, give_up_after) = (Duration::from_secs(1), Duration::from_secs(4));
            let options =
                Options { clock: self.sim.clock(), stalled_after, give_up_after, ..self.config.store_options() };
            let files = FileJournal::open(&self.config.data_dir.join("journal")).unwrap();
            let disk = Disk { files, fails: self.disk_fails.clone(), hangs: self.disk_hangs.clone() };
            let opened =
                Store::open_on(&self.config.data_dir, Box::new(disk), &SimChain::network_id(), options, gate.clone());
            match opened {
                Ok((store, _)) => return store,
                Err(StoreError::HeldByAnotherProcess { .. }) => tokio::time::sleep(Duration::from_millis(5)).await,
                Err(error) => panic!("the store does not open: {error}"),
            }
        }
        panic!("the store in {} is never let go of", self.dir.path().display());
    }

    /// Closes the next ledger, and runs one round of the watcher.
    pub async fn ledger(&self, watcher: &mut Watcher) {
        self.sim.close(1);
        watcher.turn().await;
    }

    /// Does the same as [`TestEnv::ledger`], but stops a process that hangs. Returns whether it was stopped.
    pub async fn ledger_with_hang(&self, watcher: &mut Watcher) -> bool {
        self.sim.close(1);
        tokio::select! {
            biased;
            () = self.sim.hung() => true,
            () = watcher.turn() => false,
        }
    }

    /// Closes ledgers until the channel has paid at least `wanted`, or `until` is the newest ledger. Returns the ledger
    /// at which it had paid.
    pub async fn settled_by(&self, watcher: &mut Watcher, number: u8, wanted: Amount, until: Ledger) -> Option<Ledger> {
        while self.now() < until {
            self.ledger(watcher).await;
            if self.sim.network().withdrawn(id(number)) >= wanted {
                return Some(self.now());
            }
        }
        None
    }

    pub fn now(&self) -> Ledger {
        Ledger(self.sim.network().ledger())
    }

    /// Checks that there was never more than one transaction in flight.
    pub fn assert_one_in_flight(&self) {
        let network = self.sim.network();
        assert!(network.violations.is_empty(), "{}", network.violations.join("\n"));
    }
}

impl Watcher {
    /// Runs one round of both loops. Errors of the chain are part of the tests; an error of the store fails the test.
    pub async fn turn(&mut self) {
        let _ = self.follower.tick().await;
        self.settler.tick().await;
    }

    pub async fn follow(&mut self) -> Result<Followed, NotFollowed> {
        self.follower.tick().await
    }

    /// Offers a commitment with the funder's signature.
    pub async fn offer(&self, number: u8, units: i128) -> Result<Acknowledged, OfferError> {
        let commitment = Commitment { network: SimChain::network_id(), channel: id(number), amount: amount(units) };
        let signature = commitment.sign(&funder(number));
        self.offer_signed(number, units, signature).await
    }

    /// Offers a commitment with this signature.
    pub async fn offer_signed(
        &self,
        number: u8,
        units: i128,
        signature: Signature,
    ) -> Result<Acknowledged, OfferError> {
        let request_id = RequestId::new(&format!("{number}-{units}")).unwrap();
        self.commitments.offer(Offer { channel: id(number), amount: amount(units), signature, request_id }).await
    }

    /// Charges a price, with a commitment for `total`.
    pub async fn charge(&self, number: u8, price: i128, total: i128) -> Result<Charged, SaleError> {
        let (channel, body) = Self::charge_of(number, price, total);
        self.commitments.charge(channel, body).await
    }

    /// A charge of a price, with a commitment for `total`.
    pub fn charge_of(number: u8, price: i128, total: i128) -> (ContractId, ChargeBody) {
        let commitment = Commitment { network: SimChain::network_id(), channel: id(number), amount: amount(total) };
        let commitment = SignedAmount { amount: amount(total), signature: commitment.sign(&funder(number)) };
        let request_id = RequestId::new(&format!("{number}-{price}-{total}")).unwrap();
        (id(number), ChargeBody { price: amount(price), request_id, commitment: Some(commitment) })
    }

    /// Whether the known state of this channel is fresh enough to take a commitment.
    pub fn freshness(&self, number: u8) -> Result<(), paychan_watcher::view::NotFresh> {
        let limits = self.config.freshness_limits();
        self.view.freshness(&id(number), &limits, self.clock.wall_unix_ms(), self.clock.boot())
    }
}

/// A disk that refuses writes or stops answering when the test says so.
struct Disk {
    files: FileJournal,
    fails: Arc<AtomicBool>,
    hangs: Arc<AtomicBool>,
}

impl Disk {
    fn writable(&mut self) -> io::Result<&mut FileJournal> {
        while self.hangs.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(10));
        }
        match self.fails.load(Ordering::Relaxed) {
            true => Err(io::Error::new(io::ErrorKind::StorageFull, "no space left on device")),
            false => Ok(&mut self.files),
        }
    }
}

impl Journal for Disk {
    fn list(&self) -> io::Result<Vec<String>> {
        self.files.list()
    }

    fn read(&self, name: &str) -> io::Result<Box<dyn Read>> {
        self.files.read(name)
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        self.writable()?.create(name)
    }

    fn resume(&mut self, name: &str, length: u64) -> io::Result<()> {
        self.writable()?.resume(name, length)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writable()?.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.writable()?.sync()
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.writable()?.rename(from, to)
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.writable()?.remove(name)
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        self.writable()?.sync_directory()
    }
}
