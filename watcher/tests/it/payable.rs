//! What is acknowledged can be paid: by the recipient's room, by the issuer's leave, by the fee accounts.

use paychan_channel::{Address, Amount, TokenKind, WasmHash};
use paychan_channel::{IssuerFlags, Payability};
use paychan_store::{AcceptError, Refusal};
use paychan_watcher::channels::IntakeError;
use paychan_watcher::commitments::OfferError;
use paychan_watcher_api::ProblemKind;

use crate::env::{DEPOSIT, SWEEP_INTERVAL, TestEnv, amount, id, recipient};

fn to() -> Address {
    Address::Account(recipient().account())
}

fn refusal(error: &OfferError) -> Option<&Refusal> {
    match error {
        OfferError::NotAccepted(AcceptError::Refused(refusal)) => Some(refusal),
        _ => None,
    }
}

fn is_unpayable(error: &OfferError) -> bool {
    matches!(refusal(error), Some(Refusal::Unpayable { .. }))
}

#[tokio::test]
async fn room_for_ten_is_not_promised_to_two_channels_of_eight() {
    let env = TestEnv::new(2, false);
    env.sim.network().faults.payability.insert(to(), Payability::Room(amount(DEPOSIT * 10 / 8)));
    let watcher = env.watching(1).await;
    let refused = watcher.channels.take(id(2)).await.unwrap_err();
    let IntakeError::Refused(refused) = &refused else { panic!("{refused:?}") };
    assert_eq!(refused.kind(), ProblemKind::RecipientUnpayable);
}

#[tokio::test]
async fn room_that_shrinks_counts_over_all_channels_of_the_recipient() {
    let env = TestEnv::new(2, false);
    let mut watcher = env.watching(2).await;
    env.sim.network().faults.payability.insert(to(), Payability::Room(amount(10_000_000)));
    for _ in 0..=SWEEP_INTERVAL {
        env.ledger(&mut watcher).await;
    }
    watcher.offer(1, 8_000_000).await.unwrap();
    assert!(is_unpayable(&watcher.offer(2, 8_000_000).await.unwrap_err()));
    watcher.offer(2, 2_000_000).await.unwrap();
    assert!(is_unpayable(&watcher.offer(1, 8_000_001).await.unwrap_err()));
}

#[tokio::test]
async fn two_offers_at_once_do_not_get_the_same_room() {
    let env = TestEnv::new(2, false);
    let mut watcher = env.watching(2).await;
    env.sim.network().faults.payability.insert(to(), Payability::Room(amount(10_000_000)));
    for _ in 0..=SWEEP_INTERVAL {
        env.ledger(&mut watcher).await;
    }
    let (one, two) = tokio::join!(watcher.offer(1, 8_000_000), watcher.offer(2, 8_000_000));
    assert_ne!(one.is_ok(), two.is_ok(), "{one:?}, {two:?}");
}

#[tokio::test]
async fn what_was_settled_has_used_up_room() {
    let env = TestEnv::new(2, false);
    let mut watcher = env.watching(2).await;
    env.sim.network().faults.payability.insert(to(), Payability::Room(amount(10_000_000)));
    for _ in 0..=SWEEP_INTERVAL {
        env.ledger(&mut watcher).await;
    }
    watcher.offer(1, 8_000_000).await.unwrap();
    let deadline = env.sim.network().close_start(id(1));
    env.settled_by(&mut watcher, 1, amount(8_000_000), deadline).await.expect("settled");
    env.ledger(&mut watcher).await;
    assert!(is_unpayable(&watcher.offer(2, 8_000_000).await.unwrap_err()), "the room was read before it was paid");
    watcher.offer(2, 2_000_000).await.unwrap();
}

#[tokio::test]
async fn what_is_not_known_of_the_recipient_is_no_after_a_restart_and_after_a_while() {
    let env = TestEnv::new(1, false);
    drop(env.watching(1).await);
    env.sim.network().faults.recipients_down = true;
    let mut watcher = env.start().await;
    let _ = watcher.follow().await;
    let refused = watcher.offer(1, 1_000_000).await.unwrap_err();
    assert!(matches!(refusal(&refused), Some(Refusal::NotFresh { .. })), "{refused:?}");

    env.sim.network().faults.recipients_down = false;
    env.ledger(&mut watcher).await;
    watcher.offer(1, 1_000_000).await.unwrap();

    env.sim.network().faults.recipients_down = true;
    for _ in 0..2 * SWEEP_INTERVAL {
        env.ledger(&mut watcher).await;
    }
    let refused = watcher.offer(1, 2_000_000).await.unwrap_err();
    assert!(matches!(refusal(&refused), Some(Refusal::NotFresh { .. })), "{refused:?}");
}

#[tokio::test]
async fn an_issuer_that_takes_new_rights_and_one_that_freezes_stop_the_taking() {
    let env = TestEnv::new(1, false);
    let mut watcher = env.watching(1).await;
    watcher.offer(1, 1_000_000).await.unwrap();
    let flags = IssuerFlags { requires_authorization: false, may_revoke: false, may_claw_back: true };
    env.sim.network().faults.issuer = Some(flags);
    for _ in 0..=SWEEP_INTERVAL {
        env.ledger(&mut watcher).await;
    }
    assert!(is_unpayable(&watcher.offer(1, 2_000_000).await.unwrap_err()));

    let env = TestEnv::new(1, false);
    let mut watcher = env.watching(1).await;
    env.sim.network().channels.get_mut(&id(1)).unwrap().balance_authorized = false;
    for _ in 0..=SWEEP_INTERVAL {
        env.ledger(&mut watcher).await;
    }
    assert!(is_unpayable(&watcher.offer(1, 2_000_000).await.unwrap_err()));
}

#[tokio::test]
async fn a_clawback_takes_no_more_money_on_that_channel() {
    let env = TestEnv::new(2, false);
    let mut watcher = env.watching(2).await;
    watcher.offer(1, 600_000_000).await.unwrap();
    env.sim.network().channels.get_mut(&id(1)).unwrap().balance = amount(500_000_000);
    for _ in 0..=SWEEP_INTERVAL {
        env.ledger(&mut watcher).await;
    }
    let refused = watcher.offer(1, 600_000_001).await.unwrap_err();
    assert!(matches!(refusal(&refused), Some(Refusal::ExceedsCoverage { .. })), "{refused:?}");
    watcher.offer(2, 600_000_000).await.unwrap();
}

#[tokio::test]
async fn channels_with_dust_stop_no_customer() {
    let env = TestEnv::new(7, false);
    let mut watcher = env.watching(7).await;
    // One settlement may cost a bid of 1,000,000 stroops, and 50,000 for its resources.
    env.sim.network().lane_balance = 1_050_000;
    env.ledger(&mut watcher).await;
    env.ledger(&mut watcher).await;
    for number in 1..7 {
        watcher.offer(number, 99_999).await.expect("dust reserves nothing");
    }
    watcher.offer(7, 10_000_000).await.unwrap();
    assert_eq!(watcher.promises.fees().map(|(settlements, _)| settlements), Some(1));
    assert!(watcher.promises.owed(&crate::sim::TOKEN, &to()) > Amount::ZERO);
}

/// Two channels in a token that is a contract of its own.
fn opaque() -> TestEnv {
    let accepts = |text: String| {
        text.replace("decimals = 7", "decimals = 7\nissuer_may_claw_back = true\nissuer_may_revoke = true")
    };
    let env = TestEnv::configured(2, false, accepts);
    for state in env.sim.network().channels.values_mut() {
        state.token_kind = TokenKind::Wasm(WasmHash([9; 32]));
    }
    env.sim.close(1);
    env
}

#[tokio::test]
async fn a_token_whose_storage_is_not_what_its_balance_says_is_refused_at_admission() {
    for told in [None, Some(Amount::ZERO), Some(amount(DEPOSIT - 1))] {
        let env = opaque();
        env.sim.network().faults.told_balances.insert(id(1), told);
        let mut watcher = env.start().await;
        watcher.follow().await.unwrap();
        let refused = watcher.channels.take(id(1)).await.unwrap_err();
        let IntakeError::Refused(refused) = &refused else { panic!("{refused:?}") };
        assert_eq!(refused.kind(), ProblemKind::TokenStorageUnknown, "told {told:?}");
        watcher.channels.take(id(2)).await.expect("one whose entries and balance agree");
        watcher.offer(2, 1_000_000).await.unwrap();
    }
}

#[tokio::test]
async fn a_funder_has_so_many_channels_and_an_idle_one_that_owes_nothing_makes_room() {
    let quota = |text: String| format!("{text}\n[quotas]\nchannels_per_funder = 2\nidle_ledgers = 30\n");
    let env = TestEnv::configured(4, false, quota);
    let mut watcher = env.watching(2).await;
    watcher.offer(1, 1_000_000).await.unwrap();
    let refused = watcher.channels.take(id(3)).await.unwrap_err();
    let IntakeError::Refused(refused) = &refused else { panic!("{refused:?}") };
    assert_eq!(refused.kind(), ProblemKind::TooManyChannels);

    for _ in 0..40 {
        env.ledger(&mut watcher).await;
    }
    watcher.channels.take(id(3)).await.expect("the second channel was never used");
    assert!(watcher.store.held(&id(2)).is_none() && watcher.view.channel(&id(2)).is_none());
    assert!(watcher.store.held(&id(1)).is_some(), "the first one owes something");
    watcher.offer(3, 1_000_000).await.unwrap();
    watcher.channels.take(id(4)).await.unwrap_err();
}
