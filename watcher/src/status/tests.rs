#![allow(clippy::unwrap_used, reason = "a test that unwraps says what it needs")]

use std::sync::Arc;
use std::time::Duration;

use paychan_channel::{Amount, ChannelState, Ledger, NetworkId, Stroops};

use super::*;
use crate::clock::{Clock, ManualClock};
use crate::fixtures::{CHANNEL, HEAD, LANE, WALL_MS, config_text, held, lane, state, units, view};
use crate::promises::Promises;
use crate::settler::Attempts;
use crate::view::View;
use paychan_store::{Gate, Held, Offer, Options, Outcome, Purpose, Refusal, RequestId, SignedTransaction, Store};
use paychan_watcher_api::ChannelStatus;

struct TestEnv {
    config: Arc<Config>,
    store: Store,
    view: Arc<View>,
    promises: Arc<Promises>,
    clock: Arc<ManualClock>,
    attempts: Arc<Attempts>,
    _dir: tempfile::TempDir,
}

/// A gate that accepts everything.
struct Open;

impl Gate for Open {
    fn check(&self, _: &Held, _: Amount, _: Amount) -> Result<(), Refusal> {
        Ok(())
    }
}

impl TestEnv {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let text = config_text("").replacen("/nowhere\"", &format!("{}\"", dir.path().display()), 1);
        let config = Arc::new(Config::parse(&text).unwrap());
        let clock = Arc::new(ManualClock::at_unix_ms(WALL_MS));
        let options = Options { clock: clock.clone(), ..Options::default() };
        let (store, _) = Store::open(&config.data_dir, &network(&config), options, Arc::new(Open)).unwrap();
        let promises = Arc::new(Promises::new(config.clone()));
        promises.count(&[], &view());
        Self { config, store, view: Arc::new(view()), promises, clock, attempts: Arc::default(), _dir: dir }
    }

    fn reporter(&self) -> Reporter {
        let clock: Arc<dyn Clock> = self.clock.clone();
        let (store, view, promises) = (self.store.clone(), self.view.clone(), self.promises.clone());
        Reporter::new(self.config.clone(), store, view, promises, clock, self.attempts.clone())
    }

    /// Stores a commitment for this amount on the one channel.
    async fn hold(&self, amount: u64) {
        self.store.admit(held(0).admission).await.unwrap();
        let commitment =
            paychan_channel::Commitment { network: network(&self.config), channel: CHANNEL, amount: units(amount) };
        let signature = commitment.sign(&crate::fixtures::secret());
        let request_id = RequestId::new("one").unwrap();
        self.store.accept(Offer { channel: CHANNEL, amount: units(amount), signature, request_id }).await.unwrap();
    }

    async fn settled(&self, amount: u64) {
        let signed = SignedTransaction {
            hash: [1; 32],
            lane: LANE,
            purpose: Purpose::Settle { channel: CHANNEL, amount: units(amount) },
            envelope: vec![1, 2, 3],
            sequence: 1,
            signed_at: HEAD,
            max_ledger: HEAD.saturating_add(5),
            fee: Stroops(1_000),
        };
        self.store.record_signed(signed).await.unwrap();
        let confirmed = Outcome::Confirmed { ledger: HEAD, fee_charged: Stroops(30_000) };
        self.store.record_outcome([1; 32], confirmed).await.unwrap();
    }
}

fn network(config: &Config) -> NetworkId {
    config.network_id()
}

fn closing() -> ChannelState {
    ChannelState { close_effective_at: Some(HEAD.saturating_add(120)), read_at: HEAD.saturating_add(1), ..state() }
}

#[tokio::test]
async fn a_running_daemon_reports_channels_lives_deadline_and_the_next_action() {
    let env = TestEnv::new();
    env.hold(15_000_000).await;
    env.view.merge_channel(closing());
    let report = env.reporter().report();
    assert!(report.running && report.not_ready.is_empty(), "{:?}", report.not_ready);
    let channel = &report.channels[0];
    assert_eq!(channel.status, ChannelStatus::Closing);
    assert_eq!((channel.highest, channel.unsettled), (units(15_000_000), units(15_000_000)));
    assert_eq!((channel.deadline, channel.ledgers_left), (Some(Ledger(HEAD.0 + 120)), Some(120)));
    assert_eq!(channel.next_action, "settle 15000000 base units: the channel is closing");

    let table = render(&report, WALL_MS + 3_000);
    for part in [
        "daemon   UP, takes commitments",
        "closed 3 s ago",
        &CHANNEL.to_string(),
        "CLOSING",
        "1.5 USDC",
        "120 ledgers left, about 10 min",
        "instance 1000000, code 1000000, token balance 1000000, token instance 1000000 ledgers left",
        "next   settle 15000000 base units",
        &LANE.to_string(),
        "101 XLM",
        "nothing",
    ] {
        assert!(table.contains(part), "no {part:?} in\n{table}");
    }
}

#[tokio::test]
async fn the_report_survives_json() {
    let env = TestEnv::new();
    env.hold(15_000_000).await;
    let report = env.reporter().report();
    let json = serde_json::to_string(&report).unwrap();
    assert!(json.contains(r#""highest":"15000000""#), "amounts are strings: {json}");
    assert!(json.contains(r#""spendable":"1000000000""#), "fees are strings: {json}");
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
}

#[tokio::test]
async fn readiness_names_every_reason_against_it() {
    let env = TestEnv::new();
    assert!(env.reporter().not_ready().is_empty());
    env.clock.advance(Duration::from_secs(61));
    env.view.set_lane(lane(1));
    env.view.set_rolled_back(vec![CHANNEL]);
    env.view.stop();
    let reasons: Vec<_> = env.reporter().not_ready().into_iter().map(|reason| reason.detail).collect();
    let reasons = reasons.join("\n");
    for part in ["shutting down", "rolled back", "s ago by this machine's wall clock", "can spend 1 stroops"] {
        assert!(reasons.contains(part), "no {part:?} in\n{reasons}");
    }
    let (view, promises) = (Arc::new(View::new()), Arc::new(Promises::new(env.config.clone())));
    let empty = Reporter { view, promises, ..env.reporter() };
    assert_eq!(empty.not_ready().len(), 3, "no ledger, no settings, no fee account");
}

#[tokio::test]
async fn the_report_says_how_much_to_send_to_a_fee_account_that_is_short() {
    let env = TestEnv::new();
    let held = |number| {
        let mut held = held(1_000_000_000);
        held.admission.channel = paychan_channel::ContractId([number; 32]);
        held
    };
    env.promises.count(&[held(1), held(2), held(3)], &View::new());
    // Needed are 3 × (10,000,000 bid + 200,000 assumed resources).
    env.view.set_lane(lane(600_000));
    let report = env.reporter().report();
    assert_eq!(report.lanes[0].send, Stroops(30_000_000));
    assert!(render(&report, WALL_MS).contains("3 XLM"), "{}", render(&report, WALL_MS));
}

#[tokio::test]
async fn status_says_that_the_daemon_is_down_and_shows_the_journal_with_its_age() {
    let env = TestEnv::new();
    env.hold(15_000_000).await;
    env.settled(10_000_000).await;
    let report = from_store(&env.config).unwrap();
    assert!(!report.running);
    assert_eq!(report.as_of_unix_ms, Some(WALL_MS));
    let channel = &report.channels[0];
    assert_eq!(channel.status, ChannelStatus::Unread);
    assert_eq!(channel.unsettled, units(5_000_000), "less what was confirmed");
    let table = render(&report, WALL_MS + 60_000);
    for part in
        ["daemon   DOWN", "last written 60 s ago", "settling 10000000: confirmed", "nothing while the daemon is down"]
    {
        assert!(table.contains(part), "no {part:?} in\n{table}");
    }
}

#[test]
fn a_store_that_was_never_written_is_shown_as_empty() {
    let config = Config::parse(&config_text("")).unwrap();
    let report = from_store(&config).unwrap();
    let table = render(&report, WALL_MS);
    assert!(table.contains("DOWN") && table.contains("no channel is watched yet"), "{table}");
}

#[tokio::test]
async fn status_asks_the_journal_when_nothing_listens_and_says_when_something_else_does() {
    let dir = tempfile::tempdir().unwrap();
    let text = config_text("").replacen("/nowhere\"", &format!("{}\"", dir.path().display()), 1);
    let config = Config::parse(&text).unwrap();
    assert!(!get(&config).await.unwrap().running, "there is no socket");

    let socket = config.operator_socket();
    let listener = tokio::net::UnixListener::bind(&socket).unwrap();
    let other = tokio::spawn(async move { axum::serve(listener, axum::Router::new()).await });
    let error = get(&config).await.unwrap_err();
    assert!(matches!(error, StatusError::NotTheDaemon { .. }));
    assert!(error.to_string().contains(&socket.display().to_string()), "{error}");
    other.abort();
    assert!(other.await.is_err_and(|ended| ended.is_cancelled()));
    assert!(socket.exists());
    assert!(!get(&config).await.unwrap().running, "the socket of a daemon that has ended");
}
