//! Tests a first voucher on a channel that the watcher does not know.

use std::sync::Arc;

use paychan_channel::{Amount, Commitment, ContractId};
use paychan_mpp::wire::{Action, Challenge, ChannelRequest, Credential, Payload};
use paychan_watcher_api::ProblemKind;
use tokio::sync::Notify;

use crate::env::{CHANNEL, COVERAGE, SECRET, TestEnv, challenge_secret};

/// The header that pays through `channel`. All channels of these tests have the same commitment key.
fn first_voucher(env: &TestEnv, challenge: &Challenge, channel: ContractId) -> String {
    let mut terms = challenge.terms.clone();
    let mut request = ChannelRequest::decode(&terms.request).unwrap();
    request.channel = channel;
    terms.request = request.encode().unwrap();
    let challenge = terms.issue(&challenge_secret(SECRET)).unwrap();
    let amount = Amount::from(10);
    let signature = Commitment { network: env.network.id(), channel, amount }.sign(&env.key);
    Credential::new(challenge, &Payload { action: Action::Voucher, amount, signature }).unwrap().to_header().unwrap()
}

#[tokio::test]
async fn a_channel_that_the_watcher_refuses_buys_nothing_and_the_answer_says_why() {
    let env = TestEnv::new();
    let challenge = env.challenge("/time").await;
    for kind in [
        ProblemKind::TooManyOfFunder,
        ProblemKind::ForeignCode,
        ProblemKind::ForeignRecipient,
        ProblemKind::UnlistedToken,
        ProblemKind::CoverageTooLow,
        ProblemKind::WaitingPeriodTooShort,
    ] {
        env.watcher.state().no_admission = Some(kind.clone());
        let refused = env.get("/time", &[("authorization", &env.voucher(&challenge, 10))]).await;
        let problem = refused.is(402, "session/channel-refused");
        assert_eq!(problem.details["reason"], kind.name());
        assert_eq!(problem.details["network"], "stellar:testnet");
    }
    env.watcher.state().no_admission = Some(ProblemKind::TooManyChannels);
    let refused = env.get("/time", &[("authorization", &env.voucher(&challenge, 10))]).await;
    refused.is(503, "payment-unavailable");
    env.watcher.state().no_admission = None;
    assert_eq!((env.watcher.totals(&CHANNEL), env.sold()), ((0, 0), 0));
    env.get("/time", &[("authorization", &env.voucher(&challenge, 10))]).await.receipt();
}

#[tokio::test]
async fn four_channels_are_admitted_at_a_time_and_the_fifth_payer_must_try_again() {
    let env = TestEnv::new();
    let challenge = env.challenge("/time").await;
    let gate = Arc::new(Notify::new());
    env.watcher.state().admission_gate = Some(Arc::clone(&gate));
    let channels: Vec<ContractId> = (20..25).map(|number| ContractId([number; 32])).collect();
    for channel in &channels {
        env.watcher.open(*channel, env.key.public(), COVERAGE);
    }
    let buy = |channel| {
        let header = first_voucher(&env, &challenge, channel);
        let app = env.app.clone();
        async move { crate::env::Answer::to(app, crate::env::request("GET", "/time", &[("authorization", &header)])).await }
    };
    let waiting: Vec<_> = channels[..4].iter().map(|channel| tokio::spawn(buy(*channel))).collect();
    while env.watcher.state().admissions < 4 {
        tokio::task::yield_now().await;
    }
    let fifth = buy(channels[4]).await;
    fifth.is(503, "payment-unavailable");
    assert!(fifth.headers.contains_key("retry-after"));
    assert_eq!((env.watcher.state().admissions, env.sold()), (4, 0));
    env.watcher.state().admission_gate = None;
    gate.notify_waiters();
    for answer in waiting {
        answer.await.unwrap().receipt();
    }
    buy(channels[4]).await.receipt();
    assert_eq!(env.watcher.totals(&channels[4]), (10, 10));
}
