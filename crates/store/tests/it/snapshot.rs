//! Tests reading a store without opening it, while a process holds it and while none does.

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use paychan_store::{Options, StoreError, read_only};

use super::{Funder, accept, amount, network, open, segments, settlement, small};

#[tokio::test]
async fn reading_without_opening_shows_what_the_store_shows_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let one = Funder::number(1);
    let store = open(dir.path(), small());
    store.admit(one.admission()).await.unwrap();
    for units in 1..=30 {
        accept(&store, &one, units, &format!("r{units}")).await;
    }
    let transaction = settlement(1, one.channel, 30);
    store.record_signed(transaction.clone()).await.unwrap();
    let up = read_only(dir.path()).unwrap();
    let held = store.held(&one.channel).unwrap();
    store.shutdown().await.unwrap();

    fs::remove_dir_all(dir.path().join("db")).unwrap();
    let files = segments(dir.path());
    let down = read_only(dir.path()).unwrap();
    assert_eq!(up, down);
    assert_eq!(down.channels, [held]);
    assert_eq!(down.in_flight, [transaction]);
    assert_eq!(down.network, Some(network()));
    assert_eq!(segments(dir.path()), files);
    assert!(!dir.path().join("db").exists());
}

#[tokio::test]
async fn a_missing_store_is_reported_and_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let nothing = dir.path().join("nothing");
    let Err(StoreError::Io { kind, path, .. }) = read_only(&nothing) else {
        panic!("there is no store");
    };
    assert_eq!(kind, io::ErrorKind::NotFound);
    assert_eq!(path, nothing.join("journal"));
    assert!(!nothing.exists());
}

#[tokio::test]
async fn a_record_that_is_being_written_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let one = Funder::number(1);
    let store = open(dir.path(), Options::default());
    store.admit(one.admission()).await.unwrap();
    accept(&store, &one, 1, "a").await;
    let file = segments(dir.path()).remove(0);
    let whole = fs::read(&file).unwrap();
    accept(&store, &one, 2, "b").await;
    store.shutdown().await.unwrap();
    let longer = fs::read(&file).unwrap();
    fs::write(&file, &longer[..whole.len() + 50]).unwrap();
    let looked = read_only(dir.path()).unwrap();
    assert_eq!(looked.channels[0].highest_amount(), amount(1));
    assert_eq!(looked.torn.unwrap().bytes, 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_while_the_store_writes_and_makes_checkpoints_shows_all_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let one = Funder::number(1);
    let store = open(dir.path(), small());
    store.admit(one.admission()).await.unwrap();
    let acknowledged = Arc::new(AtomicI64::new(0));
    let writer = tokio::spawn({
        let (store, acknowledged) = (store.clone(), Arc::clone(&acknowledged));
        async move {
            for units in 1..=400 {
                accept(&store, &one, i128::from(units), &format!("r{units}")).await;
                acknowledged.store(units, Ordering::SeqCst);
            }
        }
    });
    let mut looks = 0;
    while !writer.is_finished() {
        let before = acknowledged.load(Ordering::SeqCst);
        let dir = dir.path().to_path_buf();
        let looked = tokio::task::spawn_blocking(move || read_only(&dir)).await.unwrap();
        match looked {
            Ok(looked) => {
                let seen = looked.channels[0].highest_amount().get();
                assert!(seen >= i128::from(before), "{seen} seen, {before} acknowledged");
                looks += 1;
            }
            // The store made checkpoints during all five attempts, since these segments are tiny.
            Err(StoreError::Io { kind, .. }) => assert_eq!(kind, io::ErrorKind::NotFound),
            Err(StoreError::Damaged(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }
    writer.await.unwrap();
    assert!(looks > 0);
    assert_eq!(read_only(dir.path()).unwrap().channels[0].highest_amount(), amount(400));
}
