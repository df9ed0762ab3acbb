//! Tests an index that is lost, old, foreign or broken: the journal is the truth.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use paychan_store::{FileJournal, IndexStart, Options, Recovered, Store, StoreError};

use super::disk::{Disk, Loss};
use super::{Funder, Open, accept, copy_dir, highest, network, open, refusal, start};

async fn filled(dir: &Path) {
    let one = Funder::number(1);
    let store = open(dir, Options::default());
    store.admit(one.admission()).await.unwrap();
    for units in 1..=20 {
        accept(&store, &one, units, &format!("r{units}")).await;
    }
    store.shutdown().await.unwrap();
}

/// Opens the store and checks everything for which the index is needed.
async fn sound(dir: &Path) -> Recovered {
    sound_up_to(dir, 20).await
}

async fn sound_up_to(dir: &Path, last: i128) -> Recovered {
    let one = Funder::number(1);
    let (store, recovered) = restart(dir);
    assert_eq!(highest(&store, &one), last);
    for units in 1..=last {
        let again = store.accept(one.offer(units, &format!("r{units}"))).await;
        assert!(again.unwrap().replayed, "{units}");
    }
    refusal(&store, &one, last, "other").await;
    store.shutdown().await.unwrap();
    recovered
}

fn built(recovered: &Recovered) -> bool {
    matches!(recovered.index, IndexStart::Built { .. })
}

fn largest_file(dir: &Path) -> std::path::PathBuf {
    fs::read_dir(dir.join("db"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .max_by_key(|path| fs::metadata(path).unwrap().len())
        .unwrap()
}

#[tokio::test]
async fn a_sound_index_is_only_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path()).await;
    assert_eq!(sound(dir.path()).await.index, IndexStart::CaughtUp { records: 0 });
}

/// Offers this many commitments to a store that is served in this thread, each in a batch of its own. Then the process dies,
/// without a pause or after one.
async fn filled_and_killed(dir: &Path, last: i128, pauses: bool) {
    let one = Funder::number(1);
    let store = open(dir, Options::default());
    store.admit(one.admission()).await.unwrap();
    store.shutdown().await.unwrap();

    let journal = Box::new(FileJournal::open(&dir.join("journal")).unwrap());
    let opened = Store::open_driven(dir, journal, &network(), Options::default(), Arc::new(Open));
    let (store, mut driven, _) = opened.unwrap();
    for units in 1..=last {
        let offer = |asked: Store| async move {
            let (one, id) = (Funder::number(1), format!("r{units}"));
            asked.accept(one.offer(units, &id)).await.unwrap()
        };
        let asking = tokio::spawn(offer(store.clone()));
        tokio::task::yield_now().await;
        assert!(driven.serve());
        assert!(!asking.await.unwrap().replayed);
        // The index may not have this request yet.
        let asking = tokio::spawn(offer(store.clone()));
        tokio::task::yield_now().await;
        assert!(driven.serve());
        assert!(asking.await.unwrap().replayed);
    }
    assert_eq!(highest(&store, &one), last);
    if pauses {
        assert!(!driven.serve(), "nothing waits");
    }
}

fn restart(dir: &Path) -> (Store, Recovered) {
    opened_again(|| start(dir, Options::default()))
}

/// Opens the store. The lock of a store that was dropped is free once its threads are gone.
fn opened_again(open: impl Fn() -> Result<(Store, Recovered), StoreError>) -> (Store, Recovered) {
    for _ in 0..5_000 {
        match open() {
            Err(StoreError::HeldByAnotherProcess { .. }) => std::thread::sleep(Duration::from_millis(1)),
            started => return started.unwrap(),
        }
    }
    panic!("the store is never let go of");
}

#[tokio::test]
async fn what_the_index_lacks_after_a_kill_is_added_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    filled_and_killed(dir.path(), 20, false).await;
    assert_eq!(sound(dir.path()).await.index, IndexStart::CaughtUp { records: 20 });
}

#[tokio::test]
async fn the_index_does_not_wait_for_a_pause_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    filled_and_killed(dir.path(), 600, false).await;
    let recovered = sound_up_to(dir.path(), 600).await;
    assert_eq!(recovered.index, IndexStart::CaughtUp { records: 600 - 512 });
}

#[tokio::test]
async fn a_pause_brings_the_index_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    filled_and_killed(dir.path(), 20, true).await;
    assert_eq!(sound(dir.path()).await.index, IndexStart::CaughtUp { records: 0 });
}

/// Whether the index has all records after the store's own thread had a pause of this length. The power is cut then, so
/// that the thread ends without bringing the index up to date.
async fn index_follows_in_a_pause_of(pause: Duration) -> bool {
    let (dir, one, disk) = (tempfile::tempdir().unwrap(), Funder::number(1), Disk::default());
    let open = |disk: &Disk| {
        let options = Options { reserve_bytes: 0, ..Options::default() };
        Store::open_on(dir.path(), disk.journal(), &network(), options, Arc::new(Open))
    };
    let (store, _) = open(&disk).unwrap();
    store.admit(one.admission()).await.unwrap();
    for units in 1..=20 {
        accept(&store, &one, units, &format!("r{units}")).await;
    }
    tokio::time::sleep(pause).await;
    disk.cut_at(disk.steps());
    refusal(&store, &one, 21, "r21").await;
    drop(store);
    let disk = disk.after(Loss::All);
    let (store, recovered) = opened_again(|| open(&disk));
    assert_eq!(highest(&store, &one), 20);
    recovered.index == IndexStart::CaughtUp { records: 0 }
}

#[tokio::test]
async fn the_stores_own_thread_brings_the_index_up_to_date_in_a_pause() {
    // How long the thread takes is not the question, so a busy machine gets longer pauses.
    for pause in [100, 1_000, 20_000].map(Duration::from_millis) {
        if index_follows_in_a_pause_of(pause).await {
            return;
        }
    }
    panic!("the index does not follow in a pause");
}

#[tokio::test]
async fn a_deleted_index_is_built_from_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path()).await;
    fs::remove_dir_all(dir.path().join("db")).unwrap();
    assert!(built(&sound(dir.path()).await));
    assert!(!built(&sound(dir.path()).await), "the index is built only once");
}

#[tokio::test]
async fn an_old_index_is_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let one = Funder::number(1);
    let store = open(dir.path(), Options::default());
    store.admit(one.admission()).await.unwrap();
    accept(&store, &one, 1, "r1").await;
    store.shutdown().await.unwrap();
    let old = tempfile::tempdir().unwrap();
    copy_dir(&dir.path().join("db"), old.path());
    let store = open(dir.path(), Options::default());
    for units in 2..=20 {
        accept(&store, &one, units, &format!("r{units}")).await;
    }
    store.shutdown().await.unwrap();
    fs::remove_dir_all(dir.path().join("db")).unwrap();
    copy_dir(old.path(), &dir.path().join("db"));
    assert_eq!(sound(dir.path()).await.index, IndexStart::CaughtUp { records: 19 });
}

#[tokio::test]
async fn an_index_that_was_cut_or_overwritten_is_built_again() {
    let original = tempfile::tempdir().unwrap();
    filled(original.path()).await;
    let length = fs::metadata(largest_file(original.path())).unwrap().len();
    for part in 0..8 {
        let dir = tempfile::tempdir().unwrap();
        copy_dir(original.path(), dir.path());
        let file = fs::File::options().write(true).open(largest_file(dir.path())).unwrap();
        file.set_len(length * part / 8).unwrap();
        sound(dir.path()).await;
    }
    for byte in [0x00, 0x5a, 0xff] {
        let dir = tempfile::tempdir().unwrap();
        copy_dir(original.path(), dir.path());
        for entry in fs::read_dir(dir.path().join("db")).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let length = usize::try_from(fs::metadata(&path).unwrap().len()).unwrap();
                fs::write(&path, vec![byte; length]).unwrap();
            }
        }
        assert!(built(&sound(dir.path()).await), "filled with {byte:#x}");
    }
}

#[tokio::test]
async fn an_index_with_an_unfinished_snapshot_is_removed_with_the_one_that_a_repair_put_aside() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path()).await;
    let leftover = dir.path().join("db").join("snap.0000000000000123.generating");
    fs::write(&leftover, [1, 2, 3]).unwrap();
    let aside = dir.path().join("db.aside");
    fs::create_dir(&aside).unwrap();
    let recovered = sound(dir.path()).await;
    let IndexStart::Built { why } = recovered.index else {
        panic!("it should be built again");
    };
    assert!(why.contains("snap.0000000000000123.generating"), "{why}");
    assert!(!leftover.exists() && !aside.exists(), "an index that can be rebuilt takes up no room");
}

#[tokio::test]
async fn the_index_of_another_store_is_replaced() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    filled(dir.path()).await;
    let two = Funder::number(2);
    let store = open(other.path(), Options::default());
    store.admit(two.admission()).await.unwrap();
    accept(&store, &two, 99, "x").await;
    store.shutdown().await.unwrap();
    fs::remove_dir_all(dir.path().join("db")).unwrap();
    copy_dir(&other.path().join("db"), &dir.path().join("db"));
    assert!(built(&sound(dir.path()).await));
}

#[tokio::test]
async fn an_index_that_failed_under_the_last_process_is_built_again_once() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path()).await;
    fs::write(dir.path().join("index-suspect"), []).unwrap();
    assert!(built(&sound(dir.path()).await));
    assert!(!built(&sound(dir.path()).await));
}
