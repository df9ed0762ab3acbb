//! The surroundings of a whole-system test: a network with accounts and a token. The command line opens and uses the
//! channels on it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use paychan_channel::{Amount, ChannelState, CommitmentSecret, ContractId, calls};
use paychan_rpc::submit::Call;
use paychan_rpc::{read_account, read_channel};
use serde_json::Value;
use tempfile::TempDir;

use crate::command::paychan;
use crate::files::write_secret;
use crate::network::{Network, NetworkOptions, Person, TestToken};
use crate::programs::contract_wasm;
use crate::watcher::{Payer, Watcher, WatcherOptions};

/// A local network with a funder, a recipient, a fee account and a test USDC on it.
pub struct TestEnv {
    folder: TempDir,
    /// The network.
    pub network: Network,
    /// The funder. It starts with 1,000 USDC.
    pub funder: Person,
    /// The recipient. It starts without USDC.
    pub recipient: Person,
    /// The account that pays a watcher's fees.
    pub lane: Person,
    /// The token.
    pub usdc: TestToken,
}

impl TestEnv {
    /// Starts a network, creates the accounts and issues the token.
    pub async fn new(options: NetworkOptions) -> Self {
        let folder = TempDir::with_prefix("paychan-").expect("a temporary folder");
        let path = folder.path();
        let network = Network::start(options).await;
        let funder = network.account(path, "funder").await;
        let recipient = network.account(path, "recipient").await;
        let lane = network.account(path, "lane").await;
        let usdc = network.issue_usdc(path, &[&funder, &recipient]).await;
        network.mint(&usdc, &funder, 10_000_000_000).await;
        Self { folder, network, funder, recipient, lane, usdc }
    }

    /// The folder into which everything is written. It is removed when this is dropped.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Keeps the folder when this is dropped. Returns its path.
    pub fn keep(&mut self) -> PathBuf {
        self.folder.disable_cleanup(true);
        self.folder.path().to_owned()
    }

    /// The usual options of a watcher for the recipient.
    pub fn watcher_options(&self) -> WatcherOptions<'_> {
        WatcherOptions::new(&self.network, &self.recipient, &self.lane, &self.usdc)
    }

    /// A watcher for the recipient with the usual options. It does not run yet.
    pub fn watcher(&self) -> Watcher {
        Watcher::configure(self.path(), &self.watcher_options())
    }

    /// Opens a channel from the funder to `to` with `paychan open`. `deposit` is in whole USDC, `waiting_period` in ledgers.
    pub async fn open(&self, deposit: &str, to: &Person, waiting_period: u32) -> Payer {
        let secret = CommitmentSecret::generate().expect("the system has randomness");
        let seed = self.path().join(format!("{}.seed", secret.public()));
        write_secret(&seed, &secret.seed_hex());
        let wasm = contract_wasm();
        let token = self.usdc.contract.to_string();
        let to = to.id.to_string();
        let waiting_period = waiting_period.to_string();
        let args: [(&str, &OsStr); 7] = [
            ("--wasm", wasm.as_os_str()),
            ("--secret-file", self.funder.file.as_os_str()),
            ("--commitment-secret-file", seed.as_os_str()),
            ("--token", token.as_ref()),
            ("--to", to.as_ref()),
            ("--deposit", deposit.as_ref()),
            ("--refund-waiting-period", waiting_period.as_ref()),
        ];
        let args = args.into_iter().flat_map(|(name, value)| [OsStr::new(name), value]);
        let opened = paychan(&self.network, std::iter::once(OsStr::new("open")).chain(args)).await.ok();
        let channel = text(&opened, "channel").parse().expect("a channel's address");
        Payer { secret, network: self.network.id(), channel }
    }

    /// Runs `paychan COMMAND CHANNEL` as the funder.
    pub async fn as_funder(&self, command: &str, channel: &ContractId) -> Value {
        let channel = channel.to_string();
        let args: [&OsStr; 4] =
            [command.as_ref(), channel.as_ref(), "--secret-file".as_ref(), self.funder.file.as_os_str()];
        paychan(&self.network, args).await.ok()
    }

    /// Deposits more with `paychan top-up`. `deposit` is in whole USDC.
    pub async fn top_up(&self, channel: &ContractId, deposit: &str) -> Value {
        let channel = channel.to_string();
        let args: [&OsStr; 6] = [
            "top-up".as_ref(),
            channel.as_ref(),
            "--amount".as_ref(),
            deposit.as_ref(),
            "--secret-file".as_ref(),
            self.funder.file.as_os_str(),
        ];
        paychan(&self.network, args).await.ok()
    }

    /// Settles a commitment of `amount` base units on chain, as an account that is no party to the channel.
    pub async fn settle_as_stranger(&self, payer: &Payer, amount: i128) {
        let signature = payer.sign(amount).parse().expect("128 hex digits");
        let amount = Amount::new(amount).expect("not negative");
        let network = self.network.id();
        self.network
            .submitter(&self.lane.secret, &network)
            .call(&Call {
                function: calls::settle(&payer.channel, amount, &signature),
                operation_source: None,
                channel: Some(payer.channel),
                token: Some(self.usdc.contract),
                meaning: paychan_rpc::Meaning::of_trusted_endpoint(),
            })
            .await
            .expect("anybody may settle");
    }

    /// Reads the channel from the network.
    pub async fn read(&self, channel: &ContractId) -> ChannelState {
        read_channel(&self.network.client, channel).await.expect("the channel can be read")
    }

    /// An account's balance of XLM, in stroops.
    pub async fn xlm(&self, who: &Person) -> i64 {
        read_account(&self.network.client, &who.id).await.expect("the account exists").balance.0
    }

    /// An account's balance of USDC, in base units.
    pub async fn usdc(&self, who: &Person) -> Amount {
        self.network.balance(&self.usdc, &who.id).await
    }
}

/// A text field of a JSON object.
pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no text {name} in {value}"))
}
