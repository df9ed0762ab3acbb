//! Tests a first voucher on a channel that the watcher does not know.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use paychan_channel::{Amount, Commitment, ContractId};
use paychan_mpp::seller::SellerOptions;
use paychan_mpp::wire::{Action, Challenge, ChannelRequest, Credential, Payload};
use paychan_watcher_api::ProblemKind;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::env::{Answer, CHANNEL, COVERAGE, SECRET, TestEnv, challenge_secret, options, request};

/// How long a refusal that needs no look-up may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// The header that pays through `channel`. All channels of these tests have the same commitment key.
fn first_voucher(env: &TestEnv, challenge: &Challenge, channel: ContractId) -> String {
    voucher(env, challenge, channel, 10)
}

fn voucher(env: &TestEnv, challenge: &Challenge, channel: ContractId, amount: u64) -> String {
    let mut terms = challenge.terms.clone();
    let mut request = ChannelRequest::decode(&terms.request).unwrap();
    request.channel = channel;
    terms.request = request.encode().unwrap();
    let challenge = terms.issue(&challenge_secret(SECRET)).unwrap();
    let amount = Amount::from(amount);
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

/// A watcher whose admissions wait, and channels that it does not know yet.
struct Admitting {
    env: TestEnv,
    channels: Vec<ContractId>,
    /// What pays through each channel.
    headers: Vec<String>,
    gate: Arc<Notify>,
}

impl Admitting {
    async fn new(options: SellerOptions) -> Self {
        let env = TestEnv::with(options);
        let challenge = env.challenge("/time").await;
        let gate = Arc::new(Notify::new());
        env.watcher.state().admission_gate = Some(Arc::clone(&gate));
        let channels: Vec<ContractId> = (20..30).map(|number| ContractId([number; 32])).collect();
        for channel in &channels {
            env.watcher.open(*channel, env.key.public(), COVERAGE);
        }
        let headers = channels.iter().map(|channel| first_voucher(&env, &challenge, *channel)).collect();
        Self { env, channels, headers, gate }
    }

    /// The first voucher on channel `number`, from the address `peer`.
    fn buy(&self, number: usize, peer: &str) -> JoinHandle<Answer> {
        self.buy_through(number, peer, None)
    }

    fn buy_through(&self, number: usize, peer: &str, forwarded_for: Option<&str>) -> JoinHandle<Answer> {
        let mut headers = vec![("authorization", self.headers[number].as_str())];
        headers.extend(forwarded_for.map(|addresses| ("x-forwarded-for", addresses)));
        let mut request = request("GET", "/time", &headers);
        let peer = SocketAddr::new(peer.parse().unwrap(), 1_000);
        request.extensions_mut().insert(ConnectInfo(peer));
        tokio::spawn(Answer::to(self.env.app.clone(), request))
    }

    fn admissions(&self) -> usize {
        self.env.watcher.state().admissions
    }

    /// Waits until so many admissions have begun.
    async fn begun(&self, admissions: usize) {
        let waiting = async {
            while self.admissions() < admissions {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the admission begins");
    }

    /// Lets everything happen that needs no admission to end.
    async fn settle(&self) {
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
    }

    fn open_gate(&self) {
        self.env.watcher.state().admission_gate = None;
        self.gate.notify_waiters();
    }
}

async fn answer(asked: JoinHandle<Answer>) -> Answer {
    tokio::time::timeout(PATIENCE, asked).await.expect("it is answered").unwrap()
}

async fn all_paid(asked: impl IntoIterator<Item = JoinHandle<Answer>>) {
    for asked in asked {
        answer(asked).await.receipt();
    }
}

#[tokio::test]
async fn four_channels_are_admitted_at_a_time_and_the_fifth_payer_waits_its_turn() {
    let env = Admitting::new(options()).await;
    let first: Vec<_> = (0..4).map(|number| env.buy(number, &format!("192.0.2.{number}"))).collect();
    env.begun(4).await;
    let fifth = env.buy(4, "192.0.2.4");
    env.settle().await;
    assert_eq!((env.admissions(), env.env.sold()), (4, 0));
    env.open_gate();
    all_paid(first.into_iter().chain([fifth])).await;
    assert_eq!(env.env.watcher.totals(&env.channels[4]), (10, 10));
}

#[tokio::test]
async fn who_waits_too_long_for_a_place_must_ask_again_and_nothing_was_taken() {
    let mut options = options();
    options.admissions.longest_wait = Duration::from_millis(1);
    let env = Admitting::new(options).await;
    let first: Vec<_> = (0..4).map(|number| env.buy(number, &format!("192.0.2.{number}"))).collect();
    env.begun(4).await;
    let fifth = answer(env.buy(4, "192.0.2.4")).await;
    fifth.is(503, "payment-unavailable");
    assert!(fifth.headers.contains_key("retry-after"));
    assert_eq!((env.admissions(), env.env.sold()), (4, 0));
    env.open_gate();
    all_paid(first).await;
    answer(env.buy(4, "192.0.2.4")).await.receipt();
    assert_eq!(env.env.watcher.totals(&env.channels[4]), (10, 10));
}

#[tokio::test]
async fn a_payer_who_fills_its_share_of_the_admissions_leaves_room_for_another_payer() {
    let env = Admitting::new(options()).await;
    // All addresses of an IPv6 network of 64 bits belong to one payer. Two of its vouchers are looked at, and two wait.
    let foe: Vec<_> = (0..4).map(|number| env.buy(number, &format!("2001:db8::{number}"))).collect();
    env.begun(2).await;
    env.settle().await;
    for number in 4..6 {
        let refused = answer(env.buy(number, "2001:db8::9")).await;
        refused.is(503, "payment-unavailable");
        assert!(refused.headers.contains_key("retry-after"));
    }
    assert_eq!(env.admissions(), 2, "whoever waits or is refused costs no look-up");

    let honest = env.buy(7, "192.0.2.1");
    env.begun(3).await;
    assert_eq!(env.admissions(), 3, "the honest payer is let in");
    env.open_gate();
    answer(honest).await.receipt();
    all_paid(foe).await;
    // What was refused took nothing, and its share is free again.
    answer(env.buy(4, "2001:db8::9")).await.receipt();
    assert_eq!(env.env.watcher.totals(&env.channels[4]), (10, 10));
}

#[tokio::test]
async fn foes_who_fill_all_places_and_wait_for_more_do_not_keep_another_payer_out() {
    let env = Admitting::new(options()).await;
    let mut foes = Vec::new();
    for (number, peer) in ["192.0.2.1", "192.0.2.2"].into_iter().cycle().take(8).enumerate() {
        foes.push(env.buy(number, peer));
        env.settle().await;
    }
    env.begun(4).await;
    let honest = env.buy(8, "198.51.100.7");
    env.settle().await;
    assert_eq!(env.admissions(), 4);
    // One admission ends, and its place goes to the honest payer, though four others have waited longer.
    env.gate.notify_one();
    env.begun(5).await;
    env.gate.notify_waiters();
    answer(honest).await.receipt();
    env.open_gate();
    while foes.iter().any(|foe| !foe.is_finished()) {
        env.gate.notify_waiters();
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn vouchers_on_one_unknown_channel_at_the_same_time_share_its_admission() {
    let env = Admitting::new(options()).await;
    let challenge = env.env.challenge("/time").await;
    let second = voucher(&env.env, &challenge, env.channels[0], 20);
    let first = env.buy(0, "192.0.2.1");
    env.begun(1).await;
    let second = request("GET", "/time", &[("authorization", &second)]);
    let second = tokio::spawn(Answer::to(env.env.app.clone(), second));
    env.settle().await;
    assert_eq!(env.admissions(), 1);
    env.open_gate();
    answer(first).await.receipt();
    answer(second).await.receipt();
    assert_eq!((env.admissions(), env.env.watcher.totals(&env.channels[0])), (1, (20, 20)));
}

#[tokio::test]
async fn when_an_admission_fails_all_who_wait_for_it_learn_it_without_another_look() {
    for (kind, status, problem) in [
        (ProblemKind::ForeignCode, 402, "session/channel-refused"),
        (ProblemKind::ChainUnreachable, 503, "payment-unavailable"),
    ] {
        let env = Admitting::new(options()).await;
        env.env.watcher.state().no_admission = Some(kind);
        let asked: Vec<_> = (0..3).map(|_| env.buy(0, "192.0.2.1")).collect();
        env.begun(1).await;
        env.settle().await;
        env.open_gate();
        for asked in asked {
            answer(asked).await.is(status, problem);
        }
        assert_eq!((env.admissions(), env.env.sold()), (1, 0));
    }
}

#[tokio::test]
async fn payers_behind_a_trusted_proxy_have_a_share_each_and_can_not_make_addresses_up() {
    const PROXY: &str = "127.0.0.1";
    let mut options = options();
    options.trusted_proxies = 1;
    options.admissions.longest_wait = Duration::ZERO;
    let env = Admitting::new(options).await;
    let mut asked = Vec::new();
    for (number, claimed) in ["203.0.113.1", "203.0.113.2", "203.0.113.3"].into_iter().enumerate() {
        asked.push(env.buy_through(number, PROXY, Some(&format!("{claimed}, 192.0.2.1"))));
    }
    env.begun(2).await;
    answer(asked.remove(2)).await.is(503, "payment-unavailable");
    asked.push(env.buy_through(4, PROXY, Some("192.0.2.2")));
    env.begun(3).await;
    env.open_gate();
    all_paid(asked).await;
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
    let header = env.paid_get("/time", 10).await;
    env.watcher.state().no_admission = Some(ProblemKind::NotOnChain);
    env.get("/time", &[("authorization", &header)]).await.is(410, "session/channel-not-found");
    tokio::time::sleep(Duration::from_millis(10)).await;
    env.watcher.state().no_admission = None;
    env.get("/time", &[("authorization", &header)]).await.receipt();

    let env = TestEnv::new();
    let header = env.paid_get("/time", 10).await;
    env.watcher.state().no_admission = Some(ProblemKind::TooManyChannels);
    env.get("/time", &[("authorization", &header)]).await.is(503, "payment-unavailable");
    env.watcher.state().no_admission = None;
    env.get("/time", &[("authorization", &header)]).await.receipt();
}
