//! A local network as a separate process, and the accounts and the token on it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use paychan_channel::xdr::{Asset, LedgerKey, Limits, WriteXdr};
use paychan_channel::{AccountId, Address, Amount, ContractId, NetworkId, SacAsset, calls, ledger_keys};
use paychan_rpc::submit::{Call, SubmitOptions, Submitter};
use paychan_rpc::{Client, Options, SecretKey, operations};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::files::write_secret;
use crate::programs::program;

/// The settings of a local network.
#[derive(Debug, Clone, Copy)]
pub struct NetworkOptions {
    /// Milliseconds between ledgers.
    pub ledger_ms: u32,
    /// The longest life of an entry, in ledgers.
    pub max_entry_ttl: u32,
    /// The life of a new persistent entry, in ledgers.
    pub min_persistent_ttl: u32,
}

impl Default for NetworkOptions {
    fn default() -> Self {
        // Entries live as long as on the public networks, so that none is archived during a test of something else.
        Self { ledger_ms: 50, max_entry_ttl: 3_110_400, min_persistent_ttl: 120_960 }
    }
}

/// A running `paychan-localnet`. It is killed when this is dropped.
#[derive(Debug)]
pub struct Network {
    _process: Child,
    /// The URL of its JSON-RPC.
    pub rpc_url: String,
    /// The URL of its control endpoint.
    pub control_url: String,
    /// The network's passphrase.
    pub passphrase: String,
    /// A client of its JSON-RPC.
    pub client: Client,
    http: reqwest::Client,
}

impl Network {
    /// Starts a network and waits until it answers.
    pub async fn start(options: NetworkOptions) -> Self {
        let mut process = Command::new(program("paychan-localnet"))
            .arg("--json")
            .args(["--rpc-port", "0", "--control-port", "0"])
            .args(["--ledger-ms", &options.ledger_ms.to_string()])
            .args(["--max-entry-ttl", &options.max_entry_ttl.to_string()])
            .args(["--min-persistent-ttl", &options.min_persistent_ttl.to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("paychan-localnet starts");
        let stdout = process.stdout.take().expect("its output is piped");
        let mut lines = BufReader::new(stdout).lines();
        let line = lines.next_line().await.expect("its output can be read").expect("it prints where it listens");
        let start: Value = serde_json::from_str(&line).expect("the line is JSON");
        let field = |name: &str| start[name].as_str().unwrap_or_else(|| panic!("no {name} in {line}")).to_owned();
        let rpc_url = field("rpc_url");
        Self {
            client: Client::new(&rpc_url, Options { timeout: Duration::from_secs(20), ..Options::default() })
                .expect("a loopback URL"),
            rpc_url,
            control_url: field("control_url"),
            passphrase: field("passphrase"),
            _process: process,
            http: paychan_rpc::http::client_of_this_machine(paychan_rpc::http::HttpLimits::default())
                .expect("an HTTP client"),
        }
    }

    /// The network's id.
    pub fn id(&self) -> NetworkId {
        NetworkId::of(&self.passphrase)
    }

    /// The sequence number of the newest ledger.
    pub async fn ledger(&self) -> u32 {
        self.client.get_latest_ledger().await.expect("the local network answers").sequence.0
    }

    /// Lets `ledgers` pass at once. The network's clock does not change, since the watcher trusts no network whose
    /// clock is ahead.
    pub async fn jump(&self, ledgers: u32) {
        self.control("jump", &json!({ "ledgers": ledgers, "seconds": 0 })).await;
    }

    /// Archives these contract entries now.
    pub async fn archive(&self, keys: &[LedgerKey]) {
        let keys: Vec<_> =
            keys.iter().map(|key| key.to_xdr_base64(Limits::none()).expect("a key in memory encodes")).collect();
        self.control("archive", &json!({ "keys": keys })).await;
    }

    /// Lets other people's transactions fill the next ledgers. They bid `bid` stroops for each operation.
    pub async fn fill_ledgers(&self, ledgers: u32, bid: u32) {
        self.control("fill", &json!({ "ledgers": ledgers, "bid": bid })).await;
    }

    /// Sets the price of inclusion in stroops for each operation. Lower bids are refused with the fee that would be
    /// enough.
    pub async fn set_inclusion_price(&self, stroops: u32) {
        self.control("inclusion-price", &json!({ "stroops": stroops })).await;
    }

    async fn control(&self, path: &str, body: &Value) {
        let url = format!("{}/{path}", self.control_url);
        let answer = self.http.post(url).json(body).send().await.expect("the control endpoint answers");
        assert!(answer.status().is_success(), "{path}: {}", answer.text().await.unwrap_or_default());
    }

    /// Creates an account with 10,000 XLM from the friendbot. Its secret is written to `folder/<name>.key`.
    pub async fn account(&self, folder: &Path, name: &str) -> Person {
        let secret = SecretKey::generate().expect("the system has randomness");
        let id = secret.account();
        let answer =
            self.http.get(format!("{}/friendbot?addr={id}", self.rpc_url)).send().await.expect("the friendbot answers");
        assert!(answer.status().is_success(), "friendbot: {}", answer.text().await.unwrap_or_default());
        let file = folder.join(format!("{name}.key"));
        write_secret(&file, &secret.to_strkey());
        Person { secret, id, file }
    }

    /// Submits transactions of the account `source`.
    pub fn submitter<'a>(&'a self, source: &'a SecretKey, network: &'a NetworkId) -> Submitter<'a> {
        Submitter {
            client: &self.client,
            network,
            source,
            signers: &[],
            options: SubmitOptions { poll: Duration::from_millis(20), ..SubmitOptions::default() },
        }
    }

    /// Issues a test USDC: creates its issuer, its contract, and a trustline for each of `holders`.
    pub async fn issue_usdc(&self, folder: &Path, holders: &[&Person]) -> TestToken {
        let issuer = self.account(folder, "issuer").await;
        let sac = SacAsset::Asset { code: "USDC".to_owned(), issuer: issuer.id };
        let asset = sac.to_xdr().expect("USDC is a code of 4 characters");
        let network = self.id();
        self.submitter(&issuer.secret, &network)
            .call(&Call {
                function: calls::create_asset_contract(&asset),
                operation_source: None,
                channel: None,
                token: None,
                meaning: paychan_rpc::Meaning::of_trusted_endpoint(),
            })
            .await
            .expect("the asset's contract");
        let contract = calls::token_contract_id(&network, &asset);
        let token = TestToken { issuer, asset, contract };
        for holder in holders {
            self.trust(&token, holder).await;
        }
        token
    }

    /// Creates a trustline of `holder` to the token.
    pub async fn trust(&self, token: &TestToken, holder: &Person) {
        let network = self.id();
        self.submitter(&holder.secret, &network)
            .classic(vec![operations::change_trust(None, token.asset.clone(), i64::MAX)])
            .await
            .expect("a trustline");
    }

    /// Lets the issuer pay `amount` base units of the token, which creates them.
    pub async fn mint(&self, token: &TestToken, to: &Person, amount: i64) {
        let network = self.id();
        self.submitter(&token.issuer.secret, &network)
            .classic(vec![operations::payment(None, &to.id, token.asset.clone(), amount)])
            .await
            .expect("the issuer pays");
    }

    /// An account's balance of the token, in base units. An account without a trustline has zero.
    pub async fn balance(&self, token: &TestToken, who: &AccountId) -> Amount {
        let key = ledger_keys::trustline(who, &token.asset).expect("not the native asset");
        let entries =
            self.client.get_ledger_entries(std::slice::from_ref(&key)).await.expect("the local network answers");
        let Some(entry) = entries.get(&key).expect("the local network's entries can be decoded") else {
            return Amount::ZERO;
        };
        let paychan_channel::xdr::LedgerEntryData::Trustline(line) = &entry.data else {
            panic!("a trustline's key leads to {:?}", entry.data);
        };
        Amount::new(i128::from(line.balance)).expect("balances are not negative")
    }
}

/// An account and its secret key.
pub struct Person {
    /// The account's secret key.
    pub secret: SecretKey,
    /// The account's address.
    pub id: AccountId,
    /// The file that holds the secret key, for the programs.
    pub file: std::path::PathBuf,
}

impl Person {
    /// The account as an address of the contract.
    pub fn address(&self) -> Address {
        Address::Account(self.id)
    }
}

/// A test asset and its contract.
pub struct TestToken {
    /// The account that issues it.
    pub issuer: Person,
    /// The asset.
    pub asset: Asset,
    /// The asset's contract.
    pub contract: ContractId,
}
