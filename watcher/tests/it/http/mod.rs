//! Tests of the HTTP API as a front end calls it, with the real store, follower and gate. Only the network is
//! simulated.

mod channels;
mod charges;
mod closing;
mod commitments;
mod edge;
mod operator;
mod several_charges;
mod strangers;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{Method, Request, StatusCode};
use paychan_channel::{Address, Amount, ChannelState, Commitment, CommitmentSecret, ContractId, NetworkId};
use paychan_store::{Held, Options, Store};
use paychan_watcher::api::{Api, operator_router, router};
use paychan_watcher::chain::Chain;
use paychan_watcher::clock::Clock;
use paychan_watcher::config::{ApiToken, Config};
use paychan_watcher::daemon::{Inputs, Parts, assemble, gate_parts};
use paychan_watcher::follower::Follower;
use paychan_watcher::settler::Settler;
use paychan_watcher::view::View;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;
use zeroize::Zeroizing;

use crate::env::{lane, recipient};
use paychan_sim::network::{CODE, PASSPHRASE, SimChain, TOKEN, channel};

const API_TOKEN: &str = "0123456789abcdef0123456789abcdef";
const CHANNEL: ContractId = ContractId([1; 32]);
const SEED: &str = "2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a";
/// The balance of the tests' channel in base units, 100 tokens.
const DEPOSIT: i128 = 1_000_000_000;
const WAITING: u32 = 17_280;

/// A watcher with its API, on a network with one channel that can be admitted.
struct TestEnv {
    api: Router,
    operator_api: Router,
    chain: SimChain,
    store: Store,
    view: Arc<View>,
    follower: Follower,
    settler: Settler,
    _dir: TempDir,
}

/// An answer of the API.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    content_type: String,
    body: Value,
}

impl Answer {
    #[track_caller]
    fn is(&self, status: u16, kind: &str) -> &Self {
        assert_eq!((self.status.as_u16(), self.body["kind"].as_str()), (status, Some(kind)), "{self:?}");
        assert_eq!(self.content_type, "application/problem+json");
        assert_eq!(self.body["status"], status);
        assert!(self.body["detail"].as_str().is_some_and(|detail| detail.len() > 20), "{self:?}");
        self
    }

    #[track_caller]
    fn says(&self, part: &str) -> &Self {
        let detail = self.body["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(part), "{detail:?} should contain {part:?}");
        self
    }

    #[track_caller]
    fn ok(&self, status: u16) -> &Value {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        &self.body
    }
}

/// The recipient.
fn to() -> Address {
    Address::Account(recipient().account())
}

fn config_text() -> String {
    let to = to();
    format!(
        r#"
data_dir = "/nowhere"
token = {{ file = "/nowhere/token" }}
[network]
passphrase = "{PASSPHRASE}"
rpc_url = "http://127.0.0.1:1"
[[recipients]]
address = "{to}"
[[trusted_code]]
wasm_hash = "{CODE}"
layout = "paychan"
settle_needs_recipient = false
[[tokens]]
contract = "{TOKEN}"
code = "USDC"
decimals = 7
minimum_deposit = "10000000"
dust = "100000"
stroops_per_unit = "40000000"
[lane]
secret = {{ file = "/nowhere/lane" }}
"#
    )
}

fn secret() -> CommitmentSecret {
    CommitmentSecret::from_seed_hex(SEED).unwrap()
}

/// The channel that the tests admit.
fn good_channel() -> ChannelState {
    channel(1, to(), &secret().public(), DEPOSIT, WAITING)
}

impl TestEnv {
    /// A watcher whose follower has seen the chain. The channel is on chain and not admitted yet.
    async fn new() -> Self {
        Self::configured(&config_text(), false).await
    }

    /// Does the same as [`TestEnv::new`] with this configuration, with or without the recipient's key.
    async fn configured(config: &str, holds_recipient_key: bool) -> Self {
        Self::asking(config, holds_recipient_key, |chain| Arc::new(chain.clone())).await
    }

    /// As [`TestEnv::configured`], with this between the watcher and the network.
    async fn asking(
        config: &str,
        holds_recipient_key: bool,
        endpoint: impl FnOnce(&SimChain) -> Arc<dyn Chain>,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = Arc::new(Config::parse(config).unwrap());
        let chain = SimChain::new(lane().account());
        let clock: Arc<dyn Clock> = chain.clock();
        let options = Options { clock: clock.clone(), ..Options::default() };
        let gate_parts = gate_parts(config.clone(), clock.clone());
        let (store, _) = Store::open(dir.path(), &config.network_id(), options, gate_parts.gate.clone()).unwrap();
        let parts = assemble(Inputs {
            config,
            gate_parts,
            chain: endpoint(&chain),
            store: store.clone(),
            clock,
            lane: lane(),
            recipients: match holds_recipient_key {
                true => [(recipient().account(), recipient())].into(),
                false => [].into(),
            },
        });
        let Parts { view, follower, settler, channels, commitments, pause, reporter, .. } = parts;
        let token = ApiToken::new(Zeroizing::new(API_TOKEN.to_owned()));
        let parts = Arc::new(Api { token, channels, commitments, pause, reporter });
        let (api, operator_api) = (router(parts.clone()), operator_router(parts));
        let mut env = Self { api, operator_api, chain, store, view, follower, settler, _dir: dir };
        env.chain.network().open(good_channel());
        env.next_ledger().await;
        env
    }

    /// A watcher with the channel admitted.
    async fn with_channel() -> Self {
        let env = Self::new().await;
        env.admit(CHANNEL).await.ok(201);
        env
    }

    /// Closes a ledger, and lets the watcher follow and settle.
    async fn turn(&mut self) {
        self.next_ledger().await;
        self.settler.tick().await;
    }

    /// Closes a ledger, and lets the follower see it.
    async fn next_ledger(&mut self) {
        self.chain.close(1);
        self.follower.tick().await.unwrap();
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        send(&self.api, request).await
    }

    async fn call(&self, method: Method, path: &str, body: impl Into<Body>) -> Answer {
        call(&self.api, method, path, body).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, Body::empty()).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::POST, path, body.to_string()).await
    }

    async fn admit(&self, channel: ContractId) -> Answer {
        self.post("/v1/channels", &json!({ "channel": channel.to_string() })).await
    }

    async fn offer(&self, body: &Value) -> Answer {
        self.post(&format!("/v1/channels/{CHANNEL}/commitments"), body).await
    }

    /// Offers a correctly signed commitment.
    async fn pay(&self, amount: i128, request_id: &str) -> Answer {
        self.offer(&signed(amount, request_id)).await
    }

    fn held(&self) -> Held {
        self.store.held(&CHANNEL).unwrap()
    }
}

async fn send(api: &Router, request: Request<Body>) -> Answer {
    let response = api.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let content_type = response.headers().get(CONTENT_TYPE).map(|value| value.to_str().unwrap().to_owned());
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    Answer {
        status,
        content_type: content_type.unwrap_or_default(),
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    }
}

/// Calls the API as a front end that has the token.
async fn call(api: &Router, method: Method, path: &str, body: impl Into<Body>) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(AUTHORIZATION, format!("Bearer {API_TOKEN}"))
        .header(CONTENT_TYPE, "application/json")
        .body(body.into())
        .unwrap();
    send(api, request).await
}

fn signature(network: NetworkId, channel: ContractId, amount: i128, secret: &CommitmentSecret) -> String {
    Commitment { network, channel, amount: Amount::new(amount).unwrap() }.sign(secret).to_string()
}

/// A commitment in the form that a front end sends.
fn signed(amount: i128, request_id: &str) -> Value {
    let signature = signature(SimChain::network_id(), CHANNEL, amount, &secret());
    json!({ "amount": amount.to_string(), "signature": signature, "request_id": request_id })
}
