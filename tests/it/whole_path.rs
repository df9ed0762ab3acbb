//! Tests a channel's whole life: what the watcher acknowledged is paid on chain before the funder can take it back.

use paychan_channel::Amount;
use paychan_tests::env::{TestEnv, text};
use paychan_tests::network::NetworkOptions;
use paychan_tests::watcher::{PATIENCE, Watcher};

const WAITING_PERIOD: u32 = 200;

async fn settled(env: &TestEnv, watcher: &Watcher, payer: &paychan_tests::watcher::Payer, amount: i128) {
    watcher.wait_until("settled", async |_| env.read(&payer.channel).await.withdrawn.get() >= amount).await;
}

#[tokio::test]
async fn a_commitment_acknowledged_before_a_sigkill_is_settled_after_a_close_that_started_while_the_watcher_was_down() {
    let env = TestEnv::new(NetworkOptions::default()).await;
    let payer = env.open("5", &env.recipient, WAITING_PERIOD).await;
    let mut watcher = env.watcher();
    watcher.start().await;
    assert_eq!(watcher.admit(&payer.channel).await.0, 201);
    for number in 1..=20_i128 {
        let amount = number * 100_000;
        let (status, body) = watcher
            .offer(&payer.channel, &amount.to_string(), &payer.sign(amount), &format!("r{number}"))
            .await
            .unwrap();
        assert_eq!((status, text(&body, "highest")), (200, amount.to_string().as_str()));
        assert_eq!(text(&body, "unsettled"), amount.to_string());
        assert_eq!(text(&body, "coverage"), "50000000");
    }
    watcher.sigkill().await;

    env.as_funder("close-start", &payer.channel).await;
    let deadline = env.read(&payer.channel).await.deadline().unwrap();
    watcher.spawn();
    settled(&env, &watcher, &payer, 2_000_000).await;

    let state = env.read(&payer.channel).await;
    assert!(state.read_at < deadline, "settled by {}, the deadline was {deadline}", state.read_at);
    assert_eq!(env.usdc(&env.recipient).await, Amount::new(2_000_000).unwrap());

    let now = env.network.ledger().await;
    env.network.jump(deadline.0.saturating_sub(now)).await;
    let before = env.usdc(&env.funder).await;
    env.as_funder("refund", &payer.channel).await;
    let refunded = env.usdc(&env.funder).await.saturating_sub(before);
    assert_eq!(refunded, Amount::new(48_000_000).unwrap());
}

#[tokio::test]
async fn with_the_recipients_key_a_close_follows_a_fence_and_ends_the_channel() {
    let env = TestEnv::new(NetworkOptions::default()).await;
    let payer = env.open("5", &env.recipient, WAITING_PERIOD).await;
    let mut options = env.watcher_options();
    options.may_close = true;
    let mut watcher = Watcher::configure(env.path(), &options);
    watcher.start().await;
    assert_eq!(watcher.admit(&payer.channel).await.0, 201);
    let (status, _) = watcher.offer(&payer.channel, "1500000", &payer.sign(1_500_000), "only").await.unwrap();
    assert_eq!(status, 200);

    let before = env.usdc(&env.funder).await;
    env.as_funder("close-start", &payer.channel).await;
    watcher.wait_until("closed", async |_| env.read(&payer.channel).await.is_final()).await;

    assert_eq!(env.usdc(&env.recipient).await, Amount::new(1_500_000).unwrap());
    assert_eq!(env.usdc(&env.funder).await.saturating_sub(before), Amount::new(48_500_000).unwrap());
    watcher
        .wait_until("seen as final", async |watcher| watcher.channel(&payer.channel).await.1["status"] == "final")
        .await;
    let (_, report) = watcher.channel(&payer.channel).await;
    assert_eq!(report["fenced"], true);
    let (status, body) = watcher.offer(&payer.channel, "1600000", &payer.sign(1_600_000), "late").await.unwrap();
    assert_eq!((status, text(&body, "kind")), (410, "final"));
}

#[tokio::test]
async fn all_four_entries_of_an_idle_channel_are_extended_before_any_is_archived() {
    let env =
        TestEnv::new(NetworkOptions { max_entry_ttl: 3_000, min_persistent_ttl: 3_000, ..NetworkOptions::default() })
            .await;
    let payer = env.open("5", &env.recipient, WAITING_PERIOD).await;
    let mut options = env.watcher_options();
    options.life_floor = 1_500;
    options.life_extend_to = 2_900;
    let mut watcher = Watcher::configure(env.path(), &options);
    watcher.start().await;
    assert_eq!(watcher.admit(&payer.channel).await.0, 201);

    let before = env.read(&payer.channel).await.lives;
    let now = env.network.ledger().await;
    env.network.jump(before.earliest().unwrap().0.saturating_sub(now).saturating_sub(300)).await;
    watcher
        .wait_until("extended", async |_| {
            let after = env.read(&payer.channel).await.lives;
            before.existing().zip(after.existing()).all(|((_, before), (_, after))| after > before)
        })
        .await;

    assert_eq!(before.existing().count(), 4, "instance, code, token balance, token instance");
    // After the ends of the entries' first lives, the channel can still be settled.
    let now = env.network.ledger().await;
    env.network.jump(before.existing().map(|(_, until)| until.0).max().unwrap().saturating_sub(now) + 10).await;
    watcher
        .wait_until("fresh again", async |watcher| {
            let offered = watcher.offer(&payer.channel, "900000", &payer.sign(900_000), "after").await;
            offered.is_ok_and(|(status, _)| status == 200)
        })
        .await;
    env.as_funder("close-start", &payer.channel).await;
    settled(&env, &watcher, &payer, 900_000).await;
}

#[tokio::test]
async fn status_shows_the_same_with_the_daemon_up_and_down() {
    let env = TestEnv::new(NetworkOptions::default()).await;
    let payer = env.open("5", &env.recipient, WAITING_PERIOD).await;
    let mut watcher = env.watcher();
    watcher.start().await;
    assert_eq!(watcher.admit(&payer.channel).await.0, 201);
    watcher.offer(&payer.channel, "700000", &payer.sign(700_000), "one").await.unwrap();

    let channel = payer.channel.to_string();
    let (code, up) = watcher.status(&[]).await;
    assert_eq!(code, 0, "{up}");
    assert!(up.contains(&channel) && up.contains("0.07 USDC") && up.contains("UP"), "{up}");

    watcher.sigkill().await;
    let (code, down) = watcher.status(&[]).await;
    assert_eq!(code, 0, "{down}");
    assert!(down.contains(&channel) && down.contains("0.07 USDC") && down.contains("DOWN"), "{down}");
    let (_, json) = watcher.status(&["--json"]).await;
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report["running"], false);
    assert_eq!(text(&report["channels"][0], "highest"), "700000");
}

#[tokio::test]
async fn sigterm_ends_the_daemon_with_zero_and_everything_on_disk() {
    let env = TestEnv::new(NetworkOptions::default()).await;
    let payer = env.open("5", &env.recipient, WAITING_PERIOD).await;
    let mut watcher = env.watcher();
    watcher.start().await;
    assert_eq!(watcher.admit(&payer.channel).await.0, 201);
    watcher.offer(&payer.channel, "700000", &payer.sign(700_000), "one").await.unwrap();
    watcher.sigterm();
    let ended = tokio::time::timeout(PATIENCE, watcher.ended()).await.unwrap();
    assert_eq!(ended.code(), Some(0), "{}", watcher.logged());

    watcher.start().await;
    let (_, report) = watcher.channel(&payer.channel).await;
    assert_eq!(text(&report, "highest"), "700000");
}
