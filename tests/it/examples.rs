//! Tests that the examples and `paychan pay` work: the seller sells over HTTP 402, and the watcher settles what was
//! sold.

use std::process::Stdio;

use paychan_channel::Amount;
use paychan_tests::env::TestEnv;
use paychan_tests::network::NetworkOptions;
use paychan_tests::programs::program;
use paychan_tests::watcher::{Payer, Watcher};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

const WAITING_PERIOD: u32 = 200;

/// Starts the example's seller. Clients that name no channel pay through `fixed`. Returns the seller's address.
pub(crate) async fn seller(env: &TestEnv, watcher: &Watcher, fixed: Option<&Payer>) -> (Child, String) {
    let mut command = Command::new(program("example-seller"));
    if let Some(payer) = fixed {
        command.env("CHANNEL", payer.channel.to_string());
    }
    let mut seller = command
        .env("WATCHER_URL", &watcher.url)
        .env("TOKEN_FILE", env.path().join("token"))
        .env("LISTEN", "127.0.0.1:0")
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut prints = BufReader::new(seller.stdout.take().unwrap()).lines();
    let url = prints.next_line().await.unwrap().expect("the seller prints its address");
    (seller, url)
}

/// A command that runs `paychan pay URL/time` through this channel.
pub(crate) fn pay(env: &TestEnv, url: &str, payer: &Payer) -> Command {
    let mut command = Command::new(program("paychan"));
    command
        .args(["pay", "--json", &format!("{url}/time"), "--channel", &payer.channel.to_string()])
        .args(["--passphrase", &env.network.passphrase])
        .arg("--secret-file")
        .arg(env.path().join(format!("{}.seed", payer.secret.public())))
        .arg("--payments")
        .arg(env.path().join("payments"))
        .env_clear();
    command
}

/// The JSON that a command prints, and its exit code.
pub(crate) async fn json_of(command: &mut Command) -> (i32, Value) {
    let output = command.output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let json = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().unwrap(), json)
}

#[tokio::test]
async fn the_buyer_pays_the_seller_and_the_watcher_settles_it() {
    let env = TestEnv::new(NetworkOptions::default()).await;
    let payer = env.open("5", &env.recipient, WAITING_PERIOD).await;
    let mut watcher = env.watcher();
    watcher.start().await;
    let (_seller, seller_url) = seller(&env, &watcher, None).await;

    let bought = Command::new(program("example-buyer"))
        .env("PASSPHRASE", &env.network.passphrase)
        .env("CHANNEL", payer.channel.to_string())
        .env("SEED_FILE", env.path().join(format!("{}.seed", payer.secret.public())))
        .env("PAYMENTS", env.path().join("agent"))
        .env("SELLER_URL", seller_url)
        .output()
        .await
        .unwrap();
    let printed = String::from_utf8(bought.stdout).unwrap();
    assert!(bought.status.success(), "{printed}{}", String::from_utf8_lossy(&bought.stderr));
    assert_eq!(printed.lines().count(), 5, "the buyer prints what it bought: {printed}");

    let total = Amount::from(50_000_u64);
    env.as_funder("close-start", &payer.channel).await;
    watcher.wait_until("settled", async |_| env.read(&payer.channel).await.withdrawn >= total).await;
    assert_eq!(env.usdc(&env.recipient).await, total);
}

#[tokio::test]
async fn paychan_pay_buys_within_its_caps_and_paychan_spent_shows_it() {
    let env = TestEnv::new(NetworkOptions::default()).await;
    let payer = env.open("5", &env.recipient, WAITING_PERIOD).await;
    let mut watcher = env.watcher();
    watcher.start().await;
    let (_seller, url) = seller(&env, &watcher, None).await;

    let (code, price) = json_of(pay(&env, &url, &payer).arg("--dry-run")).await;
    assert_eq!((code, &price["price"]), (0, &Value::from("10000")));
    let (code, one) = json_of(&mut pay(&env, &url, &payer)).await;
    assert_eq!((code, &one["status"], &one["paid"]["charged"]), (0, &Value::from(200), &Value::from("10000")), "{one}");

    let (code, dear) = json_of(pay(&env, &url, &payer).args(["--max-price", "9999"])).await;
    assert_eq!((code, &dear["error"]["may_have_paid"]), (1, &Value::from(false)), "{dear}");
    let (code, capped) = json_of(pay(&env, &url, &payer).args(["--repeat", "5", "--max-total", "20000"])).await;
    assert_eq!((code, &capped["error"]["requests"]), (1, &Value::from(2)), "{capped}");

    let (code, many) = json_of(pay(&env, &url, &payer).args(["--repeat", "20", "--concurrency", "4"])).await;
    assert_eq!((code, &many["succeeded"], &many["paid"]), (0, &Value::from(20), &Value::from("200000")), "{many}");
    let (_, channel) = watcher.channel(&payer.channel).await;
    assert_eq!((&channel["highest"], &channel["spent"]), (&Value::from("230000"), &Value::from("230000")));

    let mut spent = Command::new(program("paychan"));
    spent.args(["spent", "--json", "--payments"]).arg(env.path().join("payments"));
    let (_, spent) = json_of(&mut spent).await;
    assert_eq!((spent["payments"].as_array().unwrap().len(), &spent["signed"]), (23, &Value::from("230000")));
}
