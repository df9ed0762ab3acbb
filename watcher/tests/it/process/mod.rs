//! Tests of the program itself: its answers, its exit codes, its start without a network, and its end.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use paychan_channel::Amount;
use paychan_store::{Gate, Held, Offer, Options, Refusal, RequestId, Store};
use rustix::process::{Pid, Signal, kill_process};

use crate::env;

mod memory;
mod rescue;
mod unsettled;

/// The limit is long, so that a busy machine is no failure.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with a configuration whose endpoint does not exist.
struct Folder {
    dir: tempfile::TempDir,
    listen: String,
}

impl Folder {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listen = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let folder = Self { dir, listen };
        secret(&folder.path("token"), "a-token-for-tests-0123456789abcdef", 0o600);
        secret(&folder.path("lane"), &env::lane().to_strkey(), 0o600);
        folder.configure("");
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn configure(&self, more: &str) {
        let text = env::config_text(self.dir.path())
            .replace("/nowhere/token", self.path("token").to_str().unwrap())
            .replace("/nowhere/lane", self.path("lane").to_str().unwrap());
        let text = format!("listen = \"{}\"\n{text}{more}", self.listen);
        fs::write(self.path("watcher.toml"), text).unwrap();
    }

    /// Configures alarms to be sent to this listener, and a freshness limit of a second, so that one is raised soon.
    fn notify(&self, listener: &TcpListener) {
        secret(&self.path("webhook"), "a-webhook-secret-0123456789abcdef", 0o600);
        let path = self.path("watcher.toml");
        let text = fs::read_to_string(&path).unwrap().replace("seconds = 60", "seconds = 1");
        let address = listener.local_addr().unwrap();
        let more = format!(
            "[notify]\nwebhook_url = \"http://{address}/alarms\"\nwebhook_secret = {{ file = {:?} }}\n",
            self.path("webhook")
        );
        fs::write(path, format!("{text}\n{more}")).unwrap();
    }

    fn command(&self, subcommand: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_paychan-watcher"));
        command.arg(subcommand).arg("--config").arg(self.path("watcher.toml"));
        command.env_remove("RUST_LOG").stdin(Stdio::null());
        command
    }

    fn once(&self, subcommand: &str) -> Output {
        self.command(subcommand).output().unwrap()
    }

    fn spawn(&self) -> Running {
        let log = File::create(self.path("log")).unwrap();
        Running(self.command("run").stdout(log).stderr(Stdio::null()).spawn().unwrap())
    }

    fn run(&self) -> Running {
        let running = self.spawn();
        eventually("the API answers", || self.get("/healthz").is_some_and(|status| status == 200));
        running
    }

    /// The HTTP status of a GET; `None` while nothing listens.
    fn get(&self, path: &str) -> Option<u16> {
        let url = format!("http://{}{path}", self.listen);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let asked = runtime.block_on(async {
            paychan_rpc::http::client_of_this_machine(Default::default()).unwrap().get(url).send().await
        });
        asked.ok().map(|answer| answer.status().as_u16())
    }

    /// What was logged so far.
    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}

/// Killed when dropped.
struct Running(Child);

impl Running {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    fn exit_code(&mut self) -> Option<i32> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("it still runs");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn secret(path: &Path, text: &str, mode: u32) {
    let mut file = OpenOptions::new().create_new(true).write(true).mode(mode).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn eventually(what: &str, happened: impl Fn() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn without_a_network_it_is_alive_and_not_ready_and_stops_cleanly() {
    for signal in [Signal::TERM, Signal::INT] {
        let folder = Folder::new();
        let mut running = folder.run();
        assert_eq!(folder.get("/readyz"), Some(503));
        running.signal(signal);
        assert_eq!(running.exit_code(), Some(0));
        let log = fs::read_to_string(folder.path("log")).unwrap();
        assert!(log.contains("no connection"), "{log}");
        assert!(log.contains("all that was acknowledged is on disk"), "{log}");
    }
}

#[test]
fn systemd_hears_that_it_starts_and_stops_and_never_that_it_is_ready_without_a_network() {
    let folder = Folder::new();
    let socket = UnixDatagram::bind(folder.path("notify")).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut child = folder.command("run");
    child.env("NOTIFY_SOCKET", folder.path("notify")).env("WATCHDOG_USEC", "200000");
    let mut running = Running(child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let mut heard = String::new();
    let mut hear_until = |word: &str| {
        let mut buffer = [0; 4_096];
        while !heard.contains(word) {
            let length = socket.recv(&mut buffer).unwrap_or_else(|_| panic!("never heard {word:?}, only:\n{heard}"));
            heard.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
        }
        heard.clone()
    };
    hear_until("EXTEND_TIMEOUT_USEC=");
    hear_until("WATCHDOG=1");
    hear_until("asking for");
    running.signal(Signal::TERM);
    let all = hear_until("STOPPING=1");
    assert!(!all.contains("READY=1"), "{all}");
    assert_eq!(running.exit_code(), Some(0));
}

#[test]
fn a_second_process_on_the_same_store_is_refused_and_the_first_goes_on() {
    let folder = Folder::new();
    let mut first = folder.run();
    let second = folder.once("run");
    assert_eq!(second.status.code(), Some(3), "{}", said(&second));
    assert!(said(&second).contains("held by another process"), "{}", said(&second));
    assert_eq!(folder.get("/healthz"), Some(200));
    first.signal(Signal::TERM);
    assert_eq!(first.exit_code(), Some(0));
}

#[test]
fn an_address_that_is_taken_is_named() {
    let folder = Folder::new();
    let taken = TcpListener::bind(&folder.listen).unwrap();
    let output = folder.once("run");
    assert_eq!(output.status.code(), Some(1));
    let said = said(&output);
    assert!(said.contains(&taken.local_addr().unwrap().to_string()), "{said}");
}

#[test]
fn a_wrong_configuration_is_exit_code_2_and_names_what_is_wrong() {
    let folder = Folder::new();
    folder.configure("\n[nonsense]\n");
    for subcommand in ["run", "status", "check", "repair", "confirm-rollback"] {
        let output = folder.once(subcommand);
        assert_eq!(output.status.code(), Some(2), "{subcommand}: {}", said(&output));
        assert!(said(&output).contains("nonsense"), "{subcommand}: {}", said(&output));
    }
    assert!(!folder.path("data").exists(), "nothing was made of it");
}

#[test]
fn a_key_that_others_can_read_is_refused_without_being_shown() {
    let folder = Folder::new();
    fs::remove_file(folder.path("lane")).unwrap();
    let key = env::lane().to_strkey();
    secret(&folder.path("lane"), &key, 0o644);
    let output = folder.once("run");
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("chmod 600"), "{}", said(&output));
    assert!(!said(&output).contains(key.as_str()) && !String::from_utf8_lossy(&output.stdout).contains(key.as_str()));
}

#[test]
fn the_status_of_a_watcher_that_is_down_comes_from_its_journal() {
    let folder = Folder::new();
    let mut running = folder.run();
    running.signal(Signal::TERM);
    assert_eq!(running.exit_code(), Some(0));
    let output = folder.command("status").arg("--json").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["running"], serde_json::Value::Bool(false));
}

#[test]
fn silent_connections_use_up_no_descriptor_that_the_operator_needs_and_do_not_delay_the_end() {
    let folder = Folder::new();
    let log = File::create(folder.path("log")).unwrap();
    let mut limited = Command::new("sh");
    // Both limits are set, since the watcher raises the soft one to the hard one.
    limited.args(["-c", "ulimit -n 200 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_paychan-watcher")]);
    limited.args(["run", "--config"]).arg(folder.path("watcher.toml"));
    let child = limited.stdin(Stdio::null()).stdout(log).stderr(Stdio::null()).spawn().unwrap();
    let mut running = Running(child);
    eventually("the API answers", || folder.get("/healthz").is_some_and(|status| status == 200));
    let pid = running.0.id();
    let open = || fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    let at_rest = open();

    let strangers: Vec<_> = (0..250).map(|_| TcpStream::connect(&folder.listen).unwrap()).collect();
    for mut stranger in strangers.iter().take(20) {
        stranger.write_all(b"POST /v1/chan").unwrap();
    }
    eventually("they are taken as far as the limit goes", || open() >= at_rest + 30);
    std::thread::sleep(Duration::from_millis(300));
    assert!(open() <= at_rest + 40, "{} descriptors were open, now {}", at_rest, open());
    let status = folder.command("status").arg("--json").output().unwrap();
    assert_eq!(status.status.code(), Some(0), "{}", said(&status));
    let report: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(report["running"], serde_json::Value::Bool(true));

    let asked = Instant::now();
    running.signal(Signal::TERM);
    assert_eq!(running.exit_code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
    drop(strangers);
}

#[test]
fn help_lists_the_exit_codes() {
    let output = Command::new(env!("CARGO_BIN_EXE_paychan-watcher")).arg("--help").output().unwrap();
    let help = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0));
    assert!(help.contains("Exit codes:") && help.contains("confirm-rollback"), "{help}");
    let wrong = Command::new(env!("CARGO_BIN_EXE_paychan-watcher")).arg("runn").output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
}

/// Checks that the program runs and stops although nobody reads its output.
fn lives_and_stops(folder: &Folder, mut command: Command) {
    let mut running = Running(command.spawn().unwrap());
    eventually("the API answers", || folder.get("/healthz") == Some(200));
    // Each request logs several lines at this level, in total several times what a pipe holds.
    for _ in 0..400 {
        assert_eq!(folder.get("/healthz"), Some(200));
    }
    running.signal(Signal::TERM);
    assert_eq!(running.exit_code(), Some(0));
}

#[test]
fn standard_streams_that_nobody_reads_stop_nothing() {
    let folder = Folder::new();
    let mut command = folder.command("run");
    command.env("RUST_LOG", "trace").stdout(Stdio::piped()).stderr(Stdio::piped());
    lives_and_stops(&folder, command);
}

#[test]
fn standard_streams_that_are_closed_or_full_stop_nothing() {
    for streams in [">&- 2>&-", "> /dev/full 2> /dev/full"] {
        let folder = Folder::new();
        let mut command = Command::new("sh");
        let program = env!("CARGO_BIN_EXE_paychan-watcher");
        let config = folder.path("watcher.toml");
        command.arg("-c").arg(format!("exec '{program}' run --config '{}' {streams}", config.display()));
        command.env("RUST_LOG", "trace").stdin(Stdio::null());
        lives_and_stops(&folder, command);
    }
}

#[test]
fn a_webhook_that_hangs_stops_nothing() {
    let folder = Folder::new();
    // The system accepts connections, and nobody answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    folder.notify(&silent);
    let mut command = folder.command("run");
    command.stdout(Stdio::null()).stderr(Stdio::null());
    lives_and_stops(&folder, command);
}

#[test]
fn a_chain_that_cannot_be_seen_is_an_alarm_that_reaches_the_webhook_signed() {
    let folder = Folder::new();
    let webhook = TcpListener::bind("127.0.0.1:0").unwrap();
    folder.notify(&webhook);
    let log = File::create(folder.path("log")).unwrap();
    let mut command = folder.command("run");
    let _running = Running(command.stdout(log).stderr(Stdio::null()).spawn().unwrap());
    let (mut connection, _) = webhook.accept().unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut request = String::new();
    let mut buffer = [0; 4_096];
    while !request.contains("raised_at_unix_ms") {
        let length = connection.read(&mut buffer).unwrap();
        assert!(length > 0, "it ended after {request}");
        request.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
    }
    assert!(request.contains(r#""alarm":"chain_not_visible""#), "{request}");
    assert!(request.to_lowercase().contains("paychan-signature: t="), "{request}");
    let log = || fs::read_to_string(folder.path("log")).unwrap();
    eventually("the log has it too", || log().contains("chain_not_visible"));
}

/// Writes the store of a watcher that has taken a commitment for `units` on each of the channels `1..=channels`.
fn commitments_held(folder: &Folder, channels: u8, units: i128) {
    let config = paychan_watcher::config::Config::load(&folder.path("watcher.toml")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (store, _) =
            Store::open(&config.data_dir, &config.network_id(), Options::default(), Arc::new(Open)).unwrap();
        for number in 1..=channels {
            store.admit(env::admission(&env::open_channel(number))).await.unwrap();
        }
        for number in 1..=channels {
            let channel = env::id(number);
            let signature = signature(number, units);
            let request_id = RequestId::new("one").unwrap();
            store.accept(Offer { channel, amount: env::amount(units), signature, request_id }).await.unwrap();
        }
        store.shutdown().await.unwrap();
    });
}

fn signature(number: u8, units: i128) -> paychan_channel::Signature {
    let network = paychan_sim::network::SimChain::network_id();
    paychan_channel::Commitment { network, channel: env::id(number), amount: env::amount(units) }
        .sign(&env::funder(number))
}

struct Open;

impl Gate for Open {
    fn check(&self, _: &Held, _: Amount, _: Amount) -> Result<(), Refusal> {
        Ok(())
    }
}

#[test]
fn a_mounted_secret_may_be_read_by_the_process_group_alone() {
    let folder = Folder::new();
    let file = format!("secret = {{ file = {:?} }}", folder.path("lane"));
    let text = fs::read_to_string(folder.path("watcher.toml")).unwrap();
    assert!(text.contains(&file), "{text}");
    fs::write(folder.path("watcher.toml"), text.replace(&file, &file.replace("file", "mounted"))).unwrap();
    let set_mode = |mode| fs::set_permissions(folder.path("lane"), fs::Permissions::from_mode(mode)).unwrap();
    for (mode, taken) in [(0o440, true), (0o400, true), (0o444, false), (0o460, false), (0o640, false)] {
        set_mode(mode);
        let output = folder.once("check");
        // The failure comes from the endpoint, which is asked after the secrets were read.
        let refused = output.status.code() == Some(2);
        assert_eq!(refused, !taken, "{mode:o}: {}", said(&output));
    }
}

#[test]
fn an_endpoint_gets_its_header_from_a_secret_that_is_never_shown() {
    const KEY: &str = "a-providers-key-0123456789";
    let folder = Folder::new();
    let endpoint = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", endpoint.local_addr().unwrap());
    secret(&folder.path("header"), &format!("X-Api-Key: {KEY}\n"), 0o600);
    let text = fs::read_to_string(folder.path("watcher.toml")).unwrap();
    let asks = "rpc_url = \"http://127.0.0.1:1\"";
    assert!(text.contains(asks), "{text}");
    let header =
        format!("\n[[network.headers]]\nrpc_url = {url:?}\nheader = {{ file = {:?} }}\n", folder.path("header"));
    fs::write(folder.path("watcher.toml"), text.replace(asks, &format!("rpc_url = {url:?}")) + &header).unwrap();
    let asked = std::thread::spawn(move || {
        let (mut connection, _) = endpoint.accept().unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        let (mut head, mut buffer) = (String::new(), [0; 4_096]);
        while !head.contains("\r\n\r\n") {
            let length = connection.read(&mut buffer).unwrap();
            head.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
        }
        connection.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        head
    });
    let output = folder.once("check");
    let head = asked.join().unwrap();
    assert!(head.to_ascii_lowercase().contains("x-api-key: ") && head.contains(KEY), "{head}");
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("401") && !said(&output).contains(KEY), "{}", said(&output));

    fs::remove_file(folder.path("header")).unwrap();
    let without = folder.once("check");
    assert!(without.status.code() == Some(2) && said(&without).contains("network.headers"), "{}", said(&without));
}
