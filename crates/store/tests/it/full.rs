//! Tests a disk that is full, fails or does not answer: the store takes nothing more, and settling goes on.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use paychan_channel::Ledger;
use paychan_store::{AcceptError, Health, Journal, Opened, Options, Outcome, Store, StoreError};

use super::disk::{Disk, Loss};
use super::{Funder, Open, accept, amount, highest, network, open, segments, settlement, small};

/// The longest that a caller may wait for an answer of the store in these tests.
const SOON: Duration = Duration::from_secs(20);

/// A file system of its own, with a size of some megabytes.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// Mounts it. Where mounting is not allowed, this prints a line and returns `None`.
    fn mount(megabytes: u32) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(dir.path()).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(SmallDisk(dir));
        }
        eprintln!("SKIPPED: mounting a tmpfs is not allowed here, so no disk can be filled");
        None
    }

    fn store(&self) -> PathBuf {
        self.0.path().join("store")
    }

    /// Writes a file until nothing more fits.
    fn fill(&self) {
        let bytes = vec![1; 1 << 20];
        let mut size = bytes.len();
        for number in 0.. {
            let path = self.0.path().join(format!("filler-{number}"));
            while size > 0 && std::fs::write(&path, &bytes[..size]).is_err() {
                size /= 2;
            }
            if size == 0 {
                return;
            }
        }
    }

    fn make_room(&self) {
        for entry in std::fs::read_dir(self.0.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                std::fs::remove_file(path).unwrap();
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The unmounting is lazy, since sled may still have files open.
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, work).await.unwrap_or_else(|_| panic!("{what} did not end within {SOON:?}"))
}

async fn wait_for(store: &Store, what: &str, is: impl Fn(&Health) -> bool) -> Health {
    let mut health = store.watch_health();
    within(what, health.wait_for(is)).await.unwrap().clone()
}

/// Checks that the store takes nothing, and that what it holds can be read, and settled in memory.
async fn settles_only(store: &Store, funder: &Funder, held: i128) {
    assert!(matches!(store.health(), Health::SettleOnly { .. }), "{:?}", store.health());
    assert!(highest(store, funder) >= held);
    let refused = within("a refusal", store.accept(funder.offer(1_000_000_000, "late"))).await;
    let Err(AcceptError::Store(error)) = refused else { panic!("{refused:?}") };
    assert_eq!(error.kind(), "settle_only");
    assert_eq!(within("a fence", store.fence(funder.channel)).await.unwrap_err().kind(), "settle_only");
    let transaction = settlement(250, funder.channel, held);
    within("a signature", store.record_signed(transaction.clone())).await.unwrap();
    within("a signature", store.record_signed(transaction.clone())).await.unwrap();
    assert!(store.in_flight().contains(&transaction));
    let outcome = Outcome::Expired { at: Ledger(1) };
    within("an outcome", store.record_outcome(transaction.hash, outcome.clone())).await.unwrap();
    assert!(!store.in_flight().contains(&transaction));
    assert_eq!(store.outcomes(&funder.channel, 1)[0].outcome, outcome);
    assert_eq!(
        within("an outcome", store.record_outcome(transaction.hash, outcome)).await,
        Err(StoreError::UnknownTransaction(transaction.hash))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_whose_disk_gets_full_under_load_takes_nothing_more_and_still_settles() {
    let Some(disk) = SmallDisk::mount(16) else { return };
    let one = Arc::new(Funder::number(1));
    // There is no mark, so that the store fills the disk completely.
    let options = || Options {
        free_space_mark: 0,
        reserve_bytes: 0,
        give_up_after: Duration::from_secs(3),
        stalled_after: Duration::from_secs(1),
        segment_bytes: 256 << 10,
        compact_after_bytes: 1 << 20,
        ..Options::default()
    };
    let store = open(&disk.store(), options());
    store.admit(one.admission()).await.unwrap();
    accept(&store, &one, 1, "first").await;
    disk.fill();
    let mut acknowledged = 1;
    let started = Instant::now();
    let error = loop {
        let units = acknowledged + 1;
        match within("an answer", store.accept(one.offer(units, &format!("r{units}")))).await {
            Ok(_) => acknowledged = units,
            Err(error) => break error,
        }
        assert!(started.elapsed() < Duration::from_secs(60), "the disk is never full");
    };
    assert_eq!(error.kind(), "settle_only", "{error}");
    wait_for(&store, "the health", |health| matches!(health, Health::SettleOnly { .. })).await;
    settles_only(&store, &one, acknowledged).await;
    let _ = within("the shutdown", store.shutdown()).await;

    // A start on the full disk settles too, whether it can write or not.
    let dir = disk.store();
    let started = tokio::task::spawn_blocking(move || {
        let options = Options { start_patience: Duration::from_secs(5), ..options() };
        Store::open_or_settle(&dir, &network(), options, Arc::new(Open))
    });
    match within("the start", started).await.unwrap() {
        Ok((store, _)) => {
            assert!(highest(&store, &one) >= acknowledged);
            drop(store);
        }
        // The first store is in this same process, and may hang in a flush while it holds the lock.
        Err(StoreError::HeldByAnotherProcess { .. }) => {}
        Err(other) => panic!("{other}"),
    }
    disk.make_room();
    let looked = paychan_store::read_only(&disk.store()).unwrap();
    assert!(looked.channels[0].highest_amount() >= amount(acknowledged));
}

#[tokio::test]
async fn long_before_the_disk_is_full_the_store_takes_nothing_new_and_still_writes_settlements() {
    let Some(disk) = SmallDisk::mount(16) else { return };
    let one = Funder::number(1);
    let options = || Options { free_space_mark: 4 << 20, reserve_bytes: 1 << 20, ..small() };
    let store = open(&disk.store(), options());
    store.admit(one.admission()).await.unwrap();
    accept(&store, &one, 5, "a").await;
    // The index has everything before the disk fills up at once.
    store.shutdown().await.unwrap();
    let store = open(&disk.store(), options());
    let reserve = disk.store().join("reserve");
    wait_until("the reserve is taken up", || reserve.exists()).await;
    disk.fill();
    let Health::SpaceLow(space) = wait_for(&store, "low space", |health| !health.takes()).await else {
        panic!("{:?}", store.health())
    };
    assert!(space.free < space.mark && space.path == disk.store(), "{space:?}");
    let error = store.accept(one.offer(6, "b")).await.unwrap_err();
    assert_eq!(error.kind(), "space_low");
    for word in [disk.store().to_str().unwrap(), "bytes are free", "may be deleted"] {
        assert!(error.to_string().contains(word), "{error}");
    }
    wait_until("the reserve is given up", || !reserve.exists()).await;
    let transaction = settlement(1, one.channel, 5);
    store.record_signed(transaction.clone()).await.unwrap();
    store.shutdown().await.unwrap();
    let store = open(&disk.store(), options());
    assert_eq!(store.in_flight(), [transaction], "the transaction was written");

    disk.make_room();
    wait_for(&store, "room again", Health::takes).await;
    accept(&store, &one, 6, "b").await;
    wait_until("the reserve is taken up again", || reserve.exists()).await;
}

async fn wait_until(what: &str, is: impl Fn() -> bool) {
    within(what, async {
        while !is() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_store_whose_write_finds_no_room_at_any_step_still_settles() {
    let one = Funder::number(1);
    for step in 0..200 {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::default();
        let (store, _) = Store::open_on(dir.path(), disk.journal(), &network(), small(), Arc::new(Open)).unwrap();
        store.admit(one.admission()).await.unwrap();
        accept(&store, &one, 1, "r1").await;
        disk.full_at(disk.steps() + step);
        let mut acknowledged = 1;
        let failed = loop {
            let units = acknowledged + 1;
            match store.accept(one.offer(units, &format!("r{units}"))).await {
                Ok(_) => acknowledged = units,
                Err(error) => break error,
            }
            if acknowledged == 20 {
                // It failed during a checkpoint, or not at all.
                break store.ping().await.err().map_or(AcceptError::Store(StoreError::Stopping), AcceptError::Store);
            }
        };
        if failed == AcceptError::Store(StoreError::Stopping) {
            assert!(step > 40, "the store takes {step} steps only");
            return;
        }
        assert_eq!(failed.kind(), "settle_only", "step {step}: {failed}");
        settles_only(&store, &one, acknowledged).await;
        assert!(store.shutdown().await.is_err());
        let (store, _) =
            Store::open_on(dir.path(), disk.after(Loss::All).journal(), &network(), small(), Arc::new(Open)).unwrap();
        assert!(highest(&store, &one) >= acknowledged, "step {step}");
        assert_eq!(store.in_flight(), [], "what was kept in memory is gone");
        store.shutdown().await.unwrap();
    }
    panic!("the store never came to its end");
}

/// A disk whose syncs can be held up.
struct Slow {
    disk: Disk,
    held_up: Arc<(Mutex<bool>, Condvar)>,
}

impl Journal for Slow {
    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn read(&self, name: &str) -> io::Result<Box<dyn Read>> {
        self.disk.read(name)
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        self.disk.create(name)
    }

    fn resume(&mut self, name: &str, length: u64) -> io::Result<()> {
        self.disk.resume(name, length)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.disk.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        let (held_up, told) = &*self.held_up;
        let _free = told.wait_while(held_up.lock().unwrap(), |held_up| *held_up).unwrap();
        self.disk.sync()
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        self.disk.sync_directory()
    }
}

fn hold_up(held_up: &(Mutex<bool>, Condvar), now: bool) {
    *held_up.0.lock().unwrap() = now;
    held_up.1.notify_all();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_does_not_answer_is_reported_within_seconds_and_then_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let one = Funder::number(1);
    let (disk, held_up) = (Disk::default(), Arc::new((Mutex::new(false), Condvar::new())));
    let options =
        Options { stalled_after: Duration::from_millis(300), give_up_after: Duration::from_secs(3), ..small() };
    let slow = Slow { disk: disk.clone(), held_up: Arc::clone(&held_up) };
    let (store, _) = Store::open_on(dir.path(), Box::new(slow), &network(), options, Arc::new(Open)).unwrap();
    store.admit(one.admission()).await.unwrap();
    accept(&store, &one, 5, "a").await;

    // A short delay is only reported.
    hold_up(&held_up, true);
    let waiting = tokio::spawn({
        let (store, offer) = (store.clone(), one.offer(6, "b"));
        async move { store.accept(offer).await }
    });
    wait_for(&store, "stalling", |health| matches!(health, Health::Stalled { .. })).await;
    hold_up(&held_up, false);
    assert_eq!(within("an answer", waiting).await.unwrap().unwrap().highest, amount(6));
    wait_for(&store, "running again", Health::takes).await;

    hold_up(&held_up, true);
    let failed = within("an answer", store.accept(one.offer(7, "c"))).await.unwrap_err();
    assert_eq!(failed.kind(), "settle_only", "{failed}");
    assert!(failed.to_string().contains("does not answer"), "{failed}");
    settles_only(&store, &one, 6).await;
    assert_eq!(highest(&store, &one), 6, "an amount that nobody was told of is not shown");
    let other = store.clone();
    assert!(within("the shutdown", store.shutdown()).await.is_err());
    hold_up(&held_up, false);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(highest(&other, &one), 6, "it is not shown when the disk answers again either");
}

#[tokio::test]
async fn a_store_with_a_damaged_journal_settles_all_that_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Funder::number(1), Funder::number(2));
    let store = open(dir.path(), Options::default());
    store.admit(one.admission()).await.unwrap();
    store.admit(two.admission()).await.unwrap();
    accept(&store, &one, 5, "a").await;
    let file = segments(dir.path()).remove(0);
    let damaged_at = usize::try_from(std::fs::metadata(&file).unwrap().len()).unwrap();
    accept(&store, &two, 7, "a").await;
    accept(&store, &one, 6, "b").await;
    store.shutdown().await.unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[damaged_at + 40] ^= 1;
    std::fs::write(&file, &bytes).unwrap();

    let (store, opened) = Store::open_or_settle(dir.path(), &network(), Options::default(), Arc::new(Open)).unwrap();
    let Opened::SettleOnly(only) = opened else { panic!("{opened:?}") };
    assert!(matches!(only.why, StoreError::Damaged(_)));
    assert_eq!((only.channels, only.gaps.len()), (2, 1));
    assert_eq!(only.uncertain, [(two.channel, amount(0))]);
    settles_only(&store, &one, 6).await;
    assert_eq!(std::fs::read(&file).unwrap(), bytes, "nothing was changed");
    store.shutdown().await.unwrap_err();
    paychan_store::repair(dir.path(), &network(), &Options::default()).unwrap();
    let (store, opened) = Store::open_or_settle(dir.path(), &network(), Options::default(), Arc::new(Open)).unwrap();
    assert!(matches!(opened, Opened::Whole(_)));
    accept(&store, &two, 8, "b").await;
}

async fn filled(dir: &Path) -> Funder {
    let one = Funder::number(1);
    let store = open(dir, Options::default());
    store.admit(one.admission()).await.unwrap();
    accept(&store, &one, 5, "a").await;
    store.shutdown().await.unwrap();
    one
}

#[tokio::test]
async fn a_store_that_can_make_no_index_settles() {
    let dir = tempfile::tempdir().unwrap();
    let one = filled(dir.path()).await;
    std::fs::remove_dir_all(dir.path().join("db")).unwrap();
    std::fs::write(dir.path().join("db"), b"in the way").unwrap();
    let (store, opened) = Store::open_or_settle(dir.path(), &network(), Options::default(), Arc::new(Open)).unwrap();
    assert!(matches!(opened, Opened::SettleOnly(_)), "{opened:?}");
    settles_only(&store, &one, 5).await;
}

#[tokio::test]
async fn a_start_that_hangs_gives_up_in_time_and_names_what_it_waits_for() {
    let dir = tempfile::tempdir().unwrap();
    let one = filled(dir.path()).await;
    let conf = dir.path().join("db").join("conf");
    std::fs::remove_file(&conf).unwrap();
    // A process that opens this pipe waits until somebody writes to it.
    assert!(Command::new("mkfifo").arg(&conf).status().unwrap().success());
    let options = Options { start_patience: Duration::from_secs(1), ..Options::default() };
    let (store, opened) = Store::open_or_settle(dir.path(), &network(), options, Arc::new(Open)).unwrap();
    let Opened::SettleOnly(only) = opened else { panic!("{opened:?}") };
    assert!(matches!(only.why, StoreError::StartHangs { waiting_for: "opening the index", .. }), "{:?}", only.why);
    settles_only(&store, &one, 5).await;
}

#[test]
fn a_store_of_another_process_does_not_open_for_settling() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Options::default());
    let second = Store::open_or_settle(dir.path(), &network(), Options::default(), Arc::new(Open)).unwrap_err();
    assert!(matches!(second, StoreError::HeldByAnotherProcess { .. }));
    drop(store);
    let nowhere = Store::open_or_settle(Path::new("/proc/nowhere"), &network(), Options::default(), Arc::new(Open));
    assert!(matches!(nowhere.unwrap_err(), StoreError::Io { .. }));
}
