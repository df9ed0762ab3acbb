//! Tests that what is acknowledged can be paid: the recipient has room, the issuer allows it, and the fee accounts can
//! pay for it.

use paychan_channel::{Address, Amount, Ledger, TokenKind, WasmHash};
use paychan_channel::{IssuerFlags, Payability};
use paychan_store::{AcceptError, Refusal};
use paychan_watcher::channels::IntakeError;
use paychan_watcher::commitments::{OfferError, SaleError};
use paychan_watcher_api::ProblemKind;

use crate::env::{DEPOSIT, SWEEP_INTERVAL, TestEnv, Watcher, amount, id, recipient};
use crate::heard::Heard;

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
async fn the_commitments_of_two_charges_do_not_get_the_same_room() {
    let env = TestEnv::new(2, false);
    let mut watcher = env.watching(2).await;
    env.sim.network().faults.payability.insert(to(), Payability::Room(amount(10_000_000)));
    for _ in 0..=SWEEP_INTERVAL {
        env.ledger(&mut watcher).await;
    }
    watcher.charge(1, 1_000_000, 8_000_000).await.unwrap();
    let refused = watcher.charge(2, 1_000_000, 8_000_000).await.unwrap_err();
    let SaleError::Commitment(AcceptError::Refused(Refusal::Unpayable { .. })) = refused else { panic!("{refused:?}") };
    assert_eq!(watcher.store.held(&id(2)).unwrap().spent, Amount::ZERO);
}

#[tokio::test]
async fn charges_that_are_asked_for_together_do_not_get_the_same_room() {
    let env = TestEnv::new(2, false);
    let mut watcher = env.watching(2).await;
    env.sim.network().faults.payability.insert(to(), Payability::Room(amount(10_000_000)));
    for _ in 0..=SWEEP_INTERVAL {
        env.ledger(&mut watcher).await;
    }
    let charges = [1, 2].map(|number| Watcher::charge_of(number, 1_000_000, 8_000_000));
    let charged = watcher.commitments.charge_all(charges.to_vec()).await;
    assert!(charged[0].is_ok(), "{charged:?}");
    let refused = charged[1].as_ref().unwrap_err();
    let SaleError::Commitment(AcceptError::Refused(Refusal::Unpayable { .. })) = refused else { panic!("{refused:?}") };
    assert_eq!(watcher.store.held(&id(2)).unwrap().spent, Amount::ZERO);
}

#[tokio::test]
async fn what_was_settled_can_be_sold_to_a_buyer_who_sends_the_settled_commitment_or_an_older_one_again() {
    let env = TestEnv::new(1, false);
    let mut watcher = env.watching(1).await;
    watcher.charge(1, 5_000_000, 8_000_000).await.unwrap();
    let deadline = env.sim.network().close_start(id(1));
    env.settled_by(&mut watcher, 1, amount(8_000_000), deadline).await.expect("settled");
    env.ledger(&mut watcher).await;
    for (total, spent) in [(8_000_000, 6_000_000), (7_000_000, 7_000_000)] {
        assert_eq!(watcher.charge(1, 1_000_000, total).await.unwrap().spent, amount(spent));
    }
}

#[tokio::test]
async fn a_settlement_uses_up_room() {
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
async fn nothing_is_taken_on_unknown_or_old_facts_about_the_recipient() {
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
async fn channels_with_dust_reserve_no_fees() {
    let env = TestEnv::new(7, false);
    let mut watcher = env.watching(7).await;
    // One settlement may cost a bid of 1,000,000 stroops and 50,000 for its resources.
    env.sim.network().lane_balance = 1_050_000;
    env.ledger(&mut watcher).await;
    env.ledger(&mut watcher).await;
    for number in 1..7 {
        watcher.offer(number, 99_999).await.expect("dust reserves nothing");
    }
    watcher.offer(7, 10_000_000).await.unwrap();
    assert_eq!(watcher.promises.fees().map(|(settlements, _)| settlements), Some(1));
    assert!(watcher.promises.owed(&paychan_sim::network::TOKEN, &to()) > Amount::ZERO);
}

/// Two channels in a token with code of its own.
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
async fn the_channels_of_a_funder_are_limited_and_an_idle_one_that_owes_nothing_makes_room() {
    let quota = |text: String| format!("{text}\n[quotas]\nchannels_per_funder = 2\nidle_ledgers = 30\n");
    let env = TestEnv::configured(4, false, quota);
    let mut watcher = env.watching(2).await;
    watcher.offer(1, 1_000_000).await.unwrap();
    let refused = watcher.channels.take(id(3)).await.unwrap_err();
    let IntakeError::Refused(refused) = &refused else { panic!("{refused:?}") };
    assert_eq!(refused.kind(), ProblemKind::TooManyOfFunder);

    for _ in 0..40 {
        env.ledger(&mut watcher).await;
    }
    watcher.channels.take(id(3)).await.expect("the second channel was never used");
    assert!(watcher.store.held(&id(2)).is_none() && watcher.view.channel(&id(2)).is_none());
    assert!(watcher.store.held(&id(1)).is_some(), "the first one owes something");
    watcher.offer(3, 1_000_000).await.unwrap();
    watcher.channels.take(id(4)).await.unwrap_err();
}

/// Closes ledgers until all channels were read again.
async fn swept(env: &TestEnv, watcher: &mut crate::env::Watcher) {
    for _ in 0..=SWEEP_INTERVAL {
        env.ledger(watcher).await;
    }
}

#[tokio::test]
async fn a_frozen_balance_raises_an_alarm_once_until_it_is_frozen_again() {
    let env = TestEnv::new(1, false);
    let mut watcher = env.watching(1).await;
    watcher.offer(1, 1_000_000).await.unwrap();
    let mut heard = Heard::listen();
    for (frozen, alarms) in [(true, 1), (true, 0), (false, 0), (true, 1)] {
        env.sim.network().channels.get_mut(&id(1)).unwrap().balance_authorized = !frozen;
        swept(&env, &mut watcher).await;
        let raised = heard.named("balance_frozen");
        assert_eq!(raised.len(), alarms, "frozen: {frozen}, {raised:?}");
        for alarm in raised {
            assert_eq!(
                (&alarm.fields["channel"], &alarm.fields["unsettled"]),
                (&id(1).to_string().into(), &"1000000".into())
            );
        }
    }
}

#[tokio::test]
async fn a_clawback_raises_an_alarm_with_what_is_covered_and_a_top_up_ends_it() {
    let env = TestEnv::new(1, false);
    let mut watcher = env.watching(1).await;
    watcher.offer(1, 600_000_000).await.unwrap();
    let mut heard = Heard::listen();
    for (balance, alarms) in [(600_000_000, 0), (599_999_999, 1), (500_000_000, 0), (600_000_000, 0), (1, 1)] {
        env.sim.network().channels.get_mut(&id(1)).unwrap().balance = amount(balance);
        swept(&env, &mut watcher).await;
        let raised = heard.named("coverage_fell");
        assert_eq!(raised.len(), alarms, "balance {balance}: {raised:?}");
        for alarm in raised {
            assert_eq!(alarm.fields["coverage"], balance.to_string());
            assert_eq!(alarm.fields["highest"], "600000000");
        }
    }
}

#[tokio::test]
async fn an_issuer_that_takes_rights_raises_an_alarm_unless_the_operator_accepts_them() {
    let accepts = |text: String| text.replace("decimals = 7", "decimals = 7\nissuer_may_claw_back = true");
    for (env, alarms) in [(TestEnv::new(1, false), 1), (TestEnv::configured(1, false, accepts), 0)] {
        let mut watcher = env.watching(1).await;
        let mut heard = Heard::listen();
        let flags = IssuerFlags { requires_authorization: false, may_revoke: false, may_claw_back: true };
        env.sim.network().faults.issuer = Some(flags);
        swept(&env, &mut watcher).await;
        let raised = heard.named("issuer_changed");
        assert_eq!(raised.len(), alarms, "{raised:?}");
    }
}

#[tokio::test]
async fn a_recipient_that_can_not_take_what_it_is_owed_raises_an_alarm() {
    let env = TestEnv::new(1, false);
    let mut watcher = env.watching(1).await;
    watcher.offer(1, 1_000_000).await.unwrap();
    let mut heard = Heard::listen();
    env.sim.network().faults.payability.insert(to(), Payability::Room(amount(999_999)));
    swept(&env, &mut watcher).await;
    assert!(!heard.named("recipient_cannot_be_paid").is_empty());
}

#[tokio::test]
async fn an_archived_or_short_lived_entry_raises_an_alarm_only_where_something_is_unsettled() {
    let env = TestEnv::new(2, false);
    let mut watcher = env.watching(2).await;
    watcher.offer(1, 600_000_000).await.unwrap();
    // The fee account has nothing to spare for extensions.
    env.sim.network().lane_balance = 1_050_000;
    env.ledger(&mut watcher).await;
    env.ledger(&mut watcher).await;
    let mut heard = Heard::listen();
    let live_until = |until: Ledger| {
        let mut network = env.sim.network();
        network.channels.values_mut().for_each(|state| state.lives.token_balance = Some(until));
    };
    live_until(Ledger(env.now().0 + 200));
    swept(&env, &mut watcher).await;
    let channels = |raised: Vec<paychan_watcher::notify::Notice>| -> Vec<String> {
        raised.iter().map(|alarm| alarm.fields["channel"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(channels(heard.named("life_short")), [id(1).to_string()]);
    live_until(Ledger(0));
    swept(&env, &mut watcher).await;
    let raised = heard.named("entry_archived");
    assert_eq!(raised[0].fields["entries"], "token balance");
    assert_eq!(channels(raised), [id(1).to_string()]);
}
