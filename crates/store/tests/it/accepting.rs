//! Tests which commitments the store takes, and what a repeated request gets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use paychan_channel::Amount;
use paychan_store::{AcceptError, Accepted, AdmitAnswer, Gate, Held, Options, Refusal, Store, StoreError};

use super::disk::Disk;
use super::{Funder, Open, accept, amount, highest, id, network, open, refusal, small, start};

#[tokio::test]
async fn all_that_was_acknowledged_is_held_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Funder::number(1), Funder::number(2));
    let store = open(dir.path(), Options::default());
    assert_eq!(store.admit(one.admission()).await, Ok(AdmitAnswer::Admitted));
    assert_eq!(store.admit(two.admission()).await, Ok(AdmitAnswer::Admitted));
    accept(&store, &one, 5, "a").await;
    accept(&store, &one, 9, "b").await;
    accept(&store, &two, i128::MAX, "a").await;
    let (held_one, held_two) = (store.held(&one.channel), store.held(&two.channel));
    store.shutdown().await.unwrap();

    let (store, recovered) = start(dir.path(), Options::default()).unwrap();
    assert_eq!(store.held(&one.channel), held_one);
    assert_eq!(store.held(&two.channel), held_two);
    let highest = held_one.unwrap().highest.unwrap();
    assert_eq!(highest.amount, amount(9));
    assert_eq!(highest.signature, one.sign(9));
    assert_eq!(highest.request_id, id("b"));
    assert_eq!((recovered.records, recovered.channels), (5, 2));
    store.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_channel_is_admitted_once_and_keeps_what_it_holds() {
    let dir = tempfile::tempdir().unwrap();
    let one = Funder::number(1);
    let store = open(dir.path(), Options::default());
    store.admit(one.admission()).await.unwrap();
    accept(&store, &one, 7, "a").await;
    let again = store.admit(one.admission()).await.unwrap();
    assert!(matches!(again, AdmitAnswer::AlreadyAdmitted(held) if held.highest_amount() == amount(7)));
    assert_eq!(highest(&store, &one), 7);
}

#[tokio::test]
async fn the_same_id_gets_the_same_answer_even_when_higher_ones_came_since() {
    let dir = tempfile::tempdir().unwrap();
    let one = Funder::number(1);
    let store = open(dir.path(), Options::default());
    store.admit(one.admission()).await.unwrap();
    accept(&store, &one, 5, "a").await;
    accept(&store, &one, 9, "b").await;
    let replay = |previous, units| {
        Ok(Accepted { previous: amount(previous), highest: amount(units), spent: Amount::ZERO, replayed: true })
    };
    assert_eq!(store.accept(one.offer(5, "a")).await, replay(0, 5));
    assert_eq!(store.accept(one.offer(9, "b")).await, replay(5, 9));
    store.shutdown().await.unwrap();

    let store = open(dir.path(), Options::default());
    assert_eq!(store.accept(one.offer(5, "a")).await, replay(0, 5));
    assert_eq!(highest(&store, &one), 9, "a replay changes nothing");
}

#[tokio::test]
async fn each_wrong_offer_is_refused_with_the_amount_that_is_held() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Funder::number(1), Funder::number(2));
    let store = open(dir.path(), Options::default());
    store.admit(one.admission()).await.unwrap();
    assert_eq!(
        refusal(&store, &one, 0, "zero").await,
        AcceptError::NotHigher { offered: Amount::ZERO, highest: Amount::ZERO }
    );
    accept(&store, &one, 5, "a").await;
    accept(&store, &one, 9, "b").await;
    assert_eq!(refusal(&store, &one, 9, "c").await, AcceptError::AlreadyHeld { highest: amount(9) });
    assert_eq!(refusal(&store, &one, 8, "c").await, AcceptError::NotHigher { offered: amount(8), highest: amount(9) });
    for units in [4, 9, 12] {
        assert_eq!(
            refusal(&store, &one, units, "a").await,
            AcceptError::RequestIdReused {
                request_id: id("a"),
                offered: amount(units),
                price: None,
                accepted: Some(amount(5))
            }
        );
    }
    assert_eq!(refusal(&store, &two, 1, "a").await, AcceptError::UnknownChannel(two.channel));
    // An id belongs to its channel.
    store.admit(two.admission()).await.unwrap();
    accept(&store, &two, 1, "a").await;
    assert_eq!(highest(&store, &one), 9);
}

#[tokio::test]
async fn a_fence_refuses_new_requests_and_repeats_earlier_answers() {
    let dir = tempfile::tempdir().unwrap();
    let one = Funder::number(1);
    let store = open(dir.path(), Options::default());
    assert_eq!(store.fence(one.channel).await, Err(StoreError::UnknownChannel(one.channel)));
    store.admit(one.admission()).await.unwrap();
    accept(&store, &one, 5, "a").await;
    let fenced = store.fence(one.channel).await.unwrap().unwrap();
    assert_eq!((fenced.amount, fenced.signature), (amount(5), one.sign(5)));
    assert_eq!(store.fence(one.channel).await.unwrap(), Some(fenced));
    let since = store.held(&one.channel).unwrap().fence;
    assert!(since.is_some());
    store.shutdown().await.unwrap();

    let store = open(dir.path(), Options::default());
    assert_eq!(store.held(&one.channel).unwrap().fence, since);
    assert_eq!(refusal(&store, &one, 6, "b").await, AcceptError::Fenced { highest: amount(5) });
    assert!(store.accept(one.offer(5, "a")).await.unwrap().replayed);
    assert_eq!(highest(&store, &one), 5);
}

#[tokio::test]
async fn a_gate_is_asked_about_new_requests_only() {
    struct Shut(AtomicBool);
    impl Gate for Shut {
        fn check(&self, held: &Held, offered: Amount, _: Amount) -> Result<(), Refusal> {
            if self.0.load(Ordering::SeqCst) {
                return Err(Refusal::ExceedsCoverage { offered, coverage: held.highest_amount() });
            }
            Ok(())
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let one = Funder::number(1);
    let gate = Arc::new(Shut(AtomicBool::new(false)));
    let (store, _) = Store::open(dir.path(), &network(), Options::default(), gate.clone()).unwrap();
    store.admit(one.admission()).await.unwrap();
    accept(&store, &one, 5, "a").await;
    gate.0.store(true, Ordering::SeqCst);
    assert_eq!(
        refusal(&store, &one, 6, "b").await,
        AcceptError::Refused(Refusal::ExceedsCoverage { offered: amount(6), coverage: amount(5) })
    );
    assert!(store.accept(one.offer(5, "a")).await.unwrap().replayed);
    gate.0.store(false, Ordering::SeqCst);
    // A refused offer leaves nothing behind, so its id is free.
    accept(&store, &one, 7, "b").await;
}

#[tokio::test]
async fn a_store_opened_for_the_operator_takes_nothing_and_repeats_earlier_answers() {
    let dir = tempfile::tempdir().unwrap();
    let one = Funder::number(1);
    let store = open(dir.path(), Options::default());
    store.admit(one.admission()).await.unwrap();
    accept(&store, &one, 5, "a").await;
    store.shutdown().await.unwrap();
    let (store, _) = Store::open_for_operator(dir.path(), &network(), Options::default()).unwrap();
    assert!(matches!(refusal(&store, &one, 6, "b").await, AcceptError::Refused(Refusal::Stopping { .. })));
    assert!(store.accept(one.offer(5, "a")).await.unwrap().replayed);
}

#[tokio::test]
async fn a_ping_is_answered_after_all_earlier_requests_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let one = Funder::number(1);
    let store = open(dir.path(), Options::default());
    store.admit(one.admission()).await.unwrap();
    let before = store.counts();
    assert_eq!(store.ping().await, Ok(()));
    assert_eq!(store.counts(), before);
    let other = store.clone();
    store.shutdown().await.unwrap();
    assert_eq!(other.ping().await, Err(StoreError::Stopping));
}

#[tokio::test]
async fn the_last_ids_of_a_channel_are_remembered_and_the_highest_one_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Funder::number(1), Funder::number(2));
    let store = open(dir.path(), small());
    store.admit(one.admission()).await.unwrap();
    store.admit(two.admission()).await.unwrap();
    accept(&store, &two, 1, "quiet").await;
    for units in 1..=40 {
        accept(&store, &one, units, &format!("r{units}")).await;
    }
    // Forgotten ids count as new ids, and their old amounts are below the highest.
    for units in 1..=36 {
        assert_eq!(
            refusal(&store, &one, units, &format!("r{units}")).await,
            AcceptError::NotHigher { offered: amount(units), highest: amount(40) }
        );
    }
    store.shutdown().await.unwrap();
    let store = open(dir.path(), small());
    for units in 37..=40 {
        let again = store.accept(one.offer(units, &format!("r{units}"))).await;
        assert!(again.unwrap().replayed, "{units}");
    }
    assert!(store.accept(two.offer(1, "quiet")).await.unwrap().replayed);
    accept(&store, &one, 41, "r1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_submitters_only_ever_see_amounts_rise_and_the_highest_win() {
    const SUBMITTERS: i128 = 16;
    const EACH: i128 = 40;
    let dir = tempfile::tempdir().unwrap();
    let one = Arc::new(Funder::number(1));
    let store = open(dir.path(), small());
    store.admit(one.admission()).await.unwrap();
    let tasks: Vec<_> = (0..SUBMITTERS)
        .map(|submitter| {
            let (store, one) = (store.clone(), Arc::clone(&one));
            tokio::spawn(async move {
                let mut taken = Vec::new();
                for turn in 0..EACH {
                    let units = 1 + turn * SUBMITTERS + submitter;
                    let before = highest(&store, &one);
                    match store.accept(one.offer(units, &format!("{units}"))).await {
                        Ok(accepted) => {
                            assert_eq!(accepted.highest, amount(units));
                            assert!(highest(&store, &one) >= units, "an acknowledged amount is held");
                            taken.push(units);
                        }
                        Err(AcceptError::NotHigher { offered, highest }) => {
                            assert!(offered < highest && highest.get() >= before);
                        }
                        Err(other) => panic!("{other}"),
                    }
                }
                taken
            })
        })
        .collect();
    let mut taken = Vec::new();
    for task in tasks {
        taken.extend(task.await.unwrap());
    }
    let last = SUBMITTERS * EACH;
    assert_eq!(highest(&store, &one), last, "the highest offer is never refused");
    let held = store.held(&one.channel).unwrap();
    assert_eq!(held.accepted, taken.len() as u64);
    store.shutdown().await.unwrap();
    assert_eq!(highest(&open(dir.path(), small()), &one), last);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_submission_sent_many_times_at_once_is_taken_once_and_gets_one_answer() {
    let dir = tempfile::tempdir().unwrap();
    let one = Arc::new(Funder::number(1));
    let store = open(dir.path(), Options::default());
    store.admit(one.admission()).await.unwrap();
    let tasks: Vec<_> = (0..32)
        .map(|_| {
            let (store, offer) = (store.clone(), one.offer(5, "same"));
            tokio::spawn(async move { store.accept(offer).await.unwrap() })
        })
        .collect();
    let mut new = 0;
    for task in tasks {
        let accepted = task.await.unwrap();
        assert_eq!(accepted.highest, amount(5));
        new += u32::from(!accepted.replayed);
    }
    assert_eq!(new, 1);
    assert_eq!(store.held(&one.channel).unwrap().accepted, 1);
}

#[tokio::test]
async fn a_second_process_is_told_that_another_one_holds_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Options::default());
    let second = start(dir.path(), Options::default()).unwrap_err();
    assert_eq!(second, StoreError::HeldByAnotherProcess { dir: dir.path().to_path_buf() });
    assert!(second.to_string().contains(dir.path().to_str().unwrap()));
    store.shutdown().await.unwrap();
    assert!(start(dir.path(), Options::default()).is_ok());
}

#[tokio::test]
async fn a_store_that_was_shut_down_refuses_and_does_not_fail() {
    let dir = tempfile::tempdir().unwrap();
    let one = Funder::number(1);
    let store = open(dir.path(), Options::default());
    store.admit(one.admission()).await.unwrap();
    let other = store.clone();
    store.shutdown().await.unwrap();
    assert_eq!(refusal(&other, &one, 1, "a").await, AcceptError::Store(StoreError::Stopping));
    assert_eq!(other.shutdown().await, Ok(()));
}

#[tokio::test]
async fn a_driven_store_writes_and_answers_only_when_it_is_served() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    let opened = Store::open_driven(dir.path(), disk.journal(), &network(), small(), Arc::new(Open));
    let (store, mut driven, _) = opened.unwrap();
    let (one, two) = (Funder::number(1), Funder::number(2));
    assert!(!driven.serve(), "nothing waits");
    let asked = store.clone();
    let (first, second) = (one.admission(), two.admission());
    let asking = tokio::spawn(async move { tokio::join!(asked.admit(first), asked.admit(second)) });
    tokio::task::yield_now().await;
    assert_eq!((store.held(&one.channel), store.counts().records), (None, 0));
    assert!(driven.serve());
    assert_eq!(asking.await.unwrap(), (Ok(AdmitAnswer::Admitted), Ok(AdmitAnswer::Admitted)));
    assert_eq!((store.counts().records, store.counts().syncs), (2, 1), "both were written at once");

    // The disk fails, and every caller learns it.
    disk.cut_at(disk.steps());
    let (asked, offer) = (store.clone(), one.offer(5, "a"));
    let asking = tokio::spawn(async move { asked.accept(offer).await });
    tokio::task::yield_now().await;
    assert!(driven.serve());
    assert!(matches!(asking.await.unwrap(), Err(AcceptError::Store(StoreError::Failed(_)))));
    assert!(matches!(store.accept(one.offer(6, "b")).await, Err(AcceptError::Store(StoreError::Failed(_)))));
    drop(driven);
    store.shutdown().await.unwrap_err();
}

#[tokio::test]
async fn a_store_that_nobody_drives_any_more_takes_nothing() {
    let (dir, disk) = (tempfile::tempdir().unwrap(), Disk::default());
    let opened = Store::open_driven(dir.path(), disk.journal(), &network(), small(), Arc::new(Open));
    let (store, driven, _) = opened.unwrap();
    drop(driven);
    assert_eq!(store.admit(Funder::number(1).admission()).await, Err(StoreError::Stopping));
}
