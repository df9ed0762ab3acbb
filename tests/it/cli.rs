//! `paychan` against a network: what each command does to the chain, and what it refuses to do.

use std::ffi::OsStr;
use std::path::Path;

use paychan_channel::{Amount, CommitmentSecret};
use paychan_rpc::read_account;
use paychan_tests::command::{Ran, paychan};
use paychan_tests::files::write_secret;
use paychan_tests::network::{Network, NetworkOptions, Person, TestToken};
use paychan_tests::programs::contract_wasm;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Long enough that no test reaches the deadline unless it jumps there.
const WAITING_PERIOD: &str = "20000";

/// A network with a token, a funder who holds 1,000 of it, a recipient, and somebody with nothing but XLM.
pub(crate) struct Scene {
    pub(crate) folder: TempDir,
    pub(crate) network: Network,
    pub(crate) usdc: TestToken,
    pub(crate) funder: Person,
    pub(crate) recipient: Person,
    pub(crate) stranger: Person,
}

impl Scene {
    pub(crate) async fn new() -> Self {
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

    fn token(&self) -> String {
        format!("USDC:{}", self.usdc.issuer.id)
    }

    fn seed(&self) -> String {
        path_text(&self.folder.path().join("agent.seed"))
    }

    pub(crate) async fn run(&self, args: &[&str]) -> Ran {
        paychan(&self.network, args.iter().map(OsStr::new)).await
    }

    /// A command as somebody.
    pub(crate) async fn run_as(&self, who: &Person, args: &[&str]) -> Ran {
        let secret = path_text(&who.file);
        self.run(&[args, &["--secret-file", &secret]].concat()).await
    }

    /// Opens a channel with these options besides the usual ones; a later option takes the place of an earlier one.
    async fn open(&self, deposit: &str, more: &[&str]) -> Ran {
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

    /// A channel with 12.5 USDC in it.
    pub(crate) async fn channel(&self) -> String {
        let opened = self.open("12.5", &[]).await.ok();
        opened["channel"].as_str().unwrap().to_owned()
    }

    /// Signs a commitment into a file.
    pub(crate) async fn sign(&self, channel: &str, amount: &str) -> String {
        let seed = self.seed();
        let signed = self.run(&["sign", channel, "--amount", amount, "--secret-file", &seed]).await.ok();
        let path = self.folder.path().join(format!("{amount}.json"));
        std::fs::write(&path, signed.to_string()).unwrap();
        path_text(&path)
    }

    pub(crate) async fn inspect(&self, channel: &str) -> Value {
        self.run(&["inspect", channel]).await.ok()
    }

    /// An account's stroops.
    async fn xlm(&self, who: &Person) -> i64 {
        read_account(&self.network.client, &who.id).await.unwrap().balance.get()
    }

    pub(crate) async fn usdc_of(&self, who: &Person) -> Amount {
        self.network.balance(&self.usdc, &who.id).await
    }
}

fn path_text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

pub(crate) fn units(units: u64) -> Amount {
    Amount::from(units)
}

/// The kind of a failure, and the exit code that goes with it.
fn refused(ran: &Ran) -> (i32, String, String) {
    let error = &ran.json()["error"];
    let text = |name: &str| error[name].as_str().unwrap_or_else(|| panic!("no error in {}", ran.stdout)).to_owned();
    (ran.code, text("kind"), text("message"))
}

pub(crate) fn assert_refused(ran: &Ran, code: i32, kind: &str, said: &str) {
    let (found_code, found_kind, message) = refused(ran);
    assert_eq!((found_code, found_kind.as_str()), (code, kind), "{message}");
    assert!(message.contains(said), "expected {said:?} in {message:?}");
}

#[tokio::test]
async fn a_channel_is_opened_topped_up_settled_announced_closed_and_refunded() {
    let scene = Scene::new().await;
    let opened = scene.open("12.5", &[]).await.ok();
    let channel = opened["channel"].as_str().unwrap();
    assert_eq!(opened["deposited"], "125000000");
    assert_eq!(opened["already_open"], false);
    assert!(opened["upload"]["hash"].is_string(), "the network had no code: {opened}");
    let fee: u64 = opened["open"]["fee_charged"].as_str().unwrap().parse().unwrap();
    assert!(fee > 0);
    assert_eq!(scene.usdc_of(&scene.funder).await, units(10_000_000_000 - 125_000_000));

    let seen = scene.inspect(channel).await;
    assert_eq!(seen["status"], "open");
    assert_eq!(seen["contract"], "paychan");
    assert_eq!(seen["from"], scene.funder.id.to_string());
    assert_eq!(seen["to"], scene.recipient.id.to_string());
    assert_eq!(seen["token"], scene.usdc.contract.to_string());
    assert_eq!((&seen["token_name"], &seen["token_decimals"]), (&json!("USDC"), &json!(7)));
    assert_eq!(seen["refund_waiting_period"], 20_000);
    for (amount, expected) in
        [("deposited", "125000000"), ("balance", "125000000"), ("coverage", "125000000"), ("withdrawn", "0")]
    {
        assert_eq!(seen[amount], expected, "{amount}");
    }
    let lives = seen["lives"].as_array().unwrap();
    let entries: Vec<_> = lives.iter().map(|life| life["entry"].as_str().unwrap()).collect();
    assert_eq!(entries, ["instance", "code", "token balance", "token instance"]);
    assert!(lives.iter().all(|life| life["live_until"].as_u64() > seen["read_at"].as_u64()), "{lives:?}");

    let topped = scene.run_as(&scene.funder, &["top-up", channel, "--amount", "75000000", "--base-units"]).await.ok();
    assert_eq!((&topped["amount"], &topped["deposited"]), (&json!("75000000"), &json!("200000000")));

    // Anyone may settle: the stranger has no USDC and no trustline.
    let commitment = scene.sign(channel, "60000000").await;
    let settle = ["settle", "--commitment", &commitment];
    let settled = scene.run_as(&scene.stranger, &settle).await.ok();
    assert_eq!((&settled["paid"], &settled["withdrawn"]), (&json!("60000000"), &json!("60000000")));
    assert_eq!(scene.usdc_of(&scene.recipient).await, units(60_000_000));
    let again = scene.run_as(&scene.stranger, &settle).await.ok();
    assert_eq!((&again["paid"], &again["transaction"]), (&json!("0"), &Value::Null));

    let early = scene.run_as(&scene.funder, &["refund", channel]).await;
    assert_refused(&early, 1, "refused", "close-start");
    let closing = scene.run_as(&scene.funder, &["close-start", channel]).await.ok();
    let deadline = closing["deadline"].as_u64().unwrap();
    assert_eq!(deadline, closing["transaction"]["ledger"].as_u64().unwrap() + 20_000);
    assert_eq!(closing["last_safe_ledger"].as_u64().unwrap(), deadline - 1);
    let twice = scene.run_as(&scene.funder, &["close-start", channel]).await;
    assert_refused(&twice, 1, "refused", "--again");
    assert_eq!(scene.inspect(channel).await["deadline"].as_u64().unwrap(), deadline);
    let top_up = scene.run_as(&scene.funder, &["top-up", channel, "--amount", "1"]).await;
    assert_refused(&top_up, 1, "refused", "no more deposits");
    let early = scene.run_as(&scene.funder, &["refund", channel]).await;
    assert_refused(&early, 1, "refused", &format!("possible from ledger {deadline}"));

    scene.network.jump(20_000).await;
    assert_eq!(scene.inspect(channel).await["status"], "refundable");
    let refunded = scene.run_as(&scene.funder, &["refund", channel]).await.ok();
    assert_eq!((&refunded["refunded"], &refunded["withdrawn"]), (&json!("140000000"), &json!("60000000")));
    assert_eq!(scene.usdc_of(&scene.funder).await, units(10_000_000_000 - 60_000_000));
    assert_eq!(scene.inspect(channel).await["status"], "final");
    let empty = scene.run_as(&scene.funder, &["refund", channel]).await;
    assert_refused(&empty, 1, "refused", "nothing to refund");
}

#[tokio::test]
async fn the_recipient_closes_with_a_commitment_and_the_rest_goes_back() {
    let scene = Scene::new().await;
    let channel = scene.channel().await;
    let commitment = scene.sign(&channel, "50000000").await;

    let stranger = scene.run_as(&scene.stranger, &["close", "--commitment", &commitment]).await;
    assert_refused(&stranger, 1, "refused", "recipient");
    let without = scene.run_as(&scene.recipient, &["close", &channel]).await;
    assert_refused(&without, 2, "usage", "--without-commitment");

    let closed = scene.run_as(&scene.recipient, &["close", "--commitment", &commitment]).await.ok();
    for (amount, expected) in
        [("paid", "50000000"), ("returned", "75000000"), ("withdrawn", "50000000"), ("balance", "0")]
    {
        assert_eq!(closed[amount], expected, "{amount}");
    }
    assert_eq!(scene.usdc_of(&scene.recipient).await, units(50_000_000));
    assert_eq!(scene.usdc_of(&scene.funder).await, units(10_000_000_000 - 50_000_000));
    assert_eq!(scene.inspect(&channel).await["status"], "final");

    let higher = scene.sign(&channel, "60000000").await;
    let late = scene.run_as(&scene.stranger, &["settle", "--commitment", &higher]).await;
    assert_refused(&late, 1, "refused", "closed for good");
    let again = scene.run_as(&scene.recipient, &["close", "--commitment", &commitment]).await;
    assert_refused(&again, 1, "refused", "closed for good already");
    let start = scene.run_as(&scene.funder, &["close-start", &channel]).await;
    assert_refused(&start, 1, "refused", "closed for good already");
}

#[tokio::test]
async fn a_deed_that_can_not_be_told_is_told_to_be_done_with_its_transaction() {
    let scene = Scene::new().await;
    let channel = scene.channel().await;
    let secret = path_text(&scene.funder.file);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = tokio::process::Command::new(paychan_tests::programs::program("paychan"))
        .args(["top-up", &channel, "--amount", "1", "--secret-file", &secret, "--json"])
        .env("PAYCHAN_RPC_URL", &scene.network.rpc_url)
        .env("PAYCHAN_PASSPHRASE", &scene.network.passphrase)
        .stdout(full)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap()
        // Not `output`, which would put a pipe in the place of the full device.
        .wait_with_output()
        .await
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("it is done (ledger") && said.contains("Do not repeat the command"), "{said}");
    let hash = said.split("transaction ").last().unwrap().split(')').next().unwrap();
    assert_eq!(hash.len(), 64, "{said}");
    assert_eq!(scene.inspect(&channel).await["deposited"], "135000000");
}

#[tokio::test]
async fn an_unused_channel_is_closed_without_a_commitment() {
    let scene = Scene::new().await;
    let channel = scene.channel().await;
    let closed = scene.run_as(&scene.recipient, &["close", &channel, "--without-commitment"]).await.ok();
    assert_eq!((&closed["paid"], &closed["returned"]), (&json!("0"), &json!("125000000")));
    assert_eq!(scene.usdc_of(&scene.funder).await, units(10_000_000_000));
}

#[tokio::test]
async fn opening_again_with_the_salt_finds_the_channel_and_pays_nothing() {
    let scene = Scene::new().await;
    let salt = "5a".repeat(32);
    let first = scene.open("12.5", &["--salt", &salt]).await.ok();
    assert_eq!(first["salt"], salt);
    let second = scene.open("12.5", &["--salt", &salt]).await.ok();
    assert_eq!((&second["channel"], &second["already_open"]), (&first["channel"], &json!(true)));
    assert_eq!((&second["open"], &second["upload"]), (&Value::Null, &Value::Null));
    assert_eq!(scene.usdc_of(&scene.funder).await, units(10_000_000_000 - 125_000_000));

    let other_terms = scene.open("12.5", &["--salt", &salt, "--refund-waiting-period", "30000"]).await;
    assert_refused(&other_terms, 1, "refused", "another waiting period");
    assert_eq!(other_terms.json()["error"]["salt"], salt);

    let another = scene.open("12.5", &[]).await.ok();
    assert_ne!(another["channel"], first["channel"]);
    assert_eq!(another["upload"], Value::Null, "the code is there already");
    let by_hash = scene.open("1", &["--wasm-hash", first["wasm_hash"].as_str().unwrap()]).await.ok();
    assert_eq!(by_hash["wasm_hash"], first["wasm_hash"]);
}

#[tokio::test]
async fn xlm_itself_can_be_the_token() {
    let scene = Scene::new().await;
    let opened = scene.open("0.5", &["--token", "native"]).await.ok();
    assert_eq!(opened["deposited"], "5000000");
    let seen = scene.inspect(opened["channel"].as_str().unwrap()).await;
    assert_eq!((&seen["token_name"], &seen["coverage"]), (&json!("XLM"), &json!("5000000")));
}

#[tokio::test]
async fn an_opening_that_can_not_succeed_is_refused_before_it_costs_anything() {
    let scene = Scene::new().await;
    let before = scene.usdc_of(&scene.funder).await;
    let xlm_before = scene.xlm(&scene.funder).await;
    let stranger = path_text(&scene.stranger.file);
    let nobody = paychan_rpc::SecretKey::generate().unwrap();
    let nobody_file = scene.folder.path().join("nobody.key");
    write_secret(&nobody_file, &nobody.to_strkey());
    let nobody_file = path_text(&nobody_file);
    let other_asset = format!("EURC:{}", scene.usdc.issuer.id);
    let unknown_hash = "ab".repeat(32);
    let not_a_token = scene.recipient.id.to_string();

    assert_refused(
        &scene.open("1000.0000001", &[]).await,
        1,
        "refused",
        "1000 USDC free, 1000.0000001 USDC are needed",
    );
    assert_refused(&scene.open("1.23456789", &[]).await, 2, "usage", "7 decimals");
    assert_refused(&scene.open("-1", &[]).await, 2, "usage", "negative");
    assert_refused(&scene.open("0", &[]).await, 2, "usage", "above zero");
    assert_refused(&scene.open("1.5", &["--base-units"]).await, 2, "usage", "fraction");
    assert_refused(&scene.open("1", &["--token", &other_asset]).await, 1, "refused", "is not deployed on this network");
    assert_refused(&scene.open("1", &["--token", &not_a_token]).await, 2, "usage", "token contract's C... address");
    assert_refused(&scene.open("1", &["--max-fee", "1000"]).await, 1, "fee_too_high", "--max-fee 1000");

    let wasm = path_text(&contract_wasm());
    let (token, to, seed) = (scene.token(), scene.recipient.id.to_string(), scene.seed());
    let usual = [
        "open",
        "--deposit",
        "1",
        "--token",
        &token,
        "--to",
        &to,
        "--refund-waiting-period",
        WAITING_PERIOD,
        "--commitment-secret-file",
        &seed,
    ];
    let as_whom = |secret, more: &[&'static str]| -> Vec<String> {
        let args = usual.iter().copied().chain(["--secret-file", secret]).chain(more.iter().copied());
        args.map(str::to_owned).collect()
    };
    let no_trustline = [as_whom(&stranger, &["--wasm"]), vec![wasm.clone()]].concat();
    assert_refused(&paychan(&scene.network, no_trustline).await, 1, "refused", "has no trustline for USDC:");
    let no_account = [as_whom(&nobody_file, &["--wasm"]), vec![wasm]].concat();
    assert_refused(&paychan(&scene.network, no_account).await, 1, "refused", "does not exist on this network");
    let funder = path_text(&scene.funder.file);
    let no_code = [as_whom(&funder, &["--wasm-hash"]), vec![unknown_hash]].concat();
    assert_refused(&paychan(&scene.network, no_code).await, 1, "refused", "--wasm FILE");

    assert_eq!(scene.usdc_of(&scene.funder).await, before);
    assert_eq!(scene.xlm(&scene.funder).await, xlm_before);
}

#[tokio::test]
async fn a_recipient_who_can_not_be_paid_yet_is_warned_about() {
    let scene = Scene::new().await;
    let to = scene.stranger.id.to_string();
    let ran = scene.open("1", &["--to", &to]).await;
    assert!(ran.stderr.contains("has no trustline for USDC:"), "{}", ran.stderr);
    assert_eq!(ran.ok()["to"], to);
}

#[tokio::test]
async fn a_commitment_that_the_chain_would_not_pay_is_refused_before_it_costs_a_fee() {
    let scene = Scene::new().await;
    let channel = scene.channel().await;
    let other = scene.open("1", &[]).await.ok();
    let other = other["channel"].as_str().unwrap();
    let xlm_before = scene.xlm(&scene.stranger).await;
    let settle = async |args: &[&str]| scene.run_as(&scene.stranger, &[&["settle"], args].concat()).await;

    let beyond = scene.sign(&channel, "125000001").await;
    assert_refused(&settle(&["--commitment", &beyond]).await, 1, "refused", "covers 125000000");

    let good: Value = serde_json::from_str(&std::fs::read_to_string(scene.sign(&channel, "7").await).unwrap()).unwrap();
    let signature = good["signature"].as_str().unwrap();
    let other_amount = settle(&[&channel, "--amount", "8", "--signature", signature]).await;
    assert_refused(&other_amount, 1, "refused", "not one of the channel's commitment key");
    let other_channel = settle(&[other, "--amount", "7", "--signature", signature]).await;
    assert_refused(&other_channel, 1, "refused", "not one of the channel's commitment key");

    let seed = scene.seed();
    let elsewhere = ["sign", &channel, "--amount", "7", "--secret-file", &seed, "--network", "testnet", "--json"];
    let elsewhere = tokio::process::Command::new(paychan_tests::programs::program("paychan"))
        .args(elsewhere)
        .env_remove("PAYCHAN_PASSPHRASE")
        .output()
        .await
        .unwrap();
    let path = scene.folder.path().join("elsewhere.json");
    std::fs::write(&path, &elsewhere.stdout).unwrap();
    let wrong_network = settle(&["--commitment", &path_text(&path)]).await;
    assert_refused(&wrong_network, 3, "wrong_network", "signed for the network");

    assert_eq!(scene.xlm(&scene.stranger).await, xlm_before);
    assert_eq!(scene.inspect(&channel).await["withdrawn"], "0");
}

#[tokio::test]
async fn what_is_the_funders_is_refused_to_others() {
    let scene = Scene::new().await;
    let channel = scene.channel().await;
    for command in [vec!["top-up", &channel, "--amount", "1"], vec!["close-start", &channel], vec!["refund", &channel]]
    {
        let ran = scene.run_as(&scene.recipient, &command).await;
        assert_refused(&ran, 1, "refused", &format!("the channel's funder, {}", scene.funder.id));
    }
    assert_eq!(scene.inspect(&channel).await["deadline"], Value::Null);
}

#[tokio::test]
async fn what_is_no_channel_is_said_to_be_none() {
    let scene = Scene::new().await;
    let token = scene.run(&["inspect", &scene.usdc.contract.to_string()]).await;
    assert_refused(&token, 1, "not_a_channel", "a token");
    let nothing = "CCVNNFKAXJSMGQXVRAKMVZG5QLLRPOTXPV3DHSA4BHQPJEIG2HOYZYLZ";
    let nowhere = scene.run(&["inspect", nothing]).await;
    assert_refused(&nowhere, 1, "not_a_channel", "no contract has the address");
}

#[tokio::test]
async fn an_endpoint_of_another_network_is_refused_with_both_names() {
    let scene = Scene::new().await;
    let channel = scene.channel().await;
    let secret = path_text(&scene.funder.file);
    let output = tokio::process::Command::new(paychan_tests::programs::program("paychan"))
        .args(["close-start", &channel, "--network", "testnet", "--secret-file", &secret, "--json"])
        .env("PAYCHAN_RPC_URL", &scene.network.rpc_url)
        .env_remove("PAYCHAN_PASSPHRASE")
        .output()
        .await
        .unwrap();
    let ran = Ran {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    assert_refused(&ran, 3, "wrong_network", "Test SDF Network");
    assert!(ran.stdout.contains(&scene.network.passphrase), "{}", ran.stdout);
    assert_eq!(scene.inspect(&channel).await["status"], "open");
}
