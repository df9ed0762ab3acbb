//! Tests with a disk that fills up while the watcher runs or before it starts. The watcher stays up, settles what it
//! acknowledged, and says where space is missing and what may be deleted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use paychan_tests::env::TestEnv;
use paychan_tests::network::NetworkOptions;
use paychan_tests::watcher::{Payer, Watcher};
use serde_json::Value;
use tokio::time::sleep;

const WAITING_PERIOD: u32 = 400;
const OWED: i128 = 500_000;

/// The watcher's data directory on a file system of its own with 48 MiB.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts the file system. Where mounting is not allowed, it prints a line and returns `None`.
    fn mount(dir: &Path) -> Option<Self> {
        fs::create_dir(dir).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=48m", "tmpfs"]).arg(dir).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(dir.to_owned()));
        }
        eprintln!("SKIPPED: mounting a tmpfs is not allowed here, so no disk can be filled");
        None
    }

    /// Writes files until the disk is full, and again after the watcher has given up its reserve.
    async fn fill(&self) {
        for round in 0..4 {
            let mut bytes = vec![1; 1 << 20];
            for number in 0.. {
                while !bytes.is_empty() && fs::write(self.0.join(format!("filler-{round}-{number}")), &bytes).is_err() {
                    bytes.truncate(bytes.len() / 2);
                }
                if bytes.is_empty() {
                    break;
                }
            }
            sleep(Duration::from_millis(700)).await;
        }
    }

    fn make_room(&self) {
        for entry in fs::read_dir(&self.0).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_string_lossy().starts_with("filler") {
                fs::remove_file(path).unwrap();
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// A watcher that runs on a small disk and has acknowledged [`OWED`].
async fn owing(env: &TestEnv) -> Option<(SmallDisk, Watcher, Payer)> {
    let disk = SmallDisk::mount(&env.path().join("data"))?;
    let mut watcher = env.watcher();
    let text = fs::read_to_string(&watcher.config).unwrap();
    fs::write(&watcher.config, format!("{text}\n[disk]\nfree_mark_mib = 16\n")).unwrap();
    let payer = env.open("5", &env.recipient, WAITING_PERIOD).await;
    watcher.start().await;
    assert_eq!(watcher.admit(&payer.channel).await.0, 201);
    assert_eq!(offer(&watcher, &payer, OWED).await.0, 200);
    Some((disk, watcher, payer))
}

async fn offer(watcher: &Watcher, payer: &Payer, units: i128) -> (u16, Value) {
    watcher.offer(&payer.channel, &units.to_string(), &payer.sign(units), &units.to_string()).await.unwrap()
}

/// Lets the funder close, and checks that the watcher pays what it acknowledged and has logged what the operator needs.
async fn settles(env: &TestEnv, watcher: &Watcher, payer: &Payer) {
    assert_eq!(watcher.readyz().await, Some(503), "{}", watcher.logged());
    env.as_funder("close-start", &payer.channel).await;
    watcher.wait_until("settled", async |_| env.read(&payer.channel).await.withdrawn.get() >= OWED).await;
    assert_eq!(watcher.healthz().await, Some(200));
    let logged = watcher.logged();
    let data = env.path().join("data").display().to_string();
    for said in [data.as_str(), "bytes are free at", "may be deleted"] {
        assert!(logged.contains(said), "no {said:?} in\n{logged}");
    }
}

#[tokio::test]
async fn a_disk_that_fills_up_while_the_watcher_runs_stops_the_taking_and_not_the_settling() {
    let env = TestEnv::new(NetworkOptions::default()).await;
    let Some((disk, mut watcher, payer)) = owing(&env).await else { return };
    disk.fill().await;
    let refused = offer(&watcher, &payer, OWED + 1).await;
    assert_eq!(refused.0, 503, "{}", refused.1);
    assert!(["disk_low", "store_failed"].contains(&refused.1["kind"].as_str().unwrap()), "{}", refused.1);
    let data = env.path().join("data").display().to_string();
    assert!(!refused.1.to_string().contains(&data), "callers get no internals: {}", refused.1);
    // If the index meets the full disk before the watcher has looked at it, the store ends, which is an alarm of its own.
    let alarms = [r#"alarm="disk_low""#, r#"alarm="settle_only""#];
    assert!(alarms.iter().any(|alarm| watcher.logged().contains(alarm)), "{}", watcher.logged());
    settles(&env, &watcher, &payer).await;

    // When there is space again, the next start takes money.
    disk.make_room();
    watcher.sigterm();
    watcher.ended().await;
    watcher.start().await;
}

#[tokio::test]
async fn a_watcher_that_starts_on_a_full_disk_settles_what_it_can_read() {
    let env = TestEnv::new(NetworkOptions::default()).await;
    let Some((disk, mut watcher, payer)) = owing(&env).await else { return };
    watcher.sigkill().await;
    disk.fill().await;
    watcher.spawn();
    watcher.wait_until("alive", async |watcher| watcher.healthz().await == Some(200)).await;
    // Others take the space that the start gave up.
    disk.fill().await;
    settles(&env, &watcher, &payer).await;
}
