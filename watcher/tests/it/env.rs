//! A whole watcher on a simulated network: the real store, follower, policy, settler and the rules for commitments, driven
//! ledger by ledger, and started again after a crash.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use paychan_channel::{
    AccountId, Address, Amount, ChannelState, Commitment, CommitmentSecret, ContractId, Ledger, Signature,
};
use paychan_rpc::SecretKey;
use paychan_store::{Offer, Options, RequestId, Store, StoreError};
use paychan_watcher::channels::Channels;
use paychan_watcher::clock::Clock;
use paychan_watcher::commitments::{Commitments, OfferError, ViewGate};
use paychan_watcher::config::Config;
use paychan_watcher::follower::{Followed, Follower, FollowerParts, FollowerSettings, NotFollowed};
use paychan_watcher::promises::Promises;
use paychan_watcher::settler::step::IN_FLIGHT_LEDGERS;
use paychan_watcher::settler::{Settler, SettlerParts};
use paychan_watcher::view::View;
use paychan_watcher_api::Acknowledged;

use crate::sim::{self, SimChain};

/// S, ledgers between two sweeps, in these tests.
pub const SWEEP_INTERVAL: u32 = 20;
/// The waiting period of these tests' channels: above the floor of these terms.
pub const WAITING: u32 = 120;
/// The highest inclusion fee.
pub const MAX_FEE: i64 = 1_000_000;
pub const DEPOSIT: i128 = 1_000_000_000;

pub fn lane() -> SecretKey {
    SecretKey::from_seed(&[21; 32])
}

pub fn recipient() -> SecretKey {
    SecretKey::from_seed(&[22; 32])
}

pub fn funder(number: u8) -> CommitmentSecret {
    CommitmentSecret::from_seed_hex(&hex::encode([number; 32])).unwrap()
}

pub fn id(number: u8) -> ContractId {
    ContractId([number; 32])
}

pub fn amount(units: i128) -> Amount {
    Amount::new(units).unwrap()
}

/// The watcher's disk and the network: what outlives a process.
pub struct TestEnv {
    pub sim: SimChain,
    dir: tempfile::TempDir,
    config: Arc<Config>,
    holds_recipient_key: bool,
}

/// A running watcher.
pub struct Watcher {
    pub store: Store,
    pub view: Arc<View>,
    pub follower: Follower,
    pub settler: Settler,
    pub intake: Channels,
    pub acceptance: Commitments,
    pub promises: Arc<Promises>,
    clock: Arc<dyn Clock>,
    config: Arc<Config>,
}

impl TestEnv {
    /// A network with open channels `1..=channels`, and a watcher's empty disk.
    pub fn new(channels: u8, holds_recipient_key: bool) -> Self {
        Self::configured(channels, holds_recipient_key, |text| text)
    }

    /// As [`TestEnv::new`], with a change to the configuration's text.
    pub fn configured(channels: u8, holds_recipient_key: bool, change: impl Fn(String) -> String) -> Self {
        let sim = SimChain::new(lane().account());
        for number in 1..=channels {
            sim.network().open(open_channel(number));
        }
        sim.close(1);
        let dir = tempfile::tempdir().unwrap();
        let config = Arc::new(Config::parse(&change(config_text(dir.path()))).unwrap());
        Self { sim, dir, config, holds_recipient_key }
    }

    /// Starts the watcher, as a new process would.
    pub async fn start(&self) -> Watcher {
        let view = Arc::new(View::new());
        let clock: Arc<dyn Clock> = self.sim.clock();
        let promises = Arc::new(Promises::new(self.config.clone()));
        let gate = Arc::new(ViewGate::new(view.clone(), promises.clone(), clock.clone(), self.config.clone()));
        let store = self.open_store(&gate).await;
        let chain = Arc::new(self.sim.clone());
        let follower = Follower::new(
            FollowerParts {
                chain: chain.clone(),
                store: store.clone(),
                view: view.clone(),
                promises: promises.clone(),
                clock: clock.clone(),
                config: self.config.clone(),
            },
            FollowerSettings::of(&self.config, vec![lane().account()]),
        );
        let reader = follower.reader();
        let recipients = match self.holds_recipient_key {
            true => [(recipient().account(), recipient())].into(),
            false => [].into(),
        };
        let settler = Settler::new(SettlerParts {
            chain: chain.clone(),
            store: store.clone(),
            view: view.clone(),
            reader: reader.clone(),
            clock: clock.clone(),
            config: self.config.clone(),
            lane: lane(),
            recipients,
        })
        .unwrap();
        Watcher {
            intake: Channels::new(self.config.clone(), chain, store.clone(), view.clone(), IN_FLIGHT_LEDGERS),
            acceptance: Commitments::new(SimChain::network_id(), store.clone(), gate, Arc::new(reader)),
            promises,
            store,
            view,
            follower,
            settler,
            clock,
            config: self.config.clone(),
        }
    }

    /// A watcher that follows, with channels `1..=channels` admitted.
    pub async fn watching(&self, channels: u8) -> Watcher {
        let mut watcher = self.start().await;
        watcher.follower.tick().await.unwrap();
        for number in 1..=channels {
            watcher.intake.take(id(number)).await.unwrap();
        }
        watcher
    }

    /// The lock of a process that died is free once its threads are gone.
    async fn open_store(&self, gate: &Arc<ViewGate>) -> Store {
        for _ in 0..2_000 {
            let network = SimChain::network_id();
            let opened = Store::open(&self.config.data_dir, &network, Options::default(), gate.clone());
            match opened {
                Ok((store, _)) => return store,
                Err(StoreError::HeldByAnotherProcess { .. }) => tokio::time::sleep(Duration::from_millis(5)).await,
                Err(error) => panic!("the store does not open: {error}"),
            }
        }
        panic!("the store in {} is never let go of", self.dir.path().display());
    }

    /// The next ledger closes, and the watcher has its turn.
    pub async fn ledger(&self, watcher: &mut Watcher) {
        self.sim.close(1);
        watcher.turn().await;
    }

    /// Whether a process that runs into a hang was stopped there; otherwise its turn is done.
    pub async fn ledger_with_hang(&self, watcher: &mut Watcher) -> bool {
        self.sim.close(1);
        tokio::select! {
            biased;
            () = self.sim.hung() => true,
            () = watcher.turn() => false,
        }
    }

    /// Ledgers pass until the channel's withdrawn is at least `wanted`, or `until` is the newest. Answers the ledger
    /// at which it was so.
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

    /// The rule of one transaction in flight was kept.
    pub fn assert_one_in_flight(&self) {
        let network = self.sim.network();
        assert!(network.violations.is_empty(), "{}", network.violations.join("\n"));
    }
}

impl Watcher {
    /// One round of both loops. Trouble with the chain is what the tests make; trouble with the store is a failure.
    pub async fn turn(&mut self) {
        let _ = self.follower.tick().await;
        self.settler.tick().await.unwrap();
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
        self.acceptance.offer(Offer { channel: id(number), amount: amount(units), signature, request_id }).await
    }

    /// Why a commitment would not be taken on this channel now, by the chain's freshness alone.
    pub fn freshness(&self, number: u8) -> Result<(), paychan_watcher::view::NotFresh> {
        let limits = self.config.freshness_limits();
        self.view.freshness(&id(number), &limits, self.clock.wall_unix_ms(), self.clock.boot())
    }
}

pub fn open_channel(number: u8) -> ChannelState {
    let to = Address::Account(recipient().account());
    sim::channel(number, to, &funder(number).public(), DEPOSIT, WAITING)
}

pub fn config_text(dir: &Path) -> String {
    let data: PathBuf = dir.join("data");
    let to: AccountId = recipient().account();
    format!(
        r#"
data_dir = {data:?}
token = {{ file = "/nowhere/token" }}
minimum_refund_waiting_period = {WAITING}

[network]
passphrase = "{passphrase}"
rpc_url = "http://127.0.0.1:1"

[[recipients]]
address = "{to}"

[[trusted_code]]
wasm_hash = "{code}"
layout = "paychan"
settle_needs_recipient = false

[[tokens]]
contract = "{token}"
code = "USDC"
decimals = 7
minimum_deposit = "10000000"
dust = "100000"
stroops_per_unit = "40000000"

[lane]
secret = {{ file = "/nowhere/lane" }}

[fees]
max_inclusion_fee = "{MAX_FEE}"
assumed_resource_fee = "50000"

[reaction]
sweep_interval_ledgers = {SWEEP_INTERVAL}
sweep_ledgers = 1
node_lag_ledgers = 2
attempts = 3
confirm_ledgers = 2

[fresh]
ledgers = 6
seconds = 60

[life]
floor_ledgers = 1000
extend_to_ledgers = 5000
"#,
        passphrase = sim::PASSPHRASE,
        code = sim::CODE,
        token = sim::TOKEN,
    )
}
