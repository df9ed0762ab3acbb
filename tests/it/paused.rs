//! The operator's pause, with the real programs: nothing is taken, over restarts too, and settling goes on.

use paychan_tests::env::TestEnv;
use paychan_tests::network::NetworkOptions;
use paychan_tests::watcher::{Payer, Watcher};

const WAITING_PERIOD: u32 = 400;

async fn offer(watcher: &Watcher, payer: &Payer, amount: i128) -> (u16, String) {
    let signature = payer.sign(amount);
    let id = format!("{}-{amount}", payer.channel);
    let (status, body) = watcher.offer(&payer.channel, &amount.to_string(), &signature, &id[40..]).await.unwrap();
    (status, body["kind"].as_str().unwrap_or_default().to_owned())
}

async fn is_paused(watcher: &Watcher, payer: &Payer, amount: i128) {
    assert_eq!(watcher.readyz().await, Some(503));
    assert_eq!(offer(watcher, payer, amount).await, (503, "paused".to_owned()));
}

#[tokio::test]
async fn a_paused_watcher_takes_nothing_over_a_restart_too_and_settles_until_it_is_resumed() {
    let env = TestEnv::new(NetworkOptions::default()).await;
    let (open, closing) =
        (env.open("5", &env.recipient, WAITING_PERIOD).await, env.open("5", &env.recipient, WAITING_PERIOD).await);
    let mut watcher = env.watcher();
    watcher.start().await;
    for payer in [&open, &closing] {
        assert_eq!(watcher.admit(&payer.channel).await.0, 201);
        assert_eq!(offer(&watcher, payer, 500_000).await, (200, String::new()));
    }

    let (code, said) = watcher.run_command("pause").await;
    assert!(code == 0 && said.contains("Paused"), "{code}: {said}");
    is_paused(&watcher, &open, 600_000).await;

    watcher.sigkill().await;
    env.as_funder("close-start", &closing.channel).await;
    watcher.spawn();
    watcher.wait_until("settled", async |_| env.read(&closing.channel).await.withdrawn.get() >= 500_000).await;
    is_paused(&watcher, &open, 600_000).await;

    let (code, said) = watcher.run_command("resume").await;
    assert_eq!(code, 0, "{said}");
    watcher.wait_until("taken", async |watcher| offer(watcher, &open, 600_000).await.0 == 200).await;
    watcher.sigterm();
    assert!(watcher.ended().await.success());
    watcher.start().await;
    watcher.wait_until("taken", async |watcher| offer(watcher, &open, 700_000).await.0 == 200).await;
}
