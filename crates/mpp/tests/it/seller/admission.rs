//! Tests a first voucher on a channel that the watcher does not know.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use paychan_channel::{Amount, Commitment, ContractId};
use paychan_mpp::wire::{Action, Challenge, ChannelRequest, Credential, Payload};
use paychan_watcher_api::ProblemKind;
use tokio::sync::Notify;

use crate::env::{Answer, CHANNEL, COVERAGE, SECRET, TestEnv, challenge_secret, options, request};

/// How long a refusal that needs no look-up may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

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
    let mut options = options();
    options.admissions.refusal_kept = Duration::ZERO;
    let env = TestEnv::with(options);
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
        async move { Answer::to(app, request("GET", "/time", &[("authorization", &header)])).await }
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

/// A first voucher from the address `peer`.
fn from_address(app: &axum::Router, header: &str, peer: &str) -> tokio::task::JoinHandle<Answer> {
    let mut request = request("GET", "/time", &[("authorization", header)]);
    let peer: SocketAddr = peer.parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(peer));
    tokio::spawn(Answer::to(app.clone(), request))
}

#[tokio::test]
async fn a_payer_who_fills_its_share_of_the_admissions_leaves_room_for_another_payer() {
    let env = TestEnv::new();
    let challenge = env.challenge("/time").await;
    let gate = Arc::new(Notify::new());
    env.watcher.state().admission_gate = Some(Arc::clone(&gate));
    let channels: Vec<ContractId> = (20..28).map(|number| ContractId([number; 32])).collect();
    for channel in &channels {
        env.watcher.open(*channel, env.key.public(), COVERAGE);
    }
    let headers: Vec<String> = channels.iter().map(|channel| first_voucher(&env, &challenge, *channel)).collect();
    // All addresses of an IPv6 network of 64 bits belong to one payer.
    let attacker: Vec<_> = headers[..2]
        .iter()
        .zip(["[2001:db8::1]:1000", "[2001:db8::2]:1001"])
        .map(|(header, peer)| from_address(&env.app, header, peer))
        .collect();
    while env.watcher.state().admissions < 2 {
        tokio::task::yield_now().await;
    }
    for header in &headers[2..6] {
        let refused = from_address(&env.app, header, "[2001:db8::3]:1002");
        let refused = tokio::time::timeout(PATIENCE, refused).await.expect("refused at once").unwrap();
        refused.is(503, "payment-unavailable");
        assert!(refused.headers.contains_key("retry-after"));
    }
    assert_eq!(env.watcher.state().admissions, 2, "a refusal costs no look-up");

    let honest = from_address(&env.app, &headers[7], "192.0.2.1:1003");
    while env.watcher.state().admissions < 3 {
        assert!(!honest.is_finished(), "the honest payer is let in");
        tokio::task::yield_now().await;
    }
    env.watcher.state().admission_gate = None;
    gate.notify_waiters();
    honest.await.unwrap().receipt();
    for answer in attacker {
        answer.await.unwrap().receipt();
    }
    // What was refused took nothing, and its share is free again.
    from_address(&env.app, &headers[2], "[2001:db8::3]:1002").await.unwrap().receipt();
    assert_eq!(env.watcher.totals(&channels[2]), (10, 10));
}

#[tokio::test]
async fn a_channel_that_was_refused_a_moment_ago_costs_no_second_look_up() {
    let env = TestEnv::new();
    let challenge = env.challenge("/time").await;
    env.watcher.state().no_admission = Some(ProblemKind::TooManyOfFunder);
    let header = env.voucher(&challenge, 10);
    for _ in 0..5 {
        let refused = env.get("/time", &[("authorization", &header)]).await;
        let problem = refused.is(402, "session/channel-refused");
        assert_eq!(problem.details["reason"], ProblemKind::TooManyOfFunder.name());
        let seconds: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=5).contains(&seconds), "{seconds}");
    }
    assert_eq!((env.watcher.state().admissions, env.sold()), (1, 0));

    // Another channel is not affected.
    env.watcher.state().no_admission = None;
    let other = ContractId([20; 32]);
    env.watcher.open(other, env.key.public(), COVERAGE);
    let header = first_voucher(&env, &challenge, other);
    env.get("/time", &[("authorization", &header)]).await.receipt();
}

#[tokio::test]
async fn a_channel_is_looked_up_again_when_its_refusal_is_old_or_was_trouble_of_the_watcher() {
    let mut options = options();
    options.admissions.refusal_kept = Duration::from_millis(1);
    let env = TestEnv::with(options);
    let challenge = env.challenge("/time").await;
    let header = env.voucher(&challenge, 10);
    env.watcher.state().no_admission = Some(ProblemKind::NotOnChain);
    env.get("/time", &[("authorization", &header)]).await.is(410, "session/channel-not-found");
    tokio::time::sleep(Duration::from_millis(10)).await;
    env.watcher.state().no_admission = None;
    env.get("/time", &[("authorization", &header)]).await.receipt();

    let env = TestEnv::new();
    let challenge = env.challenge("/time").await;
    let header = env.voucher(&challenge, 10);
    env.watcher.state().no_admission = Some(ProblemKind::TooManyChannels);
    env.get("/time", &[("authorization", &header)]).await.is(503, "payment-unavailable");
    env.watcher.state().no_admission = None;
    env.get("/time", &[("authorization", &header)]).await.receipt();
}
