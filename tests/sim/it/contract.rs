//! What the model of the contract says where a simpler model would be wrong.

use paychan_channel::{ChannelState, Ledger};
use paychan_sim::network::{Call, Caller, Claim, Event, HOLDINGS, Network, Refusal, Trustline};
use paychan_sim::setup::{DEPOSIT, WAITING, id, lane, open_channel};

fn network() -> Network {
    let mut network = Network::new(lane().account());
    network.open(open_channel(1));
    network.close_ledger();
    network
}

fn state(network: &Network) -> &ChannelState {
    &network.channels[&id(1)]
}

fn claim(total: i128) -> Claim {
    Claim { total, signed: true }
}

fn after_the_deadline(network: &mut Network) {
    network.call(id(1), Caller::Funder, Call::CloseStart).unwrap();
    for _ in 0..=WAITING {
        network.close_ledger();
    }
}

#[test]
fn a_deposit_is_refused_once_a_close_was_announced_and_tokens_can_still_be_sent() {
    let mut network = network();
    assert_eq!(network.call(id(1), Caller::Funder, Call::TopUp(5)), Ok(vec![Event::Deposit(5)]));
    network.call(id(1), Caller::Funder, Call::CloseStart).unwrap();
    assert_eq!(network.call(id(1), Caller::Funder, Call::TopUp(5)), Err(Refusal::ALREADY_CLOSED));
    assert_eq!(network.call(id(1), Caller::Funder, Call::Send(7)), Ok(vec![]));
    assert_eq!(state(&network).deposited.unwrap().get(), DEPOSIT + 5);
    assert_eq!(state(&network).balance.get(), DEPOSIT + 12);
}

#[test]
fn a_close_of_the_recipient_sets_the_deadline_and_emits_it() {
    let mut network = network();
    let now = Ledger(network.ledger() + 1);
    let rest = DEPOSIT - 30;
    let events = vec![Event::Withdraw(30), Event::Close(now), Event::Refund(rest)];
    assert_eq!(network.call(id(1), Caller::Recipient, Call::Close(claim(30))), Ok(events));
    network.close_ledger();
    assert_eq!(state(&network).close_effective_at, Some(now));
    assert_eq!(network.history.last().unwrap().closes, [(id(1), now)]);
}

#[test]
fn a_close_gives_back_what_was_deposited_and_no_more() {
    let mut network = network();
    network.call(id(1), Caller::Funder, Call::Send(40)).unwrap();
    network.call(id(1), Caller::Recipient, Call::Close(claim(30))).unwrap();
    assert_eq!(state(&network).balance.get(), 40);
    assert_eq!(network.call(id(1), Caller::Funder, Call::Refund), Ok(vec![Event::Refund(40)]));
}

#[test]
fn a_close_keeps_what_the_token_does_not_let_go() {
    for harm in [Call::Clawback(10), Call::Authorize(false)] {
        let mut network = network();
        network.call(id(1), Caller::Recipient, Call::Settle(claim(30))).unwrap();
        network.call(id(1), Caller::Issuer, harm).unwrap();
        let left = state(&network).balance;
        network.call(id(1), Caller::Recipient, Call::Close(claim(30))).unwrap();
        assert!(state(&network).refunded, "{harm:?}");
        assert_eq!(state(&network).balance, left, "{harm:?}");
    }
}

#[test]
fn a_refund_of_a_frozen_balance_fails() {
    let mut network = network();
    after_the_deadline(&mut network);
    network.call(id(1), Caller::Issuer, Call::Authorize(false)).unwrap();
    assert_eq!(network.call(id(1), Caller::Funder, Call::Refund), Err(Refusal::FROZEN));
    assert!(!state(&network).refunded);
    network.call(id(1), Caller::Issuer, Call::Authorize(true)).unwrap();
    assert_eq!(network.call(id(1), Caller::Funder, Call::Refund), Ok(vec![Event::Refund(DEPOSIT)]));
}

#[test]
fn after_a_clawback_the_token_refuses_a_total_within_the_deposits() {
    let mut network = network();
    network.call(id(1), Caller::Issuer, Call::Clawback(DEPOSIT - 10)).unwrap();
    let mut settle = |total| network.call(id(1), Caller::Stranger, Call::Settle(claim(total)));
    assert_eq!(settle(DEPOSIT + 1), Err(Refusal::INSUFFICIENT_DEPOSIT));
    assert_eq!(settle(DEPOSIT), Err(Refusal::BALANCE));
    assert_eq!(settle(10), Ok(vec![Event::Withdraw(10)]));
}

#[test]
fn a_frozen_recipient_is_not_paid() {
    let mut network = network();
    let to = state(&network).to;
    network.frozen_recipients.insert(to);
    assert_eq!(network.call(id(1), Caller::Stranger, Call::Settle(claim(1))), Err(Refusal::FROZEN));
    assert_eq!(network.call(id(1), Caller::Stranger, Call::Settle(claim(0))), Ok(vec![]));
}

/// Lets the funder remove or create its trustline.
fn trustline(network: &mut Network, change: Trustline) {
    let from = state(network).from;
    network.change_trustline(from, change);
    network.close_ledger();
}

#[test]
fn without_the_funders_trustline_nothing_moves_to_it_or_from_it_and_the_recipient_is_paid() {
    let mut network = network();
    trustline(&mut network, Trustline::Remove);
    for call in [Call::TopUp(1), Call::Send(1), Call::Send(0)] {
        assert_eq!(network.call(id(1), Caller::Funder, call), Err(Refusal::TRUSTLINE_MISSING), "{call:?}");
    }
    assert_eq!(network.call(id(1), Caller::Funder, Call::TopUp(0)), Ok(vec![]));
    assert_eq!(network.call(id(1), Caller::Stranger, Call::Settle(claim(30))), Ok(vec![Event::Withdraw(30)]));
    let now = Ledger(network.ledger() + 1);
    let events = vec![Event::Withdraw(10), Event::Close(now)];
    assert_eq!(network.call(id(1), Caller::Recipient, Call::Close(claim(40))), Ok(events));
    assert!(state(&network).refunded);
    assert_eq!(state(&network).balance.get(), DEPOSIT - 40);
}

#[test]
fn a_refund_without_the_funders_trustline_is_refused_and_taken_once_it_is_there_again() {
    let mut network = network();
    trustline(&mut network, Trustline::Remove);
    after_the_deadline(&mut network);
    assert_eq!(network.call(id(1), Caller::Funder, Call::Refund), Err(Refusal::TRUSTLINE_MISSING));
    assert!(!state(&network).refunded);
    // The recipient can still be paid.
    assert_eq!(network.call(id(1), Caller::Stranger, Call::Settle(claim(30))), Ok(vec![Event::Withdraw(30)]));
    trustline(&mut network, Trustline::Create);
    assert_eq!(network.call(id(1), Caller::Funder, Call::Refund), Ok(vec![Event::Refund(DEPOSIT - 30)]));
    assert!(state(&network).refunded);
}

#[test]
fn a_funder_gives_its_tokens_to_the_issuer_before_it_removes_its_trustline_and_gets_them_again() {
    let mut network = network();
    let holds = |network: &Network| network.trace.steps.last().unwrap().holdings[0].1;
    network.call(id(1), Caller::Funder, Call::TopUp(7)).unwrap();
    trustline(&mut network, Trustline::Remove);
    trustline(&mut network, Trustline::Remove);
    network.call(id(1), Caller::Funder, Call::CloseStart).unwrap();
    assert_eq!(holds(&network), 0);
    trustline(&mut network, Trustline::Create);
    trustline(&mut network, Trustline::Create);
    assert_eq!(network.call(id(1), Caller::Funder, Call::Send(1)), Ok(vec![]));
    assert_eq!(holds(&network), HOLDINGS - 8);
}

/// A ledger executes classic operations before all calls, and a call may be in it already.
#[test]
fn a_trustline_is_there_or_missing_for_all_calls_of_a_ledger() {
    let mut network = network();
    let from = state(&network).from;
    network.call(id(1), Caller::Funder, Call::TopUp(7)).unwrap();
    network.change_trustline(from, Trustline::Remove);
    assert_eq!(network.call(id(1), Caller::Funder, Call::TopUp(7)), Ok(vec![Event::Deposit(7)]));
    network.close_ledger();
    assert_eq!(network.call(id(1), Caller::Funder, Call::TopUp(7)), Err(Refusal::TRUSTLINE_MISSING));
    network.change_trustline(from, Trustline::Create);
    assert_eq!(network.call(id(1), Caller::Funder, Call::TopUp(7)), Err(Refusal::TRUSTLINE_MISSING));
    network.close_ledger();
    assert_eq!(network.call(id(1), Caller::Funder, Call::TopUp(7)), Ok(vec![Event::Deposit(7)]));
}

#[test]
fn nobody_acts_for_another() {
    let mut network = network();
    for (by, call) in [
        (Caller::Recipient, Call::TopUp(1)),
        (Caller::Stranger, Call::CloseStart),
        (Caller::Funder, Call::Close(claim(0))),
    ] {
        assert_eq!(network.call(id(1), by, call), Err(Refusal::Authorization), "{call:?}");
    }
    let forged = Claim { total: 1, signed: false };
    assert_eq!(network.call(id(1), Caller::Stranger, Call::Settle(forged)), Err(Refusal::Signature));
}
