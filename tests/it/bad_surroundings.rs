//! What is around the watcher goes wrong: the endpoint, the configuration, the disk.

use std::time::Duration;

use paychan_tests::network::NetworkOptions;
use paychan_tests::watcher::Watcher;
use paychan_tests::world::{World, text};
use tokio::net::TcpListener;
use tokio::time::sleep;

const WAITING_PERIOD: u32 = 200;

#[tokio::test]
async fn an_unknown_key_in_the_configuration_is_named_and_nothing_starts() {
    let world = World::new(NetworkOptions::default()).await;
    let mut watcher = world.watcher();
    let text = std::fs::read_to_string(&watcher.config).unwrap();
    std::fs::write(&watcher.config, format!("surprise = 1\n{text}")).unwrap();
    watcher.spawn();
    let ended = watcher.ended().await;
    assert_eq!(ended.code(), Some(2), "{}", watcher.logged());
    assert!(watcher.logged().contains("surprise"), "{}", watcher.logged());
    assert!(!world.path().join("data").exists(), "nothing may be written");
}

#[tokio::test]
async fn a_second_daemon_on_the_same_store_is_refused_and_the_first_goes_on() {
    let world = World::new(NetworkOptions::default()).await;
    let mut first = world.watcher();
    first.start().await;
    let mut second = world.watcher();
    second.log = world.path().join("second.log");
    second.spawn();
    let ended = second.ended().await;
    assert_eq!(ended.code(), Some(3), "{}", second.logged());
    let data = world.path().join("data");
    assert!(second.logged().contains(&data.display().to_string()), "{}", second.logged());
    let payer = world.open("5", &world.recipient, WAITING_PERIOD).await;
    let (status, body) = first.admit(&payer.channel).await;
    assert_eq!(status, 201, "{body}");
}

#[tokio::test]
async fn an_endpoint_of_another_network_ends_the_start_and_both_networks_are_named() {
    let world = World::new(NetworkOptions::default()).await;
    let mut options = world.watcher_options();
    options.passphrase = Some("Test SDF Network ; September 2015".to_owned());
    let mut watcher = Watcher::configure(world.path(), &options);
    watcher.spawn();
    let ended = watcher.ended().await;
    assert_eq!(ended.code(), Some(5), "{}", watcher.logged());
    let logged = watcher.logged();
    assert!(logged.contains("Test SDF Network") && logged.contains(&world.network.passphrase), "{logged}");
}

#[tokio::test]
async fn an_endpoint_that_is_down_or_silent_at_start_takes_no_money_and_loses_nothing() {
    let world = World::new(NetworkOptions::default()).await;
    let payer = world.open("5", &world.recipient, WAITING_PERIOD).await;
    let mut watcher = world.watcher();
    watcher.start().await;
    assert_eq!(watcher.admit(&payer.channel).await.0, 201);
    assert_eq!(watcher.offer(&payer.channel, "500000", &payer.sign(500_000), "one").await.unwrap().0, 200);
    watcher.sigkill().await;

    // Accepts connections and never answers: slow beyond any patience.
    let silent = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let silent_url = format!("http://{}", silent.local_addr().unwrap());
    let down_url = "http://127.0.0.1:9".to_owned();
    for rpc_url in [down_url, silent_url] {
        let mut options = world.watcher_options();
        options.rpc_url = Some(rpc_url.clone());
        let mut blind = Watcher::configure(world.path(), &options);
        blind.spawn();
        blind.until("alive", async |watcher| watcher.healthz().await.is_some_and(|status| status == 200)).await;
        sleep(Duration::from_millis(300)).await;
        let (status, body) = blind.offer(&payer.channel, "600000", &payer.sign(600_000), "two").await.unwrap();
        assert_eq!((status, text(&body, "kind")), (503, "not_fresh"), "{rpc_url}: {body}");
        let (_, report) = blind.channel(&payer.channel).await;
        assert_eq!(text(&report, "highest"), "500000");
        blind.sigkill().await;
    }

    let mut seeing = world.watcher();
    seeing.start().await;
    assert_eq!(seeing.offer(&payer.channel, "600000", &payer.sign(600_000), "two").await.unwrap().0, 200);
}

#[tokio::test]
async fn a_store_that_was_restored_from_an_old_copy_takes_no_money_until_its_operator_confirms() {
    let world = World::new(NetworkOptions::default()).await;
    let payer = world.open("5", &world.recipient, WAITING_PERIOD).await;
    let mut watcher = world.watcher();
    watcher.start().await;
    assert_eq!(watcher.admit(&payer.channel).await.0, 201);
    watcher.sigterm();
    watcher.ended().await;
    // The copy is taken before the commitment, which is then settled by a stranger.
    let copy = world.path().join("copy");
    copy_folder(&world.path().join("data"), &copy);
    world.settle_as_stranger(&payer, 900_000).await;
    std::fs::remove_dir_all(world.path().join("data")).unwrap();
    copy_folder(&copy, &world.path().join("data"));

    watcher.spawn();
    watcher
        .until("refusing", async |watcher| {
            let offered = watcher.offer(&payer.channel, "1000000", &payer.sign(1_000_000), "x").await;
            offered.is_ok_and(|(status, body)| status == 503 && body["kind"] != "not_fresh")
        })
        .await;
    watcher.sigterm();
    watcher.ended().await;
    let (code, text) = watcher.run_command("confirm-rollback").await;
    assert_eq!(code, 0, "{text}");
    watcher.start().await;
    let (status, body) = watcher.offer(&payer.channel, "1000000", &payer.sign(1_000_000), "x").await.unwrap();
    assert_eq!(status, 200, "{body}");
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
