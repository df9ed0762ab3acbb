//! Tests with faults of the watcher's configuration, endpoint and disk.

use std::time::Duration;

use paychan_tests::env::{TestEnv, text};
use paychan_tests::network::NetworkOptions;
use paychan_tests::watcher::Watcher;
use tokio::net::TcpListener;
use tokio::time::sleep;

const WAITING_PERIOD: u32 = 200;

#[tokio::test]
async fn an_unknown_key_in_the_configuration_is_named_and_nothing_starts() {
    let env = TestEnv::new(NetworkOptions::default()).await;
    let mut watcher = env.watcher();
    let text = std::fs::read_to_string(&watcher.config).unwrap();
    std::fs::write(&watcher.config, format!("surprise = 1\n{text}")).unwrap();
    watcher.spawn();
    let ended = watcher.ended().await;
    assert_eq!(ended.code(), Some(2), "{}", watcher.logged());
    assert!(watcher.logged().contains("surprise"), "{}", watcher.logged());
    assert!(!env.path().join("data").exists(), "nothing may be written");
}

#[tokio::test]
async fn a_second_daemon_on_the_same_store_is_refused_and_the_first_goes_on() {
    let env = TestEnv::new(NetworkOptions::default()).await;
    let mut first = env.watcher();
    first.start().await;
    let mut second = env.watcher();
    second.log = env.path().join("second.log");
    second.spawn();
    let ended = second.ended().await;
    assert_eq!(ended.code(), Some(3), "{}", second.logged());
    let data = env.path().join("data");
    assert!(second.logged().contains(&data.display().to_string()), "{}", second.logged());
    let payer = env.open("5", &env.recipient, WAITING_PERIOD).await;
    let (status, body) = first.admit(&payer.channel).await;
    assert_eq!(status, 201, "{body}");
}

#[tokio::test]
async fn an_endpoint_of_another_network_ends_the_start_and_both_networks_are_named() {
    let env = TestEnv::new(NetworkOptions::default()).await;
    let mut options = env.watcher_options();
    options.passphrase = Some("Test SDF Network ; September 2015".to_owned());
    let mut watcher = Watcher::configure(env.path(), &options);
    watcher.spawn();
    let ended = watcher.ended().await;
    assert_eq!(ended.code(), Some(5), "{}", watcher.logged());
    let logged = watcher.logged();
    assert!(logged.contains("Test SDF Network") && logged.contains(&env.network.passphrase), "{logged}");
}

#[tokio::test]
async fn an_endpoint_that_is_down_or_silent_at_start_takes_no_money_and_loses_nothing() {
    let env = TestEnv::new(NetworkOptions::default()).await;
    let payer = env.open("5", &env.recipient, WAITING_PERIOD).await;
    let mut watcher = env.watcher();
    watcher.start().await;
    assert_eq!(watcher.admit(&payer.channel).await.0, 201);
    assert_eq!(watcher.offer(&payer.channel, "500000", &payer.sign(500_000), "one").await.unwrap().0, 200);
    watcher.sigkill().await;

    // This endpoint accepts connections and never answers.
    let silent = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let silent_url = format!("http://{}", silent.local_addr().unwrap());
    let down_url = "http://127.0.0.1:9".to_owned();
    for rpc_url in [down_url, silent_url] {
        let mut options = env.watcher_options();
        options.rpc_url = Some(rpc_url.clone());
        let mut blind = Watcher::configure(env.path(), &options);
        blind.spawn();
        blind.wait_until("alive", async |watcher| watcher.healthz().await.is_some_and(|status| status == 200)).await;
        sleep(Duration::from_millis(300)).await;
        let (status, body) = blind.offer(&payer.channel, "600000", &payer.sign(600_000), "two").await.unwrap();
        assert_eq!((status, text(&body, "kind")), (503, "not_fresh"), "{rpc_url}: {body}");
        let (_, report) = blind.channel(&payer.channel).await;
        assert_eq!(text(&report, "highest"), "500000");
        blind.sigkill().await;
    }

    let mut seeing = env.watcher();
    seeing.start().await;
    // Ready says nothing of single recipients; they are read right after.
    let signature = payer.sign(600_000);
    let take =
        async |watcher: &Watcher| watcher.offer(&payer.channel, "600000", &signature, "two").await.unwrap().0 == 200;
    seeing.wait_until("taken", take).await;
}

#[tokio::test]
async fn a_store_that_was_restored_from_an_old_copy_takes_no_money_until_its_operator_confirms() {
    let env = TestEnv::new(NetworkOptions::default()).await;
    let payer = env.open("5", &env.recipient, WAITING_PERIOD).await;
    let mut watcher = env.watcher();
    watcher.start().await;
    assert_eq!(watcher.admit(&payer.channel).await.0, 201);
    watcher.sigterm();
    watcher.ended().await;
    // The copy is older than the commitment that a stranger then settles.
    let copy = env.path().join("copy");
    copy_folder(&env.path().join("data"), &copy);
    env.settle_as_stranger(&payer, 900_000).await;
    std::fs::remove_dir_all(env.path().join("data")).unwrap();
    copy_folder(&copy, &env.path().join("data"));

    watcher.spawn();
    watcher
        .wait_until("refusing", async |watcher| {
            let offered = watcher.offer(&payer.channel, "1000000", &payer.sign(1_000_000), "x").await;
            offered.is_ok_and(|(status, body)| status == 503 && body["kind"] != "not_fresh")
        })
        .await;
    let (code, text) = watcher.run_command("confirm-rollback").await;
    assert_eq!(code, 0, "while it runs: {text}");
    let (status, body) = watcher.offer(&payer.channel, "1000000", &payer.sign(1_000_000), "x").await.unwrap();
    assert_eq!(status, 200, "{body}");

    watcher.sigterm();
    watcher.ended().await;
    let (code, text) = watcher.run_command("confirm-rollback").await;
    assert_eq!(code, 0, "while it is down: {text}");
    assert!(text.contains("On no channel"), "it is confirmed already: {text}");
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else if entry.file_type().unwrap().is_file() {
            // A copy does not contain the operator's socket.
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
