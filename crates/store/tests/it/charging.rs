//! Tests charges, credits, agreed closes and dropped channels: everything is sold only once.

use std::sync::{Arc, Mutex};

use paychan_channel::{Amount, Ledger, Stroops};
use paychan_store::{
    AcceptError, Admission, ChargeError, Charged, CloseError, CreditError, Credited, DropError, Gate, Held, Options,
    Outcome, Refusal, Store, StoreError,
};

use super::{Funder, accept, amount, charge, charge_refusal, id, network, open, refusal, settlement, small};

fn spent(store: &Store, funder: &Funder) -> i128 {
    store.held(&funder.channel).unwrap().spent.get()
}

async fn opened(dir: &std::path::Path) -> (Store, Funder) {
    let one = Funder::number(1);
    let store = open(dir, small());
    store.admit(one.admission()).await.unwrap();
    (store, one)
}

#[tokio::test]
async fn two_front_ends_that_saw_the_same_total_do_not_sell_one_price_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (store, one) = opened(dir.path()).await;
    charge(&store, &one, 100, Some(100), "before").await;
    // Both front ends last saw 100, and each sells for 10.
    let first = charge(&store, &one, 10, Some(110), "first").await;
    assert_eq!((first.previous, first.highest, first.spent), (amount(100), amount(110), amount(110)));
    assert_eq!(
        charge_refusal(&store, &one, 10, Some(111), "second").await,
        ChargeError::Insufficient { price: amount(10), spent: amount(110), highest: amount(111), needed: amount(120) }
    );
    assert_eq!(
        store.held(&one.channel).unwrap().highest_amount(),
        amount(110),
        "nothing of the refused charge was taken"
    );
    charge(&store, &one, 10, Some(120), "second").await;
    assert_eq!(spent(&store, &one), 120);
}

#[tokio::test]
async fn a_charge_uses_earlier_commitments_and_survives_a_restart_and_a_lost_index() {
    let dir = tempfile::tempdir().unwrap();
    let (store, one) = opened(dir.path()).await;
    accept(&store, &one, 100, "prepaid").await;
    assert_eq!(spent(&store, &one), 0, "a commitment alone is prepayment");
    charge(&store, &one, 30, None, "a").await;
    // A commitment that is not above the highest does no harm, and is not taken.
    charge(&store, &one, 30, Some(40), "b").await;
    let held = store.held(&one.channel).unwrap();
    assert_eq!((held.highest_amount(), held.spent, held.available()), (amount(100), amount(60), amount(40)));
    assert_eq!(
        charge_refusal(&store, &one, 41, None, "c").await,
        ChargeError::Insufficient { price: amount(41), spent: amount(60), highest: amount(100), needed: amount(101) }
    );
    store.shutdown().await.unwrap();
    std::fs::remove_dir_all(dir.path().join("db")).unwrap();
    let store = open(dir.path(), small());
    assert_eq!(store.held(&one.channel).unwrap(), held);
    let again = store.charge(one.charge(30, None, "a")).await.unwrap();
    assert_eq!(
        again,
        Charged {
            price: amount(30),
            previous: amount(100),
            highest: amount(100),
            spent: amount(30),
            credited: Amount::ZERO,
            replayed: true
        }
    );
    charge(&store, &one, 40, None, "c").await;
}

#[tokio::test]
async fn the_same_id_gets_the_same_answer_and_any_other_request_under_it_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (store, one) = opened(dir.path()).await;
    let first = charge(&store, &one, 10, Some(50), "a").await;
    for _ in 0..2 {
        let again = store.charge(one.charge(10, Some(50), "a")).await.unwrap();
        assert_eq!(again, Charged { replayed: true, ..first });
    }
    assert_eq!(spent(&store, &one), 10);
    let reused =
        || ChargeError::RequestIdReused { request_id: id("a"), price: Some(amount(10)), accepted: Some(amount(50)) };
    for (price, total) in [(11, Some(50)), (10, Some(60)), (10, None)] {
        assert_eq!(charge_refusal(&store, &one, price, total, "a").await, reused());
    }
    assert!(matches!(refusal(&store, &one, 50, "a").await, AcceptError::RequestIdReused { price: Some(_), .. }));
    accept(&store, &one, 60, "b").await;
    assert!(matches!(
        charge_refusal(&store, &one, 10, Some(60), "b").await,
        ChargeError::RequestIdReused { price: None, .. }
    ));
    assert_eq!(charge_refusal(&store, &one, 0, None, "c").await, ChargeError::NoPrice);
    let unknown = Funder::number(2);
    assert_eq!(charge_refusal(&store, &unknown, 1, None, "c").await, ChargeError::UnknownChannel(unknown.channel));
}

#[tokio::test]
async fn a_price_that_nobody_can_pay_finds_an_earlier_charge_and_takes_nothing() {
    // The seller of `paychan-mpp` asks in this way for what it may have sold before.
    let dir = tempfile::tempdir().unwrap();
    let (store, one) = opened(dir.path()).await;
    charge(&store, &one, 10, Some(100), "sold").await;
    let unpayable = Amount::MAX.get();
    let reused =
        ChargeError::RequestIdReused { request_id: id("sold"), price: Some(amount(10)), accepted: Some(amount(100)) };
    assert_eq!(charge_refusal(&store, &one, unpayable, Some(100), "sold").await, reused);
    let none = charge_refusal(&store, &one, unpayable, Some(100), "not sold").await;
    assert!(matches!(none, ChargeError::Insufficient { .. }), "{none}");
    let held = store.held(&one.channel).unwrap();
    assert_eq!((held.highest_amount(), held.spent), (amount(100), amount(10)));
}

#[tokio::test]
async fn the_last_ids_are_remembered_and_a_forgotten_one_counts_as_new() {
    let dir = tempfile::tempdir().unwrap();
    let (store, one) = opened(dir.path()).await;
    accept(&store, &one, 100, "prepaid").await;
    for number in 1..=6 {
        charge(&store, &one, 1, None, &format!("r{number}")).await;
    }
    // `small` remembers four.
    assert!(store.charge(one.charge(1, None, "r3")).await.unwrap().replayed);
    assert_eq!(store.credit(one.credit(1, "r2")).await, Err(CreditError::UnknownCharge { request_id: id("r2") }));
    charge(&store, &one, 1, None, "r2").await;
    assert_eq!(spent(&store, &one), 7);
}

#[tokio::test]
async fn a_charge_is_credited_once_and_at_most_what_it_took() {
    let dir = tempfile::tempdir().unwrap();
    let (store, one) = opened(dir.path()).await;
    charge(&store, &one, 10, Some(10), "a").await;
    let out_of_range = |units| CreditError::OutOfRange { offered: amount(units), price: amount(10) };
    assert_eq!(store.credit(one.credit(11, "a")).await, Err(out_of_range(11)));
    assert_eq!(store.credit(one.credit(0, "a")).await, Err(out_of_range(0)));
    let credited = |replayed| Ok(Credited { amount: amount(4), spent: amount(6), replayed });
    assert_eq!(store.credit(one.credit(4, "a")).await, credited(false));
    assert_eq!(store.credit(one.credit(4, "a")).await, credited(true));
    let twice = CreditError::AlreadyCredited { request_id: id("a"), credited: amount(4) };
    assert_eq!(store.credit(one.credit(6, "a")).await, Err(twice.clone()));
    store.shutdown().await.unwrap();

    let store = open(dir.path(), small());
    assert_eq!(store.credit(one.credit(6, "a")).await, Err(twice));
    assert_eq!(spent(&store, &one), 6);
    let again = store.charge(one.charge(10, Some(10), "a")).await.unwrap();
    assert_eq!((again.replayed, again.credited), (true, amount(4)));
    // What was given back can be spent again.
    charge(&store, &one, 4, None, "b").await;
    accept(&store, &one, 20, "c").await;
    for unknown in ["c", "d"] {
        assert_eq!(
            store.credit(one.credit(1, unknown)).await,
            Err(CreditError::UnknownCharge { request_id: id(unknown) })
        );
    }
}

#[tokio::test]
async fn a_credit_of_a_forgotten_id_does_not_count_for_the_next_charge_under_it() {
    let dir = tempfile::tempdir().unwrap();
    let (store, one) = opened(dir.path()).await;
    charge(&store, &one, 10, Some(100), "a").await;
    store.credit(one.credit(10, "a")).await.unwrap();
    for number in 1..=4 {
        charge(&store, &one, 1, None, &format!("r{number}")).await;
    }
    charge(&store, &one, 10, None, "a").await;
    assert_eq!(store.charge(one.charge(10, None, "a")).await.unwrap().credited, Amount::ZERO);
    assert!(!store.credit(one.credit(10, "a")).await.unwrap().replayed);
    assert_eq!(spent(&store, &one), 4);
}

#[tokio::test]
async fn charges_over_many_checkpoints_add_up() {
    let dir = tempfile::tempdir().unwrap();
    let (store, one) = opened(dir.path()).await;
    for number in 1..=60 {
        charge(&store, &one, 2, Some(number * 2), &format!("r{number}")).await;
        if number % 3 == 0 {
            store.credit(one.credit(1, &format!("r{number}"))).await.unwrap();
        }
    }
    let held = store.held(&one.channel).unwrap();
    assert_eq!((held.highest_amount(), held.spent, held.accepted), (amount(120), amount(100), 60));
    store.shutdown().await.unwrap();
    let store = open(dir.path(), small());
    assert_eq!(store.held(&one.channel).unwrap(), held);
    for number in 57..=60 {
        let again = store.charge(one.charge(2, Some(number * 2), &format!("r{number}"))).await.unwrap();
        assert!(again.replayed);
        assert_eq!(again.credited.get(), i128::from(number % 3 == 0), "r{number}");
    }
}

#[tokio::test]
async fn charges_that_are_asked_for_together_are_written_with_one_sync_and_answered_in_their_order() {
    let dir = tempfile::tempdir().unwrap();
    let (store, one) = opened(dir.path()).await;
    assert_eq!(store.charge_all(Vec::new()).await, []);
    for round in 0..20 {
        let before = store.counts();
        // Nothing pays for each third one.
        let asked = (1..=60_i128).map(|at| match at % 3 {
            0 => one.charge(1_000_000, None, &format!("{round}-{at}")),
            _ => one.charge(1, Some(60 * round + at), &format!("{round}-{at}")),
        });
        let answers = store.charge_all(asked.collect()).await;
        let after = store.counts();
        assert_eq!((after.syncs - before.syncs, after.records - before.records), (1, 40));
        let highest = answers.iter().map(|answer| answer.as_ref().map(|charged| charged.highest.get()).ok());
        let expected = (1..=60).map(|at| (at % 3 > 0).then_some(60 * round + at));
        assert!(highest.eq(expected), "{answers:?}");
    }
    assert_eq!(spent(&store, &one), 20 * 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_front_ends_that_sell_at_once_sell_no_unit_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (store, one) = opened(dir.path()).await;
    accept(&store, &one, 1_000, "prepaid").await;
    let one = Arc::new(one);
    let tasks: Vec<_> = (0..8)
        .map(|seller| {
            let (store, one) = (store.clone(), Arc::clone(&one));
            tokio::spawn(async move {
                let mut sold = 0;
                for turn in 0..40 {
                    match store.charge(one.charge(7, None, &format!("{seller}-{turn}"))).await {
                        Ok(charged) => sold += charged.price.get(),
                        Err(ChargeError::Insufficient { needed, .. }) => assert!(needed > amount(1_000)),
                        Err(other) => panic!("{other}"),
                    }
                }
                sold
            })
        })
        .collect();
    let mut sold = 0;
    for task in tasks {
        sold += task.await.unwrap();
    }
    assert_eq!(sold, 994);
    assert_eq!(spent(&store, &one), 994);
}

/// A gate that notes what it was asked: the amount and the price.
#[derive(Default)]
struct Asked(Mutex<Vec<(i128, i128)>>);

impl Gate for Asked {
    fn check(&self, held: &Held, offered: Amount, price: Amount) -> Result<(), Refusal> {
        self.0.lock().unwrap().push((offered.get(), price.get()));
        if offered > amount(50) {
            return Err(Refusal::ExceedsCoverage { offered, coverage: held.highest_amount() });
        }
        Ok(())
    }
}

#[tokio::test]
async fn the_gate_is_told_the_highest_after_the_request_and_the_price() {
    let dir = tempfile::tempdir().unwrap();
    let one = Funder::number(1);
    let gate = Arc::new(Asked::default());
    let (store, _) = Store::open(dir.path(), &network(), Options::default(), gate.clone()).unwrap();
    store.admit(one.admission()).await.unwrap();
    accept(&store, &one, 20, "a").await;
    charge(&store, &one, 5, Some(30), "b").await;
    charge(&store, &one, 6, None, "c").await;
    charge(&store, &one, 7, Some(10), "d").await;
    assert!(matches!(
        charge_refusal(&store, &one, 8, Some(51), "e").await,
        ChargeError::Refused(Refusal::ExceedsCoverage { .. })
    ));
    assert!(store.charge(one.charge(6, None, "c")).await.unwrap().replayed);
    charge_refusal(&store, &one, 100, Some(40), "f").await;
    assert_eq!(*gate.0.lock().unwrap(), [(20, 0), (30, 5), (30, 6), (30, 7), (51, 8)]);
    assert_eq!(spent(&store, &one), 18);
}

#[tokio::test]
async fn a_channel_is_closed_with_an_agreed_amount_between_what_is_spent_and_the_highest() {
    let dir = tempfile::tempdir().unwrap();
    let (store, one) = opened(dir.path()).await;
    accept(&store, &one, 100, "prepaid").await;
    charge(&store, &one, 30, None, "a").await;
    let close = |units, withdrawn| store.fence_for_close(one.channel, one.claim(units), amount(withdrawn));
    assert_eq!(close(29, 0).await, Err(CloseError::TooLow { offered: amount(29), at_least: amount(30) }));
    assert_eq!(close(35, 40).await, Err(CloseError::TooLow { offered: amount(35), at_least: amount(40) }));
    assert_eq!(close(101, 0).await, Err(CloseError::AboveHighest { offered: amount(101), highest: amount(100) }));
    // A payment in flight can't be taken back.
    store.record_signed(settlement(1, one.channel, 45)).await.unwrap();
    assert_eq!(close(44, 0).await, Err(CloseError::TooLow { offered: amount(44), at_least: amount(45) }));
    store.record_outcome([1; 32], Outcome::Expired { at: Ledger(1) }).await.unwrap();

    assert_eq!(close(40, 40).await, Ok(one.claim(40)));
    assert_eq!(close(40, 40).await, Ok(one.claim(40)));
    assert_eq!(close(50, 0).await, Err(CloseError::AgreedOtherwise { offered: amount(50), agreed: amount(40) }));
    store.shutdown().await.unwrap();

    let store = open(dir.path(), small());
    let held = store.held(&one.channel).unwrap();
    assert_eq!((held.claim(), held.highest_amount()), (Some(one.claim(40)), amount(100)));
    assert_eq!(store.fence(one.channel).await, Ok(Some(one.claim(40))), "a close carries what was agreed");
    assert_eq!(charge_refusal(&store, &one, 1, None, "b").await, ChargeError::Fenced { highest: amount(40) });
    assert_eq!(refusal(&store, &one, 200, "b").await, AcceptError::Fenced { highest: amount(40) });
    assert!(store.charge(one.charge(30, None, "a")).await.unwrap().replayed);
    assert_eq!(store.credit(one.credit(30, "a")).await.unwrap().spent, Amount::ZERO);
}

#[tokio::test]
async fn after_a_fence_with_the_highest_only_the_highest_can_be_agreed() {
    let dir = tempfile::tempdir().unwrap();
    let (store, one) = opened(dir.path()).await;
    accept(&store, &one, 100, "prepaid").await;
    assert_eq!(store.fence(one.channel).await, Ok(Some(one.claim(100))));
    let close = |units| store.fence_for_close(one.channel, one.claim(units), Amount::ZERO);
    assert_eq!(close(100).await, Ok(one.claim(100)));
    assert_eq!(close(50).await, Err(CloseError::AgreedOtherwise { offered: amount(50), agreed: amount(100) }));
}

#[tokio::test]
async fn an_agreed_amount_with_a_bad_signature_is_damage_and_the_fence_outlives_its_repair() {
    let dir = tempfile::tempdir().unwrap();
    let (store, one) = opened(dir.path()).await;
    accept(&store, &one, 100, "prepaid").await;
    let mut agreed = one.claim(40);
    agreed.signature = one.sign(41);
    // The caller has to verify the signature; this test does not.
    store.fence_for_close(one.channel, agreed, Amount::ZERO).await.unwrap();
    store.shutdown().await.unwrap();
    assert!(matches!(super::start(dir.path(), small()), Err(StoreError::Damaged(_))));
    paychan_store::repair(dir.path(), &network(), &small()).unwrap();
    let store = open(dir.path(), small());
    let held = store.held(&one.channel).unwrap();
    assert!(held.fence.is_some());
    assert_eq!(held.claim(), Some(one.claim(100)));
}

#[tokio::test]
async fn a_channel_is_dropped_when_nothing_is_owed_and_all_that_was_paid_counts_as_spent_when_it_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let (store, one) = opened(dir.path()).await;
    charge(&store, &one, 60, Some(100), "a").await;
    assert_eq!(
        store.drop_channel(one.channel, amount(99)).await,
        Err(DropError::StillOwed { owed: amount(100), withdrawn: amount(99) })
    );
    store.record_signed(settlement(1, one.channel, 100)).await.unwrap();
    assert_eq!(store.drop_channel(one.channel, amount(100)).await, Err(DropError::InFlight));
    let confirmed = Outcome::Confirmed { ledger: Ledger(2_001), fee_charged: Stroops(1) };
    store.record_outcome([1; 32], confirmed).await.unwrap();
    store.drop_channel(one.channel, amount(100)).await.unwrap();
    assert_eq!(store.held(&one.channel), None);
    assert_eq!(store.outcomes(&one.channel, 9), []);
    assert_eq!(store.drop_channel(one.channel, amount(100)).await, Err(DropError::UnknownChannel(one.channel)));
    store.shutdown().await.unwrap();

    let store = open(dir.path(), small());
    assert_eq!(store.all_held(), []);
    store.admit(Admission { paid_before: amount(100), ..one.admission() }).await.unwrap();
    assert_eq!(
        charge_refusal(&store, &one, 10, Some(105), "a").await,
        ChargeError::Insufficient { price: amount(10), spent: amount(100), highest: amount(105), needed: amount(110) }
    );
    let charged = charge(&store, &one, 10, Some(110), "a").await;
    assert_eq!((charged.previous, charged.spent), (Amount::ZERO, amount(110)));
    store.shutdown().await.unwrap();
    std::fs::remove_dir_all(dir.path().join("db")).unwrap();
    let store = open(dir.path(), small());
    assert!(store.charge(one.charge(10, Some(110), "a")).await.unwrap().replayed);
}

#[tokio::test]
async fn an_amount_that_the_operator_confirms_as_paid_counts_as_spent() {
    let dir = tempfile::tempdir().unwrap();
    let (store, one) = opened(dir.path()).await;
    charge(&store, &one, 10, Some(10), "a").await;
    store.confirm_rollback(one.channel, amount(70)).await.unwrap();
    assert_eq!(spent(&store, &one), 70);
    assert!(matches!(
        refusal(&store, &one, 70, "b").await,
        AcceptError::NotHigher { highest, .. } if highest == amount(70)
    ));
    charge(&store, &one, 5, Some(75), "b").await;
}

#[tokio::test]
async fn lower_commitments_are_kept_for_a_token_that_can_be_clawed_back() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Funder::number(1), Funder::number(2));
    let store = open(dir.path(), small());
    store.admit(Admission { clawback: true, ..one.admission() }).await.unwrap();
    store.admit(two.admission()).await.unwrap();
    for units in 1..=100 {
        accept(&store, &one, units, &format!("r{units}")).await;
        accept(&store, &two, units, &format!("r{units}")).await;
    }
    store.shutdown().await.unwrap();
    let store = open(dir.path(), small());
    assert_eq!(store.held(&two.channel).unwrap().ladder, []);
    let held = store.held(&one.channel).unwrap();
    assert_eq!(held.ladder.len(), Held::LADDER_RUNGS);
    assert_eq!(held.covered_claim(amount(100)), Some(one.claim(100)));
    let covered = held.covered_claim(amount(50)).unwrap();
    assert!(covered.amount <= amount(50) && covered.amount > amount(30), "{covered:?}");
    assert_eq!(covered, one.claim(covered.amount.get()));

    store.record_signed(settlement(1, one.channel, 60)).await.unwrap();
    let confirmed = Outcome::Confirmed { ledger: Ledger(2_001), fee_charged: Stroops(1) };
    store.record_outcome([1; 32], confirmed).await.unwrap();
    assert!(store.held(&one.channel).unwrap().ladder.iter().all(|rung| rung.amount > amount(60)));
}
