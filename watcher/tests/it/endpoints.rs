//! Tests with several endpoints: whatever one of them hides, claims or does not answer, no promise is endangered.

use std::sync::{Arc, Mutex, MutexGuard};

use paychan_channel::xdr::TransactionEnvelope;
use paychan_channel::{AccountId, Address, Amount, ContractId, Ledger, Payability, SacAsset, Stroops, TokenRisk};
use paychan_store::Outcome;
use paychan_watcher::chain::{
    Asking, CallRequest, Chain, ChainError, ChainErrorKind, ChannelRead, CloseHint, CloseHints, EventsFrom, Found,
    Head, InclusionFees, KnownChannel, LaneAccount, NetworkTerms, Prepared, Sent, SeveralEndpoints,
};
use paychan_watcher::view::NotFresh;

use crate::env::{DEPOSIT, MAX_FEE, TestEnv, Watcher, amount, id, lane, recipient};
use crate::heard::Heard;
use paychan_sim::network::{CODE, PASSPHRASE, SimChain, TOKEN};

/// The faults of one endpoint.
#[derive(Debug, Default)]
pub struct Wrong {
    /// Whoever asks this question panics.
    pub panics_at: Option<&'static str>,
    /// It gives no answer.
    down: bool,
    /// It gives no answer to this question.
    down_for: Option<&'static str>,
    /// It asks for a pause.
    busy: bool,
    /// It hides that funders close their channels.
    hides_closes: bool,
    /// It says that everything was paid out.
    claims_paid: bool,
    /// It says, in entries and in events, that a close has begun.
    claims_closing: bool,
    /// It says that channels hold nothing.
    claims_empty: bool,
    /// It says that the issuer has frozen what channels hold.
    claims_frozen: bool,
    /// It says that the recipient can't be paid.
    claims_unpayable: bool,
    /// It says that the fee account is empty and has used other sequence numbers.
    claims_wrong_lane: bool,
    /// It adds this number to its newest ledger.
    ahead: u32,
    /// It says that every transaction is in a ledger.
    claims_included: bool,
    /// It says that transactions are in a ledger that is far ahead.
    names_far_ledgers: bool,
    /// It prepares no transaction.
    prepares_nothing: bool,
    /// It prepares no transaction, with this error.
    fails_to_prepare: Option<ChainErrorKind>,
    /// The number of transactions that it was asked to prepare.
    asked_to_prepare: u32,
    /// Its answers come later than it is asked.
    slow: bool,
    /// The number of questions that it got.
    asked: u32,
}

/// One endpoint of the simulated network.
#[derive(Clone)]
pub struct Endpoint {
    pub sim: SimChain,
    wrong: Arc<Mutex<Wrong>>,
}

impl Endpoint {
    pub fn of(sim: &SimChain) -> Self {
        Self { sim: sim.clone(), wrong: Arc::default() }
    }

    pub fn wrong(&self) -> MutexGuard<'_, Wrong> {
        self.wrong.lock().unwrap()
    }

    fn ask<'a, T: 'a>(
        &'a self,
        question: &'static str,
        answer: Asking<'a, T>,
        change: impl FnOnce(&Wrong, &mut T) + Send + 'a,
    ) -> Asking<'a, T> {
        Box::pin(async move {
            {
                let mut wrong = self.wrong();
                wrong.asked += 1;
                let panics = wrong.panics_at == Some(question);
                drop(wrong);
                assert!(!panics, "this test makes {question} panic");
                let wrong = self.wrong();
                let error = |kind| ChainError { what: "asking", kind, message: "it does not answer".to_owned() };
                if wrong.down || wrong.down_for == Some(question) {
                    return Err(error(ChainErrorKind::Transport));
                }
                if wrong.busy {
                    let retry_after = Some(std::time::Duration::from_secs(60));
                    return Err(error(ChainErrorKind::Busy { retry_after }));
                }
            }
            let slow = self.wrong().slow;
            if slow {
                tokio::task::yield_now().await;
            }
            let mut answer = answer.await?;
            change(&self.wrong(), &mut answer);
            Ok(answer)
        })
    }
}

fn lie(wrong: &Wrong, read: &mut ChannelRead) {
    let ChannelRead::Read(state) = read else { return };
    if wrong.hides_closes {
        state.close_effective_at = None;
    }
    if wrong.claims_closing {
        // The deadline is so far away that it never comes, and moves on with each answer, at a ledger that the others
        // have not reached.
        state.read_at = Ledger(state.read_at.get() + 1);
        state.close_effective_at = Some(Ledger(state.read_at.get() + 10_000));
    }
    if wrong.claims_empty {
        state.balance = Amount::ZERO;
    }
    state.balance_authorized &= !wrong.claims_frozen;
    if wrong.claims_paid {
        state.withdrawn = state.withdrawn.checked_add(state.balance).unwrap();
        state.balance = Amount::ZERO;
        state.refunded = true;
    }
}

impl Chain for Endpoint {
    fn head(&self) -> Asking<'_, Head> {
        self.ask("head", self.sim.head(), |wrong, head| head.ledger = Ledger(head.ledger.get() + wrong.ahead))
    }

    fn closes<'a>(&'a self, since: &'a EventsFrom) -> Asking<'a, CloseHints> {
        self.ask("closes", self.sim.closes(since), |wrong, page| {
            if wrong.hides_closes {
                page.hints.clear();
            }
            if let (true, Some(ledger)) = (wrong.claims_closing, page.scanned_to) {
                let effective_at = Some(Ledger(ledger.get() + 10_000));
                page.hints.push(CloseHint { contract: id(1), ledger, effective_at });
            }
        })
    }

    fn read_channels<'a>(&'a self, channels: &'a [KnownChannel]) -> Asking<'a, Vec<ChannelRead>> {
        self.ask("read_channels", self.sim.read_channels(channels), |wrong, reads| {
            reads.iter_mut().for_each(|read| lie(wrong, read))
        })
    }

    fn first_read<'a>(&'a self, channel: &'a ContractId) -> Asking<'a, ChannelRead> {
        self.ask("first_read", self.sim.first_read(channel), lie)
    }

    fn token_facts<'a>(&'a self, asset: Option<&'a SacAsset>) -> Asking<'a, TokenRisk> {
        self.ask("token_facts", self.sim.token_facts(asset), |_, _| {})
    }

    fn payability<'a>(
        &'a self,
        token: &'a ContractId,
        asset: Option<&'a SacAsset>,
        facts: &'a TokenRisk,
        to: &'a Address,
    ) -> Asking<'a, Payability> {
        self.ask("payability", self.sim.payability(token, asset, facts, to), |wrong, payability| {
            if wrong.claims_unpayable {
                *payability = Payability::NotAuthorized;
            }
        })
    }

    fn token_balance<'a>(&'a self, token: &'a ContractId, holder: &'a Address) -> Asking<'a, Option<Amount>> {
        self.ask("token_balance", self.sim.token_balance(token, holder), |_, _| {})
    }

    fn meets_archived<'a>(&'a self, channel: &'a ContractId) -> Asking<'a, Option<bool>> {
        self.ask("meets_archived", self.sim.meets_archived(channel), |_, _| {})
    }

    fn lane_account<'a>(&'a self, account: &'a AccountId) -> Asking<'a, Option<LaneAccount>> {
        self.ask("lane_account", self.sim.lane_account(account), |wrong, account| {
            if let (true, Some(account)) = (wrong.claims_wrong_lane, account) {
                account.sequence += 1_000;
                account.facts.spendable = Stroops(0);
            }
        })
    }

    fn settings(&self) -> Asking<'_, NetworkTerms> {
        self.ask("settings", self.sim.settings(), |_, _| {})
    }

    fn inclusion_fees(&self) -> Asking<'_, InclusionFees> {
        self.ask("inclusion_fees", self.sim.inclusion_fees(), |_, _| {})
    }

    fn prepare<'a>(&'a self, request: &'a CallRequest) -> Asking<'a, Prepared> {
        let prepared = Box::pin(async move {
            self.wrong().asked_to_prepare += 1;
            let fails = self.wrong().fails_to_prepare;
            match fails {
                Some(kind) => Err(ChainError { what: "preparing", kind, message: "it does not work".to_owned() }),
                None => self.sim.prepare(request).await,
            }
        });
        self.ask("prepare", prepared, |wrong, prepared| {
            if wrong.prepares_nothing {
                *prepared = Prepared::Fails { why: "it says so".to_owned() };
            }
        })
    }

    fn send<'a>(&'a self, envelope: &'a TransactionEnvelope) -> Asking<'a, Sent> {
        self.ask("send", self.sim.send(envelope), |_, _| {})
    }

    fn outcome<'a>(&'a self, hash: &'a [u8; 32]) -> Asking<'a, Found> {
        self.ask("outcome", self.sim.outcome(hash), |wrong, found| {
            if let (true, Found::No { latest, .. }) = (wrong.claims_included, &*found) {
                *found = Found::Included { ledger: *latest, fee_charged: Stroops(100), failed: None };
            }
            if let (true, Found::Included { ledger, .. }) = (wrong.names_far_ledgers, found) {
                *ledger = Ledger(ledger.get() + 1_000_000);
            }
        })
    }
}

/// A watcher with one channel and this number of endpoints that owes 600,000,000.
async fn owing(endpoints: usize) -> (TestEnv, Watcher, Vec<Endpoint>) {
    owing_in(TestEnv::new(1, false), endpoints).await
}

async fn owing_in(mut env: TestEnv, endpoints: usize) -> (TestEnv, Watcher, Vec<Endpoint>) {
    let all: Vec<_> = (0..endpoints).map(|_| Endpoint::of(&env.sim)).collect();
    let named = all.iter().enumerate().map(|(at, one)| (at.to_string(), Arc::new(one.clone()) as Arc<dyn Chain>));
    env.endpoints = Some(Arc::new(SeveralEndpoints::new(named.collect(), PASSPHRASE, env.sim.clock(), 2)));
    let mut watcher = env.watching(1).await;
    env.ledger(&mut watcher).await;
    watcher.offer(1, 600_000_000).await.unwrap();
    (env, watcher, all)
}

/// A watcher that asks one endpoint alone, and owes 600,000,000 on one channel, which closes.
async fn closing_at_one_endpoint() -> (TestEnv, Watcher, Endpoint) {
    let mut env = TestEnv::new(1, false);
    let endpoint = Endpoint::of(&env.sim);
    env.endpoints = Some(Arc::new(endpoint.clone()));
    let watcher = env.watching(1).await;
    watcher.offer(1, 600_000_000).await.unwrap();
    env.sim.network().close_start(id(1));
    (env, watcher, endpoint)
}

#[tokio::test]
async fn a_settlement_that_the_channel_shows_is_confirmed_whatever_ledger_is_named_for_it() {
    let (env, mut watcher, endpoint) = closing_at_one_endpoint().await;
    endpoint.wrong().names_far_ledgers = true;
    for _ in 0..3 {
        env.ledger(&mut watcher).await;
    }
    assert_eq!(env.sim.network().withdrawn(id(1)), amount(600_000_000));
    let outcomes = watcher.store.outcomes(&id(1), 8);
    assert!(matches!(&outcomes[..], [decided] if matches!(decided.outcome, Outcome::Confirmed { .. })), "{outcomes:?}");
}

#[tokio::test]
async fn a_settlement_that_the_channel_does_not_show_raises_an_alarm_and_is_repeated() {
    let (env, mut watcher, endpoint) = closing_at_one_endpoint().await;
    let mut heard = Heard::listen();
    endpoint.wrong().claims_included = true;
    env.sim.network().faults.market = 2 * MAX_FEE;
    for _ in 0..3 {
        env.ledger(&mut watcher).await;
    }
    let alarms = heard.named("settlement_failing");
    assert!(alarms.iter().any(|alarm| alarm.message == "a settlement is not visible on chain"), "{alarms:?}");
    endpoint.wrong().claims_included = false;
    env.sim.network().faults.market = 0;
    let soon = Ledger(env.now().get() + 20);
    assert!(env.settled_by(&mut watcher, 1, amount(600_000_000), soon).await.is_some());
}

#[tokio::test]
async fn an_endpoint_that_is_in_trouble_is_asked_for_two_items_and_one_that_refuses_items_for_all() {
    for (kind, asked) in [(ChainErrorKind::Transport, 2), (ChainErrorKind::Refused, 3)] {
        let mut env = TestEnv::new(3, false);
        let endpoint = Endpoint::of(&env.sim);
        env.endpoints = Some(Arc::new(endpoint.clone()));
        let mut watcher = env.watching(3).await;
        for number in 1..=3 {
            watcher.offer(number, 600_000_000).await.unwrap();
            env.sim.network().close_start(id(number));
        }
        endpoint.wrong().fails_to_prepare = Some(kind);
        env.ledger(&mut watcher).await;
        assert_eq!(endpoint.wrong().asked_to_prepare, asked, "{kind:?}");
    }
}

async fn is_settled(env: &TestEnv, watcher: &mut Watcher) {
    let deadline = env.sim.network().close_start(id(1));
    assert!(env.settled_by(watcher, 1, amount(600_000_000), deadline).await.is_some());
}

#[tokio::test]
async fn one_lying_endpoint_of_three_prevents_no_settlement() {
    type Lie = fn(&mut Wrong);
    let lies: [Lie; 11] = [
        |wrong| wrong.claims_empty = true,
        |wrong| wrong.claims_frozen = true,
        |wrong| wrong.claims_unpayable = true,
        |wrong| wrong.claims_wrong_lane = true,
        |wrong| wrong.down = true,
        |wrong| wrong.busy = true,
        |wrong| wrong.hides_closes = true,
        |wrong| wrong.claims_paid = true,
        |wrong| wrong.ahead = 1_000_000,
        |wrong| wrong.claims_included = true,
        |wrong| wrong.prepares_nothing = true,
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        for liar in 0..3 {
            eprintln!("lie {number} of endpoint {liar}");
            let (env, mut watcher, endpoints) = owing(3).await;
            lie(&mut endpoints[liar].wrong());
            is_settled(&env, &mut watcher).await;
            env.assert_one_in_flight();
        }
    }
}

#[tokio::test]
async fn a_close_that_only_one_endpoint_reports_is_settled() {
    let (env, mut watcher, endpoints) = owing(3).await;
    endpoints[..2].iter().for_each(|endpoint| endpoint.wrong().hides_closes = true);
    is_settled(&env, &mut watcher).await;
}

#[tokio::test]
async fn without_a_quorum_nothing_is_taken_and_settling_goes_on() {
    let (env, mut watcher, endpoints) = owing(3).await;
    endpoints[..2].iter().for_each(|endpoint| endpoint.wrong().down = true);
    env.ledger(&mut watcher).await;
    watcher.offer(1, 600_000_001).await.unwrap_err();
    assert_eq!(watcher.freshness(1), Err(NotFresh::NoQuorum { agreeing: 1, needed: 2, configured: 3 }));
    is_settled(&env, &mut watcher).await;
}

#[tokio::test]
async fn all_who_need_the_same_top_up_wait_for_the_one_reading_that_shows_it() {
    let (env, mut watcher, endpoints) = owing(1).await;
    let more = DEPOSIT + 500;
    env.sim.network().channels.get_mut(&id(1)).unwrap().balance = amount(more);
    env.ledger(&mut watcher).await;
    let asked = {
        let mut wrong = endpoints[0].wrong();
        wrong.slow = true;
        wrong.asked
    };
    let (first, second) = tokio::join!(watcher.offer(1, more - 1), watcher.offer(1, more));
    first.unwrap();
    second.unwrap();
    assert_eq!(endpoints[0].wrong().asked, asked + 1, "a channel is read once a ledger on request");
}

#[tokio::test]
async fn money_is_taken_when_one_of_three_gives_no_answer() {
    let (env, mut watcher, endpoints) = owing(3).await;
    endpoints[0].wrong().down = true;
    env.ledger(&mut watcher).await;
    watcher.offer(1, 600_000_001).await.unwrap();
}

#[tokio::test]
async fn an_endpoint_that_asks_for_a_pause_gets_it_even_if_it_is_the_only_one() {
    for others in [0, 2] {
        let (env, mut watcher, endpoints) = owing(1 + others).await;
        endpoints[0].wrong().busy = true;
        env.ledger(&mut watcher).await;
        let asked = endpoints[0].wrong().asked;
        // Two ledgers are ten seconds, but the endpoint asked for a minute.
        env.ledger(&mut watcher).await;
        env.ledger(&mut watcher).await;
        assert_eq!(endpoints[0].wrong().asked, asked, "with {others} others");
        endpoints[0].wrong().busy = false;
        for _ in 0..14 {
            env.ledger(&mut watcher).await;
        }
        assert!(endpoints[0].wrong().asked > asked, "the minute is over");
    }
}

/// A node that fails at one question, such as that for events, still knows the newest ledger and the entries. If it were
/// left out of everything, the failure of another endpoint would cost the quorum.
#[tokio::test]
async fn an_endpoint_that_leaves_one_question_unanswered_still_counts_for_the_others() {
    let questions =
        ["closes", "read_channels", "first_read", "payability", "lane_account", "settings", "inclusion_fees"];
    for question in questions {
        let (env, _watcher, endpoints) = owing(3).await;
        endpoints[0].wrong().down_for = Some(question);
        endpoints[1].wrong().down = true;
        let chain = env.endpoints.clone().unwrap();
        let to = Address::Account(recipient().account());
        let known = [KnownChannel { channel: id(1), wasm_hash: CODE, token: TOKEN, token_code: None }];
        let _ = match question {
            "closes" => chain.closes(&EventsFrom::Ledger(env.now())).await.err(),
            "read_channels" => chain.read_channels(&known).await.err(),
            "first_read" => chain.first_read(&id(1)).await.err(),
            "payability" => chain.payability(&TOKEN, None, &TokenRisk::Opaque, &to).await.err(),
            "lane_account" => chain.lane_account(&lane().account()).await.err(),
            "settings" => chain.settings().await.err(),
            _ => chain.inclusion_fees().await.err(),
        };
        chain.head().await.unwrap();
        assert_eq!(chain.agreement().agreeing, 2, "after {question}");
    }
}

#[tokio::test]
async fn money_is_taken_when_one_of_three_gives_no_answer_and_another_one_has_no_events() {
    let (env, mut watcher, endpoints) = owing(3).await;
    endpoints[0].wrong().down_for = Some("closes");
    endpoints[1].wrong().down = true;
    ledgers(&env, &mut watcher, 30).await;
    watcher.offer(1, 600_000_001).await.unwrap();
    is_settled(&env, &mut watcher).await;
}

/// Closes this number of ledgers.
async fn ledgers(env: &TestEnv, watcher: &mut Watcher, count: u32) {
    for _ in 0..count {
        env.ledger(watcher).await;
    }
}

#[tokio::test]
async fn below_a_quorum_one_endpoint_can_not_make_anything_look_paid_or_over() {
    let (env, mut watcher, endpoints) = owing(3).await;
    endpoints[..2].iter().for_each(|endpoint| endpoint.wrong().down = true);
    endpoints[2].wrong().claims_paid = true;
    ledgers(&env, &mut watcher, 200).await;
    let known = watcher.view.channel(&id(1)).unwrap();
    assert!(!known.ended && known.state.withdrawn.is_zero(), "{known:?}");
    endpoints.iter().for_each(|endpoint| *endpoint.wrong() = Wrong::default());
    ledgers(&env, &mut watcher, 20).await;
    is_settled(&env, &mut watcher).await;
}

#[tokio::test]
async fn below_a_quorum_one_endpoint_can_not_make_the_store_look_rolled_back() {
    let (env, watcher, endpoints) = owing(3).await;
    drop(watcher);
    endpoints[..2].iter().for_each(|endpoint| endpoint.wrong().down = true);
    endpoints[2].wrong().claims_wrong_lane = true;
    endpoints[2].wrong().claims_paid = true;
    let mut watcher = env.start().await;
    ledgers(&env, &mut watcher, 5).await;
    endpoints.iter().for_each(|endpoint| *endpoint.wrong() = Wrong::default());
    // The endpoints without an answer are asked again after their rest.
    ledgers(&env, &mut watcher, 20).await;
    watcher.offer(1, 600_000_001).await.unwrap();
}

#[tokio::test]
async fn a_start_below_a_quorum_settles_what_one_endpoint_says_is_closing() {
    let (env, watcher, endpoints) = owing(3).await;
    drop(watcher);
    endpoints[..2].iter().for_each(|endpoint| endpoint.wrong().down = true);
    let mut watcher = env.start().await;
    env.ledger(&mut watcher).await;
    is_settled(&env, &mut watcher).await;
}

#[tokio::test]
async fn a_close_that_one_endpoint_makes_up_settles_early_and_ends_nothing() {
    // With two endpoints, no quorum can deny the close of one. It is taken back when that one no longer reports it.
    for (others, goes_on) in [(2, true), (1, false)] {
        // The watcher has the recipient's key, so it would end a closing channel.
        let (env, mut watcher, endpoints) = owing_in(TestEnv::new(1, true), 1 + others).await;
        endpoints[0].wrong().claims_closing = true;
        ledgers(&env, &mut watcher, 20).await;
        watcher.offer(1, 600_000_001).await.unwrap_err();
        assert_eq!(env.sim.network().withdrawn(id(1)), amount(600_000_000), "settled early");
        endpoints[0].wrong().claims_closing = goes_on;
        ledgers(&env, &mut watcher, 150).await;
        watcher.offer(1, 600_000_001).await.unwrap();
        env.assert_one_in_flight();
    }
}

#[tokio::test]
async fn an_endpoint_that_limits_the_rate_is_first_asked_what_settling_needs() {
    let (env, mut watcher, endpoints) = owing(1).await;
    let rest = std::time::Duration::from_secs(60);
    endpoints[0].wrong().busy = true;
    env.ledger(&mut watcher).await;
    *endpoints[0].wrong() = Wrong::default();
    env.sim.clock().advance(rest);
    let chain = env.endpoints.clone().unwrap();
    assert!(chain.lane_account(&lane().account()).await.is_ok(), "a settlement needs it");
    assert!(matches!(
        chain.first_read(&id(1)).await,
        Err(ChainError { kind: ChainErrorKind::Busy { retry_after: Some(_) }, .. })
    ));
    env.sim.clock().advance(std::time::Duration::from_secs(10));
    assert!(chain.first_read(&id(1)).await.is_ok());
}
