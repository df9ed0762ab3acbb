//! Tests that mppx and our programs can sell to each other, with real vouchers of channels on a local network.
//! `scripts/mppx.sh` installs mppx and runs these tests.

use std::path::PathBuf;
use std::process::Stdio;

use paychan_tests::env::TestEnv;
use paychan_tests::network::NetworkOptions;
use paychan_tests::watcher::{Payer, Watcher};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::examples::{json_of, pay, seller};

const WAITING_PERIOD: u32 = 200;
const NEEDS_NODE: &str = "PAYCHAN_MPPX_FOLDER: run scripts/mppx.sh, which installs mppx and runs this test";

/// A command that runs a script of tests/interop/mppx beside an installed mppx.
fn node(script: &str) -> Command {
    let folder = PathBuf::from(std::env::var("PAYCHAN_MPPX_FOLDER").expect(NEEDS_NODE));
    let mut command = Command::new("node");
    command.arg(folder.join(script)).current_dir(folder).env("NODE_ENV", "production").kill_on_drop(true);
    command
}

/// A network with a channel, a watcher that watches it, and our seller, which is paid through it.
async fn selling() -> (TestEnv, Payer, Watcher, Child, String) {
    let env = TestEnv::new(NetworkOptions::default()).await;
    let payer = env.open("5", &env.recipient, WAITING_PERIOD).await;
    let mut watcher = env.watcher();
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
async fn our_buyer_buys_from_mppx() {
    let env = TestEnv::new(NetworkOptions::default()).await;
    let payer = env.open("5", &env.recipient, WAITING_PERIOD).await;
    // The name of a network that has no public name.
    let network = format!("stellar:{}", &env.network.id().to_string()[..16]);
    let mut server = node("server.mjs")
        .env("CHANNEL", payer.channel.to_string())
        .env("COMMITMENT_KEY", payer.secret.public().to_string())
        .env("PASSPHRASE", &env.network.passphrase)
        .env("NETWORK", network)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut prints = BufReader::new(server.stdout.take().unwrap()).lines();
    let url = prints.next_line().await.unwrap().expect("the server prints its address");

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
