//! Tests that what is acknowledged is paid before the deadline, whatever the process and the network do meanwhile.

use std::sync::atomic::Ordering;

use paychan_channel::{Commitment, Ledger, Signature, WasmHash};
use paychan_store::{AcceptError, Outcome, Refusal};
use paychan_watcher::chain::Found;
use paychan_watcher::commitments::OfferError;

use crate::env::{DEPOSIT, MAX_FEE, TestEnv, WAITING, amount, funder, id, recipient};
use paychan_sim::network::{Hang, SimChain};

pub(crate) const OWED: i128 = 600_000_000;
/// An amount just above dust, worth 440,000 stroops.
const CHEAP: i128 = 110_000;

/// A signature of channel 1's funder.
fn signed(units: i128) -> Signature {
    Commitment { network: SimChain::network_id(), channel: id(1), amount: amount(units) }.sign(&funder(1))
}

/// A watcher that acknowledged [`OWED`] on channel 1, whose funder has just announced a close.
pub(crate) async fn closing(holds_recipient_key: bool) -> (TestEnv, crate::env::Watcher, Ledger) {
    let env = TestEnv::new(3, holds_recipient_key);
    let mut watcher = env.watching(3).await;
    watcher.offer(1, 1_000_000).await.unwrap();
    watcher.offer(1, OWED).await.unwrap();
    env.ledger(&mut watcher).await;
    let deadline = env.sim.network().close_start(id(1));
    (env, watcher, deadline)
}

#[tokio::test]
async fn a_close_is_answered_with_a_settlement_of_the_highest_commitment_within_a_few_ledgers() {
    let (env, mut watcher, deadline) = closing(false).await;
    let settled = env.settled_by(&mut watcher, 1, amount(OWED), deadline).await.unwrap();
    assert!(deadline.since(settled) > WAITING - 6, "settled at {settled}, deadline {deadline}");
    // After one more ledger the outcome is in the journal.
    env.ledger(&mut watcher).await;
    assert_eq!(watcher.settler.in_flight(), 0);
    let outcomes = watcher.store.outcomes(&id(1), 8);
    assert!(matches!(outcomes[0].outcome, Outcome::Confirmed { .. }), "{outcomes:?}");
    env.assert_one_in_flight();
}

#[tokio::test]
async fn settles_before_the_deadline_through_a_crash_at_every_step() {
    for hang in [Hang::Prepare, Hang::BeforeSend, Hang::AfterSend, Hang::Outcome] {
        let (env, mut watcher, deadline) = closing(false).await;
        env.sim.network().faults.hang = Some(hang);
        let mut crashed = false;
        for _ in 0..10 {
            if env.ledger_with_hang(&mut watcher).await {
                crashed = true;
                break;
            }
        }
        assert!(crashed, "the process never came to {hang:?}");
        let signed_before = watcher.store.in_flight();
        drop(watcher);

        // The watcher is down for a while; then a new process starts on the same disk.
        env.sim.close(2);
        let mut watcher = env.start().await;
        assert_eq!(watcher.store.in_flight(), signed_before, "{hang:?}: the journal forgot a signed transaction");
        assert_eq!(signed_before.is_empty(), hang == Hang::Prepare, "{hang:?}");
        let settled = env.settled_by(&mut watcher, 1, amount(OWED), deadline).await;
        assert!(settled.is_some(), "{hang:?}: not settled before {deadline}");
        env.ledger(&mut watcher).await;
        assert_eq!(watcher.settler.in_flight(), 0, "{hang:?}");
        env.assert_one_in_flight();
        if hang == Hang::AfterSend || hang == Hang::BeforeSend {
            assert_eq!(env.sim.network().offered.len(), 1, "{hang:?}: the recorded bytes are sent, no other");
        }
    }
}

#[tokio::test]
async fn lost_sendings_are_repeated_with_the_same_bytes() {
    let (env, mut watcher, deadline) = closing(false).await;
    env.sim.network().faults.lose_sends = 3;
    env.settled_by(&mut watcher, 1, amount(OWED), deadline).await.unwrap();
    let network = env.sim.network();
    assert_eq!(network.offered.len(), 1, "one transaction, offered again and again: {:?}", network.offered);
    assert_eq!(network.offered.values().next().unwrap().times, 4);
}

#[tokio::test]
async fn try_again_later_waits_and_tries_the_same_bytes_again() {
    let (env, mut watcher, deadline) = closing(false).await;
    env.sim.network().faults.try_again_later = 2;
    env.settled_by(&mut watcher, 1, amount(OWED), deadline).await.unwrap();
    assert_eq!(env.sim.network().offered.len(), 1);
    env.assert_one_in_flight();
}

#[tokio::test]
async fn a_price_above_the_bid_is_met_by_rising_bids_after_the_bounds_passed() {
    let (env, mut watcher, deadline) = closing(false).await;
    env.sim.network().faults.market = 50_000;
    let settled = env.settled_by(&mut watcher, 1, amount(OWED), deadline).await;
    assert!(settled.is_some(), "{:?}", env.sim.network().offered);
    assert!(env.sim.network().offered.len() > 1, "the first bid was below the market's price");
    env.assert_one_in_flight();
}

#[tokio::test]
async fn a_bid_refused_as_too_low_is_signed_anew_at_the_price_that_was_named() {
    let (env, mut watcher, deadline) = closing(false).await;
    env.sim.network().faults.entrance = 33_333;
    let settled = env.settled_by(&mut watcher, 1, amount(OWED), deadline).await.unwrap();
    assert!(deadline.since(settled) > WAITING - 8, "a refused transaction does not wait for its bounds");
    let network = env.sim.network();
    assert_eq!(network.offered.len(), 2, "{:?}", network.offered);
    let paid = network.results.values().next().unwrap();
    let Found::Included { fee_charged, .. } = paid else { panic!("{paid:?}") };
    // The bid is the named price, or a little more, since it rises with each ledger.
    let bid = fee_charged.get() - paychan_sim::network::RESOURCE_FEE;
    assert!((33_333..34_000).contains(&bid), "{bid}");
    drop(network);
    env.assert_one_in_flight();
}

#[tokio::test]
async fn no_bid_is_above_the_operators_limit() {
    let (env, mut watcher, deadline) = closing(false).await;
    env.sim.network().faults.market = MAX_FEE * 2;
    assert_eq!(env.settled_by(&mut watcher, 1, amount(OWED), deadline).await, None);
    let signed: Vec<_> = watcher.store.in_flight().into_iter().map(|signed| signed.fee).collect();
    assert!(signed.iter().all(|fee| fee.get() <= MAX_FEE + paychan_sim::network::RESOURCE_FEE), "{signed:?}");
    env.assert_one_in_flight();
    // After the deadline, settling works until the funder refunds. When the price falls, the amount is paid.
    env.sim.network().faults.market = 0;
    let after = Ledger(deadline.0 + 20);
    assert!(env.settled_by(&mut watcher, 1, amount(OWED), after).await.is_some());
}

#[tokio::test]
async fn a_channel_whose_simulation_fails_delays_no_other_and_is_tried_again() {
    let env = TestEnv::new(3, false);
    let mut watcher = env.watching(3).await;
    for number in 1..=3 {
        watcher.offer(number, OWED).await.unwrap();
    }
    env.sim.network().faults.broken.insert(id(1));
    let deadline = env.sim.network().close_start(id(1));
    env.ledger(&mut watcher).await;
    env.sim.network().close_start(id(2));
    env.sim.network().close_start(id(3));
    env.settled_by(&mut watcher, 2, amount(OWED), Ledger(deadline.0 - 60)).await.unwrap();
    env.settled_by(&mut watcher, 3, amount(OWED), Ledger(deadline.0 - 50)).await.unwrap();
    let trouble = watcher.view.channel(&id(1)).unwrap().trouble.unwrap();
    assert!(trouble.contains("simulation fails"), "{trouble}");
    for _ in 0..30 {
        env.ledger(&mut watcher).await;
    }
    let failures = watcher.settler.attempts().past().channels[&id(1)].payout.failures;
    assert!((3..10).contains(&failures), "it waits between its {failures} attempts");
    env.sim.network().faults.broken.clear();
    env.settled_by(&mut watcher, 1, amount(OWED), deadline).await.unwrap();
    assert_eq!(watcher.view.channel(&id(1)).unwrap().deadline, Some(deadline));
    env.assert_one_in_flight();
}

#[tokio::test]
async fn a_settlement_by_somebody_else_leaves_nothing_to_do() {
    let (env, mut watcher, _) = closing(false).await;
    env.sim.network().settle(id(1), OWED);
    for _ in 0..5 {
        env.ledger(&mut watcher).await;
    }
    assert!(env.sim.network().offered.is_empty(), "nothing was unsettled");
}

#[tokio::test]
async fn with_the_recipients_key_a_closing_channel_is_fenced_and_closed_with_the_highest_commitment() {
    let (env, mut watcher, deadline) = closing(true).await;
    env.sim.network().faults.hang = Some(Hang::Prepare);
    while !env.ledger_with_hang(&mut watcher).await {}
    // The fence is on disk before the close is signed.
    assert!(watcher.store.held(&id(1)).unwrap().fence.is_some());
    drop(watcher);
    let mut watcher = env.start().await;
    let settled = env.settled_by(&mut watcher, 1, amount(OWED), deadline).await;
    assert!(settled.is_some());
    let state = env.sim.network().channels[&id(1)].clone();
    assert!(state.refunded, "closed, not only settled");
    assert_eq!(watcher.settler.in_flight(), 0, "the ledger that includes the close shows the end");
    env.assert_one_in_flight();
}

#[tokio::test]
async fn a_fenced_channel_takes_no_commitment_although_the_chain_shows_it_open() {
    let env = TestEnv::new(1, true);
    let watcher = env.watching(1).await;
    watcher.offer(1, OWED).await.unwrap();
    let at_fence = watcher.store.fence(id(1)).await.unwrap().unwrap();
    assert_eq!(at_fence.amount, amount(OWED));
    let refused = watcher.offer(1, OWED + 1).await.unwrap_err();
    assert!(matches!(refused, OfferError::NotAccepted(AcceptError::Fenced { .. })), "{refused:?}");
}

#[tokio::test]
async fn an_entry_near_the_end_of_its_life_is_extended_with_all_that_the_channel_lives_by() {
    let env = TestEnv::new(2, false);
    {
        let mut network = env.sim.network();
        let near = Some(Ledger(network.ledger() + 500));
        for state in network.channels.values_mut() {
            let lives = &mut state.lives;
            (lives.instance, lives.code, lives.token_balance, lives.token_instance) = (near, near, near, near);
        }
    }
    env.sim.close(1);
    let mut watcher = env.watching(2).await;
    for _ in 0..4 {
        env.ledger(&mut watcher).await;
    }
    let network = env.sim.network();
    for state in network.channels.values() {
        let (_, shortest) = state.lives.existing().min_by_key(|(_, until)| *until).unwrap();
        assert!(shortest.0 >= network.ledger() + 4_900, "{:?}", state.lives);
    }
    assert_eq!(network.offered.len(), 1, "one transaction for all entries of both channels");
}

#[tokio::test]
async fn a_transaction_of_another_process_that_used_the_sequence_number_is_noticed_and_rebuilt() {
    let (env, mut watcher, deadline) = closing(false).await;
    env.sim.network().faults.hang = Some(Hang::BeforeSend);
    while !env.ledger_with_hang(&mut watcher).await {}
    drop(watcher);
    // Somebody else uses the lane's next number while the watcher is down.
    env.sim.network().lane_sequence += 1;
    env.sim.close(1);
    let mut watcher = env.start().await;
    assert!(env.settled_by(&mut watcher, 1, amount(OWED), deadline).await.is_some());
    assert_eq!(env.sim.network().withdrawn(id(1)), amount(OWED));
}

#[tokio::test]
async fn dust_is_not_settled_and_not_forgotten() {
    let env = TestEnv::new(1, false);
    let mut watcher = env.watching(1).await;
    watcher.offer(1, 99_999).await.unwrap();
    let deadline = env.sim.network().close_start(id(1));
    assert_eq!(env.settled_by(&mut watcher, 1, amount(1), deadline).await, None);
    assert_eq!(watcher.store.held(&id(1)).unwrap().highest_amount(), amount(99_999));
    assert!(env.sim.network().offered.is_empty());
}

#[tokio::test]
async fn after_the_close_is_seen_no_commitment_is_taken() {
    let (env, mut watcher, _) = closing(false).await;
    env.ledger(&mut watcher).await;
    let refused = watcher.offer(1, OWED + 1).await.unwrap_err();
    let OfferError::NotAccepted(AcceptError::Refused(Refusal::Closing { .. })) = refused else {
        panic!("{refused:?}");
    };
}

#[tokio::test]
async fn a_channel_refunded_with_commitments_unpaid_is_a_loss_that_is_not_tried_for_ever() {
    let (env, mut watcher, deadline) = closing(false).await;
    env.sim.network().faults.market = MAX_FEE * 2;
    while env.now() < deadline {
        env.ledger(&mut watcher).await;
    }
    env.sim.network().refund(id(1));
    env.sim.network().faults.market = 0;
    for _ in 0..30 {
        env.ledger(&mut watcher).await;
    }
    assert!(watcher.view.channel(&id(1)).unwrap().ended, "a sweep saw the end");
    let offered = env.sim.network().offered.len();
    for _ in 0..30 {
        env.ledger(&mut watcher).await;
    }
    assert_eq!(env.sim.network().offered.len(), offered, "nothing can be paid any more");
    assert_eq!(env.sim.network().withdrawn(id(1)), amount(0));
    env.assert_one_in_flight();
}

#[tokio::test]
async fn a_close_that_the_funder_makes_fail_is_replaced_by_a_settlement_of_the_fenced_commitment() {
    let needs = |text: String| {
        let text = text.replace("settle_needs_recipient = false", "settle_needs_recipient = true");
        let address = format!("address = \"{}\"", recipient().account());
        text.replace(&address, &format!("{address}\nsecret = {{ file = \"/nowhere/recipient\" }}"))
    };
    let env = TestEnv::configured(1, true, needs);
    env.sim.network().faults.settle_needs_recipient = true;
    env.sim.network().faults.close_fails = true;
    let mut watcher = env.watching(1).await;
    watcher.offer(1, OWED).await.unwrap();
    let deadline = env.sim.network().close_start(id(1));
    assert!(env.settled_by(&mut watcher, 1, amount(OWED), deadline).await.is_some());
    assert!(watcher.store.held(&id(1)).unwrap().fence.is_some(), "the close was tried first");
    assert!(!env.sim.network().channels[&id(1)].refunded, "settled, not closed");
    env.assert_one_in_flight();
}

#[tokio::test]
async fn many_channels_that_close_at_once_are_settled_one_after_the_other() {
    let env = TestEnv::new(6, false);
    let mut watcher = env.watching(6).await;
    for number in 1..=6 {
        watcher.offer(number, OWED).await.unwrap();
    }
    for number in (1..=6).rev() {
        env.sim.network().close_start(id(number));
    }
    let start = env.now();
    while env.now() < Ledger(start.0 + WAITING) {
        env.ledger(&mut watcher).await;
    }
    for number in 1..=6 {
        assert_eq!(env.sim.network().withdrawn(id(number)), amount(OWED), "channel {number}");
    }
    assert_eq!(env.sim.network().offered.len(), 6);
    env.assert_one_in_flight();
}

#[tokio::test]
async fn a_channel_that_is_not_worth_the_price_does_not_block_the_lane_for_one_that_is() {
    let env = TestEnv::new(2, false);
    let mut watcher = env.watching(2).await;
    // It is worth little more than its resources, and its deadline comes first.
    watcher.offer(1, CHEAP).await.unwrap();
    watcher.offer(2, OWED).await.unwrap();
    env.sim.network().close_start(id(1));
    env.ledger(&mut watcher).await;
    let deadline = env.sim.network().close_start(id(2));
    env.sim.network().faults.market = MAX_FEE / 2;
    assert!(env.settled_by(&mut watcher, 2, amount(OWED), deadline).await.is_some());
    assert_eq!(env.sim.network().withdrawn(id(1)), amount(0), "the price is above all that channel 1 is worth");
    env.assert_one_in_flight();
}

#[tokio::test]
async fn a_transaction_whose_outcome_cannot_be_decoded_frees_the_lane_a_few_ledgers_after_its_bounds() {
    let (env, mut watcher, deadline) = closing(false).await;
    watcher.offer(2, OWED).await.unwrap();
    env.sim.network().close_start(id(2));
    env.sim.network().faults.garbled_outcomes = true;
    // The first one pays, but its outcome can't be asked for. The second one still has its turn.
    assert!(env.settled_by(&mut watcher, 1, amount(OWED), deadline).await.is_some());
    assert!(env.settled_by(&mut watcher, 2, amount(OWED), deadline).await.is_some());
    env.assert_one_in_flight();
}

#[tokio::test]
async fn a_channel_that_cannot_be_read_since_the_restart_is_settled_with_what_the_journal_holds() {
    let (env, watcher, deadline) = closing(false).await;
    drop(watcher);
    env.sim.network().faults.garbled.insert(id(1));
    let mut watcher = env.start().await;
    assert!(env.settled_by(&mut watcher, 1, amount(OWED), deadline).await.is_some());
    // The channel's entries can't show that it is paid, but the transaction's result does, so it is not paid again.
    for _ in 0..20 {
        env.ledger(&mut watcher).await;
    }
    assert_eq!(env.sim.network().offered.len(), 1);
    assert_eq!(watcher.reporter.channel(&id(1)).unwrap().unsettled, amount(0));
    env.assert_one_in_flight();
}

#[tokio::test]
async fn a_channel_that_cannot_be_read_any_more_is_settled_before_a_deadline_that_nobody_sees() {
    let env = TestEnv::new(1, false);
    let mut watcher = env.watching(1).await;
    watcher.offer(1, OWED).await.unwrap();
    env.ledger(&mut watcher).await;
    env.sim.network().faults.garbled.insert(id(1));
    env.sim.network().faults.hides_events = true;
    let deadline = env.sim.network().close_start(id(1));
    assert!(env.settled_by(&mut watcher, 1, amount(OWED), deadline).await.is_some());
    env.assert_one_in_flight();
}

#[tokio::test]
async fn after_a_clawback_the_highest_commitment_that_is_still_covered_is_settled() {
    for (left, paid) in [(DEPOSIT, OWED), (400_000_000, 300_000_000)] {
        let may_claw_back = |text: String| text.replace("decimals = 7", "decimals = 7\nissuer_may_claw_back = true");
        let env = TestEnv::configured(1, false, may_claw_back);
        env.sim.network().channels.get_mut(&id(1)).unwrap().balance_clawback = true;
        env.sim.close(1);
        let mut watcher = env.watching(1).await;
        for units in [100_000_000, 300_000_000, OWED] {
            watcher.offer(1, units).await.unwrap();
        }
        env.sim.network().channels.get_mut(&id(1)).unwrap().balance = amount(left);
        let deadline = env.sim.network().close_start(id(1));
        env.settled_by(&mut watcher, 1, amount(1), deadline).await.unwrap();
        assert_eq!(env.sim.network().withdrawn(id(1)), amount(paid), "{left} are left");
    }
}

#[tokio::test]
async fn a_channel_whose_code_was_taken_off_the_list_is_still_settled_without_the_recipients_key() {
    let (mut env, watcher, deadline) = closing(false).await;
    drop(watcher);
    let (trusted, other) = (paychan_sim::network::CODE.to_string(), WasmHash([9; 32]).to_string());
    env.reconfigure(|text| text.replace(&trusted, &other));
    let mut watcher = env.start().await;
    assert!(env.settled_by(&mut watcher, 1, amount(OWED), deadline).await.is_some());
}

#[tokio::test]
async fn many_failing_channels_do_not_starve_a_healthy_one() {
    let env = TestEnv::new(60, false);
    // The waiting period is longer, since the floor grows with the number of channels.
    env.sim.network().channels.values_mut().for_each(|state| state.refund_waiting_period = 2_000);
    env.sim.close(1);
    let mut watcher = env.watching(60).await;
    for number in 1..=60 {
        watcher.offer(number, OWED).await.unwrap();
    }
    for number in 1..=59 {
        env.sim.network().faults.broken.insert(id(number));
    }
    // The healthy channel has the last deadline.
    for number in 1..=60 {
        env.sim.network().close_start(id(number));
    }
    let deadline = Ledger(env.now().0 + 20);
    assert!(env.settled_by(&mut watcher, 60, amount(OWED), deadline).await.is_some());
    let tried = watcher.settler.attempts().past().channels.values().filter(|tried| tried.payout.failures > 0).count();
    assert!(tried > 20, "the failing ones have their turns too, {tried} of them");
    env.assert_one_in_flight();
}

#[tokio::test]
async fn resources_that_cost_more_than_the_limit_or_the_saved_value_are_not_paid_for() {
    let (env, mut watcher, deadline) = closing(false).await;
    // The fee is hundreds of XLM for a settlement that needs a hundredth of one.
    env.sim.network().faults.extra_resource_fee = 3_000_000_000;
    for _ in 0..5 {
        env.ledger(&mut watcher).await;
    }
    assert!(env.sim.network().offered.is_empty());
    let trouble = watcher.reporter.channel(&id(1)).unwrap().last_error.unwrap();
    assert!(trouble.contains("at most 50000000 stroops are meant"), "{trouble}");
    env.sim.network().faults.extra_resource_fee = 0;
    assert!(env.settled_by(&mut watcher, 1, amount(OWED), deadline).await.is_some());
}

#[tokio::test]
async fn resources_may_cost_all_that_is_saved_and_not_more() {
    let value = i64::try_from(CHEAP).unwrap() * 4;
    for (resource_fee, paid) in [(value, CHEAP), (value + 1, 0)] {
        let env = TestEnv::new(1, false);
        let mut watcher = env.watching(1).await;
        watcher.offer(1, CHEAP).await.unwrap();
        env.sim.network().close_start(id(1));
        env.sim.network().faults.extra_resource_fee = resource_fee - paychan_sim::network::RESOURCE_FEE;
        for _ in 0..10 {
            env.ledger(&mut watcher).await;
        }
        assert_eq!(env.sim.network().withdrawn(id(1)), amount(paid), "for {resource_fee} stroops");
    }
}

#[tokio::test]
async fn a_close_that_was_agreed_is_done_after_a_crash_and_claims_no_more_than_that() {
    for hang in [None, Some(Hang::Prepare), Some(Hang::BeforeSend), Some(Hang::AfterSend), Some(Hang::Outcome)] {
        let env = TestEnv::new(1, true);
        let mut watcher = env.watching(1).await;
        watcher.offer(1, OWED).await.unwrap();
        env.ledger(&mut watcher).await;
        let agreed = paychan_watcher_api::SignedAmount { amount: amount(OWED / 2), signature: signed(OWED / 2) };
        watcher.commitments.close(id(1), Some(agreed)).await.unwrap();
        if hang.is_some() {
            env.sim.network().faults.hang = hang;
            while !env.ledger_with_hang(&mut watcher).await {}
        }
        // The process ends here, directly after the fence or in the middle of the close.
        drop(watcher);
        let mut watcher = env.start().await;
        for _ in 0..12 {
            env.ledger(&mut watcher).await;
        }
        let state = env.sim.network().channels[&id(1)].clone();
        assert_eq!((state.withdrawn, state.refunded), (amount(OWED / 2), true), "{hang:?}");
        assert_eq!((watcher.settler.in_flight(), env.sim.network().offered.len()), (0, 1), "{hang:?}");
        env.assert_one_in_flight();
    }
}

#[tokio::test]
async fn status_shows_what_the_settler_will_do_and_when() {
    let (env, mut watcher, _) = closing(false).await;
    env.sim.network().faults.broken.insert(id(1));
    for _ in 0..3 {
        env.ledger(&mut watcher).await;
    }
    let tried = watcher.settler.attempts().past().channels[&id(1)].clone();
    let next = watcher.reporter.channel(&id(1)).unwrap().next_action;
    let expected =
        format!("settle {OWED} base units: the channel is closing; it failed {} times", tried.payout.failures);
    assert!(next.starts_with(&expected), "{next}");
    let again = format!("and is tried again at ledger {}", tried.payout.not_before);
    assert_eq!(next.contains(&again), tried.payout.not_before > env.now(), "{next}");
}

#[tokio::test]
async fn with_a_full_disk_nothing_is_taken_and_taken_commitments_are_settled() {
    for holds_recipient_key in [false, true] {
        let (env, mut watcher, deadline) = closing(holds_recipient_key).await;
        env.disk_fails.store(true, Ordering::Relaxed);
        assert!(watcher.offer(2, OWED).await.is_err(), "it can't be written down");
        assert!(env.settled_by(&mut watcher, 1, amount(OWED), deadline).await.is_some());
        assert!(!env.sim.network().channels[&id(1)].refunded, "a close that can't be fenced is no close");
        // Nothing is left to do, and the lane is free.
        for _ in 0..10 {
            env.ledger(&mut watcher).await;
        }
        assert_eq!((watcher.settler.in_flight(), env.sim.network().offered.len()), (0, 1));
        env.assert_one_in_flight();
    }
}
