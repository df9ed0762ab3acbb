//! Channel 3: an API that sells over HTTP 402, an agent that buys 1,000 answers, a crash in between, and an agreed close.

use std::process::Stdio;
use std::time::Duration;

use paychan_channel::Amount;
use paychan_rpc::read_account;
use paychan_tests::env::text;
use paychan_tests::network::Person;
use paychan_tests::programs::program;
use paychan_tests::table::table;
use paychan_tests::watcher::{PATIENCE, Payer, Watcher};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::demo::{Demo, usdc};

const REQUESTS: u64 = 1_000;
/// The price of an answer of the example's seller, in base units.
const PRICE: u64 = 10_000;

/// Sells, closes, and compares the figures. Returns the faults, one sentence for each.
pub(crate) async fn run(demo: &Demo) -> Vec<String> {
    let Demo { env, output } = demo;
    let recipient_before = env.usdc(&env.recipient).await;
    let (funder_sent, lane_sent) = (sent_by(demo, &env.funder).await, sent_by(demo, &env.lane).await);

    output.step("A third channel, for an agent that buys from an API over HTTP 402");
    let (payer, _) = demo.open("5").await;
    let funder_before = env.usdc(&env.funder).await;
    let mut watcher = demo.closing_watcher();
    watcher.start().await;
    let (_seller, url) = seller(demo, &watcher).await;
    output.print(&format!("the API (examples/seller.rs) asks 0.001 USDC for GET {url}/time"));

    output.step(&format!("The agent buys {REQUESTS} answers; the watcher is killed in between"));
    output.print(&format!(
        "$ paychan pay {url}/time --channel {}... --repeat {REQUESTS}",
        &payer.channel.to_string()[..8]
    ));
    let started = Instant::now();
    let (bought, ()) = tokio::join!(buy(demo, &payer, &url), kill_half_way(demo, &payer, &mut watcher));
    let took = started.elapsed();
    let bought = match bought {
        Ok(bought) => bought,
        Err(fault) => return vec![fault],
    };
    output.print(&format!("{} answers, {} base units by the receipts", bought["succeeded"], text(&bought, "paid")));

    output.step("Both sides agree to close the channel with what was spent");
    let (_, held) = watcher.channel(&payer.channel).await;
    let spent: Amount = text(&held, "spent").parse().expect("an amount");
    let agreed = json!({ "amount": spent, "signature": payer.sign(spent.get()) });
    let path = format!("/v1/channels/{}/close?wait=20", payer.channel);
    let (status, closed) = watcher.post(&path, &agreed.to_string()).await;
    output.print(&format!("the watcher closed it: {} {}", status, closed["state"]));
    let paid = env.usdc(&env.recipient).await.saturating_sub(recipient_before);
    let refunded = env.usdc(&env.funder).await.saturating_sub(funder_before);
    let transactions = (sent_by(demo, &env.funder).await - funder_sent) + (sent_by(demo, &env.lane).await - lane_sent);
    watcher.sigkill().await;

    println!();
    table(
        &["    over HTTP 402", "channel 3"],
        &[
            vec!["    requests answered".to_owned(), bought["succeeded"].to_string()],
            vec!["    spent, by the watcher (USDC)".to_owned(), usdc(spent)],
            vec!["    paid to the recipient (USDC)".to_owned(), usdc(paid)],
            vec!["    back to the funder (USDC)".to_owned(), usdc(refunded)],
            vec!["    seconds, the crash included".to_owned(), took.as_secs().to_string()],
            vec!["    transactions on chain".to_owned(), transactions.to_string()],
        ],
    );
    let sold = Amount::from(REQUESTS * PRICE);
    let checks = [
        (bought["succeeded"] == REQUESTS, format!("{} of {REQUESTS} requests were answered", bought["succeeded"])),
        (spent == sold, format!("{} was spent for answers worth {}", usdc(spent), usdc(sold))),
        (paid == sold, format!("{} was paid for answers worth {}", usdc(paid), usdc(sold))),
        (closed["state"] == "closed", format!("the channel was not closed: {closed}")),
        (
            transactions == 2,
            format!("{transactions} transactions were sent, but one to open and one to close are enough"),
        ),
    ];
    checks.into_iter().filter(|(right, _)| !right).map(|(_, fault)| format!("channel 3: {fault}")).collect()
}

/// The number of transactions that an account has sent, read from its sequence number. Only differences of it mean
/// anything.
async fn sent_by(demo: &Demo, who: &Person) -> i64 {
    read_account(&demo.env.network.client, &who.id).await.expect("the account exists").sequence
}

async fn seller(demo: &Demo, watcher: &Watcher) -> (Child, String) {
    let mut seller = Command::new(program("example-seller"))
        .env("WATCHER_URL", &watcher.url)
        .env("TOKEN_FILE", demo.env.path().join("token"))
        .env("LISTEN", "127.0.0.1:0")
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("example-seller starts");
    let mut lines = BufReader::new(seller.stdout.take().expect("a pipe")).lines();
    let url = lines.next_line().await.expect("it can be read").expect("the seller prints its address");
    (seller, url)
}

async fn buy(demo: &Demo, payer: &Payer, url: &str) -> Result<Value, String> {
    let env = &demo.env;
    let bought = Command::new(program("paychan"))
        .args(["pay", &format!("{url}/time"), "--json", "--channel", &payer.channel.to_string()])
        .args(["--passphrase", &env.network.passphrase, "--repeat", &REQUESTS.to_string()])
        .arg("--secret-file")
        .arg(env.path().join(format!("{}.seed", payer.secret.public())))
        .arg("--payments")
        .arg(env.path().join("agent"))
        .output()
        .await
        .expect("paychan starts");
    match bought.status.success() {
        true => serde_json::from_slice(&bought.stdout).map_err(|error| format!("channel 3: no summary: {error}")),
        false => Err(format!("channel 3: paychan pay failed: {}", String::from_utf8_lossy(&bought.stdout))),
    }
}

/// Kills the watcher when half of the answers are paid, and starts it again.
async fn kill_half_way(demo: &Demo, payer: &Payer, watcher: &mut Watcher) {
    let half = Amount::from(REQUESTS / 2 * PRICE);
    let give_up = Instant::now() + PATIENCE;
    loop {
        let (status, held) = watcher.channel(&payer.channel).await;
        let spent = (status == 200).then(|| text(&held, "spent").parse::<Amount>().expect("an amount"));
        if spent.is_some_and(|spent| spent >= half) {
            break;
        }
        if Instant::now() > give_up {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    watcher.sigkill().await;
    demo.output.print("SIGKILL for the watcher; the API answers 503, and the agent sends the same payment again");
    watcher.start().await;
    demo.output.print("the watcher is back");
}
