//! Tests with a store that can't be trusted any more: nothing is taken, and what can be read is settled.

use std::fs;
use std::path::Path;

use paychan_channel::Amount;
use paychan_tests::env::TestEnv;
use paychan_tests::network::NetworkOptions;

const WAITING_PERIOD: u32 = 200;

/// Changes one byte at the only place in the journal that holds these bytes, as a faulty disk might.
fn rot(journal: &Path, what: &[u8]) {
    for entry in fs::read_dir(journal).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        if let Some(at) = bytes.windows(what.len()).position(|window| window == what) {
            bytes[at] ^= 1;
            fs::write(&path, bytes).unwrap();
            return;
        }
    }
    panic!("the journal does not hold what was to be damaged");
}

#[tokio::test]
async fn a_watcher_with_a_damaged_journal_takes_nothing_and_settles_what_it_can_read() {
    let env = TestEnv::new(NetworkOptions::default()).await;
    let payer = env.open("5", &env.recipient, WAITING_PERIOD).await;
    let mut watcher = env.watcher();
    watcher.start().await;
    assert_eq!(watcher.admit(&payer.channel).await.0, 201);
    for (amount, id) in [(300_000, "one"), (500_000, "two")] {
        let taken = watcher.offer(&payer.channel, &amount.to_string(), &payer.sign(amount), id).await.unwrap();
        assert_eq!(taken.0, 200, "{}", taken.1);
    }
    watcher.sigkill().await;
    let signature: Vec<u8> =
        (0..64).map(|at| u8::from_str_radix(&payer.sign(300_000)[2 * at..2 * at + 2], 16).unwrap()).collect();
    rot(&env.path().join("data/journal"), &signature);

    env.as_funder("close-start", &payer.channel).await;
    let deadline = env.read(&payer.channel).await.deadline().unwrap();
    watcher.spawn();
    watcher.wait_until("settled", async |_| env.read(&payer.channel).await.withdrawn.get() >= 500_000).await;
    let state = env.read(&payer.channel).await;
    assert!(state.read_at < deadline, "settled by {}, the deadline was {deadline}", state.read_at);
    assert_eq!(env.usdc(&env.recipient).await, Amount::new(500_000).unwrap());

    assert!(watcher.logged().contains("settle_only"), "{}", watcher.logged());
    assert!(watcher.logged().contains("paychan-watcher repair"), "{}", watcher.logged());
    assert_eq!(watcher.readyz().await, Some(503));
    let other = env.open("5", &env.recipient, WAITING_PERIOD).await;
    let (status, body) = watcher.admit(&other.channel).await;
    assert_eq!(status, 503, "{body}");
}
