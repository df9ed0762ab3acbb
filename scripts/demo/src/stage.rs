//! The stage: a network, its people, a token, and how the command line is called.

use std::path::PathBuf;

use paychan_channel::{Amount, CommitmentSecret, ContractId, SAC_DECIMALS};
use paychan_rpc::read_account;
use paychan_tests::command::paychan;
use paychan_tests::files::write_secret;
use paychan_tests::network::{Network, NetworkOptions, Person, TestToken};
use paychan_tests::programs::contract_wasm;
use paychan_tests::watcher::{Payer, Watcher, WatcherOptions};
use serde_json::Value;
use tempfile::TempDir;

use crate::tell::Teller;

/// A ledger each 100 ms: fast enough for a demo, slow enough to watch.
const LEDGER_MS: u32 = 100;
/// Entries live for 3,000 ledgers at most, so that the end of a life can be shown.
const LONGEST_LIFE: u32 = 3_000;
/// The watcher extends what has less life left than this.
pub(crate) const LIFE_FLOOR: u32 = 1_500;
/// To this much.
pub(crate) const LIFE_EXTEND_TO: u32 = 2_900;
/// Ledgers that the recipient has from the announcement of a close to the refund.
pub(crate) const WAITING_PERIOD: u32 = 200;

/// Everything that the story needs.
pub(crate) struct Stage {
    folder: Option<TempDir>,
    path: PathBuf,
    /// The network.
    pub(crate) network: Network,
    /// The agent, who pays.
    pub(crate) funder: Person,
    /// The API, which is paid.
    pub(crate) recipient: Person,
    /// The account that pays the watcher's fees.
    pub(crate) lane: Person,
    /// The token.
    pub(crate) usdc: TestToken,
}

/// What a call of the command line cost, in stroops.
pub(crate) type Fee = i64;

impl Stage {
    /// Starts the network and brings everyone on.
    pub(crate) async fn set(tell: &Teller, keep: bool) -> Self {
        let mut folder = TempDir::with_prefix("paychan-demo-").expect("a temporary folder");
        folder.disable_cleanup(keep);
        let path = folder.path().to_owned();

        tell.step("A Stellar network starts on this machine");
        let network = Network::start(NetworkOptions {
            ledger_ms: LEDGER_MS,
            max_entry_ttl: LONGEST_LIFE,
            min_persistent_ttl: LONGEST_LIFE,
        })
        .await;
        tell.say(&format!(
            "{}, a ledger each {LEDGER_MS} ms (the public network: about 5 s)",
            network.rpc_url
        ));

        tell.step("People and a token: a test USDC with an issuer and trustlines");
        let funder = network.account(&path, "funder").await;
        let recipient = network.account(&path, "recipient").await;
        let lane = network.account(&path, "lane").await;
        let usdc = network.issue_usdc(&path, &[&funder, &recipient]).await;
        network.mint(&usdc, &funder, 1_000_0000000).await;
        tell.say(&format!(
            "funder     {}  (the agent, has 1,000 USDC)",
            funder.id
        ));
        tell.say(&format!(
            "recipient  {}  (the API, has 0 USDC)",
            recipient.id
        ));
        tell.say(&format!("USDC       {}", usdc.contract));

        Self {
            folder: Some(folder),
            path,
            network,
            funder,
            recipient,
            lane,
            usdc,
        }
    }

    /// Leaves the folder behind.
    pub(crate) fn keep(self) -> PathBuf {
        drop(self.folder);
        self.path
    }

    /// A watcher for the recipient, not yet running.
    pub(crate) fn watcher(&self) -> Watcher {
        let mut options =
            WatcherOptions::new(&self.network, &self.recipient, &self.lane, &self.usdc);
        options.minimum_refund_waiting_period = WAITING_PERIOD;
        options.life_floor = LIFE_FLOOR;
        options.life_extend_to = LIFE_EXTEND_TO;
        Watcher::configure(&self.path, &options)
    }

    /// Opens a channel with `paychan open`: who pays through it, and what opening cost the funder.
    pub(crate) async fn open(&self, tell: &Teller, name: &str, deposit: &str) -> (Payer, Fee) {
        let secret = CommitmentSecret::generate().expect("the system has randomness");
        let seed = self.path.join(format!("{name}.seed"));
        write_secret(&seed, &secret.seed_hex());
        tell.say(&format!(
            "$ paychan open --token USDC:... --deposit {deposit} --to {}... --refund-waiting-period {WAITING_PERIOD}",
            &self.recipient.id.to_string()[..5]
        ));
        let before = self.xlm(&self.funder).await;
        let opened = paychan(
            &self.network,
            [
                "open".as_ref(),
                "--wasm".as_ref(),
                contract_wasm().as_os_str(),
                "--secret-file".as_ref(),
                self.funder.file.as_os_str(),
                "--commitment-secret-file".as_ref(),
                seed.as_os_str(),
                "--token".as_ref(),
                self.usdc.contract.to_string().as_ref(),
                "--to".as_ref(),
                self.recipient.id.to_string().as_ref(),
                "--deposit".as_ref(),
                deposit.as_ref(),
                "--refund-waiting-period".as_ref(),
                WAITING_PERIOD.to_string().as_ref(),
            ],
        )
        .await
        .ok();
        let channel = text(&opened, "channel")
            .parse()
            .expect("a channel's address");
        tell.say(&format!("channel {channel}"));
        let fee = before - self.xlm(&self.funder).await;
        (
            Payer {
                secret,
                network: self.network.id(),
                channel,
            },
            fee,
        )
    }

    /// Calls the channel as the funder, with `paychan NAME`: what it cost.
    pub(crate) async fn as_funder(&self, tell: &Teller, name: &str, channel: &ContractId) -> Fee {
        tell.say(&format!("$ paychan {name} {channel}"));
        let before = self.xlm(&self.funder).await;
        let channel = channel.to_string();
        paychan(
            &self.network,
            [
                name.as_ref(),
                channel.as_ref(),
                "--secret-file".as_ref(),
                self.funder.file.as_os_str(),
            ],
        )
        .await
        .ok();
        before - self.xlm(&self.funder).await
    }

    /// An account's balance in stroops.
    pub(crate) async fn xlm(&self, who: &Person) -> i64 {
        read_account(&self.network.client, &who.id)
            .await
            .expect("the account exists")
            .balance
            .0
    }

    /// An account's USDC.
    pub(crate) async fn usdc(&self, who: &Person) -> Amount {
        self.network.balance(&self.usdc, &who.id).await
    }
}

/// A text field of a JSON object.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no text {name} in {value}"))
}

/// An amount as a person reads it.
pub(crate) fn usdc(amount: Amount) -> String {
    amount.to_decimal(SAC_DECIMALS)
}

/// A fee as a person reads it.
pub(crate) fn xlm(stroops: Fee) -> String {
    Amount::new(stroops.into()).map_or_else(|_| stroops.to_string(), |fee| fee.to_decimal(7))
}
