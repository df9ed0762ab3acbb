//! A watcher whose journal is on a real disk. Its chain is invented: all channels exist on it, and ledgers close.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use paychan_channel::{
    AccountId, Address, Amount, ChannelState, ContractId, Layout, Ledger, Lives, Payability, RequestId, Stroops,
    TokenKind, TokenRisk, WasmHash,
};
use paychan_mpp::seller::{Charges, ChargesError, Ending, Standing};
use paychan_rpc::SecretKey;
use paychan_store::{Admission, Options, Store, WallClock};
use paychan_watcher::api::{self, Api};
use paychan_watcher::chain::{Head, LaneFacts, NetworkTerms, RpcChain};
use paychan_watcher::clock::{Clock, SystemClock};
use paychan_watcher::config::Config;
use paychan_watcher::daemon::{Inputs, Parts, assemble, gate_parts};
use paychan_watcher::view::View;
use paychan_watcher_api::{ChannelStatus, ChargeBody, Charged, SignedAmount};

use super::payers::{CHANNELS, PASSPHRASE, key};

/// The token with which the seller calls the watcher.
pub(crate) const TOKEN: &str = "a-token-for-benchmarks-0123456789abcdef";

const ASSET: ContractId = ContractId([200; 32]);
const RECIPIENT: Address = Address::Account(AccountId([202; 32]));
const CODE: WasmHash = WasmHash([203; 32]);
const FIRST: Ledger = Ledger(1_000_000);
const DEPOSIT: u64 = 1_000_000_000_000;

/// Starts a watcher whose journal is in `folder`.
pub(crate) async fn start(folder: &Path) -> Parts {
    let token_file = folder.join("token");
    write_secret(&token_file, TOKEN);
    let config = Arc::new(Config::parse(&config_text(&token_file)).unwrap());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let gate_parts = gate_parts(Arc::clone(&config), clock.clone());
    see(&gate_parts.view, FIRST);
    let journal = folder.join("data");
    let (store, _) = Store::open(&journal, &config.network_id(), Options::default(), gate_parts.gate.clone()).unwrap();
    for number in 1..=CHANNELS {
        store.admit(Admission::of(&channel(number, FIRST))).await.unwrap();
    }
    gate_parts.promises.count(&store.all_held(), &gate_parts.view);
    // No call of the benchmark needs the chain, so there is no endpoint.
    let chain = Arc::new(RpcChain::new("http://127.0.0.1:1", Duration::from_secs(1)).unwrap());
    let (lane, recipients) = (SecretKey::from_seed(&[1; 32]), HashMap::new());
    let parts = assemble(Inputs { config, gate_parts, chain, store, clock, lane, recipients });
    let view = Arc::clone(&parts.view);
    tokio::spawn(async move {
        let mut ledger = FIRST;
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            ledger = Ledger(ledger.0 + 1);
            see(&view, ledger);
        }
    });
    parts
}

/// The watcher's HTTP API.
pub(crate) fn router(parts: Parts) -> Router {
    let Parts { channels, commitments, pause, reporter, .. } = parts;
    let token = paychan_watcher::config::ApiToken::new(TOKEN.to_owned().into());
    api::router(Arc::new(Api { token, channels, commitments, pause, reporter }))
}

/// A watcher that runs in the seller's process.
pub(crate) struct InProcess(pub(crate) Arc<Parts>);

impl Charges for InProcess {
    async fn charge(&self, channel: &ContractId, body: &ChargeBody) -> Result<Charged, ChargesError> {
        let charged = self.0.commitments.charge(*channel, body.clone()).await;
        charged.map_err(|error| ChargesError::Unreachable(error.to_string()))
    }

    async fn standing(&self, channel: &ContractId) -> Result<Standing, ChargesError> {
        let report = self.0.reporter.channel(channel).unwrap();
        Ok(Standing {
            highest: report.highest,
            spent: report.spent,
            status: ChannelStatus::Open,
            fenced: report.fenced,
            commitment_key: report.commitment_key,
        })
    }

    async fn credit(&self, _: &ContractId, _: &RequestId, _: Amount) -> Result<(), ChargesError> {
        unreachable!("the benchmark gives nothing back")
    }

    async fn prepay(&self, _: &ContractId, _: SignedAmount, _: &RequestId) -> Result<(), ChargesError> {
        unreachable!("the benchmark closes nothing")
    }

    async fn admit(&self, _: &ContractId) -> Result<Standing, ChargesError> {
        unreachable!("all channels are watched")
    }

    async fn close(&self, _: &ContractId, _: SignedAmount, _: Duration) -> Result<Ending, ChargesError> {
        unreachable!("the benchmark closes nothing")
    }
}

fn channel(number: u8, read_at: Ledger) -> ChannelState {
    let far = Some(Ledger(FIRST.0 + 1_000_000));
    ChannelState {
        channel: ContractId([number; 32]),
        layout: Layout::Paychan,
        wasm_hash: CODE,
        token: ASSET,
        token_kind: TokenKind::Wasm(WasmHash([204; 32])),
        from: Address::Account(AccountId([201; 32])),
        to: RECIPIENT,
        commitment_key: key(number).public().to_bytes(),
        refund_waiting_period: 17_280,
        deposited: Some(Amount::from(DEPOSIT)),
        withdrawn: Amount::ZERO,
        close_effective_at: None,
        refunded: false,
        balance: Amount::from(DEPOSIT),
        balance_authorized: true,
        balance_clawback: false,
        lives: Lives { instance: far, code: far, token_balance: far, token_instance: far, token_code: far },
        read_at,
    }
}

/// Puts into the view what a follower would see when this ledger closes.
fn see(view: &View, ledger: Ledger) {
    let head = Head { ledger, closed_at_unix_ms: Some(SystemClock.wall_unix_ms()) };
    view.set_head(head, SystemClock.boot());
    view.set_network(NetworkTerms { target_close_ms: 5_000, max_entry_ttl: 3_110_400 });
    let rich = Stroops(i64::MAX / 2);
    view.set_lane(LaneFacts { account: AccountId([210; 32]), balance: rich, spendable: rich, read_at: ledger });
    view.set_token(&ASSET, TokenRisk::Native, ledger);
    view.set_payability(&ASSET, &RECIPIENT, Payability::Room(Amount::MAX), ledger, Amount::ZERO);
    for number in 1..=CHANNELS {
        view.merge_channel(channel(number, ledger));
    }
}

fn write_secret(path: &Path, text: &str) {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn config_text(token: &Path) -> String {
    format!(
        r#"
data_dir = "/nowhere"
token = {{ file = {token:?} }}

[network]
passphrase = "{PASSPHRASE}"
rpc_url = "http://127.0.0.1:8000"

[[recipients]]
address = "{RECIPIENT}"

[[trusted_code]]
wasm_hash = "{CODE}"
layout = "paychan"
settle_needs_recipient = false

[[tokens]]
contract = "{ASSET}"
code = "TEST"
decimals = 7
minimum_deposit = "10000000"
dust = "100000"
stroops_per_unit = "40000000"

[lane]
secret = {{ file = "/nowhere/lane" }}
"#
    )
}
