//! Tests signed transactions and their outcomes, and the operator's confirmation of a rollback.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use paychan_channel::{Ledger, Stroops};
use paychan_store::{Options, Outcome, Purpose, SignedTransaction, StoreError, WallClock};

use super::{Funder, accept, amount, open, settlement, small};

fn confirmed(ledger: u32) -> Outcome {
    Outcome::Confirmed { ledger: Ledger(ledger), fee_charged: Stroops(40_000) }
}

#[tokio::test]
async fn a_signed_transaction_is_in_flight_over_restarts_until_its_outcome_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let one = Funder::number(1);
    let store = open(dir.path(), Options::default());
    store.admit(one.admission()).await.unwrap();
    accept(&store, &one, 5, "a").await;
    let (first, second) = (settlement(1, one.channel, 5), settlement(2, one.channel, 5));
    store.record_signed(first.clone()).await.unwrap();
    store.record_signed(first.clone()).await.unwrap();
    store.record_signed(second.clone()).await.unwrap();
    store.shutdown().await.unwrap();

    let store = open(dir.path(), Options::default());
    assert_eq!(store.in_flight(), [first.clone(), second.clone()]);
    store.record_outcome(first.hash, confirmed(2_001)).await.unwrap();
    assert_eq!(
        store.record_outcome(first.hash, confirmed(2_001)).await,
        Err(StoreError::UnknownTransaction(first.hash))
    );
    store.shutdown().await.unwrap();

    let store = open(dir.path(), Options::default());
    assert_eq!(store.in_flight(), [second]);
    let outcomes = store.outcomes(&one.channel, 9);
    assert_eq!(outcomes.len(), 1);
    assert_eq!(outcomes[0].hash, first.hash);
    assert_eq!(outcomes[0].purpose, first.purpose);
    assert_eq!(outcomes[0].outcome, confirmed(2_001));
}

#[tokio::test]
async fn transactions_that_cannot_be_written_are_refused_and_the_store_works_on() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Funder::number(1), Funder::number(2));
    let store = open(dir.path(), Options::default());
    store.admit(one.admission()).await.unwrap();
    assert_eq!(store.record_signed(settlement(1, two.channel, 5)).await, Err(StoreError::UnknownChannel(two.channel)));
    let huge = SignedTransaction { envelope: vec![0; 2 << 20], ..settlement(1, one.channel, 5) };
    assert!(matches!(store.record_signed(huge).await, Err(StoreError::TooLarge { .. })));
    assert_eq!(store.record_outcome([9; 32], confirmed(1)).await, Err(StoreError::UnknownTransaction([9; 32])));
    assert_eq!(store.confirm_rollback(two.channel, amount(1)).await, Err(StoreError::UnknownChannel(two.channel)));
    accept(&store, &one, 1, "a").await;
    store.shutdown().await.unwrap();
    assert_eq!(open(dir.path(), Options::default()).in_flight(), []);
}

#[tokio::test]
async fn the_last_eight_outcomes_of_a_channel_are_kept_newest_first_over_checkpoints() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Funder::number(1), Funder::number(2));
    let store = open(dir.path(), small());
    store.admit(one.admission()).await.unwrap();
    store.admit(two.admission()).await.unwrap();
    let both = SignedTransaction {
        purpose: Purpose::Extend { channels: vec![one.channel, two.channel] },
        ..settlement(100, one.channel, 1)
    };
    store.record_signed(both.clone()).await.unwrap();
    store.record_outcome(both.hash, Outcome::Expired { at: Ledger(9) }).await.unwrap();
    for number in 1..=12 {
        let transaction = settlement(number, one.channel, i128::from(number));
        store.record_signed(transaction.clone()).await.unwrap();
        store
            .record_outcome(
                transaction.hash,
                Outcome::Failed {
                    ledger: Ledger(u32::from(number)),
                    fee_charged: Stroops(1),
                    why: "\u{e9}".repeat(400),
                },
            )
            .await
            .unwrap();
    }
    store.shutdown().await.unwrap();
    let store = open(dir.path(), small());
    let hashes: Vec<u8> = store.outcomes(&one.channel, 99).iter().map(|decided| decided.hash[0]).collect();
    assert_eq!(hashes, [12, 11, 10, 9, 8, 7, 6, 5]);
    assert_eq!(store.outcomes(&one.channel, 2).len(), 2);
    let last = &store.outcomes(&one.channel, 1)[0].outcome;
    assert!(matches!(last, Outcome::Failed { why, .. } if why.len() == Outcome::WHY_LIMIT));
    assert_eq!(store.outcomes(&two.channel, 9)[0].hash, both.hash);
}

/// A wall clock that moves only when told.
struct ManualClock(AtomicU64);

impl WallClock for ManualClock {
    fn wall_unix_ms(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

#[tokio::test]
async fn the_oldest_unsettled_commitment_is_dated_from_the_first_that_no_payment_covers() {
    let dir = tempfile::tempdir().unwrap();
    let one = Funder::number(1);
    let clock = Arc::new(ManualClock(AtomicU64::new(1_000)));
    let options = || Options { clock: clock.clone(), ..small() };
    let store = open(dir.path(), options());
    store.admit(one.admission()).await.unwrap();
    let tick = || clock.0.fetch_add(100, Relaxed);
    let since = |store: &paychan_store::Store| store.held(&one.channel).unwrap().unsettled_since_ms;

    assert_eq!(since(&store), None);
    accept(&store, &one, 5, "a").await;
    tick();
    accept(&store, &one, 6, "b").await;
    assert_eq!(since(&store), Some(1_000));
    store.record_signed(settlement(1, one.channel, 6)).await.unwrap();
    tick();
    accept(&store, &one, 7, "c").await;
    tick();
    accept(&store, &one, 8, "d").await;
    store.shutdown().await.unwrap();
    let store = open(dir.path(), options());
    assert_eq!(since(&store), Some(1_000), "a signed transaction has not paid yet");
    store.record_outcome([1; 32], confirmed(2_001)).await.unwrap();
    assert_eq!(since(&store), Some(1_200), "the first commitment above the paid amount counts");
    store.record_signed(settlement(2, one.channel, 8)).await.unwrap();
    store.record_outcome([2; 32], Outcome::Expired { at: Ledger(3) }).await.unwrap();
    assert_eq!(since(&store), Some(1_200), "an expired payment pays nothing");
    store.record_signed(settlement(3, one.channel, 8)).await.unwrap();
    store.record_outcome([3; 32], confirmed(2_009)).await.unwrap();
    assert_eq!(since(&store), None);
    store.shutdown().await.unwrap();
    assert_eq!(since(&open(dir.path(), options())), None);
}

#[tokio::test]
async fn the_operators_confirmation_of_a_rollback_survives_and_never_goes_down() {
    let dir = tempfile::tempdir().unwrap();
    let one = Funder::number(1);
    let store = open(dir.path(), Options::default());
    store.admit(one.admission()).await.unwrap();
    store.confirm_rollback(one.channel, amount(70)).await.unwrap();
    store.confirm_rollback(one.channel, amount(50)).await.unwrap();
    store.shutdown().await.unwrap();
    let store = open(dir.path(), Options::default());
    assert_eq!(store.held(&one.channel).unwrap().rollback_confirmed, Some(amount(70)));
}

#[tokio::test]
async fn a_transaction_that_pays_more_than_the_agreed_amount_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let one = Funder::number(1);
    let store = open(dir.path(), Options::default());
    store.admit(one.admission()).await.unwrap();
    accept(&store, &one, 100, "a").await;
    // While a settlement of the highest commitment is prepared, a close with a lower amount is agreed.
    store.fence_for_close(one.channel, one.claim(60), amount(0)).await.unwrap();
    let above = StoreError::AboveAgreed { channel: one.channel, agreed: amount(60), amount: amount(100) };
    assert_eq!(store.record_signed(settlement(1, one.channel, 100)).await, Err(above.clone()));
    store.record_signed(settlement(2, one.channel, 60)).await.unwrap();
    store.shutdown().await.unwrap();
    let store = open(dir.path(), Options::default());
    assert_eq!(store.in_flight(), [settlement(2, one.channel, 60)]);
    assert_eq!(store.record_signed(settlement(3, one.channel, 61)).await.unwrap_err().kind(), above.kind());
}

#[tokio::test]
async fn the_highest_sequence_number_of_a_lane_is_known_over_restarts_and_checkpoints() {
    let dir = tempfile::tempdir().unwrap();
    let one = Funder::number(1);
    let store = open(dir.path(), small());
    store.admit(one.admission()).await.unwrap();
    accept(&store, &one, 5, "a").await;
    let signed = SignedTransaction { sequence: 70, ..settlement(1, one.channel, 5) };
    let lane = signed.lane;
    assert_eq!(store.last_sequence(&lane), None);
    store.record_signed(signed).await.unwrap();
    store.record_outcome([1; 32], confirmed(2_001)).await.unwrap();
    assert_eq!((store.last_sequence(&lane), store.lanes()), (Some(70), vec![(lane, 70)]));
    // These are enough records for several checkpoints, which leave out the signed transaction itself.
    for number in 6..200 {
        accept(&store, &one, number, &format!("r{number}")).await;
    }
    store.shutdown().await.unwrap();
    let store = open(dir.path(), small());
    assert_eq!(store.last_sequence(&lane), Some(70));
    store.lane_used(lane, 75).await.unwrap();
    store.lane_used(lane, 60).await.unwrap();
    store.shutdown().await.unwrap();
    assert_eq!(open(dir.path(), small()).last_sequence(&lane), Some(75));
}
