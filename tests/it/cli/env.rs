//! The surroundings of a test of the command line: a network with a token and accounts.

use std::ffi::OsStr;
use std::path::Path;

use paychan_channel::{Amount, CommitmentSecret};
use paychan_rpc::read_account;
use paychan_tests::command::{Ran, paychan};
use paychan_tests::files::write_secret;
use paychan_tests::network::{Network, NetworkOptions, Person, TestToken};
use paychan_tests::programs::contract_wasm;
use serde_json::Value;
use tempfile::TempDir;

/// The waiting period in ledgers. It is so long that no test reaches the deadline without a jump.
pub(super) const WAITING_PERIOD: &str = "20000";

/// A network with a token, a funder who holds 1,000 of it, a recipient, and a stranger who has only XLM.
pub(super) struct TestEnv {
    pub(super) folder: TempDir,
    pub(super) network: Network,
    pub(super) usdc: TestToken,
    pub(super) funder: Person,
    pub(super) recipient: Person,
    pub(super) stranger: Person,
}

impl TestEnv {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let network = Network::start(NetworkOptions::default()).await;
        let funder = network.account(folder.path(), "funder").await;
        let recipient = network.account(folder.path(), "recipient").await;
        let stranger = network.account(folder.path(), "stranger").await;
        let usdc = network.issue_usdc(folder.path(), &[&funder, &recipient]).await;
        network.mint(&usdc, &funder, 10_000_000_000).await;
        let seed = CommitmentSecret::generate().unwrap().seed_hex();
        write_secret(&folder.path().join("agent.seed"), &seed);
        Self { folder, network, usdc, funder, recipient, stranger }
    }

    pub(super) fn token(&self) -> String {
        format!("USDC:{}", self.usdc.issuer.id)
    }

    pub(super) fn seed(&self) -> String {
        path_text(&self.folder.path().join("agent.seed"))
    }

    pub(super) async fn run(&self, args: &[&str]) -> Ran {
        paychan(&self.network, args.iter().map(OsStr::new)).await
    }

    /// Runs a command with the secret of `who`.
    pub(super) async fn run_as(&self, who: &Person, args: &[&str]) -> Ran {
        let secret = path_text(&who.file);
        self.run(&[args, &["--secret-file", &secret]].concat()).await
    }

    /// Opens a channel with these options in addition to the usual ones. An option of `more` replaces the usual one of
    /// the same name.
    pub(super) async fn open(&self, deposit: &str, more: &[&str]) -> Ran {
        let (token, to, seed) = (self.token(), self.recipient.id.to_string(), self.seed());
        let mut usual = vec![
            ("--token", token.as_str()),
            ("--to", &to),
            ("--refund-waiting-period", WAITING_PERIOD),
            ("--commitment-secret-file", &seed),
        ];
        let wasm = path_text(&contract_wasm());
        usual.push(("--wasm", &wasm));
        usual.retain(|(name, _)| !more.contains(name));
        let usual = usual.iter().flat_map(|(name, value)| [*name, *value]);
        let args: Vec<_> =
            ["open", "--deposit", deposit].into_iter().chain(usual).chain(more.iter().copied()).collect();
        self.run_as(&self.funder, &args).await
    }

    /// Opens a channel with 12.5 USDC in it.
    pub(super) async fn channel(&self) -> String {
        let opened = self.open("12.5", &[]).await.ok();
        opened["channel"].as_str().unwrap().to_owned()
    }

    /// Signs a commitment into a file.
    pub(super) async fn sign(&self, channel: &str, amount: &str) -> String {
        let seed = self.seed();
        let signed = self.run(&["sign", channel, "--amount", amount, "--secret-file", &seed]).await.ok();
        let path = self.folder.path().join(format!("{amount}.json"));
        std::fs::write(&path, signed.to_string()).unwrap();
        path_text(&path)
    }

    pub(super) async fn inspect(&self, channel: &str) -> Value {
        self.run(&["inspect", channel]).await.ok()
    }

    /// An account's balance in stroops.
    pub(super) async fn xlm(&self, who: &Person) -> i64 {
        read_account(&self.network.client, &who.id).await.unwrap().balance.get()
    }

    pub(super) async fn usdc_of(&self, who: &Person) -> Amount {
        self.network.balance(&self.usdc, &who.id).await
    }
}

pub(super) fn path_text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

pub(super) fn units(units: u64) -> Amount {
    Amount::from(units)
}

/// The exit code, the kind and the message of a failure.
pub(super) fn refused(ran: &Ran) -> (i32, String, String) {
    let error = &ran.json()["error"];
    let text = |name: &str| error[name].as_str().unwrap_or_else(|| panic!("no error in {}", ran.stdout)).to_owned();
    (ran.code, text("kind"), text("message"))
}

pub(super) fn assert_refused(ran: &Ran, code: i32, kind: &str, said: &str) {
    let (found_code, found_kind, message) = refused(ran);
    assert_eq!((found_code, found_kind.as_str()), (code, kind), "{message}");
    assert!(message.contains(said), "expected {said:?} in {message:?}");
}
