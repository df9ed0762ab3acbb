//! Cuts the power before every step that the store takes on its disk: everything that was acknowledged is held
//! afterwards.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use paychan_channel::{Amount, Ledger};
use paychan_store::{ChargeError, CreditError, Gate, Health, Held, Options, Outcome, Refusal, Store, StoreError};

use super::disk::{Disk, Loss};
use super::{Funder, Open, amount, id, network, settlement, small};

/// What callers were told.
#[derive(Debug, Default)]
struct Told {
    admitted: Vec<u8>,
    /// Channel, amount, request id.
    accepted: Vec<(u8, i128, String)>,
    /// Price, total and request id of the charges on channel 1. `credited` has the request ids of the credited ones.
    charged: Vec<(i128, i128, String)>,
    credited: Vec<String>,
    /// How many credits were asked for, acknowledged or not.
    credits_asked: usize,
    /// The last amount that was asked for on each channel, acknowledged or not.
    asked: [i128; 3],
    fenced: Option<i128>,
    signed: Vec<u8>,
    decided: Vec<u8>,
    rollback: bool,
    /// Whether everything was done, because the power was not cut before.
    finished: bool,
}

fn begin(dir: &Path, disk: &Disk) -> Result<Store, StoreError> {
    let (store, _) = Store::open_on(dir, disk.journal(), &network(), small(), Arc::new(Open))?;
    Ok(store)
}

/// Uses a store until everything is done or the power is cut. It writes enough for several segments and checkpoints.
async fn live(store: &Store, told: &mut Told) -> Result<(), StoreError> {
    let funders = [Funder::number(0), Funder::number(1), Funder::number(2)];
    for (number, funder) in (0..).zip(&funders) {
        store.admit(funder.admission()).await?;
        told.admitted.push(number);
    }
    for round in 1..=14_i128 {
        for (number, funder) in (0..).zip(&funders).take(2) {
            told.asked[usize::from(number)] = round;
            let request_id = format!("r{round}");
            if number == 1 {
                match store.charge(funder.charge(1, Some(round), &request_id)).await {
                    Ok(charged) => {
                        assert_eq!(charged.highest, amount(round));
                        told.charged.push((1, round, request_id.clone()));
                    }
                    Err(ChargeError::Store(error)) => return Err(error),
                    Err(other) => panic!("{other}"),
                }
                if round % 4 == 0 {
                    told.credits_asked += 1;
                    match store.credit(funder.credit(1, &request_id)).await {
                        Ok(_) => told.credited.push(request_id),
                        Err(CreditError::Store(error)) => return Err(error),
                        Err(other) => panic!("{other}"),
                    }
                }
                continue;
            }
            match store.accept(funder.offer(round, &request_id)).await {
                Ok(_) => told.accepted.push((number, round, request_id)),
                Err(error) => return Err(failed(&error)),
            }
        }
        if round % 3 == 0 {
            let number = u8::try_from(round).unwrap();
            store.record_signed(settlement(number, funders[0].channel, round)).await?;
            on_disk(store)?;
            told.signed.push(number);
            if round % 2 == 0 {
                let expired = Outcome::Expired { at: Ledger(1) };
                // A record that was asked for may be written even without an answer.
                told.decided.push(number);
                store.record_outcome([number; 32], expired).await?;
                on_disk(store)?;
            }
        }
        if round == 7 {
            told.asked[2] = 70;
            match store.accept(funders[2].offer(70, "last")).await {
                Ok(_) => told.accepted.push((2, 70, "last".to_owned())),
                Err(error) => return Err(failed(&error)),
            }
            store.fence(funders[2].channel).await?;
            told.fenced = Some(70);
            store.confirm_rollback(funders[2].channel, amount(90)).await?;
            told.rollback = true;
        }
    }
    told.finished = true;
    Ok(())
}

/// Fails if the store only settles, since it then keeps transactions only in memory.
fn on_disk(store: &Store) -> Result<(), StoreError> {
    match store.health() {
        Health::SettleOnly { why } => Err(StoreError::Failed(why)),
        _ => Ok(()),
    }
}

fn failed(error: &paychan_store::AcceptError) -> StoreError {
    match error {
        paychan_store::AcceptError::Store(error) => error.clone(),
        other => panic!("{other}"),
    }
}

/// Everything that callers were told must be held, and nothing may be held that nobody asked for.
async fn check(store: &Store, told: &Told, when: &str) {
    let held = |number: u8| -> Held {
        store
            .held(&Funder::number(number).channel)
            .unwrap_or_else(|| panic!("{when}: channel {number} was admitted and is gone"))
    };
    for number in &told.admitted {
        held(*number);
    }
    for (number, units, _) in &told.accepted {
        let highest = held(*number).highest_amount();
        assert!(
            highest >= amount(*units),
            "{when}: {units} was acknowledged on channel {number}, and {highest} is held"
        );
        assert!(
            highest <= amount(told.asked[usize::from(*number)]),
            "{when}: nobody asked for {highest} on channel {number}"
        );
    }
    let (charged, credited) = (told.charged.len(), told.credited.len());
    if charged > 0 {
        // One more charge or credit than was acknowledged may be written.
        let spent = held(1).spent.get();
        let least = i128::try_from(charged - told.credits_asked).unwrap();
        let most = i128::try_from(charged + 1 - credited).unwrap();
        assert!((least..=most).contains(&spent), "{when}: {charged} charged, {credited} credited, {spent} spent");
    }
    // For the same reason as below, only the ids of the last three are certain.
    for (price, total, request_id) in &told.charged[charged.saturating_sub(3)..] {
        let again = store.charge(Funder::number(1).charge(*price, Some(*total), request_id)).await.unwrap();
        assert!(again.replayed && again.highest == amount(*total), "{when}: {request_id} {again:?}");
        if told.credited.contains(request_id) {
            assert_eq!(again.credited, amount(1), "{when}: {request_id}");
        }
    }
    if let Some(units) = told.fenced {
        let fenced = held(2);
        assert!(fenced.fence.is_some(), "{when}: the fence is gone");
        assert_eq!(fenced.highest_amount(), amount(units), "{when}");
    }
    if told.rollback {
        assert_eq!(held(2).rollback_confirmed, Some(amount(90)), "{when}");
    }
    let in_flight: Vec<u8> = store.in_flight().iter().map(|one| one.hash[0]).collect();
    for number in &told.signed {
        assert!(
            in_flight.contains(number) || told.decided.contains(number),
            "{when}: transaction {number} was signed and is forgotten"
        );
    }
    // The last ids are remembered, and a repeated request gets the same answer.
    for number in 0..3_u8 {
        let mut last: Vec<_> = told.accepted.iter().filter(|(channel, _, _)| *channel == number).collect();
        // One more request than was acknowledged may be written, and takes one place of the four.
        last = last.split_off(last.len().saturating_sub(3));
        for (_, units, request_id) in last {
            let mut offer = Funder::number(number).offer(*units, request_id);
            offer.request_id = id(request_id);
            let again = store.accept(offer).await.unwrap();
            assert_eq!(
                (again.highest, again.replayed),
                (amount(*units), true),
                "{when}: {request_id} on channel {number}"
            );
        }
    }
}

fn losses(step: usize) -> [Loss; 5] {
    let names = u32::try_from(step).unwrap().wrapping_mul(0x9e37_79b9);
    let thousandths = (step * 379) % 1_000;
    [
        Loss::All,
        Loss::None,
        Loss::Part { thousandths, names },
        Loss::Zeros { thousandths, names },
        Loss::Holes { sectors: names.rotate_left(7), names },
    ]
}

/// Uses a store on a new disk until the power is cut before `step`. `None` means that everything was done before that.
async fn live_until(step: usize, dir: &Path) -> Option<(Disk, Told)> {
    let disk = Disk::default();
    disk.cut_at(step);
    let mut told = Told::default();
    if let Ok(store) = begin(dir, &disk) {
        match live(&store, &mut told).await {
            Ok(()) => {}
            Err(StoreError::Failed(_)) => {
                assert!(matches!(store.failed().await, StoreError::Failed(_)));
            }
            Err(other) => panic!("{other}"),
        }
        let _ = store.shutdown().await;
    }
    (!told.finished).then_some((disk, told))
}

#[tokio::test]
async fn all_that_was_acknowledged_survives_a_power_cut_before_any_step() {
    let mut step = 0;
    loop {
        let dir = tempfile::tempdir().unwrap();
        let Some((disk, told)) = live_until(step, dir.path()).await else {
            break;
        };
        for (turn, loss) in losses(step).into_iter().enumerate() {
            let when = format!("cut before step {step}, {loss:?}");
            let disk = disk.after(loss);
            // The first start has the index of the process that ended. The next two have what earlier starts left. The last
            // two have none.
            if turn >= 3 {
                let _ = fs::remove_dir_all(dir.path().join("db"));
            }
            let store = begin(dir.path(), &disk).unwrap_or_else(|error| panic!("{when}: {error}"));
            check(&store, &told, &when).await;
            store.shutdown().await.unwrap();
            // The next loss begins at the same moment, so what this start put into the index must be removed.
            let _ = fs::remove_dir_all(dir.path().join("db"));
        }
        step += 1;
    }
    assert!(step > 150, "the store takes {step} steps");
}

#[tokio::test]
async fn a_second_power_cut_while_starting_loses_nothing_either() {
    for step in (0..).step_by(3) {
        let dir = tempfile::tempdir().unwrap();
        let Some((dead, told)) = live_until(step, dir.path()).await else {
            break;
        };
        let first = losses(step)[step % 5];
        for second_step in 0.. {
            let _ = fs::remove_dir_all(dir.path().join("db"));
            let disk = dead.after(first);
            disk.cut_at(second_step);
            let started = begin(dir.path(), &disk);
            let done = match started {
                Ok(store) => {
                    store.shutdown().await.unwrap();
                    true
                }
                Err(_) => false,
            };
            for loss in [Loss::All, losses(step + second_step)[2]] {
                let when =
                    format!("cut before step {step}, {first:?}, then before step {second_step} of the start, {loss:?}");
                let _ = fs::remove_dir_all(dir.path().join("db"));
                let again = disk.after(loss);
                let store = begin(dir.path(), &again).unwrap_or_else(|error| panic!("{when}: {error}"));
                check(&store, &told, &when).await;
                store.shutdown().await.unwrap();
            }
            if done {
                break;
            }
        }
    }
}

#[tokio::test]
async fn the_state_after_a_kill_survives_a_power_cut_right_after_the_start() {
    for step in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let Some((dead, told)) = live_until(step, dir.path()).await else {
            break;
        };
        let disk = dead.after(Loss::Kill);
        let mut shown = Vec::new();
        for when in ["killed", "and then without power"] {
            let disk = match when {
                "killed" => disk.clone(),
                _ => disk.after(Loss::All),
            };
            let _ = fs::remove_dir_all(dir.path().join("db"));
            let store = begin(dir.path(), &disk).unwrap();
            let mut held = store.all_held();
            held.sort_by_key(Held::channel);
            shown.push((held, store.in_flight()));
            check(&store, &told, &format!("{when}, before step {step}")).await;
            store.shutdown().await.unwrap();
        }
        assert_eq!(shown[0], shown[1], "before step {step}");
    }
}

#[tokio::test]
async fn a_failed_sync_ends_the_store_for_every_clone() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::default();
    let store = begin(dir.path(), &disk).unwrap();
    let one = Funder::number(1);
    store.admit(one.admission()).await.unwrap();
    // The append succeeds and the sync fails.
    disk.cut_at(disk.steps() + 1);
    let other = store.clone();
    let error = store.accept(one.offer(5, "a")).await.unwrap_err();
    assert!(matches!(failed(&error), StoreError::Failed(_)), "{error}");
    assert!(error.to_string().contains("the power is out"), "{error}");
    assert_eq!(failed(&error), store.failed().await);
    assert_eq!(store.held(&one.channel).unwrap().highest, None, "a commitment that is not durable is not shown");
    assert!(matches!(other.fence(one.channel).await, Err(StoreError::Failed(_))));
    assert!(matches!(other.shutdown().await, Err(StoreError::Failed(_))));
}

/// A gate that lets everything through once the sender is gone.
struct Waiting(Mutex<Receiver<()>>);

impl Gate for Waiting {
    fn check(&self, _: &Held, _: Amount, _: Amount) -> Result<(), Refusal> {
        let _ = self.0.lock().unwrap().recv();
        Ok(())
    }
}

/// Ten front ends ask at the same time, and their records are appended at once. A power cut before the sync may lose any
/// sectors of that append, and the store opens with what came before it.
#[tokio::test]
async fn an_append_of_many_records_may_lose_any_of_its_sectors() {
    let funders: Vec<Funder> = (0..10).map(Funder::number).collect();
    let dir = tempfile::tempdir().unwrap();
    let (closed, opens) = channel();
    let disk = Disk::default();
    let options = Options { segment_bytes: 1 << 20, ..small() };
    let gate = Arc::new(Waiting(Mutex::new(opens)));
    let (store, _) = Store::open_on(dir.path(), disk.journal(), &network(), options, gate).unwrap();
    for funder in &funders {
        store.admit(funder.admission()).await.unwrap();
    }
    disk.cut_at(disk.steps() + 1);
    let ask = |funder: &Funder| {
        let (store, charge) = (store.clone(), funder.charge(1, Some(9), "together"));
        tokio::spawn(async move { store.charge(charge).await })
    };
    let requests: Vec<_> = funders.iter().map(ask).collect();
    // All of them wait for the committer, which waits for the gate.
    tokio::task::yield_now().await;
    drop(closed);
    for request in requests {
        assert!(matches!(request.await.unwrap(), Err(ChargeError::Store(StoreError::Failed(_)))));
    }
    assert_eq!(store.counts().records, 10, "the charges were appended once, and not synced");
    let _ = store.shutdown().await;
    let mut found = BTreeSet::new();
    for sectors in 0..1_u32 << 10 {
        let when = format!("sectors {sectors:b}");
        let _ = fs::remove_dir_all(dir.path().join("db"));
        let disk = disk.after(Loss::Holes { sectors, names: u32::MAX });
        let store = begin(dir.path(), &disk).unwrap_or_else(|error| panic!("{when}: {error}"));
        let held = |funder: &Funder| store.held(&funder.channel).unwrap();
        let charged: Vec<bool> = funders.iter().map(|funder| held(funder).spent == amount(1)).collect();
        let whole = charged.iter().take_while(|charged| **charged).count();
        assert!(charged[whole..].iter().all(|charged| !charged), "{when}: {charged:?}");
        found.insert(whole);
        store.shutdown().await.unwrap();
    }
    assert!(found.contains(&0) && found.contains(&10) && found.len() > 3, "{found:?}");
}
