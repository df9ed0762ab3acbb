//! Tests with generated faults over a whole waiting period: whatever fails and however often the process dies, what was
//! acknowledged is paid at the deadline, and no lane ever has two transactions that could both be pending.

use paychan_channel::xdr::TransactionEnvelope;
use paychan_channel::{Ledger, Stroops, ledger_keys};
use paychan_rpc::Meaning;
use paychan_watcher::chain::{Call, CallRequest, Chain, Prepared};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::env::{TestEnv, WAITING, amount, id, lane};
use paychan_sim::network::Hang;

/// The fault at one ledger.
#[derive(Debug, Clone)]
enum Fault {
    None,
    LoseSends(u32),
    TryAgainLater(u32),
    Lag(u32),
    OldEntries(u32),
    Down,
    HideEvents,
    Market(i64),
    Entrance(i64),
    Crash(Hang),
    Kill,
}

fn any_fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        6 => Just(Fault::None),
        1 => (1u32..4).prop_map(Fault::LoseSends),
        1 => (1u32..4).prop_map(Fault::TryAgainLater),
        1 => (1u32..4).prop_map(Fault::Lag),
        1 => (1u32..4).prop_map(Fault::OldEntries),
        1 => Just(Fault::Down),
        1 => Just(Fault::HideEvents),
        1 => (0i64..200_000).prop_map(Fault::Market),
        1 => (0i64..100_000).prop_map(Fault::Entrance),
        1 => prop_oneof![
            Just(Hang::Prepare), Just(Hang::BeforeSend), Just(Hang::AfterSend), Just(Hang::Outcome)
        ].prop_map(Fault::Crash),
        1 => Just(Fault::Kill),
    ]
}

/// Checks one series of faults. Anything may fail in the first two thirds of the waiting period. In the last third the
/// endpoint answers and a bid at the cap is accepted (promise 4 of `docs/reliability.md`).
const FAULTY_LEDGERS: usize = (WAITING - WAITING / 3) as usize;

async fn survives(faults: Vec<Fault>, holds_recipient_key: bool) -> Result<(), TestCaseError> {
    let env = TestEnv::new(2, holds_recipient_key);
    let mut watcher = env.watching(2).await;
    let mut acknowledged = [0i128; 2];
    for (number, owed) in [(1u8, 400_000_000i128), (2, 900_000_000)] {
        watcher.offer(number, owed).await.unwrap();
        acknowledged[usize::from(number - 1)] = owed;
    }
    env.sim.network().close_start(id(1));
    let deadline: Ledger = env.sim.network().close_start(id(2));
    for fault in faults {
        {
            let mut network = env.sim.network();
            let faults = &mut network.faults;
            (faults.down, faults.hides_events, faults.hang) = (false, false, None);
            (faults.lag, faults.old_entries) = (0, 0);
            match &fault {
                Fault::None | Fault::Kill => {}
                Fault::LoseSends(n) => faults.lose_sends = *n,
                Fault::TryAgainLater(n) => faults.try_again_later = *n,
                Fault::Lag(ledgers) => faults.lag = *ledgers,
                Fault::OldEntries(ledgers) => faults.old_entries = *ledgers,
                Fault::Down => faults.down = true,
                Fault::HideEvents => faults.hides_events = true,
                Fault::Market(price) => faults.market = *price,
                Fault::Entrance(price) => faults.entrance = *price,
                Fault::Crash(hang) => faults.hang = Some(*hang),
            }
        }
        let hung = env.ledger_with_hang(&mut watcher).await;
        // What is acknowledged in between is owed too. Each amount is above dust, so that it must be paid.
        for number in [1u8, 2] {
            let owed = &mut acknowledged[usize::from(number - 1)];
            if watcher.offer(number, *owed + 200_000).await.is_ok() {
                *owed += 200_000;
            }
        }
        if hung || matches!(fault, Fault::Kill) {
            drop(watcher);
            env.sim.network().faults.hang = None;
            watcher = env.start().await;
        }
    }
    {
        let mut network = env.sim.network();
        network.faults = Default::default();
    }
    while env.now() < Ledger(deadline.0 - 1) {
        env.ledger(&mut watcher).await;
    }
    for number in [1u8, 2] {
        let withdrawn = env.sim.network().withdrawn(id(number));
        let owed = amount(acknowledged[usize::from(number - 1)]);
        prop_assert!(withdrawn >= owed, "channel {number}: {withdrawn} of {owed} paid at {deadline}");
        let held = watcher.store.held(&id(number)).unwrap().highest_amount();
        prop_assert_eq!(held, owed, "what was acknowledged is held");
    }
    let network = env.sim.network();
    prop_assert!(network.violations.is_empty(), "{}", network.violations.join("\n"));
    Ok(())
}

#[test]
fn every_acknowledged_commitment_is_paid_at_the_deadline_whatever_fails() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner =
        TestRunner::new(Config { cases: 48, max_shrink_iters: 200, failure_persistence: None, ..Config::default() });
    let inputs = (proptest::collection::vec(any_fault(), FAULTY_LEDGERS..=FAULTY_LEDGERS), any::<bool>());
    runner
        .run(&inputs, |(faults, holds_recipient_key)| runtime.block_on(survives(faults, holds_recipient_key)))
        .unwrap();
}

/// Shows that the check for two pending transactions can fail.
#[tokio::test]
async fn the_simulated_network_notices_two_transactions_that_could_both_be_pending() {
    let env = TestEnv::new(1, false);
    let mut envelopes = Vec::new();
    let sequence = env.sim.network().lane_sequence + 1;
    for fee in [100, 200] {
        let request = CallRequest {
            source: lane().account(),
            sequence,
            max_ledger: Ledger(env.now().0 + 5),
            inclusion_fee: Stroops(fee),
            call: Call::Extend { keys: vec![ledger_keys::instance(&id(1))], extend_to: 100 },
            meaning: Meaning::of_trusted_endpoint(),
            token: None,
        };
        let Prepared::Ready { transaction, .. } = env.sim.prepare(&request).await.unwrap() else {
            panic!("an extension can't fail here");
        };
        envelopes.push(TransactionEnvelope::from(*transaction));
    }
    env.sim.send(&envelopes[0]).await.unwrap();
    env.sim.send(&envelopes[0]).await.unwrap();
    env.assert_one_in_flight();
    env.sim.send(&envelopes[1]).await.unwrap();
    assert_eq!(env.sim.network().violations.len(), 1);
}
