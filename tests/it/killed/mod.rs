//! Kills the real program at random moments while 16 connections load it, many times. Afterwards all that it
//! acknowledged is there, everything is charged once, and the highest commitment has never fallen.
//!
//! `PAYCHAN_KILLS` sets the number of kills. It is 100 by default.

mod load;
mod memory;

use std::fs;
use std::path::Path;
use std::time::Duration;

use paychan_channel::Amount;
use paychan_tests::env::TestEnv;
use paychan_tests::network::NetworkOptions;
use paychan_tests::watcher::{Payer, Watcher};
use tokio::time::{Instant, sleep};

use load::Load;

const WAITING_PERIOD: u32 = 200;
const CHANNELS: usize = 4;
const CONNECTIONS: usize = 16;
/// The token's `dust` in the watcher's configuration. A smaller amount is not settled.
const DUST: i128 = 50_000;

async fn channels(env: &TestEnv) -> Vec<Payer> {
    let mut payers = Vec::new();
    for _ in 0..CHANNELS {
        payers.push(env.open("200", &env.recipient, WAITING_PERIOD).await);
    }
    payers
}

async fn started(env: &TestEnv, payers: &[Payer]) -> Watcher {
    let mut watcher = env.watcher();
    watcher.start().await;
    for payer in payers {
        assert_eq!(watcher.admit(&payer.channel).await.0, 201);
    }
    watcher
}

fn milliseconds(range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(fastrand::u64(range))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_that_is_killed_again_and_again_loses_nothing_and_charges_nothing_twice() {
    let kills: u32 =
        std::env::var("PAYCHAN_KILLS").map_or(100, |text| text.parse().expect("PAYCHAN_KILLS is a number"));
    let env = TestEnv::new(NetworkOptions::default()).await;
    let payers = channels(&env).await;
    let mut watcher = started(&env, &payers).await;
    let load = Load::start(&watcher, payers, CONNECTIONS);
    watcher.sigkill().await;
    let (began, mut acknowledged) = (Instant::now(), 0);
    for kill in 0..kills {
        if kill % 2 == 0 {
            // No caller sends a request during the check, since a newer commitment would hide one that was lost.
            let asked = load.hold_off().await;
            watcher.start().await;
            let wrong = load.check(&watcher).await;
            assert!(wrong.is_empty(), "after {kill} kills: {wrong:#?}\n{}", watcher.logged());
            drop(asked);
            sleep(milliseconds(1..120)).await;
        } else {
            watcher.spawn();
            sleep(milliseconds(1..400)).await;
        }
        watcher.sigkill().await;
        acknowledged = load.acknowledged();
        if kill == kills / 2 {
            env.as_funder("close-start", &load.channel(0)).await;
        }
    }
    eprintln!("{kills} kills in {:.0?}, {acknowledged} requests acknowledged", began.elapsed());
    assert!(acknowledged > u64::from(kills), "{acknowledged} requests are no load");

    let _asked = load.hold_off().await;
    watcher.start().await;
    let wrong = load.check(&watcher).await;
    assert!(wrong.is_empty(), "{wrong:#?}\n{}", watcher.logged());
    let mut paid = Amount::ZERO;
    for number in 0..CHANNELS {
        let channel = load.channel(number);
        if env.read(&channel).await.deadline().is_none() {
            env.as_funder("close-start", &channel).await;
        }
        let owed = load.highest(number);
        assert!(owed >= DUST, "{owed} base units are not settled: there was too little load");
        watcher.wait_until("settled", async |_| env.read(&channel).await.withdrawn.get() >= owed).await;
        paid = paid.saturating_add(env.read(&channel).await.withdrawn);
    }
    assert_eq!(env.usdc(&env.recipient).await, paid);
}

/// Cuts the last bytes off the newest segment of the journal, and deletes the index, which may know more.
fn lose_the_last_records(data: &Path) {
    let journal = fs::read_dir(data.join("journal")).unwrap().map(|entry| entry.unwrap().path());
    let newest = journal.filter(|path| path.extension().is_some_and(|ending| ending == "journal")).max().unwrap();
    let segment = fs::File::options().write(true).open(&newest).unwrap();
    let length = segment.metadata().unwrap().len();
    assert!(length > 6_000, "only {length} bytes were written");
    segment.set_len(length - 3_000).unwrap();
    fs::remove_dir_all(data.join("db")).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_check_notices_records_that_are_cut_off_the_journal() {
    let env = TestEnv::new(NetworkOptions::default()).await;
    let payers = channels(&env).await;
    let mut watcher = started(&env, &payers).await;
    let load = Load::start(&watcher, payers, CONNECTIONS);
    while load.acknowledged() < 100 {
        sleep(Duration::from_millis(5)).await;
    }
    let _asked = load.hold_off().await;
    watcher.sigkill().await;
    lose_the_last_records(&env.path().join("data"));
    watcher.start().await;
    assert_ne!(load.check(&watcher).await, Vec::<String>::new(), "the check did not notice the missing records");
}
