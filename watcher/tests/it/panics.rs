//! A panic ends the step that it happens in, stops the taking of money, and never the settling.

use std::sync::Arc;

use paychan_watcher::alarm::Alarm;

use crate::endpoints::Endpoint;
use crate::env::{TestEnv, Watcher, amount, id};

const OWED: i128 = 600_000_000;

/// A watcher of two channels that owes on both, and its endpoint.
async fn owing() -> (TestEnv, Watcher, Endpoint) {
    let mut env = TestEnv::new(2, false);
    let endpoint = Endpoint::of(&env.sim);
    env.endpoints = Some(Arc::new(endpoint.clone()));
    let mut watcher = env.watching(2).await;
    env.ledger(&mut watcher).await;
    for number in [1, 2] {
        watcher.offer(number, OWED).await.unwrap();
    }
    (env, watcher, endpoint)
}

/// Whether both channels are settled before their deadline.
async fn are_settled(env: &TestEnv, watcher: &mut Watcher) -> bool {
    let deadline = env.sim.network().close_start(id(1));
    env.sim.network().close_start(id(2));
    let first = env.settled_by(watcher, 1, amount(OWED), deadline).await;
    let settled = |number| env.sim.network().withdrawn(id(number)) >= amount(OWED);
    while !settled(2) && env.now() < deadline {
        env.ledger(watcher).await;
    }
    first.is_some() && settled(2)
}

#[tokio::test]
async fn a_question_that_always_panics_and_is_not_needed_to_settle_keeps_nothing_from_being_settled() {
    for question in ["closes", "settings", "token_facts", "payability", "inclusion_fees", "meets_archived"] {
        let (env, mut watcher, endpoint) = owing().await;
        endpoint.wrong().panics_at = Some(question);
        assert!(are_settled(&env, &mut watcher).await, "{question}");
        env.assert_one_in_flight();
    }
}

#[tokio::test]
async fn a_question_that_panics_for_a_while_delays_a_settlement_and_stops_the_taking() {
    for question in ["head", "read_channels", "lane_account", "prepare", "send", "outcome"] {
        let (env, mut watcher, endpoint) = owing().await;
        let raised = Alarm::Panicked.raised();
        endpoint.wrong().panics_at = Some(question);
        env.sim.network().close_start(id(1));
        for _ in 0..30 {
            env.ledger(&mut watcher).await;
        }
        endpoint.wrong().panics_at = None;
        assert!(Alarm::Panicked.raised() > raised, "{question}");
        assert!(are_settled(&env, &mut watcher).await, "{question}");
        env.assert_one_in_flight();
        assert!(watcher.view.has_stopped_taking());
        let refused = watcher.offer(1, OWED + 1).await.unwrap_err();
        assert!(refused.to_string().contains("restarted"), "{question}: {refused}");
    }
}
