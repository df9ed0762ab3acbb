//! Runs `paychan-watcher` as a separate process, with its configuration, its signals and its HTTP API.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use paychan_channel::{Amount, Commitment, CommitmentSecret, ContractId, NetworkId, WasmHash};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::files::write_secret;
use crate::network::{Network, Person, TestToken};
use crate::programs::{contract_wasm, program};

/// How long a test waits for anything on a local network. It is long, since test machines are busy.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A watcher: its configuration and, while it runs, its process, which is killed when this is dropped.
pub struct Watcher {
    /// The path of its configuration file.
    pub config: PathBuf,
    /// The path of its log.
    pub log: PathBuf,
    /// The URL of its API.
    pub url: String,
    /// The number of file descriptors that it may have, if the test limits it.
    pub descriptors: Option<u32>,
    /// The file into which `strace` writes the program's system calls, if the test traces it.
    pub trace: Option<PathBuf>,
    token: String,
    http: reqwest::Client,
    process: Option<Child>,
}

/// The options of a watcher's configuration.
pub struct WatcherOptions<'a> {
    /// The network it watches.
    pub network: &'a Network,
    /// A passphrase to configure instead of the network's.
    pub passphrase: Option<String>,
    /// The code to trust instead of the built contract's.
    pub trusted_code: Option<WasmHash>,
    /// An RPC URL to configure instead of the network's.
    pub rpc_url: Option<String>,
    /// The recipient for whom it watches.
    pub recipient: &'a Person,
    /// Whether it holds the recipient's key, with which it closes channels.
    pub may_close: bool,
    /// Its fee account.
    pub lane: &'a Person,
    /// The token that it takes.
    pub token: &'a TestToken,
    /// The shortest waiting period that it takes, in ledgers.
    pub minimum_refund_waiting_period: u32,
    /// It extends entries that have fewer ledgers left than this.
    pub life_floor: u32,
    /// The life to which it extends entries, in ledgers.
    pub life_extend_to: u32,
}

impl<'a> WatcherOptions<'a> {
    /// The usual options: they suit a network with short ledgers.
    pub fn new(network: &'a Network, recipient: &'a Person, lane: &'a Person, token: &'a TestToken) -> Self {
        Self {
            network,
            passphrase: None,
            trusted_code: None,
            rpc_url: None,
            recipient,
            may_close: false,
            lane,
            token,
            minimum_refund_waiting_period: 200,
            life_floor: 600,
            life_extend_to: 2_000,
        }
    }
}

impl Watcher {
    /// Writes a configuration into `folder`. The watcher does not run yet.
    pub fn configure(folder: &Path, options: &WatcherOptions<'_>) -> Self {
        let port = free_port();
        let token = "a-token-for-tests-0123456789abcdef".to_owned();
        let token_file = folder.join("token");
        write_secret(&token_file, &token);
        let wasm = std::fs::read(contract_wasm()).expect("the Wasm can be read");
        let recipient_secret = match options.may_close {
            true => format!("secret = {{ file = {:?} }}\n", options.recipient.file),
            false => String::new(),
        };
        let WatcherOptions { network, recipient, lane, token: asset, .. } = options;
        let config = folder.join("watcher.toml");
        let text = format!(
            r#"data_dir = {data_dir:?}
listen = "127.0.0.1:{port}"
token = {{ file = {token_file:?} }}
minimum_refund_waiting_period = {minimum}

[network]
passphrase = {passphrase:?}
rpc_url = {rpc_url:?}
poll_interval_ms = 50
timeout_ms = 5000

[[recipients]]
address = "{recipient}"
{recipient_secret}
[[trusted_code]]
wasm_hash = "{hash}"
layout = "paychan"
settle_needs_recipient = false

[[tokens]]
contract = "{contract}"
code = "USDC"
decimals = 7
minimum_deposit = "1000000"
dust = "50000"
stroops_per_unit = "50000000"

[lane]
secret = {{ file = {lane_file:?} }}

[reaction]
sweep_interval_ledgers = 20
sweep_ledgers = 2
node_lag_ledgers = 2
attempts = 3
confirm_ledgers = 2

[fresh]
ledgers = 10
seconds = 30

[life]
floor_ledgers = {floor}
extend_to_ledgers = {extend_to}
"#,
            data_dir = folder.join("data"),
            minimum = options.minimum_refund_waiting_period,
            passphrase = options.passphrase.as_ref().unwrap_or(&network.passphrase),
            rpc_url = options.rpc_url.as_ref().unwrap_or(&network.rpc_url),
            recipient = recipient.id,
            hash = options.trusted_code.unwrap_or_else(|| WasmHash::of(&wasm)),
            contract = asset.contract,
            lane_file = lane.file,
            floor = options.life_floor,
            extend_to = options.life_extend_to,
        );
        std::fs::write(&config, text).expect("the configuration can be written");
        Self {
            config,
            log: folder.join("watcher.log"),
            url: format!("http://127.0.0.1:{port}"),
            descriptors: None,
            trace: None,
            token,
            http: paychan_rpc::http::client_of_this_machine(paychan_rpc::http::HttpLimits::default())
                .expect("an HTTP client"),
            process: None,
        }
    }

    /// Starts the program and does not wait for it.
    pub fn spawn(&mut self) {
        let log = File::options().create(true).append(true).open(&self.log).expect("the log can be opened");
        let mut command = match (self.descriptors, &self.trace) {
            (None, None) => Command::new(program("paychan-watcher")),
            (None, Some(file)) => {
                // With -D the tracer is not the parent, so that a signal to this child reaches the program.
                let mut traced = Command::new("strace");
                traced.args(["-D", "-f", "-y", "-s", "700", "-e", "trace=write,writev,sendto,sendmsg,fdatasync,fsync"]);
                traced.arg("-o").arg(file).arg(program("paychan-watcher"));
                traced
            }
            (Some(limit), _) => {
                let mut limited = Command::new("sh");
                limited
                    .args(["-c", &format!("ulimit -n {limit} && exec \"$0\" \"$@\"")])
                    .arg(program("paychan-watcher"));
                limited
            }
        };
        let process = command
            .arg("run")
            .arg("--config")
            .arg(&self.config)
            .stdout(log.try_clone().expect("the log's handle can be copied"))
            .stderr(log)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("paychan-watcher starts");
        self.process = Some(process);
    }

    /// Starts the program and waits until it may take money.
    pub async fn start(&mut self) {
        self.spawn();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.http.get(format!("{}/readyz", self.url)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            let process = self.process.as_mut().expect("it was spawned");
            let ended = process.try_wait().expect("its end can be asked for");
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "not ready ({}); the watcher logged:\n{}",
                ended.map_or("in time".to_owned(), |status| status.to_string()),
                self.logged()
            );
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Asks it to stop, with SIGTERM.
    pub fn sigterm(&self) {
        self.signal(Signal::TERM);
    }

    /// Kills it with SIGKILL, so that none of its code runs any more, and does not wait for its end.
    pub fn kill_now(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        let process = self.process.as_ref().and_then(Child::id).expect("it runs");
        let process = i32::try_from(process).ok().and_then(Pid::from_raw).expect("a process has a number above 0");
        kill_process(process, signal).expect("it can be told");
    }

    /// Kills it with SIGKILL, so that none of its code runs any more, and waits for its end.
    pub async fn sigkill(&mut self) {
        let mut process = self.process.take().expect("it runs");
        process.kill().await.expect("it can be killed");
    }

    /// Waits for the program to end by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("it runs");
        tokio::time::timeout(PATIENCE, process.wait())
            .await
            .unwrap_or_else(|_| panic!("it still runs; it logged:\n{}", self.logged()))
            .expect("its end can be waited for")
    }

    /// Everything that it has logged.
    pub fn logged(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Runs `paychan-watcher status` with this configuration. Returns the exit code and the output.
    pub async fn status(&self, args: &[&str]) -> (i32, String) {
        self.command("status", args).await
    }

    /// Runs the command `name` of `paychan-watcher` with this configuration. Returns the exit code and the output.
    pub async fn run_command(&self, name: &str) -> (i32, String) {
        self.command(name, &[]).await
    }

    async fn command(&self, name: &str, args: &[&str]) -> (i32, String) {
        let output = Command::new(program("paychan-watcher"))
            .arg(name)
            .arg("--config")
            .arg(&self.config)
            .args(args)
            .output()
            .await
            .expect("paychan-watcher starts");
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap_or(-1), text)
    }

    /// The status of `/readyz`: whether money is taken. `None` when nobody answers.
    pub async fn readyz(&self) -> Option<u16> {
        Some(self.http.get(format!("{}/readyz", self.url)).send().await.ok()?.status().as_u16())
    }

    /// The HTTP status of `/healthz`. `None` when nobody answers.
    pub async fn healthz(&self) -> Option<u16> {
        let answer = self.http.get(format!("{}/healthz", self.url)).send().await;
        Some(answer.ok()?.status().as_u16())
    }

    /// Asks it to watch a channel. Returns the HTTP status and the body.
    pub async fn admit(&self, channel: &ContractId) -> (u16, Value) {
        self.post("/v1/channels", &json!({ "channel": channel.to_string() }).to_string()).await
    }

    /// Asks what it knows of a channel. Returns the HTTP status and the body.
    pub async fn channel(&self, channel: &ContractId) -> (u16, Value) {
        let request = self.http.get(format!("{}/v1/channels/{channel}", self.url)).bearer_auth(&self.token);
        body_of(request.send().await.expect("the watcher answers")).await
    }

    /// Offers a commitment. Returns the HTTP status and the body, or the error of a request that got no answer.
    pub async fn offer(
        &self,
        channel: &ContractId,
        amount: &str,
        signature: &str,
        request_id: &str,
    ) -> Result<(u16, Value), reqwest::Error> {
        let body = json!({ "amount": amount, "signature": signature, "request_id": request_id });
        let request = self
            .http
            .post(format!("{}/v1/channels/{channel}/commitments", self.url))
            .bearer_auth(&self.token)
            .json(&body);
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        Ok((status, answer.json().await?))
    }

    /// A caller of the API with a connection of its own, which lives through restarts of the program.
    pub fn caller(&self) -> Caller {
        let http = paychan_rpc::http::client_of_this_machine(paychan_rpc::http::HttpLimits::default());
        Caller { url: self.url.clone(), token: self.token.clone(), http: http.expect("an HTTP client") }
    }

    /// Posts a body as it is. Returns the HTTP status and the body.
    pub async fn post(&self, path: &str, body: &str) -> (u16, Value) {
        let request = self
            .http
            .post(format!("{}{path}", self.url))
            .bearer_auth(&self.token)
            .header("content-type", "application/json")
            .body(body.to_owned());
        body_of(request.send().await.expect("the watcher answers")).await
    }

    /// Waits until `reached` is true. After [`PATIENCE`] it panics with what the watcher logged.
    pub async fn wait_until(&self, what: &str, reached: impl AsyncFn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !reached(self).await {
            assert!(Instant::now() < deadline, "not {what} in time; the watcher logged:\n{}", self.logged());
            sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A caller of a watcher's API.
#[derive(Clone)]
pub struct Caller {
    url: String,
    token: String,
    http: reqwest::Client,
}

impl Caller {
    /// Posts a body. Returns the HTTP status and the body, or the error of a request that got no answer.
    pub async fn post(&self, path: &str, body: &Value) -> Result<(u16, Value), reqwest::Error> {
        let request = self.http.post(format!("{}{path}", self.url)).bearer_auth(&self.token).json(body);
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        Ok((status, answer.json().await?))
    }
}

async fn body_of(answer: reqwest::Response) -> (u16, Value) {
    let status = answer.status().as_u16();
    let text = answer.text().await.expect("the answer has a body");
    let body = serde_json::from_str(&text).unwrap_or_else(|error| panic!("not JSON ({error}): {text}"));
    (status, body)
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

/// The payer of a channel, who holds its commitment key.
pub struct Payer {
    /// The commitment key.
    pub secret: CommitmentSecret,
    /// The network.
    pub network: NetworkId,
    /// The channel.
    pub channel: ContractId,
}

impl Payer {
    /// Signs a commitment to `amount` base units in total. Returns the signature as the API takes it: 128 hex digits.
    pub fn sign(&self, amount: i128) -> String {
        let amount = Amount::new(amount).expect("not negative");
        let commitment = Commitment { network: self.network, channel: self.channel, amount };
        commitment.sign(&self.secret).to_string()
    }
}
