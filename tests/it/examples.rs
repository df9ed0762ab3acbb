//! The examples work: the buyer pays the seller through a channel, and the watcher settles what was sold.

use std::process::Stdio;

use paychan_channel::{Amount, ContractId};
use paychan_tests::env::TestEnv;
use paychan_tests::network::NetworkOptions;
use paychan_tests::programs::{contract_wasm, program};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

const WAITING_PERIOD: u32 = 200;

#[tokio::test]
async fn the_buyer_pays_the_seller_and_the_watcher_settles_it() {
    let env = TestEnv::new(NetworkOptions::default()).await;
    let mut watcher = env.watcher();
    watcher.start().await;
    let mut seller = Command::new(program("example-seller"))
        .env("WATCHER_URL", &watcher.url)
        .env("TOKEN_FILE", env.path().join("token"))
        .env("LISTEN", "127.0.0.1:0")
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut seller_prints = BufReader::new(seller.stdout.take().unwrap()).lines();
    let seller_url = seller_prints.next_line().await.unwrap().expect("the seller prints its address");

    let bought = Command::new(program("example-buyer"))
        .env("RPC_URL", &env.network.rpc_url)
        .env("PASSPHRASE", &env.network.passphrase)
        .env("SECRET_FILE", &env.funder.file)
        .env("TOKEN", env.usdc.contract.to_string())
        .env("RECIPIENT", env.recipient.id.to_string())
        .env("WAITING_PERIOD", WAITING_PERIOD.to_string())
        .env("WASM", contract_wasm())
        .env("SELLER_URL", seller_url)
        .output()
        .await
        .unwrap();
    let printed = String::from_utf8(bought.stdout).unwrap();
    assert!(bought.status.success(), "{printed}{}", String::from_utf8_lossy(&bought.stderr));
    let mut lines = printed.lines();
    let channel: ContractId = lines.next().expect("the buyer prints its channel").parse().unwrap();
    assert_eq!(lines.count(), 5, "the buyer prints what it bought: {printed}");

    let total = Amount::from(50_000_u64);
    watcher.wait_until("settled", async |_| env.read(&channel).await.withdrawn >= total).await;
    assert_eq!(env.usdc(&env.recipient).await, total);
}
