//! Tests that mppx and our programs can sell to each other, with real vouchers of channels on a local network.
//! `scripts/mppx.sh` installs mppx and runs these tests.

use std::path::PathBuf;
use std::process::Stdio;

use paychan_rpc::{TransactionAnswer, TxHash};
use paychan_tests::env::TestEnv;
use paychan_tests::network::NetworkOptions;
use paychan_tests::programs::program;
use paychan_tests::watcher::{Payer, Watcher};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::examples::{json_of, pay, seller};

const WAITING_PERIOD: u32 = 200;
/// What each channel holds at first, base units.
const DEPOSIT: i128 = 50_000_000;
const NEEDS_NODE: &str = "PAYCHAN_MPPX_FOLDER: run scripts/mppx.sh, which installs mppx and runs this test";

/// A command that runs a script of tests/interop/mppx beside an installed mppx.
fn node(script: &str) -> Command {
    let folder = PathBuf::from(std::env::var("PAYCHAN_MPPX_FOLDER").expect(NEEDS_NODE));
    let mut command = Command::new("node");
    command.arg(folder.join(script)).current_dir(folder).env("NODE_ENV", "production").kill_on_drop(true);
    command
}

/// A network with a channel, a watcher that watches it and may close it, and our seller, which is paid through it.
async fn selling() -> (TestEnv, Payer, Watcher, Child, String) {
    let env = TestEnv::new(NetworkOptions::default()).await;
    let payer = env.open("5", &env.recipient, WAITING_PERIOD).await;
    let mut options = env.watcher_options();
    options.may_close = true;
    let mut watcher = Watcher::configure(env.path(), &options);
    watcher.start().await;
    let (seller, url) = seller(&env, &watcher, Some(&payer)).await;
    (env, payer, watcher, seller, url)
}

#[tokio::test]
#[ignore = "needs Node and mppx: scripts/mppx.sh"]
async fn mppx_buys_from_our_seller() {
    let (env, payer, watcher, _seller, url) = selling().await;
    let mut client = node("client.mjs");
    client
        .env("URL", format!("{url}/time"))
        .env("SEED", payer.secret.seed_hex().as_str())
        .env("PASSPHRASE", &env.network.passphrase)
        .env("TIMES", "5");
    let (_, bought) = json_of(&mut client).await;
    assert_eq!(bought["statuses"], json!([200, 200, 200, 200, 200]), "{bought}");
    assert_eq!(bought["totals"], json!(["10000", "20000", "30000", "40000", "50000"]), "one voucher for each answer");
    assert_eq!(bought["receipts"][4]["acceptedCumulative"], "50000", "{bought}");
    let (_, channel) = watcher.channel(&payer.channel).await;
    assert_eq!((&channel["highest"], &channel["spent"]), (&json!("50000"), &json!("50000")));
}

#[tokio::test]
#[ignore = "needs Node and mppx: scripts/mppx.sh"]
async fn mppx_closes_at_our_seller() {
    let (env, payer, watcher, _seller, url) = selling().await;
    let before = env.usdc(&env.funder).await;
    let mut client = node("client.mjs");
    client
        .env("URL", format!("{url}/time"))
        .env("SEED", payer.secret.seed_hex().as_str())
        .env("PASSPHRASE", &env.network.passphrase)
        .env("TIMES", "2")
        .env("CLOSE", "1");
    let (_, ended) = json_of(&mut client).await;
    assert_eq!(ended["statuses"], json!([200, 200, 200]), "{ended}");
    assert_eq!(ended["totals"], json!(["10000", "20000", "20000"]), "the close pays what was spent: {ended}");
    let transaction = &ended["receipts"][2]["reference"];
    assert!(is_included(&env, transaction).await, "{ended}");
    let state = env.read(&payer.channel).await;
    assert_eq!((state.withdrawn.get(), state.is_final()), (20_000, true));
    assert_eq!(env.usdc(&env.funder).await.get(), before.get() + DEPOSIT - 20_000, "the rest came back");
    let (_, channel) = watcher.channel(&payer.channel).await;
    assert_eq!((&channel["spent"], &channel["last_transaction"]), (&json!("20000"), transaction));
}

/// Whether a transaction, of which this is the hash, is on the network.
async fn is_included(env: &TestEnv, hash: &Value) -> bool {
    let hash = hex::decode(hash.as_str().expect("a hash")).expect("hexadecimal digits");
    let hash = TxHash(hash.try_into().expect("32 bytes"));
    matches!(env.network.client.get_transaction(&hash).await.unwrap(), TransactionAnswer::Success(_))
}

/// An mppx server that is paid through the channel, closes it as its recipient, and answers the close with this status. Returns
/// its address too.
async fn mppx_server(env: &TestEnv, payer: &Payer, close_status: &str) -> (Child, String) {
    // The name of a network that has no public name.
    let network = format!("stellar:{}", &env.network.id().to_string()[..16]);
    let close = json!([
        program("paychan"),
        "close",
        payer.channel.to_string(),
        "--json",
        "--rpc-url",
        env.network.rpc_url,
        "--passphrase",
        env.network.passphrase,
        "--secret-file",
        env.recipient.file,
    ]);
    let mut server = node("server.mjs")
        .env("CHANNEL", payer.channel.to_string())
        .env("COMMITMENT_KEY", payer.secret.public().to_string())
        .env("PASSPHRASE", &env.network.passphrase)
        .env("NETWORK", network)
        .env("CLOSE_COMMAND", close.to_string())
        .env("CLOSE_STATUS", close_status)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut prints = BufReader::new(server.stdout.take().unwrap()).lines();
    let url = prints.next_line().await.unwrap().expect("the server prints its address");
    (server, url)
}

#[tokio::test]
#[ignore = "needs Node and mppx: scripts/mppx.sh"]
async fn our_buyer_closes_at_mppx() {
    let env = TestEnv::new(NetworkOptions::default()).await;
    // mppx's own sessions answer a close with 204, and a server may as well answer it with 200.
    for status in ["204", "200"] {
        let payer = env.open("5", &env.recipient, WAITING_PERIOD).await;
        let (_server, url) = mppx_server(&env, &payer, status).await;
        let (code, bought) = json_of(pay(&env, &url, &payer).args(["--repeat", "3"])).await;
        assert_eq!((code, &bought["succeeded"]), (0, &Value::from(3)), "{bought}");
        let before = (env.usdc(&env.funder).await.get(), env.usdc(&env.recipient).await.get());

        let (code, ended) = json_of(pay(&env, &url, &payer).arg("--close")).await;
        assert_eq!((code, &ended["state"], &ended["amount"]), (0, &json!("closed"), &json!("30000")), "{ended}");
        assert_eq!(ended["channel"], payer.channel.to_string(), "{ended}");
        assert!(is_included(&env, &ended["transaction"]).await, "{ended}");
        let state = env.read(&payer.channel).await;
        assert_eq!((state.withdrawn.get(), state.is_final()), (30_000, true), "the commitment of the close was valid");
        let after = (env.usdc(&env.funder).await.get(), env.usdc(&env.recipient).await.get());
        assert_eq!(after, (before.0 + DEPOSIT - 30_000, before.1 + 30_000));

        let (code, refused) = json_of(&mut pay(&env, &url, &payer)).await;
        assert_eq!((code, &refused["error"]["may_have_paid"]), (1, &json!(false)), "{refused}");
    }
}

#[tokio::test]
#[ignore = "needs Node and mppx: scripts/mppx.sh"]
async fn our_buyer_buys_from_mppx() {
    let env = TestEnv::new(NetworkOptions::default()).await;
    let payer = env.open("5", &env.recipient, WAITING_PERIOD).await;
    let (_server, url) = mppx_server(&env, &payer, "204").await;
    let (code, one) = json_of(&mut pay(&env, &url, &payer)).await;
    assert_eq!((code, &one["body"]), (0, &Value::from("sold 10000")), "{one}");
    let (code, many) = json_of(pay(&env, &url, &payer).args(["--repeat", "9"])).await;
    assert_eq!((code, &many["succeeded"]), (0, &Value::from(9)), "{many}");
    let (_, last) = json_of(&mut pay(&env, &url, &payer)).await;
    assert_eq!((&last["body"], &last["paid"]["total"]), (&json!("sold 110000"), &json!("110000")), "{last}");
}

#[tokio::test]
#[ignore = "needs Node and mppx: scripts/mppx.sh"]
async fn mppx_validates_our_seller() {
    let (_env, _payer, _watcher, _seller, url) = selling().await;
    let mut validate = node("node_modules/.bin/mppx");
    validate.args(["validate", &url, "--endpoint", "GET:/time", "-j", "--format", "json"]);
    let output = validate.output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (from, to) = (text.find('{').expect("JSON"), text.rfind('}').expect("JSON"));
    let told: Value = serde_json::from_str(&text[from..=to]).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!((&told["summary"]["passed"], &told["summary"]["failed"]), (&json!(10), &json!(0)), "{told}");
    assert_eq!(
        (&told["discovery"]["valid"], &told["discovery"]["endpoints"][0]["path"]),
        (&json!(true), &json!("/time"))
    );
    let endpoint = &told["endpoints"][0];
    for checks in ["challenge", "errorHandling", "payment"] {
        for check in endpoint[checks].as_array().expect("a list of checks") {
            assert_ne!(check["severity"], "fail", "{check}");
        }
    }
}
